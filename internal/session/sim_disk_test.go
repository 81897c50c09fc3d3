package session

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// A process of the simulation sees the disk through four layers: simProc makes
// every operation take its time, fail by the weather, and fail for ever when
// the process is dead; faultfs.Crash knows what is stable; faultfs.FS below it
// fails, so that Crash hears of syncs that failed; stamped gives files the
// simulated time.

// simDisk is a directory that survives processes, and power cuts as another
// directory.
type simDisk struct {
	top   string // of all directories there were
	dir   string
	cuts  int
	crash *faultfs.Crash
	saved map[string]time.Time // of every content that tasks.json had

	mu      sync.Mutex // one operation at a time
	fault   error      // of the operation under way
	weather simWeather
}

// simWeather is what goes wrong with the disk.
type simWeather uint8

const (
	fair     simWeather = iota
	flaky               // now and then any operation fails
	rough               // so often that retries do not help for sure
	full                // no room for anything new
	readonly            // no file can be made or moved
	unsynced            // syncs fail as often as not
)

func (w simWeather) String() string {
	return [...]string{"fair", "flaky", "rough", "full", "readonly", "unsynced"}[w]
}

// fails decides about one operation.
func (w simWeather) fails(op faultfs.Op, r *rand.Rand) error {
	errs := []error{syscall.EBUSY, syscall.EIO, syscall.ENOSPC, syscall.EACCES, faultfs.Torn(syscall.ENOSPC), faultfs.Torn(syscall.EIO)}
	if op.Name == "TryLock" {
		errs = errs[:2] // whoever cannot lock at all writes a recovery file without
	}
	any := errs[r.IntN(len(errs))]
	p := r.Float64()
	switch w {
	case flaky:
		if p < 0.02 {
			return any
		}
	case rough:
		if p < 0.15 {
			return any
		}
	case full:
		switch {
		case op.Name == "Write" && p < 0.3:
			return faultfs.Torn(syscall.ENOSPC)
		case op.Name == "Write", op.Name == "WriteAt" && p < 0.3, op.Name == "OpenFile" && op.Flag&os.O_CREATE != 0 && p < 0.5:
			return syscall.ENOSPC
		}
	case readonly:
		if op.Name == "OpenFile" && op.Flag&os.O_CREATE != 0 || slices.Contains([]string{"Rename", "Exchange", "Remove", "Mkdir"}, op.Name) {
			return syscall.EACCES
		}
	case unsynced:
		if slices.Contains([]string{"Sync", "SyncData", "SyncDir"}, op.Name) && p < 0.5 {
			return syscall.EIO
		}
	}
	return nil
}

// mount takes what is in d.dir for stable.
func (d *simDisk) mount() error {
	crash, err := faultfs.NewCrash(faultfs.New(stamped{fsutil.OS()}, func(faultfs.Op) error { return d.fault }), d.dir)
	d.crash = crash
	return err
}

func (d *simDisk) location() Location { return Location{Dir: d.dir, Name: TasksFile} }

// clone makes a directory of what a power cut now may leave. Everything keeps
// its time.
func (d *simDisk) clone(r *rand.Rand) (dir string, err error) {
	d.cuts++
	dir = filepath.Join(d.top, fmt.Sprint(d.cuts))
	p := []float64{0, 0.05, 0.5, 0.95, 1}[r.IntN(5)]
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := d.crash.Clone(dir, func(int) bool { return r.Float64() < p }); err != nil {
		return "", err
	}
	now := time.Now()
	return dir, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		at := now
		if data, err := os.ReadFile(name); err == nil {
			if t, ok := d.saved[string(data)]; ok {
				at = t
			}
		}
		return os.Chtimes(name, at, at)
	})
}

// simProc is one process: a session, and the FS that it uses.
type simProc struct {
	w    *simWorld
	n    int
	kind string
	born time.Time
	loc  Location
	r    *rand.Rand

	mu     sync.Mutex
	counts map[string]int
	faults int // how many operations have failed
	dead   bool
	died   time.Time
	held   []func() error // locks
	skew   time.Duration  // of its wall clock
	drift  float64
	read   time.Time // when it last opened tasks.json to read

	// Guarded by w.mu.
	seq      int
	opened   bool // as a run
	working  bool // it has opened
	acks     []*simAck
	replayed map[string]bool // what it has found in a dead run's journal
	seen     map[string]mask // statuses that tasks.json had when it looked
}

