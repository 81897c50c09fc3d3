package fsutil

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Replacement describes a new content for a file.
type Replacement struct {
	Path string // not a symbolic link: that would become a file
	// Perm is the new file's mode. 0 means the old one's, which then has to
	// exist. The owner is the old one's in any case, if there is one.
	Perm fs.FileMode
	// Fresh, with Perm 0, is the mode of a file that was not there before; the
	// umask counts.
	Fresh fs.FileMode
	// Write writes the content. It is called once more if Stage turns out to be
	// no place to move a file from.
	Write func(io.Writer) error
	// Stage is the directory for the temp file, so that nobody who lists that of
	// Path ever sees it. With "", and where Stage is missing, no directory, or on
	// another file system, the temp file is beside Path.
	Stage string
	// Base, if not zero, is the file that the content was made from. If another
	// one is there, it stays, and the error is ErrChanged. Where the file system
	// can exchange files this holds up to the last instant.
	Base Identity
}

// ErrChanged says that somebody else saved the file since its content was
// read. Theirs is in place.
var ErrChanged = errors.New("another program has saved the file meanwhile")

// Replace does it: temp file, write, fsync, close, exchange or rename, fsync the
// directory. On an error the file is the old or
// the new one, whole. info is what Stat says of the new file; not nil together
// with an error, it tells that the new file is in place, but perhaps not on
// stable storage, or that the old one could not be removed.
func Replace(fsys FS, r Replacement) (info fs.FileInfo, err error) {
	old, err := fsys.Lstat(r.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.Perm|r.Fresh != 0 && r.Base == Identity{}:
		old = nil
	case err != nil:
		return nil, err
	case r.Base != Identity{} && IdentityOf(old) != r.Base:
		return nil, ErrChanged
	}
	dir := filepath.Dir(r.Path)
	info, err = replaceFrom(fsys, stageOf(fsys, r), old, r)
	if errors.Is(err, syscall.EXDEV) { // one device, and two mounts of it
		info, err = replaceFrom(fsys, dir, old, r)
	}
	if err != nil && !errors.Is(err, errPlaced) {
		return nil, err
	}
	if serr := fsys.SyncDir(dir); serr != nil {
		err = errors.Join(err, fmt.Errorf("sync directory %s: %w", dir, serr))
	}
	return info, err
}

// replaceFrom is Replace with the temp file in a certain directory, and without
// the fsync of the one it goes to.
func replaceFrom(fsys FS, stage string, old fs.FileInfo, r Replacement) (info fs.FileInfo, err error) {
	temp := filepath.Join(stage, TempName(filepath.Base(r.Path)))
	mode := fs.FileMode(0o600)
	if old == nil && r.Perm == 0 {
		mode = r.Fresh
	}
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	info, err = fill(f, old, r)
	if err == nil {
		err = place(fsys, temp, info, r)
	}
	if err != nil && !errors.Is(err, errPlaced) {
		return nil, errors.Join(err, remove(fsys, temp))
	}
	return info, err
}

// stageOf is the directory in which the temp file is made.
func stageOf(fsys FS, r Replacement) string {
	dir := filepath.Dir(r.Path)
	if r.Stage == "" {
		return dir
	}
	stage, err := fsys.Lstat(r.Stage)
	if err != nil || !stage.IsDir() {
		return dir
	}
	target, err := fsys.Stat(dir)
	if err != nil || IdentityOf(target).dev != IdentityOf(stage).dev {
		return dir
	}
	return r.Stage
}

// errPlaced marks an error after the new file was put in place.
var errPlaced = errors.New("the new file is in place")

// place puts the temp file where it belongs.
func place(fsys FS, temp string, ours fs.FileInfo, r Replacement) error {
	if r.Base == (Identity{}) {
		return fsys.Rename(temp, r.Path)
	}
	err := fsys.Exchange(temp, r.Path)
	if errors.Is(err, errors.ErrUnsupported) {
		old, err := fsys.Lstat(r.Path)
		if err != nil {
			return err
		}
		if IdentityOf(old) != r.Base {
			return ErrChanged
		}
		return fsys.Rename(temp, r.Path)
	}
	if err != nil {
		return err
	}
	old, err := fsys.Lstat(temp)
	if err == nil && IdentityOf(old) != r.Base {
		err = ErrChanged
	}
	if err != nil {
		return putBack(fsys, temp, r.Path, IdentityOf(ours), err)
	}
	if err := remove(fsys, temp); err != nil {
		return fmt.Errorf("%w: %w", errPlaced, err)
	}
	return nil
}

// putBack undoes an exchange because of cause: what came out of it may be
// somebody's only copy. Should the undoing meet yet another save, that one is
// the latest and goes in again, until what comes out is what this process put
// in last.
func putBack(fsys FS, temp, path string, in Identity, cause error) error {
	for {
		var theirs Identity
		if info, err := fsys.Lstat(temp); err == nil {
			theirs = IdentityOf(info)
		}
		if err := fsys.Exchange(temp, path); err != nil {
			if rerr := fsys.Rename(temp, path); rerr != nil {
				return fmt.Errorf("%w: what another program saved is in %s: %w", errPlaced, temp, errors.Join(err, rerr))
			}
			return cause
		}
		out, err := fsys.Lstat(temp)
		if err != nil || IdentityOf(out) == in {
			return cause
		}
		in = theirs
	}
}

