package session

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Files is the way to the files of a session: without symbolic links, and to
// regular files only (fsutil.Within), except that the backlog itself may be a
// link.
func (l Location) Files() fsutil.FS {
	dirs := []string{l.Dir, filepath.Dir(l.real()), filepath.Dir(resolved(l))}
	if path, err := filepath.EvalSymlinks(l.Path()); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	return fsutil.Within(l.Path(), dirs...)
}

// Inspect refuses a session with anything in it, where hacky's own files are,
// that hacky would not have made: a link, a pipe, a device. The error, a
// *fsutil.RefusedError, names it. Nothing is opened but directories.
func Inspect(l Location) error {
	fsys, path := l.Files(), l.real()
	for _, name := range []string{l.RecoveryPath(), path + ".journal"} {
		if err := inspectEntry(fsys, name, false); err != nil {
			return err
		}
	}
	if err := inspectDir(fsys, filepath.Dir(hiddenOf(path, "x")), hiddenEntry); err != nil {
		return err
	}
	return inspectDir(fsys, filepath.Join(l.Dir, fsutil.ArtifactsDir), artifactsEntry)
}

// hiddenEntry: what is in .hacky/ are files. What a newer hacky keeps in a
// directory is its own.
func hiddenEntry(e fs.DirEntry) (look, dir bool) { return true, e.IsDir() && !hiddenFile(e.Name()) }

// hiddenFile reports whether a name in .hacky/ is that of a file.
func hiddenFile(name string) bool {
	for _, prefix := range []string{"journal", "reserve-", ".gitignore"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".json") || fsutil.IsTemp(name)
}

// artifactsEntry: what is in artifacts/ are the directories of items and files
// of lines. What people keep there besides is theirs, and hacky does not open it.
func artifactsEntry(e fs.DirEntry) (look, dir bool) {
	if _, err := backlog.ParseID(e.Name()); err == nil {
		return true, true
	}
	return strings.HasSuffix(e.Name(), ".ndjson"), false
}

func inspectDir(fsys fsutil.FS, dir string, entry func(fs.DirEntry) (look, dir bool)) error {
	if err := inspectEntry(fsys, dir, true); err != nil {
		return err
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil { // missing, or not to be read: opening its files says why
		return refused(err)
	}
	for _, e := range entries {
		if look, dirWanted := entry(e); look {
			if err := fsutil.Refuse(filepath.Join(dir, e.Name()), e.Type(), dirWanted); err != nil {
				return err
			}
		}
	}
	return nil
}

func inspectEntry(fsys fsutil.FS, name string, dir bool) error {
	info, err := fsys.Lstat(name)
	if err != nil {
		return refused(err)
	}
	return fsutil.Refuse(name, info.Mode(), dir)
}

// refused is err if it says that a path was refused, else nil.
func refused(err error) error {
	var r *fsutil.RefusedError
	if errors.As(err, &r) {
		return r
	}
	return nil
}