var errKilled = errors.New("killed")

// do lets an operation of the process happen after a while, or not. What comes
// of the seed depends on which call of its kind it is, not on the order in
// which goroutines come here.
func (p *simProc) do(op faultfs.Op, act func() error) error {
	base := filepath.Base(op.Path)
	if strings.HasSuffix(base, ".hacky-tmp") {
		base = base[:len(base)-len("0123456789abcdef.hacky-tmp")] // the rest is random
	}
	key := op.Name + " " + base
	p.mu.Lock()
	p.counts[key]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %d %s %d", p.w.seed, p.n, key, p.counts[key])
	p.mu.Unlock()
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	takes := 1 + r.Int64N(200e3)
	if r.IntN(40) == 0 {
		takes += r.Int64N(20e6)
	}
	time.Sleep(time.Duration(takes))
	d := p.w.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.isDead() {
		return errKilled
	}
	if d.fault = d.weather.fails(op, r); d.fault != nil {
		p.mu.Lock()
		p.faults++
		p.mu.Unlock()
		p.w.failing(p, op, d.fault)
	}
	err := act()
	d.fault = nil
	return err
}

func (p *simProc) faulted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

func (p *simProc) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// kill ends the process as the kernel does: its locks are free at once.
func (p *simProc) kill() {
	p.mu.Lock()
	p.dead, p.died = true, time.Now()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	p.w.disk.mu.Lock()
	defer p.w.disk.mu.Unlock()
	for _, unlock := range held {
		_ = unlock() // a closed file is unlocked
	}
}

func (p *simProc) isBacklog(name string) bool { return name == p.loc.Path() }

// OpenFile is fsutil.FS's.
func (p *simProc) OpenFile(name string, flag int, perm fs.FileMode) (f fsutil.File, err error) {
	err = p.do(faultfs.Op{Name: "OpenFile", Path: name, Flag: flag}, func() error {
		f, err = p.w.disk.crash.OpenFile(name, flag, perm)
		return err
	})
	if err != nil {
		return nil, err
	}
	file := &simFile{File: f, p: p, name: name}
	if p.isBacklog(name) && flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		file.looks = p.w.looks(p)
	}
	return file, nil
}

// Stat is fsutil.FS's.
func (p *simProc) Stat(name string) (info fs.FileInfo, err error) {
	err = p.do(faultfs.Op{Name: "Stat", Path: name}, func() error { info, err = p.w.disk.crash.Stat(name); return err })
	return info, err
}

// Lstat is fsutil.FS's.
func (p *simProc) Lstat(name string) (info fs.FileInfo, err error) {
	err = p.do(faultfs.Op{Name: "Lstat", Path: name}, func() error { info, err = p.w.disk.crash.Lstat(name); return err })
	return info, err
}

// ReadDir is fsutil.FS's.
func (p *simProc) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = p.do(faultfs.Op{Name: "ReadDir", Path: name}, func() error { entries, err = p.w.disk.crash.ReadDir(name); return err })
	return entries, err
}

// Mkdir is fsutil.FS's.
func (p *simProc) Mkdir(name string, perm fs.FileMode) error {
	return p.do(faultfs.Op{Name: "Mkdir", Path: name}, func() error { return p.w.disk.crash.Mkdir(name, perm) })
}

// Remove is fsutil.FS's.
func (p *simProc) Remove(name string) error {
	return p.do(faultfs.Op{Name: "Remove", Path: name}, func() error { return p.w.disk.crash.Remove(name) })
}

// Rename is fsutil.FS's.
func (p *simProc) Rename(from, to string) error {
	return p.do(faultfs.Op{Name: "Rename", Path: from, To: to}, func() error {
		err := p.w.disk.crash.Rename(from, to)
		if err == nil && p.isBacklog(to) {
			p.w.placed(p)
		}
		return err
	})
}

// Link is fsutil.FS's.
func (p *simProc) Link(from, to string) error {
	return p.do(faultfs.Op{Name: "Link", Path: from, To: to}, func() error { return p.w.disk.crash.Link(from, to) })
}

