package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

const fileName = "tasks.json.journal"

// record makes the one record with this number, so that any other is invented.
func record(seq uint64) Record {
	return Record{
		ID:   fmt.Sprintf("P%d.M1.T1.S%d", seq%7, seq),
		From: backlog.Status(seq % 7), To: backlog.Status(seq / 7 % 7),
		At: time.Unix(int64(1e9+seq), int64(seq)), Seq: seq,
	}
}

// known are the records from 1 on, as far as they are often needed.
var known = sync.OnceValue(func() []Record {
	rs := make([]Record, 50000)
	for i := range rs {
		rs[i] = record(uint64(i + 1))
	}
	return rs
})

func records(from, to uint64) []Record {
	if k := known(); from > 0 && to <= uint64(len(k)) {
		return slices.Clone(k[from-1 : to])
	}
	var rs []Record
	for seq := from; seq <= to; seq++ {
		rs = append(rs, record(seq))
	}
	return rs
}

// lazyFS syncs nothing, as the tests pull no real plug; or, if takes is given,
// takes time, which is free in a synctest bubble.
type lazyFS struct {
	fsutil.FS
	takes func() time.Duration // a sync, or with slow anything
	slow  bool
}

type lazyFile struct {
	fsutil.File
	fs lazyFS
}

func (l lazyFS) wait(sync bool) {
	if l.takes != nil && (sync || l.slow) {
		time.Sleep(l.takes())
	}
}

func (l lazyFS) OpenFile(name string, flag int, perm fs.FileMode) (fsutil.File, error) {
	l.wait(false)
	f, err := l.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return lazyFile{f, l}, nil
}

func (l lazyFS) Rename(a, b string) error { l.wait(false); return l.FS.Rename(a, b) }

func (l lazyFS) sync(do func() error) error {
	if l.takes == nil {
		return nil
	}
	l.wait(true)
	return do()
}

func (l lazyFS) SyncDir(name string) error {
	return l.sync(func() error { return l.FS.SyncDir(name) })
}

func (f lazyFile) Sync() error     { return f.fs.sync(f.File.Sync) }
func (f lazyFile) SyncData() error { return f.fs.sync(f.File.SyncData) }

func (f lazyFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.wait(false)
	return f.File.WriteAt(p, at)
}

func lazy() fsutil.FS { return lazyFS{FS: fsutil.OS()} }

// scratch is a directory for a lot of small work, in memory if possible.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "journal-test")
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

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// acks notes who was acknowledged, in order.
type acks struct {
	mu    sync.Mutex
	seqs  []uint64
	when  []time.Time
	errs  map[uint64]error
	calls map[uint64]int
}

// of is the acked of the record with this number.
func (a *acks) of(seqs ...uint64) func(error) {
	return func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, seq := range seqs {
			if a.errs == nil {
				a.errs, a.calls = map[uint64]error{}, map[uint64]int{}
			}
			a.errs[seq] = err
			a.calls[seq]++
			if err == nil {
				a.seqs = append(a.seqs, seq)
				a.when = append(a.when, time.Now())
			}
		}
	}
}

func (a *acks) list() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.seqs)
}

