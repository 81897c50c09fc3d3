package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Shelter is a directory outside the session that keeps updates when the
// session's own directory cannot be written (§5.6).
type Shelter struct {
	Dir      string // made, with its parents, when it is needed
	Volatile bool   // a reboot may empty it
}

// Place is a file in which updates wait to be recovered.
type Place struct {
	Path     string
	Volatile bool
}

// Waiting lists the files in which updates of a session wait: its recovery
// file, the one made of the reserve where that could not be moved, and those in
// the shelters. Files that another user put into a shelter are none.
func Waiting(l Location, shelters []Shelter) []Place { return listWaiting(l.Files(), l, shelters) }

func listWaiting(fsys fsutil.FS, l Location, shelters []Shelter) []Place {
	var out []Place
	if present(fsys, l.RecoveryPath()) {
		out = append(out, Place{Path: l.RecoveryPath()})
	}
	path := resolved(l)
	if moved := besideReserve(path); present(fsys, moved) {
		out = append(out, Place{Path: moved})
	}
	if name := reserve(path); reserveUsed(fsys, name) {
		out = append(out, Place{Path: name})
	}
	for _, sh := range shelters {
		for _, name := range sheltered(fsys, sh.Dir, path) {
			out = append(out, Place{name, sh.Volatile})
		}
	}
	return out
}

