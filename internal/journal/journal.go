package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Record is one status change.
type Record struct {
	ID           string
	From         backlog.Status
	To           backlog.Status
	At           time.Time
	Seq          uint64 // ascending in a journal
	backlog.Work        // for which it was given; not recorded by a hacky up to version 0.9
}

// Base identifies the tasks.json that records change: its SHA-256.
type Base [32]byte

// Options say how a journal is written.
type Options struct {
	// Window is how long a commit that is not urgent may wait for others. hacky
	// leaves it 0: it gained nothing (docs/design/0002-journal.md).
	Window time.Duration
	// Unsafe leaves out the fdatasync, to measure what it costs.
	Unsafe bool
	// Ahead, if not nil, is called once before each commit, when it is fixed what
	// is in it: for what has to be written before its records count.
	Ahead func()
	// Home, if not nil, makes the journal's directory when somebody has removed it.
	Home func() error
}

// Sizes of the file: what is allocated ahead at first and later, and when it is
// started anew.
const (
	page      = 4 << 10
	firstSize = 32 << 10
	growSize  = 64 << 10
	largeSize = 1 << 20 // or, if that is more, twice what was live at the last start
)

// Journal is a journal open for writing. It is safe for concurrent use.
type Journal struct {
	fs   fsutil.FS
	path string
	opts Options

	mu      sync.Mutex
	idle    sync.Cond // nobody commits
	busy    bool      // somebody commits: what is below failed is his
	hurry   chan struct{}
	next    []entry // accepted, not yet in a frame
	waiting []func(error)
	live    []entry // not flushed: what a new file would have to hold
	base    Base
	marker  bool // base and what is live have changed since the last frame
	flushed uint64
	failed  error

	file  fsutil.File
	begun bool   // there is a file of this journal's
	frame uint64 // number of the last one
	end   int64  // of the last frame
	size  int64  // allocated
	large int64  // where it is started anew
}

// entry is a record and, as it is written only once, its encoding.
type entry struct {
	seq  uint64
	data []byte
}

// Create starts a journal at path, in place of any other, that holds records.
// When it returns nil, they are on stable storage.
func Create(fsys fsutil.FS, path string, base Base, records []Record, opts Options) (*Journal, error) {
	j := &Journal{fs: fsys, path: path, opts: opts, base: base, hurry: make(chan struct{}, 1)}
	j.idle.L = &j.mu
	j.live = encodeAll(records)
	if _, err := j.restart(); err != nil {
		return nil, fmt.Errorf("start journal: %w", err)
	}
	return j, nil
}

// Append accepts records and calls acked exactly once: with nil when they are
// on stable storage, else with the reason why they may not be. Urgent tells
// that nothing else goes on meanwhile: the commit is made at once, and acked
// has been called when Append returns, unless another commit was under way.
// No commit begins while acked runs; it must not call Close.
func (j *Journal) Append(urgent bool, acked func(error), records ...Record) {
	j.mu.Lock()
	if j.failed != nil {
		err := j.failed
		j.mu.Unlock()
		acked(err)
		return
	}
	for _, r := range records {
		e := encode(r)
		j.next = append(j.next, e)
		j.live = append(j.live, e)
	}
	j.waiting = append(j.waiting, acked)
	if j.busy {
		if urgent {
			select {
			case j.hurry <- struct{}{}:
			default:
			}
		}
		j.mu.Unlock()
		return
	}
	j.busy = true
	j.mu.Unlock()
	if urgent {
		j.commitAll(true)
		return
	}
	go j.commitAll(false)
}

// commitAll commits until nothing waits. The caller has set busy.
func (j *Journal) commitAll(urgent bool) {
	for {
		if !urgent {
			j.gather()
		}
		j.mu.Lock()
		next, waiting := j.next, j.waiting
		j.next, j.waiting = nil, nil
		frame, err := j.frameOf(next), j.failed
		j.mu.Unlock()
		if j.opts.Ahead != nil {
			j.opts.Ahead()
		}
		if err == nil {
			var more []func(error)
			more, err = j.commit(frame)
			waiting = append(waiting, more...)
		}
		for _, acked := range waiting {
			acked(err)
		}
		j.mu.Lock()
		idle := len(j.waiting) == 0
		if idle {
			j.busy = false
			j.idle.Broadcast()
		}
		j.mu.Unlock()
		switch {
		case idle:
			return
		case urgent: // the caller is not to do the work of all others
			go j.commitAll(false)
			return
		}
	}
}

// gather waits for others who join the commit.
func (j *Journal) gather() {
	if j.opts.Window <= 0 {
		// Those who have just been acknowledged are about to come back.
		runtime.Gosched()
		return
	}
	t := time.NewTimer(j.opts.Window)
	defer t.Stop()
	select {
	case <-t.C:
	case <-j.hurry:
	}
}

// frameOf encodes a commit; j.mu is held.
func (j *Journal) frameOf(next []entry) []byte {
	var payload bytes.Buffer
	for _, e := range next {
		payload.Write(e.data)
	}
	if j.marker { // behind the records: some of them may be flushed already
		payload.Write(encodeFlushed(j.flushed, j.base))
		j.marker = false
	}
	j.frame++
	return encodeFrame(j.frame, payload.Bytes())
}

