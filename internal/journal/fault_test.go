package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// history is what a journal was told and what it said, in one goroutine.
type history struct {
	accepted []Record // in order
	acked    []Record
	flushed  uint64 // up to which tasks.json has everything
	failed   error  // the first of acked or Create
	calls    int    // of acked
}

// run creates a journal in place of one with two records and appends to it: so
// much that it has to grow.
func (h *history) run(fsys fsutil.FS, path string) {
	h.accepted, h.acked = records(1, 2), records(1, 2)
	j, err := Create(fsys, path, Base{1}, records(1, 2), Options{})
	if err != nil {
		h.failed = err
		return
	}
	for _, n := range []int{1, 1, 3, 0, 20, 1100, 1, 2} {
		from := uint64(len(h.accepted) + 1)
		rs := records(from, from+uint64(n)-1)
		h.accepted = append(h.accepted, rs...)
		j.Append(true, func(err error) {
			h.calls++
			if err == nil {
				h.acked = append(h.acked, rs...)
			} else if h.failed == nil {
				h.failed = err
			}
		}, rs...)
		if n == 20 {
			h.flushed = 5
			j.Flushed(5, Base{2})
		}
	}
	_ = j.Close() // faults may be in its way
}

// prepare makes the journal that run replaces.
func prepare(t testing.TB, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, fileName)
	mustClose(t, mustCreate(t, lazy(), path, records(1, 2), Options{}))
	return path
}

// check says what is wrong with what is read back.
func (h *history) check(c *Contents, err error) error {
	if err != nil || c == nil {
		return fmt.Errorf("read: %v, %w", c, err)
	}
	last := uint64(0)
	have := map[uint64]bool{}
	for _, r := range c.Records {
		if r.Seq <= last {
			return fmt.Errorf("record %d behind %d", r.Seq, last)
		}
		last = r.Seq
		have[r.Seq] = true
		if r.Seq > uint64(len(h.accepted)) || r != h.accepted[r.Seq-1] {
			return fmt.Errorf("an invented record: %v", r)
		}
	}
	for _, r := range h.acked {
		if r.Seq > h.flushed && !have[r.Seq] {
			return fmt.Errorf("record %d of %d is acknowledged and not there", r.Seq, len(h.acked))
		}
	}
	return nil
}

var faults = map[string]error{
	"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EACCES": syscall.EACCES,
	"torn EIO": faultfs.Torn(syscall.EIO), "torn ENOSPC": faultfs.Torn(syscall.ENOSPC),
}

// patterns are ways to fail from operation n on. After a single failure of an
// append the journal is as good as before.
var patterns = []struct {
	name   string
	single bool
	fails  func(n, op int) bool
}{
	{"one", true, func(n, op int) bool { return op == n }},
	{"all", false, func(n, op int) bool { return op >= n }},
	{"every second", false, func(n, op int) bool { return op >= n && (op-n)%2 == 0 }},
	{"two", false, func(n, op int) bool { return op == n || op == n+1 }},
	{"the restart, too", false, func(n, op int) bool { return op == n || op > n+2 && op < n+6 }},
}

// TestFaults fails every operation in turn, and others after it.
func TestFaults(t *testing.T) {
	for _, p := range patterns {
		for name, fault := range faults {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				for n := 1; ; n++ {
					dir := scratch(t)
					path := prepare(t, dir)
					ffs := faultfs.New(lazy(), func(op faultfs.Op) error {
						if p.fails(n, op.N) {
							return fault
						}
						return nil
					})
					var h history
					h.run(ffs, path)
					ops := ffs.Ops()
					if len(ops) < n {
						if h.failed != nil {
							t.Fatalf("without a fault: %v", h.failed)
						}
						if writes := ffs.Count("WriteAt"); writes != 8+1 {
							t.Errorf("%d writes: the file does not grow", writes)
						}
						return
					}
					where := fmt.Sprintf("operation %d, %s, failed", n, ops[n-1].Name)
					if err := h.check(Read(fsutil.OS(), path)); err != nil {
						t.Fatalf("%s: %v\n%v", where, err, ops)
					}
					created := h.calls > 0
					if created && h.calls != 8 {
						t.Errorf("%s: acked was called %d times", where, h.calls)
					}
					if h.failed != nil && !errors.Is(h.failed, fault) {
						t.Errorf("%s: %v", where, h.failed)
					}
					if created && p.single && h.failed != nil {
						t.Errorf("%s once, and that was the end: %v", where, h.failed)
					}
					poison(t, ops, func(op int) bool { return p.fails(n, op) }, fault)
					for _, name := range files(t, dir) {
						if name != fileName && !removeFailed(ops, func(op int) bool { return p.fails(n, op) }) {
							t.Errorf("%s: left %s", where, name)
						}
					}
				}
			})
		}
	}
}

func removeFailed(ops []faultfs.Op, failed func(int) bool) bool {
	return slices.ContainsFunc(ops, func(op faultfs.Op) bool { return op.Name == "Remove" && failed(op.N) })
}

// poison checks that nothing is done to a file after a failed write or sync but
// to close it. Each has its own name, that of the temporary. To find no space
// ahead is no failure, but a sync that finds none is.
func poison(t *testing.T, ops []faultfs.Op, failed func(int) bool, fault error) {
	t.Helper()
	bad := map[string]faultfs.Op{}
	for _, op := range ops {
		first, is := bad[op.Path]
		if is && op.Name != "Close" && op.Name != "Remove" {
			t.Errorf("%s (%d) of a file whose %s (%d) failed", op.Name, op.N, first.Name, first.N)
		}
		if !failed(op.N) {
			continue
		}
		switch op.Name {
		case "Write", "Sync", "SyncData":
			bad[op.Path] = op
		case "WriteAt":
			if !errors.Is(fault, syscall.ENOSPC) {
				bad[op.Path] = op
			}
		}
	}
}