// present also says yes where it cannot be told: better a look too many.
func present(fsys fsutil.FS, name string) bool {
	_, err := fsys.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// resolved is the backlog's absolute path without symbolic links. It may be
// missing; its directory is what counts then.
func resolved(l Location) string {
	path := l.Path()
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if dir, err := filepath.EvalSymlinks(l.Dir); err == nil {
		path = filepath.Join(dir, l.Name)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// A shelter serves many sessions. A file's name there tells whose it is by the
// hash of the backlog's path, and is not to be guessed by others.
const shelteredSuffix = ".failed"

func shelteredPrefix(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Base(path) + "-" + hex.EncodeToString(sum[:8]) + "-"
}

// sheltered lists the files in a shelter that hold updates of the backlog at
// path. In a directory that everybody may write, a name proves nothing: the
// directory and the file have to be ours.
func sheltered(fsys fsutil.FS, dir, path string) []string {
	if info, err := fsys.Lstat(dir); err != nil || !info.IsDir() || !ours(info) {
		return nil
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), shelteredPrefix(path)) || !strings.HasSuffix(e.Name(), shelteredSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && ours(info) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// enter makes a shelter ready and returns the name of the file to write there:
// that of what waits already, or a new one.
func (s *Session) enter(sh Shelter) (name string, err error) {
	if err := mkdirAll(s.fs, sh.Dir); err != nil {
		return "", err
	}
	info, err := s.fs.Lstat(sh.Dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ours(info) || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s is not a directory that only you can write", sh.Dir)
	}
	path := resolved(s.loc)
	if names := sheltered(s.fs, sh.Dir, path); len(names) > 0 {
		return names[0], nil
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	return filepath.Join(sh.Dir, shelteredPrefix(path)+hex.EncodeToString(random[:])+shelteredSuffix), nil
}

// mkdirAll makes a directory and those above it, private and durable.
func mkdirAll(fsys fsutil.FS, dir string) error {
	if _, err := fsys.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if above == dir {
		return fs.ErrNotExist
	}
	if err := mkdirAll(fsys, above); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsys.SyncDir(above)
}

// The reserve, .hacky/reserve-tasks.json, is a file of zeros whose space is taken while
// there is some. When the disk is full, the recovery file is written over it
// and then renamed. Its first byte is written last, after a sync of the others:
// as long as that is zero, the file is a reserve, whatever else is in it; once
// it is not, it is a recovery file, even if it can be moved nowhere.
//
// Where blocks are never written in place (btrfs, zfs), a full disk may refuse
// even this; then the shelters are left.
func reserve(path string) string {
	return hiddenOf(path, "reserve-"+filepath.Base(path))
}

// besideReserve is where it goes when the session directory itself takes no
// new name.
func besideReserve(path string) string {
	return hiddenOf(path, filepath.Base(path)+".failed")
}

// Bounds of the reserve's size: a change takes up to changeSize bytes.
const (
	leastReserve = 64 << 10
	mostReserve  = 1 << 20
	changeSize   = 160
)

func (s *Session) reserveSize() int64 {
	size := int64(s.doc.b.Len()) * changeSize
	return min(max(size, leastReserve), mostReserve) &^ 4095
}

// arm makes the reserve if it is not there, or too small. The write lock is
// held. Without a reserve the session works all the same.
func (s *Session) arm() {
	name, size := reserve(s.path), s.reserveSize()
	info, err := s.fs.Lstat(name)
	if err == nil && info.Size() >= size {
		return
	}
	var used bool
	if err == nil { // too small: cut off, or it holds updates; what cannot be told stays
		used, err = lookAtReserve(s.fs, name)
		if err == nil && !used {
			err = s.fs.Remove(name)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if used {
		return
	}
	if err == nil {
		err = s.makeReserve(name, size)
	}
	if err != nil {
		s.log.Warn().Err(err).Int64("bytes", size).
			Msg("cannot set space aside in .hacky/ for a full disk; should it fill up, updates are kept outside the session")
	}
}

func (s *Session) makeReserve(name string, size int64) error {
	f, err := s.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size)) // not synced: after a power cut it is made anew
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, s.fs.Remove(name)) // half of it is better left to others
	}
	return err
}

// reserveUsed reports whether the reserve is known to be a recovery file.
func reserveUsed(fsys fsutil.FS, name string) bool {
	used, err := lookAtReserve(fsys, name)
	return used && err == nil
}

// lookAtReserve tells whether the reserve has become a recovery file. With an
// error that is not known, and nobody may touch it.
func lookAtReserve(fsys fsutil.FS, name string) (used bool, err error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read from
	var first [1]byte
	n, err := f.Read(first[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return false, nil
	}
	return n == 1 && first[0] != 0, err
}

// useReserve makes the reserve a recovery file with this content, under the
// first of these names that can be had, and returns where it is then.
func (s *Session) useReserve(content []byte, targets []string) (path string, err error) {
	name := reserve(s.path)
	switch used, err := lookAtReserve(s.fs, name); {
	case err != nil:
		return "", fmt.Errorf("use reserve: %w", err)
	case used:
		return "", errors.New("the reserve is in use")
	}
	if err := s.fillReserve(name, content); err != nil {
		return "", fmt.Errorf("use reserve: %w", err)
	}
	for _, to := range targets {
		if err = s.fs.Rename(name, to); err == nil {
			return to, errors.Join(s.fs.SyncDir(filepath.Dir(to)), s.fs.SyncDir(filepath.Dir(name)))
		}
	}
	s.log.Warn().Err(err).Str("file", name).Msg("the recovery file cannot be moved out of the reserve; it stays there")
	return name, s.fs.SyncDir(filepath.Dir(name))
}

func (s *Session) fillReserve(name string, content []byte) (err error) {
	f, err := s.fs.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if int64(len(content)) > info.Size() {
		return fmt.Errorf("%d bytes do not fit into %d", len(content), info.Size())
	}
	if _, err := f.WriteAt(content[1:], 1); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(content))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.WriteAt(content[:1], 0); err != nil {
		return err
	}
	return f.Sync()
}

// rearm sets a reserve aside again after one has been used.
func (s *Session) rearm(ctx context.Context) {
	if info, err := s.fs.Lstat(reserve(s.path)); err == nil && info.Size() >= s.reserveSize() {
		return
	}
	_, unlock, err := s.lockWrite(ctx)
	if err != nil {
		return // the next session does it
	}
	defer unlock()
	s.arm()
}
