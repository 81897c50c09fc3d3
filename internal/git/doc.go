// Package git asks the git command line what a run wants to know of the
// repository around a directory, and commits what a subtask changed.
//
// git is never asked through a shell and never asks back: no terminal, no
// standard input, no editor. Its messages are English, its names are those of
// the disk, byte for byte (-z everywhere, pathspecs literal). What it reads takes
// no locks. Variables that point git elsewhere (GIT_DIR, GIT_INDEX_FILE) are not
// passed on; hacky may have been started by a hook. When the context ends, git
// and all that it started get SIGTERM, so that it removes its locks, and then
// SIGKILL.
//
// Commit leaves alone what was there before: it works in a copy of the index,
// and touches the real one only after the commit, for the committed paths only.
package git