func mustCreate(t testing.TB, fsys fsutil.FS, path string, rs []Record, opts Options) *Journal {
	t.Helper()
	j, err := Create(fsys, path, Base{1}, rs, opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func mustRead(t testing.TB, path string) *Contents {
	t.Helper()
	c, err := Read(fsutil.OS(), path)
	if err != nil || c == nil {
		t.Fatalf("Read: %v, %v", c, err)
	}
	return c
}

func mustClose(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantRecords(t testing.TB, path string, want []Record) {
	t.Helper()
	if c := mustRead(t, path); !slices.Equal(c.Records, want) || c.Torn != nil {
		t.Fatalf("%d records (torn: %d bytes)\n%v\nwant %d\n%v", len(c.Records), len(c.Torn), c.Records, len(want), want)
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	if c, err := Read(fsutil.OS(), path); c != nil || err != nil {
		t.Fatalf("of no file: %v, %v", c, err)
	}
	long := "P111111111111111111.M111111111111111111.T111111111111111111.S111111111111111111"
	rs := records(1, 50)
	rs = append(rs, Record{ID: long, To: backlog.Obsolete, At: time.Unix(-1, 5), Seq: 51},
		Record{ID: "P1", At: time.Unix(0, 0), Seq: 1 << 63})
	j := mustCreate(t, fsutil.OS(), path, rs[:2], Options{})
	wantRecords(t, path, rs[:2])
	var a acks
	for i := 2; i < len(rs); i += 5 {
		j.Append(true, a.of(uint64(i)), rs[i:i+5]...)
		wantRecords(t, path, rs[:i+5])
	}
	j.Append(true, a.of(99)) // a barrier: no record
	if got := a.list(); len(got) != 11 || j.Live() != len(rs) {
		t.Fatalf("acknowledged %v, live %d", got, j.Live())
	}
	mustClose(t, j)
	wantRecords(t, path, rs)
	if c := mustRead(t, path); c.Base != (Base{1}) {
		t.Errorf("base %x", c.Base)
	}
	j.Append(true, a.of(100), record(100))
	j.Append(false, a.of(101), record(101))
	if a.errs[100] == nil || a.errs[101] == nil {
		t.Error("a closed journal acknowledges")
	}
	mustClose(t, j)
	wantRecords(t, path, rs)

	// In place of the other, and removed when everything is flushed.
	j = mustCreate(t, fsutil.OS(), path, rs, Options{})
	wantRecords(t, path, rs)
	j.Flushed(1<<63, Base{2})
	mustClose(t, j)
	if names := files(t, filepath.Dir(path)); len(names) != 0 {
		t.Errorf("left %q", names)
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// bubble runs f with a journal whose syncs take a millisecond of fake time.
func bubble(t *testing.T, opts Options, f func(t *testing.T, j *Journal, ffs *faultfs.FS, path string)) {
	dir := scratch(t)
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, fileName)
		ffs := faultfs.New(lazy(), nil)
		j := mustCreate(t, lazyFS{FS: ffs, takes: fixed(time.Millisecond)}, path, nil, opts)
		ffs.Fail(nil)
		f(t, j, ffs, path)
		mustClose(t, j)
	})
}

func TestGroupCommit(t *testing.T) {
	for _, window := range []time.Duration{0, 5 * time.Millisecond} {
		t.Run(window.String(), func(t *testing.T) {
			bubble(t, Options{Window: window}, func(t *testing.T, j *Journal, ffs *faultfs.FS, path string) {
				var a acks
				begin := time.Now()
				var want []uint64
				for seq := range uint64(100) {
					j.Append(false, a.of(seq+1), record(seq+1))
					want = append(want, seq+1)
					if seq == 0 {
						synctest.Wait() // the first is under way
					}
				}
				if len(a.list()) > 0 {
					t.Error("acknowledged before the sync")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				commits := 1
				if window == 0 {
					commits = 2
				}
				if n := ffs.Count("SyncData"); n != commits {
					t.Errorf("%d commits, want %d", n, commits)
				}
				if got := a.list(); !slices.Equal(got, want) {
					t.Errorf("acknowledged in the order %v", got)
				}
				if took := a.when[99].Sub(begin); took != window+time.Duration(commits)*time.Millisecond {
					t.Errorf("the last one waited %v", took)
				}
				wantRecords(t, path, records(1, 100))
			})
		})
	}
}

// TestWindow: only those wait for others who are not urgent and not kept.
func TestWindow(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		at     time.Duration // when Append is called
		urgent bool
		acked  time.Duration
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"alone", []step{{0, false, 11 * ms}}},
		{"urgent", []step{{0, true, 1 * ms}}},
		{"a chain of urgent ones", []step{{0, true, 1 * ms}, {1 * ms, true, 2 * ms}, {2 * ms, true, 3 * ms}}},
		{"joined", []step{{0, false, 11 * ms}, {9 * ms, false, 11 * ms}}},
		{"too late to join", []step{{0, false, 11 * ms}, {10500 * time.Microsecond, false, 22 * ms}}},
		{"urgent ends the waiting of all", []step{{0, false, 4 * ms}, {1 * ms, false, 4 * ms}, {3 * ms, true, 4 * ms}}},
		{"urgent while one is under way", []step{{0, true, 1 * ms}, {500 * time.Microsecond, true, 2 * ms}}},
		{"not urgent while one is under way", []step{{0, true, 1 * ms}, {500 * time.Microsecond, false, 12 * ms}}},
		{"the hurry is over afterwards", []step{{0, false, 3 * ms}, {2 * ms, true, 3 * ms}, {4 * ms, false, 15 * ms}}},
		{"two in a hurry", []step{{0, false, 3 * ms}, {2 * ms, true, 3 * ms}, {2500 * time.Microsecond, true, 4 * ms},
			{2600 * time.Microsecond, true, 4 * ms}, {5 * ms, false, 16 * ms}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Options{Window: 10 * ms}, func(t *testing.T, j *Journal, _ *faultfs.FS, _ string) {
				begin := time.Now()
				acked := make([]time.Duration, len(tt.steps))
				var wg sync.WaitGroup
				for i, s := range tt.steps {
					wg.Go(func() {
						time.Sleep(s.at)
						j.Append(s.urgent, func(err error) {
							if err != nil || acked[i] != 0 {
								t.Errorf("step %d: %v, before %v", i, err, acked[i])
							}
							acked[i] = time.Since(begin)
						}, record(uint64(i+1)))
						// Nobody waits in Append for more than his own commit.
						if took := time.Since(begin); took > s.acked {
							t.Errorf("step %d: Append returned after %v", i, took)
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Second)
				synctest.Wait()
				for i, s := range tt.steps {
					if acked[i] != s.acked {
						t.Errorf("step %d: acknowledged after %v, want %v", i, acked[i], s.acked)
					}
				}
			})
		})
	}
}

func TestCloseWaits(t *testing.T) {
	bubble(t, Options{Window: 10 * time.Millisecond}, func(t *testing.T, j *Journal, _ *faultfs.FS, path string) {
		var a acks
		j.Append(false, func(err error) {
			a.of(1)(err)
			j.Append(true, a.of(2), record(2)) // from within: goes with the next
		}, record(1))
		mustClose(t, j)
		if got := a.list(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("acknowledged when Close returned: %v", got)
		}
		wantRecords(t, path, records(1, 2))
	})
}

func TestFlushed(t *testing.T) {
	path := filepath.Join(scratch(t), fileName)
	j := mustCreate(t, lazy(), path, records(1, 2), Options{})
	var a acks
	for seq := uint64(3); seq <= 9; seq++ {
		j.Append(true, a.of(seq), record(seq))
	}
	j.Flushed(5, Base{5})
	wantRecords(t, path, records(1, 9)) // it goes with the next commit
	if j.Live() != 4 {
		t.Errorf("live: %d, want 4", j.Live())
	}
	j.Append(true, a.of(10), record(10))
	wantRecords(t, path, records(6, 10))
	if c := mustRead(t, path); c.Base != (Base{5}) {
		t.Errorf("base %x, want that of the flush", c.Base)
	}
	j.Append(true, a.of(11), record(11))
	wantRecords(t, path, records(6, 11))
	mustClose(t, j)
	wantRecords(t, path, records(6, 11))
}

// TestFlushedAhead: tasks.json may hold what the journal has not committed yet.
func TestFlushedAhead(t *testing.T) {
	bubble(t, Options{Window: time.Millisecond}, func(t *testing.T, j *Journal, _ *faultfs.FS, path string) {
		var a acks
		j.Append(false, a.of(1), record(1))
		j.Append(false, a.of(2), record(2))
		j.Flushed(1, Base{2})
		time.Sleep(time.Second)
		synctest.Wait()
		wantRecords(t, path, records(2, 2))
		if got := a.list(); len(got) != 2 {
			t.Errorf("acknowledged %v", got)
		}
	})
}

// TestGrowsLarge: the file is started anew with what is live, not too often, and
// not at all while there is no space for that.
func TestGrowsLarge(t *testing.T) {
	const step, steps = 100, 450
	for _, tt := range []struct {
		name     string
		flush    bool
		full     bool
		restarts [2]int
	}{
		{"flushed", true, false, [2]int{1, 2}},
		{"nothing flushed", false, false, [2]int{1, 1}},
		{"flushed on a full disk", true, true, [2]int{1, 2}}, // tries; all fail
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(scratch(t), fileName)
			ffs := faultfs.New(lazy(), nil)
			j := mustCreate(t, ffs, path, nil, Options{})
			ffs.Fail(nil)
			if tt.full {
				ffs.Fail(faultfs.Always("OpenFile", syscall.ENOSPC))
			}
			var a acks
			var largest int64
			for i := range uint64(steps) {
				j.Append(true, a.of(i), records(i*step+1, (i+1)*step)...)
				if a.errs[i] != nil {
					t.Fatalf("commit %d: %v", i, a.errs[i])
				}
				if tt.flush {
					j.Flushed((i+1)*step-10, Base{byte(i)})
				}
				if info, err := os.Stat(path); err == nil {
					largest = max(largest, info.Size())
				}
			}
			if n := ffs.Count("OpenFile"); n < tt.restarts[0] || n > tt.restarts[1] {
				t.Errorf("started anew %d times, want %v", n, tt.restarts)
			}
			if tt.flush && !tt.full && largest > largeSize+2*growSize {
				t.Errorf("the file grew to %d bytes", largest)
			}
			from := uint64(1)
			if tt.flush {
				from = (steps-1)*step - 9
			}
			wantRecords(t, path, records(from, steps*step))
			ffs.Fail(nil)
			j.Append(true, a.of(steps+1), record(steps*step+1))
			if tt.flush {
				from += step
			}
			wantRecords(t, path, records(from, steps*step+1))
			mustClose(t, j)
			if names := files(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("left %q", names)
			}
		})
	}
}

// TestPreallocated: appends go into space that the file has, and that is more
// than a hole.
func TestPreallocated(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	j := mustCreate(t, fsutil.OS(), path, nil, Options{})
	space := func() (size, blocks int64) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size(), info.Sys().(*syscall.Stat_t).Blocks * 512
	}
	var a acks
	size, blocks := space()
	grown := 0
	for seq := uint64(1); seq <= 300; seq++ {
		j.Append(true, a.of(seq), records(seq*10, seq*10+9)...)
		if s, b := space(); s != size {
			if s != size+growSize {
				t.Fatalf("grew from %d to %d", size, s)
			}
			size, blocks = s, b
			grown++
		} else if b != blocks && b > s {
			t.Fatalf("record %d took blocks: %d, before %d", seq, b, blocks)
		}
		if blocks < size {
			t.Fatalf("%d bytes in %d of blocks: a hole", size, blocks)
		}
	}
	if grown < 2 || len(a.list()) != 300 {
		t.Errorf("grew %d times, acknowledged %d", grown, len(a.list()))
	}
	mustClose(t, j)
}

// TestReadWhileWritten: a reader that comes between two frames sees them again,
// not damage.
func TestReadWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	j := mustCreate(t, lazy(), path, records(1, 3), Options{})
	var a acks
	n := uint64(3)
	reads := 0
	reader := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if op.Name != "Read" {
			return nil
		}
		if reads++; reads == 2 { // the first 512 bytes have been read
			for range 20 {
				n++
				j.Append(true, a.of(n), record(n))
			}
		}
		return nil
	})
	c, err := Read(reader, path)
	if err != nil || !slices.Equal(c.Records, records(1, n)) {
		t.Fatalf("%v, %v; want %d records", c, err, n)
	}
	mustClose(t, j)
}

