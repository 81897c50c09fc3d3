package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options are what a commit is told.
type Options struct {
	Message string                 // as it is but for white space at ends of lines
	Exclude func(path string) bool // paths as Rel returns them; nil excludes none
}

// Result is what a commit did.
type Result struct {
	Hash    string   // "" if there was nothing to commit
	Files   []string // what the commit changed, sorted
	LeftOut []string // changed since the snapshot, but not for this commit to take, see Commit; sorted
}

const (
	attempts    = 3                // at a commit, while others move HEAD or remove files
	lockWait    = 5 * time.Second  // for another git to leave the index
	afterCommit = 30 * time.Second // to bring the index up to a commit that is made
)

// Commit commits what changed in the work tree since the snapshot: all paths
// that are dirty now and were clean then, but for the excluded ones. What was
// dirty before stays as it is, staged or not; if it was changed further, nobody
// can tell the two changes apart, so it is left out and reported in LeftOut,
// and so is a new repository inside the work tree.
//
// Hooks run as with git commit; what a hook adds to the commit is in it. If
// HEAD has moved since the snapshot, what is left is committed on top of it.
//
// Errors to branch on are *HookError, *UnfinishedError, *IdentityError and *LockedError;
// after all of them, and after the end of the context, work tree and index are
// as before. An error together with a Hash says that the commit is made and the
// index is behind it.
//
// One Commit in a work tree runs at a time, whichever hacky it is of. What other subtasks write into the same
// work tree meanwhile cannot be told apart and is committed with it.
func (r *Repo) Commit(ctx context.Context, since *Snapshot, o Options) (Result, error) {
	message := strings.ReplaceAll(o.Message, "\x00", "")
	if strings.TrimSpace(message) == "" {
		return Result{}, errors.New("commit: the message is empty")
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	for n := 1; ; n++ {
		res, err := r.commit(ctx, since, message, o.Exclude)
		if n == attempts || res.Hash != "" || !isRace(err) {
			return res, err
		}
	}
}

// lock waits for its turn to commit in this work tree. git itself would let two
// commits share one file for their messages, and mix them up. What cannot be
// locked (some network file systems) is not.
func (r *Repo) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.Open(r.gitDir)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	unlock = func() { _ = f.Close() } // only locked
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			return unlock, nil
		}
		if err := pause(ctx); err != nil {
			unlock()
			return nil, err
		}
	}
}

// pause is between two looks at what another process holds.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", context.Cause(ctx))
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// isRace tells errors that come from what others did at the same time: HEAD was
// moved, the message's file was emptied, a file went away after it was listed.
func isRace(err error) bool {
	var exit *exitError
	return errors.As(err, &exit) && (strings.Contains(exit.said, "cannot lock ref 'HEAD'") ||
		strings.Contains(exit.said, "empty commit message") || strings.Contains(exit.said, "did not match any file"))
}

