// Package faultfs is a file system for tests that fails where it is told to.
//
// It wraps another fsutil.FS, counts every operation (each method of FS and of
// File, and the unlocking of a lock), keeps a log of them, and asks a Fault
// before each. A fault that returns an error keeps the operation from
// happening, with two exceptions: a failed Close or Unlock still gives the
// descriptor back, as the kernel does, and a Torn error lets a Write or WriteAt
// write half of its data first. A fault may also do something of its own, like saving the
// file behind the program's back, and return nil.
//
// A test that wants to know that no single failure does harm asks for Nth(1),
// Nth(2), ... until an operation number is not reached any more. From(n) is a
// process that dies: nothing works any more; the test then reopens the
// directory with the file system below. PowerCut does to the files what a power
// cut may: whatever was written and not synced is cut off.
package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Op is one operation that is about to happen.
type Op struct {
	N    int    // from 1
	Name string // of the method: "OpenFile", "Write", "Sync"; "Unlock"
	Path string // of the file, or the first of two
	To   string // the second of two
	Flag int    // of OpenFile
}

// Fault decides about an operation: nil lets it happen. It is called from one
// goroutine at a time and must not use the FS that asks it.
type Fault func(Op) error

// Nth fails exactly operation n.
func Nth(n int, err error) Fault {
	return func(op Op) error {
		if op.N == n {
			return err
		}
		return nil
	}
}

// From fails operation n and everything after it.
func From(n int, err error) Fault {
	return func(op Op) error {
		if op.N >= n {
			return err
		}
		return nil
	}
}

// Calls fails the calls of one method, the first with the first error and so
// on; nil lets a call happen, as does the end of the list.
func Calls(method string, errs ...error) Fault {
	return func(op Op) error {
		if op.Name != method || len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
}

// Always fails every call of one method.
func Always(method string, err error) Fault {
	return func(op Op) error {
		if op.Name == method {
			return err
		}
		return nil
	}
}

// Torn lets a Write or WriteAt write half of its data before it fails.
func Torn(err error) error { return &tornError{err} }

type tornError struct{ err error }

func (e *tornError) Error() string { return e.err.Error() }
func (e *tornError) Unwrap() error { return e.err }

// FS is the file system that fails.
type FS struct {
	base fsutil.FS

	mu    sync.Mutex
	fault Fault
	log   []Op
	dirty map[string]bool // files with data that was not synced
}

// New wraps base. A nil fault only counts.
func New(base fsutil.FS, fault Fault) *FS {
	return &FS{base: base, fault: fault, dirty: map[string]bool{}}
}

// Fail sets another fault and starts counting anew.
func (f *FS) Fail(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.log = fault, nil
}

// Ops are the operations so far, those that failed included.
func (f *FS) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Op(nil), f.log...)
}

// Count is how often a method was called; with "", how many operations there were.
func (f *FS) Count(method string) int {
	n := 0
	for _, op := range f.Ops() {
		if method == "" || op.Name == method {
			n++
		}
	}
	return n
}

// PowerCut cuts every file in half whose last bytes were written through f and
// not synced. Renames are assumed to have reached the disk: that is the worst
// that can happen to somebody who forgets to sync before them.
func (f *FS) PowerCut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for name := range f.dirty {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.Truncate(name, info.Size()/2)
		}
		errs = append(errs, err)
	}
	f.dirty = map[string]bool{}
	return errors.Join(errs...)
}

// ask counts an operation and asks the fault about it.
func (f *FS) ask(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	op.N = len(f.log) + 1
	f.log = append(f.log, op)
	if f.fault == nil {
		return nil
	}
	err := f.fault(op)
	var torn *tornError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &torn) && (op.Name == "Write" || op.Name == "WriteAt"):
		return torn // told apart by the caller
	case op.To != "":
		return &os.LinkError{Op: op.Name, Old: op.Path, New: op.To, Err: err}
	}
	return &fs.PathError{Op: op.Name, Path: op.Path, Err: err}
}

// mark notes whether a file has data that was not synced.
func (f *FS) mark(name string, dirty bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty[filepath.Clean(name)] = dirty
	if !dirty {
		delete(f.dirty, filepath.Clean(name))
	}
}

func (f *FS) isDirty(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dirty[filepath.Clean(name)]
}

// OpenFile is fsutil.FS's.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (fsutil.File, error) {
	if err := f.ask(Op{Name: "OpenFile", Path: name, Flag: flag}); err != nil {
		return nil, err
	}
	file, err := f.base.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{fs: f, File: file, name: name}, nil
}

// Stat is fsutil.FS's.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if err := f.ask(Op{Name: "Stat", Path: name}); err != nil {
		return nil, err
	}
	return f.base.Stat(name)
}