// TestFailedForGood: who waits while the last attempt fails is told, and so is
// everybody who comes later.
func TestFailedForGood(t *testing.T) {
	path := prepare(t, scratch(t))
	ffs := faultfs.New(lazy(), nil)
	j := mustCreate(t, ffs, path, records(1, 2), Options{})
	var a acks
	ffs.Fail(func(op faultfs.Op) error {
		if op.N == 1 { // others come while this is written
			j.Append(false, a.of(4), record(4))
			j.Append(true, a.of(5), record(5))
		}
		return syscall.EIO
	})
	j.Append(true, a.of(3), record(3))
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	j.Append(true, a.of(6), record(6))
	for seq := uint64(3); seq <= 6; seq++ {
		if !errors.Is(a.errs[seq], syscall.EIO) || a.calls[seq] != 1 {
			t.Errorf("record %d: %v, told %d times", seq, a.errs[seq], a.calls[seq])
		}
	}
	wantRecords(t, path, records(1, 2))
}

// TestRestartTakesWaiting: who comes before the new file is written is in there,
// once, and is acknowledged with it.
func TestRestartTakesWaiting(t *testing.T) {
	path := prepare(t, scratch(t))
	ffs := faultfs.New(lazy(), nil)
	j := mustCreate(t, ffs, path, records(1, 2), Options{})
	var a acks
	ffs.Fail(func(op faultfs.Op) error {
		switch {
		case op.Name == "SyncData" && op.N == 2:
			j.Append(false, a.of(4), record(4))
			return syscall.EIO
		case op.Name == "SyncDir": // too late for this one
			j.Append(false, a.of(5), record(5))
		}
		return nil
	})
	j.Append(true, a.of(3), record(3))
	mustClose(t, j)
	if got := a.list(); !slices.Equal(got, []uint64{3, 4, 5}) {
		t.Errorf("acknowledged %v", got)
	}
	wantRecords(t, path, records(1, 5))
	if n := ffs.Count("WriteAt"); n != 2 {
		t.Errorf("%d frames were written, want one before and one after", n)
	}
}

// keeps are ways to choose among n things that are not stable: all subsets if
// they are few, else some.
func keeps(r *rand.Rand, n, samples int) []func(int) bool {
	var ks []func(int) bool
	if n <= 4 {
		for set := range 1 << n {
			ks = append(ks, func(i int) bool { return set>>i&1 == 1 })
		}
		return ks
	}
	ks = append(ks, func(int) bool { return true }, func(int) bool { return false })
	for range samples {
		seed, p := r.Uint64(), []float64{0.05, 0.5, 0.95}[r.IntN(3)]
		ks = append(ks, func(i int) bool { return rand.New(rand.NewPCG(seed, uint64(i))).Float64() < p })
	}
	return ks
}

// TestPowerCut cuts the power before and after every operation of a run, with
// and without one failure on the way.
func TestPowerCut(t *testing.T) {
	torn, clones := 0, 0
	clone := filepath.Join(scratch(t), "clone")
	run := func(n, samples int, fault error) (reached bool) {
		dir := scratch(t)
		path := prepare(t, dir)
		r := rand.New(rand.NewPCG(1, uint64(n)))
		var crash *faultfs.Crash
		var h history
		cut := func() {
			for _, keep := range keeps(r, crash.Pending(), samples) {
				clones++
				if err := os.RemoveAll(clone); err != nil {
					t.Fatal(err)
				}
				if err := crash.Clone(clone, keep); err != nil {
					t.Fatal(err)
				}
				c, err := Read(fsutil.OS(), filepath.Join(clone, fileName))
				if err := h.check(c, err); err != nil {
					t.Fatalf("with a failure at %d (%v): %v", n, fault, err)
				}
				if c.Torn != nil {
					torn++
				}
			}
		}
		count := 0
		ffs := faultfs.New(lazy(), func(op faultfs.Op) error {
			count++
			// Before the failure it is the run without one.
			if n == 0 || op.N > n && op.N < n+6 {
				cut()
			}
			if op.N == n {
				return fault
			}
			return nil
		})
		crash, err := faultfs.NewCrash(ffs, dir)
		if err != nil {
			t.Fatal(err)
		}
		h.accepted, h.acked = records(1, 2), records(1, 2)
		h.run(crash, path)
		cut()
		return count >= n
	}
	run(0, 40, nil)
	if torn == 0 || clones < 100 {
		t.Errorf("%d states were torn of %d", torn, clones)
	}
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, faultfs.Torn(syscall.EIO)} {
		for n := 1; run(n, 1, fault); n++ {
		}
	}
	t.Logf("%d states, %d torn", clones, torn)
}

// TestKilled: the process dies at every operation; what it has written stays.
func TestKilled(t *testing.T) {
	for n := 1; ; n++ {
		dir := scratch(t)
		path := prepare(t, dir)
		ffs := faultfs.New(lazy(), faultfs.From(n, errKilled))
		var h history
		h.run(ffs, path)
		c, err := Read(fsutil.OS(), path)
		if err := h.check(c, err); err != nil {
			t.Fatalf("at operation %d: %v", n, err)
		}
		if removed, err := fsutil.SweepTemps(fsutil.OS(), dir, fileName); err != nil || len(removed) > 1 {
			t.Errorf("at operation %d: swept %q, %v", n, removed, err)
		}
		if left := files(t, dir); strings.Join(left, " ") != fileName {
			t.Errorf("at operation %d: left %q", n, left)
		}
		if len(ffs.Ops()) < n {
			return
		}
	}
}

var errKilled = errors.New("killed")
