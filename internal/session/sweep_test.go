package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// The sweeps fail every single operation of something in turn, and look
// afterwards whether anything is lost. What is known of an update is where it
// is: in tasks.json, in the recovery file, or in the error to be printed.

var sweepFaults = []struct {
	name string
	err  error
}{
	{"EBUSY", syscall.EBUSY}, {"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"EACCES", syscall.EACCES},
	{"torn", faultfs.Torn(syscall.ENOSPC)}, {"torn EIO", faultfs.Torn(syscall.EIO)},
}

// scenario is something to be swept.
type scenario struct {
	name string
	// before makes the session directory: tasks.json says Planned four times.
	before func(t *testing.T, l Location)
	// fault is what is wrong in any case, nil for nothing.
	fault func(t *testing.T, l Location) faultfs.Fault
	// do is what is swept.
	do func(s *Session) error
	// want is what tasks.json says after everything was recovered.
	want string
	// opens reports whether opening the session is part of it.
	opens bool
}

func none(*testing.T, Location) faultfs.Fault {
	return func(faultfs.Op) error { return nil }
}

// change applies Complete to the subtasks and closes the session.
func change(ns ...int) func(s *Session) error {
	return func(s *Session) error {
		for _, n := range ns {
			if err := s.Apply(nil, Change{ID: sub(n), To: backlog.Complete}); err != nil {
				return err
			}
		}
		return s.Close(context.Background())
	}
}

func replay(s *Session) error {
	r, err := readRecovery(s.fs, s.loc.RecoveryPath())
	if err == nil && r.Damage == nil {
		_, err = s.Recover(context.Background(), []*Recovery{r}, RecoverOptions{}, false)
	}
	return errors.Join(err, s.Close(context.Background()))
}

func leaveOne(t *testing.T, l Location) { fail(t, l, backlog.Complete, 1) }

var scenarios = []scenario{
	{"flush", func(*testing.T, Location) {}, none, change(2, 3), "PCCP", false},
	{"flush with a save in the last instant", func(*testing.T, Location) {}, lastInstant, change(2, 3), "PCCF", false},
	{"recovery file", func(*testing.T, Location) {}, noRoom, change(2, 3), "PCCP", false},
	{"recovery file where one waits", leaveOne, noRoom, change(2, 3), "CCCP", false},
	{"recover", leaveOne, none, replay, "CPPP", true},
	{"recover with a conflict", func(t *testing.T, l Location) {
		fail(t, l, backlog.Failed, 1, 2)
		edit(t, l, word(2, backlog.Planned), word(2, backlog.Complete))
	}, none, replay, "FCPP", true},
}

// lastInstant is an editor that sets S4 to Failed just before the exchange.
func lastInstant(t *testing.T, l Location) faultfs.Fault {
	edited := false
	return func(op faultfs.Op) error {
		if op.Name == "Exchange" && !edited {
			edited = true
			edit(t, l, word(4, backlog.Planned), word(4, backlog.Failed))
		}
		return nil
	}
}

// noRoom lets no byte of a new tasks.json be written.
func noRoom(_ *testing.T, l Location) faultfs.Fault {
	return on(l, faultfs.Always("Write", syscall.EDQUOT))
}

// both asks one fault after the other.
func both(a, b faultfs.Fault) faultfs.Fault {
	return func(op faultfs.Op) error {
		if err := a(op); err != nil {
			return err
		}
		return b(op)
	}
}

// run does the scenario with one more fault and returns operation n, which is
// zero if there were fewer, and the error.
func (sc scenario) run(t *testing.T, l Location, n int, fault faultfs.Fault) (ffs *faultfs.FS, failed faultfs.Op, err error) {
	t.Helper()
	ffs = faultfs.New(fsutil.OS(), nil)
	synctest.Test(t, func(t *testing.T) {
		standing := sc.fault(t, l)
		if sc.opens {
			ffs.Fail(both(standing, fault))
		}
		var s *Session
		if s, err = Open(l, options(ffs, nil)); err != nil {
			return
		}
		if !sc.opens {
			ffs.Fail(both(standing, fault))
		}
		err = sc.do(s)
	})
	if ops := ffs.Ops(); len(ops) >= n {
		failed = ops[n-1]
	}
	return ffs, failed, err
}

func TestFaultSweep(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios {
		for _, f := range sweepFaults {
			t.Run(sc.name+"/"+f.name, func(t *testing.T) {
				t.Parallel() // it waits for fsync
				for n := 1; ; n++ {
					l := home(t, sample(planned(4)...))
					sc.before(t, l)
					waited := waitingNow(l)
					_, failed, err := sc.run(t, l, n, faultfs.Nth(n, f.err))
					if failed.Name == "" { // fewer operations than that
						sc.settled(t, l, nil)
						return
					}
					where := fmt.Sprintf("%s of %s (%d) failed: %v", failed.Name, filepath.Base(failed.Path), n, err)
					if _, err := Read(l); err != nil {
						t.Fatalf("%s: tasks.json is broken: %v", where, err)
					}
					if left := litter(t, l); len(left) > 0 && failed.Name != "Remove" {
						t.Errorf("%s: left %q", where, left)
					}
					var flushed *FlushError
					if errors.As(err, &flushed) && !errors.Is(err, f.err) && !errors.Is(err, syscall.EDQUOT) {
						t.Errorf("%s: not because of the fault", where)
					}
					if flushed != nil && !errors.Is(flushed.Err, syscall.EDQUOT) && (flushed.Attempts != 1 || fsutil.Transient(f.err)) {
						t.Errorf("%s: %d attempts of a flush", where, flushed.Attempts)
					}
					for id := range waited {
						if now := waitingNow(l); !now[id] && !sc.done(t, l, id) {
							t.Errorf("%s: the waiting update of %s is lost", where, id)
						}
					}
					sc.settled(t, l, flushed)
					if t.Failed() {
						t.Fatal(where)
					}
				}
			})
		}
	}
}

// waitingNow are the ids in the recovery file or in one that was moved aside.
func waitingNow(l Location) map[string]bool {
	ids := map[string]bool{}
	aside, _ := filepath.Glob(l.RecoveryPath() + "*") // the pattern is in order
	for _, name := range aside {
		if r, err := ReadRecovery(name); err == nil {
			for _, u := range r.Changes {
				ids[u.ID] = true
			}
		}
	}
	return ids
}

// done reports whether the file says of an item what it should in the end.
func (sc scenario) done(t *testing.T, l Location, id string) bool {
	b, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	i, _ := b.Lookup(id)
	return b.Items[i].Status.String()[0] == sc.want[id[len(id)-1]-'1']
}

// settled recovers from everything that was left, with a disk that is well
// again, and looks whether it is all there.
func (sc scenario) settled(t *testing.T, l Location, failed *FlushError) {
	t.Helper()
	aside, _ := filepath.Glob(l.RecoveryPath() + "*") // the pattern is in order
	for _, name := range aside {
		if strings.HasSuffix(name, ".hacky-tmp") {
			continue
		}
		r, err := ReadRecovery(name)
		if err != nil || r.Damage != nil {
			t.Fatalf("%s: %v, damage %v", name, err, r.Damage)
		}
		replayAll(t, l, r)
	}
	if failed != nil && failed.Unsaved != nil {
		var lines strings.Builder
		for _, u := range failed.Unsaved {
			fmt.Fprintln(&lines, MarkedLine(u))
		}
		r := DecodeRecovery([]byte(lines.String()))
		r.Path = "-"
		replayAll(t, l, r)
	}
	if strings.Contains(sc.name, "last instant") && failed != nil && statuses(t, l) != sc.want {
		// The fault came before the save did.
		edit(t, l, word(4, backlog.Planned), word(4, backlog.Failed))
	}
	closeSession(t, open(t, l, options(nil, nil))) // sweeps
	if got := statuses(t, l); got != sc.want {
		t.Errorf("in the end the file says %s, want %s", got, sc.want)
	}
	if left := litter(t, l); len(left) > 0 {
		t.Errorf("in the end there is %q", left)
	}
}

func replayAll(t *testing.T, l Location, r *Recovery) {
	t.Helper()
	s := open(t, l, options(nil, nil))
	if _, err := s.Recover(context.Background(), []*Recovery{r}, RecoverOptions{}, false); err != nil {
		t.Error(err)
	}
	closeSession(t, s)
}

// TestCrashSweep ends the process at every operation, with and without a power
// cut. Without a journal the batch may be lost; nothing else may.
func TestCrashSweep(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios {
		sc.opens = true
		for _, cut := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/power cut %v", sc.name, cut), func(t *testing.T) {
				t.Parallel() // it waits for fsync
				for n := 1; ; n++ {
					l := home(t, sample(planned(4)...))
					sc.before(t, l)
					waited := waitingNow(l)
					ffs, failed, _ := sc.run(t, l, n, faultfs.From(n, syscall.EIO))
					if failed.Name == "" {
						return
					}
					if cut {
						if err := ffs.PowerCut(); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := Read(l); err != nil {
						t.Fatalf("dead from %s (%d): tasks.json is broken: %v", failed.Name, n, err)
					}
					now := waitingNow(l)
					for id := range waited {
						if !now[id] && !sc.done(t, l, id) {
							t.Fatalf("dead from %s (%d): the waiting update of %s is lost", failed.Name, n, id)
						}
					}
					closeSession(t, open(t, l, options(nil, nil)))
					if left := litter(t, l); len(left) > 0 {
						t.Fatalf("dead from %s (%d): opening left %q", failed.Name, n, left)
					}
				}
			})
		}
	}
}