// WriteNew makes a file that must not be there, and returns when it is on
// stable storage. On an error it is not there.
func WriteNew(fsys FS, path string, perm fs.FileMode, write func(io.Writer) error) error {
	return writeNew(fsys, path, perm, Replacement{Perm: perm, Write: write})
}

// writeNew is WriteNew for a Replacement, of which Perm 0 lets the umask count.
func writeNew(fsys FS, path string, perm fs.FileMode, r Replacement) error {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if _, err = fill(f, nil, r); err == nil {
		err = fsys.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(err, remove(fsys, path))
	}
	return nil
}

// PlaceNew makes a file that must not be there, whole or not at all even if
// the process is killed: it is written to a temp file in the directory stage,
// on the same file system, which then gets its name. SweepTemps finds in stage
// what a killed one has left. When it returns, the file is on stable storage. On
// an error it is not there. The umask counts. Where files cannot have a second
// name, it is written in its place.
func PlaceNew(fsys FS, path, stage string, perm fs.FileMode, write func(io.Writer) error) error {
	temp := filepath.Join(stage, TempName(filepath.Base(path)))
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if _, err = fill(f, nil, Replacement{Write: write}); err == nil {
		err = fsys.Link(temp, path)
	}
	placed := err == nil
	err = errors.Join(err, remove(fsys, temp))
	switch {
	case placed && err == nil:
		err = fsys.SyncDir(filepath.Dir(path))
	case !placed && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EMLINK)):
		return writeNew(fsys, path, perm, Replacement{Write: write})
	}
	if placed && err != nil {
		err = errors.Join(err, remove(fsys, path))
	}
	return err
}

// remove removes a file that may be gone already.
func remove(fsys FS, name string) error {
	if err := fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fill writes, syncs and closes the temp file. After a failed fsync the next
// one on the same descriptor may lie, so an error is final for this file.
func fill(f File, old fs.FileInfo, r Replacement) (info fs.FileInfo, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := r.Write(w); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	if err := likeOld(f, old, r.Perm); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}

// likeOld gives the new file the old one's owner and its mode, before the
// fsync that makes them stable.
func likeOld(f File, old fs.FileInfo, perm fs.FileMode) error {
	if old == nil && perm == 0 { // as it was opened, and the umask says
		return nil
	}
	if old == nil {
		return f.Chmod(perm)
	}
	if was, ok := old.Sys().(*syscall.Stat_t); ok {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if is, ok := info.Sys().(*syscall.Stat_t); ok && (is.Uid != was.Uid || is.Gid != was.Gid) {
			// Who may write the directory but not give files away still has to
			// be able to save; the file is his then, and the group's if it can be.
			err := f.Chown(int(was.Uid), int(was.Gid))
			if errors.Is(err, fs.ErrPermission) {
				err = f.Chown(-1, int(was.Gid))
			}
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	if perm == 0 {
		perm = old.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	}
	return f.Chmod(perm)
}

// PrivateDir is the name of the directory in a session for everything that is
// private to hacky: journal, temp files, locks, holds, reserve, backups
// (docs/design/0016-private-directory.md).
const PrivateDir = ".hacky"

const (
	tempSuffix = ".hacky-tmp"
	tempRandom = 8 // bytes in a name that are not to be guessed
)

// TempName is a name, not used before, for a file that will replace base.
// SweepTemps knows it.
func TempName(base string) string {
	var random [tempRandom]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	return "." + base + "." + hex.EncodeToString(random[:]) + tempSuffix
}

// SweepTemps removes what Replace left beside the file base in dir when its
// process died. It must not run beside a Replace of the same file: hold the
// lock. It returns the names removed.
func SweepTemps(fsys FS, dir, base string) ([]string, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !isTempOf(name, base) {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, name)
	}
	return removed, errors.Join(errs...)
}

func isTempOf(name, base string) bool {
	return IsTemp(name) && strings.HasPrefix(name, "."+base+".") && len(name) == len("."+base+".")+2*tempRandom+len(tempSuffix)
}

// IsTemp reports whether a name is one that TempName makes for some file.
func IsTemp(name string) bool {
	rest, ok := strings.CutSuffix(name, tempSuffix)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 1 || name[0] != '.' {
		return false
	}
	_, err := hex.DecodeString(rest[dot+1:])
	return err == nil && len(rest)-dot-1 == 2*tempRandom
}

// Identity tells whether a file is still the one that was read or written: it
// changes with every save, in place or by rename.
type Identity struct {
	dev, ino  uint64
	size      int64
	mtimeNano int64
}

// String is the identity as text; equal identities have equal texts.
func (id Identity) String() string {
	return fmt.Sprintf("%d:%d:%d:%d", id.dev, id.ino, id.size, id.mtimeNano)
}

// IdentityOf is the identity of the file that info describes.
func IdentityOf(info fs.FileInfo) Identity {
	id := Identity{size: info.Size(), mtimeNano: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino = uint64(st.Dev), st.Ino //nolint:unconvert // an int32 on macOS
	}
	return id
}