// Exchange is fsutil.FS's.
func (p *simProc) Exchange(a, b string) error {
	return p.do(faultfs.Op{Name: "Exchange", Path: a, To: b}, func() error {
		err := p.w.disk.crash.Exchange(a, b)
		if err == nil && p.isBacklog(b) {
			p.w.placed(p)
		}
		return err
	})
}

// SyncDir is fsutil.FS's.
func (p *simProc) SyncDir(name string) error {
	return p.do(faultfs.Op{Name: "SyncDir", Path: name}, func() error { return p.w.disk.crash.SyncDir(name) })
}

// TryLock is fsutil.FS's.
func (p *simProc) TryLock(name string) (f fsutil.File, unlock func() error, err error) {
	err = p.do(faultfs.Op{Name: "TryLock", Path: name}, func() error {
		f, unlock, err = p.w.disk.crash.TryLock(name)
		if err == nil {
			unlock = sync.OnceValue(unlock)
			p.mu.Lock()
			p.held = append(p.held, unlock)
			p.mu.Unlock()
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	free := unlock
	return &simFile{File: f, p: p, name: name}, func() error {
		return p.do(faultfs.Op{Name: "Unlock", Path: name}, free) // a dead one's is free already
	}, nil
}

// simFile is an open file of a process.
type simFile struct {
	fsutil.File
	p     *simProc
	name  string
	ended bool
	looks func() // to be called when all of it has been read
}

func (f *simFile) do(method string, act func() error) error {
	return f.p.do(faultfs.Op{Name: method, Path: f.name}, act)
}

func (f *simFile) Read(b []byte) (n int, err error) {
	err = f.do("Read", func() error { n, err = f.File.Read(b); return err })
	f.ended = errors.Is(err, io.EOF)
	return n, err
}

func (f *simFile) Write(b []byte) (n int, err error) {
	err = f.do("Write", func() error { n, err = f.File.Write(b); return err })
	return n, err
}

func (f *simFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *simFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.do("WriteAt", func() error { n, err = f.File.WriteAt(b, at); return err })
	return n, err
}

func (f *simFile) Stat() (info fs.FileInfo, err error) {
	err = f.do("File.Stat", func() error { info, err = f.File.Stat(); return err })
	return info, err
}

func (f *simFile) Sync() error     { return f.do("Sync", f.File.Sync) }
func (f *simFile) SyncData() error { return f.do("SyncData", f.File.SyncData) }

func (f *simFile) Chmod(mode fs.FileMode) error {
	return f.do("Chmod", func() error { return f.File.Chmod(mode) })
}

func (f *simFile) Truncate(size int64) error {
	return f.do("Truncate", func() error { return f.File.Truncate(size) })
}

func (f *simFile) Close() error {
	closed := false
	err := f.do("Close", func() error { closed = true; return f.File.Close() })
	if !closed {
		f.p.w.disk.mu.Lock()
		_ = f.File.Close() // of a dead process
		f.p.w.disk.mu.Unlock()
	}
	if err == nil && f.ended && f.looks != nil {
		f.looks()
	}
	return err
}

// stamped gives what is written the simulated time.
type stamped struct{ fsutil.FS }

type stampedFile struct {
	fsutil.File
	name string
}

func (s stamped) OpenFile(name string, flag int, perm fs.FileMode) (fsutil.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	sf := stampedFile{f, name}
	if flag&(os.O_TRUNC|os.O_CREATE) != 0 {
		sf.stamp()
	}
	return sf, nil
}

// stamp goes by the descriptor where it can: the name may be another file's by
// now.
func (f stampedFile) stamp() {
	now := time.Now()
	if fd, ok := f.File.(interface{ Fd() uintptr }); ok {
		if os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", fd.Fd()), now, now) == nil {
			return
		}
	}
	_ = os.Chtimes(f.name, now, now) // it may have no name any more
}

func (f stampedFile) Write(b []byte) (int, error) {
	defer f.stamp()
	return f.File.Write(b)
}

func (f stampedFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f stampedFile) WriteAt(b []byte, at int64) (int, error) {
	defer f.stamp()
	return f.File.WriteAt(b, at)
}

func (f stampedFile) Truncate(size int64) error {
	defer f.stamp()
	return f.File.Truncate(size)
}

// scratch is a directory for a lot of small work, in memory if possible.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "session-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