func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	j := mustCreate(t, lazy(), path, nil, Options{Window: 100 * time.Microsecond})
	var a acks
	var order sync.Mutex
	var seq uint64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				order.Lock()
				seq++
				s := seq
				done := make(chan struct{})
				acked := a.of(s)
				urgent := w == 0 && i%10 == 0
				if !urgent {
					j.Append(false, func(err error) { acked(err); close(done) }, record(s))
					order.Unlock()
				} else {
					order.Unlock()
					j.Append(true, func(err error) { acked(err); close(done) }, record(s))
				}
				<-done
			}
		})
	}
	wg.Wait()
	if got := len(a.list()); got != 1600 {
		t.Errorf("acknowledged %d", got)
	}
	mustClose(t, j)
	got := mustRead(t, path).Records
	slices.SortFunc(got, func(a, b Record) int { return int(a.Seq) - int(b.Seq) })
	if !slices.Equal(got, records(1, 1600)) {
		t.Errorf("%d records, not all the right ones", len(got))
	}
}

// TestRemoved: a journal that somebody removes while it is written is made
// again with all that is live, before the next acknowledgement.
func TestRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	j := mustCreate(t, fsutil.OS(), path, nil, Options{})
	appended := func(n uint64) {
		t.Helper()
		ack := errors.New("not acknowledged")
		j.Append(true, func(err error) { ack = err }, record(n))
		if ack != nil {
			t.Fatal(ack)
		}
	}
	appended(1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appended(2)
	c, err := Read(fsutil.OS(), path)
	if err != nil || c == nil || len(c.Records) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