// commit puts a frame on stable storage: at the end of the file, or, if that
// fails or the file has grown large, with everything that is live in a new one.
// It returns who else waited for what is in there. A file that somebody has
// removed is replaced, too.
func (j *Journal) commit(frame []byte) (more []func(error), err error) {
	if j.file != nil && !j.file.Linked() { // "git clean -x" does that; what is written there is gone with us
		j.abandon()
	}
	if j.end < j.large && j.file != nil {
		if j.appendFrame(frame) == nil {
			return nil, nil
		}
		j.abandon()
	}
	more, err = j.restart()
	if err != nil && j.file != nil {
		// There is no place for a new file, but nothing is wrong with the old.
		j.large = j.end + largeSize
		if err = j.appendFrame(frame); err != nil {
			j.abandon()
		}
	}
	if err != nil {
		err = fmt.Errorf("write journal: %w", err)
		j.mu.Lock()
		j.failed = err
		j.mu.Unlock()
	}
	return more, err
}

// abandon closes the file, which is not written to any more.
func (j *Journal) abandon() {
	if j.file != nil {
		_ = j.file.Close() // nothing depends on it
		j.file = nil
	}
}

func (j *Journal) appendFrame(frame []byte) error {
	end := j.end + int64(len(frame))
	if end > j.size {
		// Space for this and more to come, written before it is needed. On a
		// full disk the frame may still fit without.
		grow := (int64(len(frame))/growSize + 1) * growSize
		_, err := j.file.WriteAt(make([]byte, grow), j.size)
		switch {
		case err == nil:
			j.size += grow
		case !noSpace(err):
			return err
		}
	}
	if _, err := j.file.WriteAt(frame, j.end); err != nil {
		return err
	}
	j.size = max(j.size, end)
	if !j.opts.Unsafe {
		if err := j.file.SyncData(); err != nil {
			return err
		}
	}
	j.end = end
	return nil
}

// noSpace tells the errors of a write that leave the file as good as it was.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// restart replaces the file by a new one that holds what is live, and returns
// who waits for that. If it fails and j.file is still there, nothing has
// happened to that.
func (j *Journal) restart() (waiting []func(error), err error) {
	j.mu.Lock()
	frame, payload := uint64(0), 0
	for _, e := range j.live {
		payload += len(e.data)
	}
	content := append(make([]byte, 0, headerSize+frameHead+payload+page+firstSize), encodeHeader(j.base)...)
	if payload > 0 {
		frame = 1
		begin := len(content)
		content = content[:begin+frameHead]
		for _, e := range j.live {
			content = append(content, e.data...)
		}
		putFrameHead(content[begin:], frame)
	}
	j.marker = false
	next, acks := len(j.next), len(j.waiting)
	j.mu.Unlock()
	end := int64(len(content))
	size := (end/page+1)*page + firstSize
	f, err := j.replace(append(content, make([]byte, size-end)...))
	if noSpace(err) { // then without space ahead
		size = end
		f, err = j.replace(content)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.marker = true
		return nil, err
	}
	j.begun = true
	j.file, j.frame, j.end, j.size = f, frame, end, size
	j.large = max(largeSize, 2*end)
	waiting = j.waiting[:acks:acks]
	j.next, j.waiting = j.next[next:], j.waiting[acks:]
	return waiting, nil
}

// replace puts a new file in the place of the old one, if there is one.
func (j *Journal) replace(content []byte) (f fsutil.File, err error) {
	dir := filepath.Dir(j.path)
	if !j.begun {
		f, err := j.make(j.path)
		if err == nil {
			return j.begin(f, dir, content)
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	temp := filepath.Join(dir, fsutil.TempName(filepath.Base(j.path)))
	f, err = j.make(temp)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.fs.Rename(temp, j.path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), j.fs.Remove(temp))
	}
	j.abandon() // it has no name any more
	if err := j.fs.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// make makes a file, and the directory again if that is gone.
func (j *Journal) make(path string) (fsutil.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err := j.fs.OpenFile(path, flags, 0o666)
	if errors.Is(err, fs.ErrNotExist) && j.opts.Home != nil && j.opts.Home() == nil {
		return j.fs.OpenFile(path, flags, 0o666)
	}
	return f, err
}

// begin fills the first journal of a session, under its own name: nothing in it
// counts before it is stable, and Read takes half of a header for none.
func (j *Journal) begin(f fsutil.File, dir string, content []byte) (fsutil.File, error) {
	_, err := f.Write(content)
	if err == nil {
		err = f.SyncData()
	}
	if err == nil {
		err = j.fs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), j.fs.Remove(j.path))
	}
	return f, nil
}

// Flushed says that tasks.json, whose digest is base now, holds every record
// up to seq on stable storage.
func (j *Journal) Flushed(seq uint64, base Base) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.live[:0:0]
	for _, e := range j.live {
		if e.seq > seq {
			kept = append(kept, e)
		}
	}
	j.live = kept
	j.base, j.flushed, j.marker = base, seq, true
}

// Healthy reports whether everything that was accepted is, or can still be
// made, stable.
func (j *Journal) Healthy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed == nil
}

// Live is how many records are not flushed.
func (j *Journal) Live() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.live)
}

// Close waits for commits under way and closes the file. If everything is
// flushed, the file is removed.
func (j *Journal) Close() error {
	j.mu.Lock()
	for j.busy {
		j.idle.Wait()
	}
	if j.failed == nil {
		j.failed = errors.New("the journal is closed")
	}
	file, live := j.file, len(j.live)
	j.file = nil
	j.mu.Unlock()
	if file == nil {
		return nil
	}
	err := file.Close()
	if live == 0 && err == nil {
		err = Remove(j.fs, j.path)
	}
	return err
}

// Remove removes a journal whose records are all flushed. The removal need not
// be stable: replaying them once more is harmless.
func Remove(fsys fsutil.FS, path string) error {
	if err := fsys.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func checksum(parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}