// Lstat is fsutil.FS's.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	if err := f.ask(Op{Name: "Lstat", Path: name}); err != nil {
		return nil, err
	}
	return f.base.Lstat(name)
}

// ReadDir is fsutil.FS's.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.ask(Op{Name: "ReadDir", Path: name}); err != nil {
		return nil, err
	}
	return f.base.ReadDir(name)
}

// Mkdir is fsutil.FS's.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	if err := f.ask(Op{Name: "Mkdir", Path: name}); err != nil {
		return err
	}
	return f.base.Mkdir(name, perm)
}

// Remove is fsutil.FS's.
func (f *FS) Remove(name string) error {
	if err := f.ask(Op{Name: "Remove", Path: name}); err != nil {
		return err
	}
	return f.base.Remove(name)
}

// Rename is fsutil.FS's.
func (f *FS) Rename(oldName, newName string) error {
	if err := f.ask(Op{Name: "Rename", Path: oldName, To: newName}); err != nil {
		return err
	}
	if err := f.base.Rename(oldName, newName); err != nil {
		return err
	}
	f.mark(newName, f.isDirty(oldName))
	f.mark(oldName, false)
	return nil
}

// Link is fsutil.FS's.
func (f *FS) Link(oldName, newName string) error {
	if err := f.ask(Op{Name: "Link", Path: oldName, To: newName}); err != nil {
		return err
	}
	if err := f.base.Link(oldName, newName); err != nil {
		return err
	}
	f.mark(newName, f.isDirty(oldName))
	return nil
}

// Exchange is fsutil.FS's.
func (f *FS) Exchange(a, b string) error {
	if err := f.ask(Op{Name: "Exchange", Path: a, To: b}); err != nil {
		return err
	}
	if err := f.base.Exchange(a, b); err != nil {
		return err
	}
	dirtyA, dirtyB := f.isDirty(a), f.isDirty(b)
	f.mark(a, dirtyB)
	f.mark(b, dirtyA)
	return nil
}

// SyncDir is fsutil.FS's.
func (f *FS) SyncDir(name string) error {
	if err := f.ask(Op{Name: "SyncDir", Path: name}); err != nil {
		return err
	}
	return f.base.SyncDir(name)
}

// TryLock is fsutil.FS's.
func (f *FS) TryLock(name string) (fsutil.File, func() error, error) {
	if err := f.ask(Op{Name: "TryLock", Path: name}); err != nil {
		return nil, nil, err
	}
	file, unlock, err := f.base.TryLock(name)
	if err != nil {
		return nil, nil, err
	}
	return &faultFile{fs: f, File: file, name: name}, func() error {
		err := f.ask(Op{Name: "Unlock", Path: name})
		return errors.Join(err, unlock())
	}, nil
}

// faultFile is an open file of an FS.
type faultFile struct {
	fsutil.File
	fs   *FS
	name string
}

func (f *faultFile) ask(method string) error { return f.fs.ask(Op{Name: method, Path: f.name}) }

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.ask("Read"); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultFile) Write(p []byte) (int, error) {
	err := f.ask("Write")
	var torn *tornError
	if err != nil && !errors.As(err, &torn) {
		return 0, err
	}
	if torn != nil {
		p = p[:len(p)/2]
	}
	n, werr := f.File.Write(p)
	f.fs.mark(f.name, true)
	return n, errors.Join(err, werr)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.ask("WriteAt")
	var torn *tornError
	if err != nil && !errors.As(err, &torn) {
		return 0, err
	}
	if torn != nil {
		p = p[:len(p)/2]
	}
	n, werr := f.File.WriteAt(p, off)
	f.fs.mark(f.name, true)
	return n, errors.Join(err, werr)
}

func (f *faultFile) SyncData() error {
	if err := f.ask("SyncData"); err != nil {
		return err
	}
	f.fs.mark(f.name, false)
	return f.File.SyncData()
}

func (f *faultFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *faultFile) Stat() (fs.FileInfo, error) {
	if err := f.ask("File.Stat"); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *faultFile) Sync() error {
	if err := f.ask("Sync"); err != nil {
		return err
	}
	f.fs.mark(f.name, false)
	return f.File.Sync()
}

func (f *faultFile) Chmod(mode fs.FileMode) error {
	if err := f.ask("Chmod"); err != nil {
		return err
	}
	return f.File.Chmod(mode)
}

func (f *faultFile) Chown(uid, gid int) error {
	if err := f.ask("Chown"); err != nil {
		return err
	}
	return f.File.Chown(uid, gid)
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.ask("Truncate"); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Close() error {
	err := f.ask("Close")
	return errors.Join(err, f.File.Close())
}