func (r *Repo) commit(ctx context.Context, since *Snapshot, message string, exclude func(string) bool) (Result, error) {
	now, err := r.status(ctx)
	if err != nil {
		return Result{}, err
	}
	var res Result
	var take, untracked, replaced []string
	unmerged := false
	for path, st := range now {
		unmerged = unmerged || st.unmerged
		if exclude != nil && exclude(path) {
			continue
		}
		was, dirty := since.dirty[path]
		is := r.identify(path)
		switch {
		case dirty && was == is:
		case dirty, st.nested:
			res.LeftOut = append(res.LeftOut, path)
		case is.mode.IsDir() && !st.submodule:
			replaced = append(replaced, path)
		default:
			take = append(take, path)
			if st.untracked {
				untracked = append(untracked, path)
			}
		}
	}
	// git replaces a file by what is now below it, if told of that only.
	for _, path := range replaced {
		if !slices.ContainsFunc(take, func(p string) bool { return strings.HasPrefix(p, path+"/") }) {
			res.LeftOut = append(res.LeftOut, path)
		}
	}
	slices.Sort(res.LeftOut)
	if len(take) == 0 {
		return res, nil
	}
	if err := r.checkReady(ctx, unmerged); err != nil {
		return res, err
	}
	dir, err := os.MkdirTemp("", "hacky-commit-")
	if err != nil {
		return res, fmt.Errorf("commit: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the temporary directory is swept by others
	c := &commit{repo: r, dir: dir}
	if err := c.prepare(ctx, take, untracked, message); err != nil {
		return res, err
	}
	hash, err := c.make(ctx)
	if err != nil || hash == "" {
		return res, err
	}
	res.Hash = hash
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterCommit)
	defer cancel()
	res.Files, err = r.catchUp(ctx, hash, since)
	if err != nil {
		err = fmt.Errorf("commit %s is made, but the index does not know yet: type git reset -- FILE for its files: %w", hash, err)
	}
	return res, err
}

// CanCommit says what would keep every Commit from being made, as things are
// now: an *UnfinishedError or an *IdentityError.
func (r *Repo) CanCommit(ctx context.Context) error { return r.checkState(ctx, false) }

// checkReady says whether a commit can be made at all, and waits for its turn.
func (r *Repo) checkReady(ctx context.Context, unmerged bool) error {
	if err := r.checkState(ctx, unmerged); err != nil {
		return err
	}
	return r.awaitIndex(ctx)
}

func (r *Repo) checkState(ctx context.Context, unmerged bool) error {
	for _, sign := range []struct{ file, what string }{
		{"rebase-merge", "rebase"}, {"rebase-apply/applying", "am"}, {"rebase-apply", "rebase"}, {"MERGE_HEAD", "merge"},
		{"CHERRY_PICK_HEAD", "cherry-pick"}, {"REVERT_HEAD", "revert"}, {"BISECT_LOG", "bisect"},
	} {
		if _, err := os.Lstat(filepath.Join(r.gitDir, sign.file)); err == nil {
			return &UnfinishedError{What: sign.what, Top: r.top}
		}
	}
	if unmerged { // as after git stash pop
		return &UnfinishedError{What: "conflict", Top: r.top}
	}
	for _, who := range []string{"GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"} {
		_, err := r.output(ctx, "-c", "user.useConfigOnly=true", "var", who)
		if exitCode(err) == 128 {
			return &IdentityError{Top: r.top}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitIndex waits while another git writes the index.
func (r *Repo) awaitIndex(ctx context.Context) error {
	lock := filepath.Join(r.gitDir, "index.lock")
	for deadline := time.Now().Add(lockWait); ; {
		if _, err := os.Lstat(lock); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("commit: %w", &LockedError{Top: r.top, Lock: lock})
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// commit is a commit in the making.
//
// It is git commit --only in a copy of the index: git itself builds the tree out
// of HEAD and the paths, runs the hooks, and moves HEAD only if it still is what
// the tree was built on. Building the tree here and handing git the index would
// undo a commit that an agent makes in between. The copy is there because
// --only wants untracked files added before, and nothing is to be taken back
// in the real index when a hook fails.
type commit struct {
	repo *Repo
	dir  string // temporary, of this commit
	args []string
	env  []string
}

func (c *commit) prepare(ctx context.Context, take, untracked []string, message string) error {
	index := filepath.Join(c.dir, "index")
	c.env = []string{"GIT_INDEX_FILE=" + index}
	if err := copyIndex(filepath.Join(c.repo.gitDir, "index"), index); err != nil {
		return fmt.Errorf("copy the index: %w", err)
	}
	if len(untracked) > 0 {
		add := call{args: []string{"update-index", "--add", "--remove", "--replace", "-z", "--stdin"}, env: c.env, stdin: lines(untracked)}
		if err := c.repo.run(ctx, add); err != nil {
			return err
		}
	}
	// Pathspecs are marked literal one by one: GIT_LITERAL_PATHSPECS would
	// reach the hooks.
	specs := make([]string, len(take))
	for i, path := range take {
		specs[i] = ":(top,literal)" + path
	}
	pathFile, messageFile := filepath.Join(c.dir, "paths"), filepath.Join(c.dir, "message")
	if err := os.WriteFile(pathFile, lines(specs), 0o600); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := os.WriteFile(messageFile, []byte(message), 0o600); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	// Automatic maintenance would stay behind as a process of its own.
	c.args = []string{"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.abbrev=40", "commit", "--only",
		"--cleanup=whitespace", "--file=" + messageFile, "--pathspec-from-file=" + pathFile, "--pathspec-file-nul"}
	return nil
}

// copyIndex copies an index, if there is one, and its time, too: git reads a
// file again if it was written in the same tick as the index, or after it; a
// tick is a second for many a git.
func copyIndex(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// lines are the paths with a NUL after each.
func lines(paths []string) []byte { return []byte(strings.Join(paths, "\x00") + "\x00") }

// make makes the commit and returns its hash, "" if there was nothing to commit.
func (c *commit) make(ctx context.Context) (string, error) {
	before, err := c.repo.Head(ctx)
	if err != nil {
		return "", err
	}
	var said tail
	var summary head
	index, err := os.Stat(filepath.Join(c.dir, "index"))
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	failure := c.repo.run(ctx, call{args: c.args, env: c.env, stdout: &summary, stderr: &said})
	after := context.WithoutCancel(ctx)
	if hash := summaryHash(string(summary.kept)); hash != "" {
		if len(before) != len(hash) { // the first commit, or a longer hash that was shortened
			return c.repo.line(after, "rev-parse", "--verify", hash+"^{commit}")
		}
		return hash, nil
	}
	// git replaces its index once HEAD is moved. Then come only the post-commit
	// hook and the summary, at any of which the context may end.
	if now, err := os.Stat(filepath.Join(c.dir, "index")); err == nil && !os.SameFile(index, now) {
		onTop := []string{"rev-list", "--first-parent", "--reverse", "HEAD"}
		if before != "" {
			onTop = append(onTop, "^"+before)
		}
		out, err := c.repo.output(after, onTop...)
		hash, _, _ := strings.Cut(out, "\n")
		return hash, err
	}
	if exitCode(failure) != 1 {
		return "", failure
	}
	// Either a hook refused, or the index knew of changes that the work tree has no more.
	dry := append(slices.Clip(c.args), "--dry-run")
	switch again := c.repo.run(ctx, call{args: dry, env: c.env}); { // runs no hooks
	case isRace(again):
		return "", again
	case exitCode(again) == 1:
		return "", nil
	}
	if hooks := c.repo.hooks(ctx); len(hooks) > 0 {
		return "", &HookError{Hooks: hooks, Output: said.String()}
	}
	return "", failure
}

// summaryHash is the hash in "[branch hash] subject"; a branch's name has no
// spaces.
func summaryHash(summary string) string {
	label, _, _ := strings.Cut(summary, "] ")
	hash, _ := asHash(label[strings.LastIndexByte(label, ' ')+1:])
	return hash
}

// hooks are the hooks that can refuse a commit.
func (r *Repo) hooks(ctx context.Context) []string {
	dir, err := r.line(ctx, "rev-parse", "--git-path", "hooks")
	if err != nil {
		return nil
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(r.top, dir)
	}
	var out []string
	for _, hook := range []string{"pre-commit", "prepare-commit-msg", "commit-msg"} {
		if info, err := os.Stat(filepath.Join(dir, hook)); err == nil && info.Mode()&0o111 != 0 {
			out = append(out, hook)
		}
	}
	return out
}

// catchUp lists what a commit changed, and brings the index up to it: exactly
// to what was committed, as the work tree may have changed since. What was
// dirty before is the user's, even if a hook committed it.
func (r *Repo) catchUp(ctx context.Context, hash string, since *Snapshot) ([]string, error) {
	var files []string
	var entries []byte
	meta := ""
	parse := &records{each: func(rec string) error {
		if meta == "" {
			meta = rec
			return nil
		}
		fields := strings.Fields(strings.TrimPrefix(meta, ":")) // old mode, mode, old hash, hash, letter
		if meta = ""; len(fields) != 5 {
			return fmt.Errorf("not a line of git diff-tree: %q", rec)
		}
		files = append(files, rec)
		if _, dirty := since.dirty[rec]; !dirty {
			entries = fmt.Appendf(entries, "%s %s\t%s\x00", fields[1], fields[3], rec)
		}
		return nil
	}}
	err := r.run(ctx, call{stdout: parse, args: reading("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--no-renames", hash)})
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	if len(entries) == 0 {
		return files, nil
	}
	for {
		if err := r.awaitIndex(ctx); err != nil {
			return files, err
		}
		err := r.run(ctx, call{stdin: entries, args: []string{"update-index", "-z", "--index-info"}})
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "index.lock") {
			return files, err
		}
	}
	// Sizes and times of the files, for programs that do not look further.
	_ = r.run(ctx, call{args: []string{"update-index", "-q", "--refresh"}}) // says 1 about whatever is dirty
	return files, nil
}
