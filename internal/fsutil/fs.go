package fsutil

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// FS is what hacky's state needs of a file system. Names are paths as for
// package os; errors are those of package os.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Stat(name string) (fs.FileInfo, error)
	Lstat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Mkdir(name string, perm fs.FileMode) error
	Remove(name string) error
	// Rename replaces newName, if it is there, in one step.
	Rename(oldName, newName string) error
	// Link gives a file a second name, which must not be there, in one step.
	Link(oldName, newName string) error
	// Exchange swaps two files in one step. Where the system or the file
	// system cannot, the error satisfies errors.Is(err, errors.ErrUnsupported)
	// and nothing has happened.
	Exchange(a, b string) error
	// SyncDir makes the directory's entries stable: creations, renames, removals.
	SyncDir(name string) error
	// TryLock takes the advisory lock of a file, which it creates if need be,
	// without waiting; ErrLocked when another process has it. The lock ends
	// with unlock or with the process, and children do not inherit it. The
	// open file is returned for what the holder wants to say about itself.
	TryLock(name string) (f File, unlock func() error, err error)
}

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.StringWriter
	io.Closer
	Stat() (fs.FileInfo, error)
	// Sync makes the file stable, SyncData at least what is needed to read its
	// content back.
	Sync() error
	SyncData() error
	Chmod(mode fs.FileMode) error
	Chown(uid, gid int) error
	Truncate(size int64) error
	// Linked reports whether the file has a name still. What cannot be told is
	// taken for yes.
	Linked() bool
}

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// OS is the operating system's file system.
func OS() FS { return osFS{} }

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) SyncData() error {
	if err := fdatasync(f.File); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (osFS) Lstat(name string) (fs.FileInfo, error)     { return os.Lstat(name) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) Rename(oldName, newName string) error       { return os.Rename(oldName, newName) }
func (osFS) Link(oldName, newName string) error         { return os.Link(oldName, newName) }

func (osFS) Exchange(a, b string) error {
	if err := unsupported(exchange(a, b)); err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}

// unsupported makes the errors of a system that cannot exchange files one.
// EPERM is that of a sandbox that does not know the call: where files may not
// be moved, the rename that takes its place says so.
func unsupported(err error) error {
	switch {
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EPERM):
		return errors.ErrUnsupported
	}
	return err
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return syncDir(d)
}

func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some network and user-space file systems cannot, and need not
	}
	return errors.Join(err, d.Close())
}

func (osFS) TryLock(name string) (File, func() error, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, nil, err
	}
	return lockFile(f, name)
}

func lockFile(f *os.File, name string) (File, func() error, error) {
	if err := flock(f); err != nil {
		_ = f.Close() // nothing was written to it
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil, ErrLocked
		}
		return nil, nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	// Unlocked by itself, not by the closing alone: a child that is just being
	// started has a copy of the descriptor until it executes its program.
	return osFile{f}, func() error { return errors.Join(funlock(f), f.Close()) }, nil
}
