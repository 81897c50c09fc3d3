package session

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
	"github.com/hacky-run/hacky/internal/journal"
)

func runOptions(fsys fsutil.FS, log *logged) Options {
	o := options(fsys, log)
	o.Run = true
	return o
}

// acknowledge applies a change urgently and reports whether it was
// acknowledged.
func acknowledge(t testing.TB, s *Session, to backlog.Status, n int) bool {
	t.Helper()
	var ok, told bool
	err := s.Apply(func(err error) { ok, told = err == nil, true }, Change{ID: sub(n), To: to, Urgent: true})
	if err != nil {
		t.Fatal(err)
	}
	return told && ok
}

// die gives the run lock back and closes nothing: what a kill leaves.
func die(t testing.TB, s *Session) {
	t.Helper()
	if err := s.releaseRun(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalSurvivesKill(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(4)...))
	var log logged
	s := open(t, l, runOptions(nil, &log))
	if !acknowledge(t, s, backlog.Complete, 1) {
		t.Fatal("not acknowledged")
	}
	apply(t, s, backlog.Implementing, 2)
	flush(t, s)
	if !acknowledge(t, s, backlog.Complete, 2) || !acknowledge(t, s, backlog.Failed, 3) {
		t.Fatal("not acknowledged")
	}
	if got := statuses(t, l); got != "CIPP" {
		t.Errorf("tasks.json says %s", got)
	}
	die(t, s)

	b, now, err := View(l)
	if err != nil || letters(b, now) != "CCFP" {
		t.Errorf("a reader sees %s, %v", letters(b, now), err)
	}
	checked := ""
	o := runOptions(nil, &log)
	o.Check = func(b *backlog.Backlog, st []backlog.Status) error { checked = letters(b, st); return nil }
	s = open(t, l, o)
	if checked != "CCFP" {
		t.Errorf("Check was shown %s", checked)
	}
	if got := letters(s.Backlog(), s.Statuses()); got != "CCFP" {
		t.Errorf("reopened: %s", got)
	}
	die(t, s) // once more, before its first flush

	s = open(t, l, runOptions(nil, &log))
	closeSession(t, s)
	if got := statuses(t, l); got != "CCFP" {
		t.Errorf("after the clean end tasks.json says %s", got)
	}
	if exists(t, l.JournalPath()) {
		t.Error("the journal stays after a clean end")
	}
}

// Whoever writes next brings a dead run's journal in, but not a live one's.
func TestJournalAndOtherWriters(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(3)...))
	run := open(t, l, runOptions(nil, nil))
	acknowledge(t, run, backlog.Complete, 1)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Complete, 2)
	closeSession(t, set)
	if !exists(t, l.JournalPath()) {
		t.Fatal("the journal of a live run is gone")
	}
	if d, err := PlanRecovery(l, nil, RecoverOptions{}); len(d) > 0 || err != nil {
		t.Errorf("of a live run %v would be replayed, %v", d, err)
	}
	die(t, run)
	if d, err := PlanRecovery(l, nil, RecoverOptions{}); len(d) != 1 || err != nil {
		t.Errorf("of a dead run %v would be replayed, %v", d, err)
	}
	set = open(t, l, options(nil, nil))
	if d := set.Replayed(); len(d) != 1 || d[0].ID != sub(1) || d[0].Verdict != Applied {
		t.Errorf("replayed %v", d)
	}
	apply(t, set, backlog.Complete, 3)
	closeSession(t, set)
	if got := statuses(t, l); got != "CCC" {
		t.Errorf("tasks.json says %s", got)
	}
	if exists(t, l.JournalPath()) {
		t.Error("the journal stays")
	}
}

// What a journal says against what another program saved since (§5.5).
func TestReplayMerges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, after backlog.Status // of what the file says when the run dies, and then
		to            backlog.Status
		want          backlog.Status
	}{
		{backlog.Planned, backlog.Planned, backlog.Complete, backlog.Complete},
		{backlog.Planned, backlog.Implementing, backlog.Complete, backlog.Complete}, // an old flush of ours
		{backlog.Planned, backlog.Complete, backlog.Failed, backlog.Complete},       // never turned back
		{backlog.Planned, backlog.Obsolete, backlog.Complete, backlog.Obsolete},     // theirs is later
		{backlog.Failed, backlog.Failed, backlog.Complete, backlog.Complete},
	} {
		t.Run(fmt.Sprintf("%v %v %v", tt.before, tt.after, tt.to), func(t *testing.T) {
			l := home(t, sample(tt.before, backlog.Planned))
			s := open(t, l, runOptions(nil, nil))
			acknowledge(t, s, tt.to, 1)
			die(t, s)
			if tt.after != tt.before {
				edit(t, l, word(1, tt.before), word(1, tt.after))
			}
			edit(t, l, `"title":"s 2"`, `"title":"another"`) // so that the base differs
			later := time.Now().Add(time.Second)             // the kernel's clock for files is coarse
			if err := os.Chtimes(l.Path(), later, later); err != nil {
				t.Fatal(err)
			}
			s = open(t, l, runOptions(nil, nil))
			closeSession(t, s)
			b, err := Read(l)
			if err != nil || b.Items[3].Status != tt.want {
				t.Errorf("%v, %v; want %v", b.Items[3].Status, err, tt.want)
			}
		})
	}
}

// A damaged journal is reported, and nothing is guessed or written.
func TestJournalDamaged(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(3)...))
	s := open(t, l, runOptions(nil, nil))
	for n := 1; n <= 3; n++ {
		acknowledge(t, s, backlog.Complete, n)
	}
	die(t, s)
	data := get(t, l.JournalPath())
	at := strings.Index(data, "frme") + 30
	put(t, l.JournalPath(), data[:at]+string(data[at]^1)+data[at+1:])
	for _, o := range []Options{runOptions(nil, nil), options(nil, nil)} {
		_, err := Open(l, o)
		var damage *journal.DamageError
		if !errors.As(err, &damage) || !strings.Contains(err.Error(), "it still says: "+sub(2)+" Complete") {
			t.Errorf("Open: %v", err)
		}
	}
	if _, _, err := View(l); err == nil {
		t.Error("View says nothing")
	}
	if statuses(t, l) != "PPP" {
		t.Error("tasks.json has changed")
	}
}

// A torn end was not acknowledged; it is kept aside and said.
func TestJournalTorn(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	var log logged
	s := open(t, l, runOptions(nil, nil))
	acknowledge(t, s, backlog.Complete, 1)
	acknowledge(t, s, backlog.Complete, 2)
	die(t, s)
	data := get(t, l.JournalPath())
	at := strings.LastIndex(data, sub(2))
	put(t, l.JournalPath(), data[:at]+"\x00"+data[at+1:])
	s = open(t, l, runOptions(nil, &log))
	closeSession(t, s)
	if got := statuses(t, l); got != "CP" {
		t.Errorf("tasks.json says %s", got)
	}
	if len(log.lines(t, "the journal ended in a record that a crash cut off; it was not acknowledged, and is kept aside")) != 1 {
		t.Error("nothing is said")
	}
}

// TestJournalFaults fails every operation of a run once, and cuts it off there:
// what was acknowledged is there when the session is opened again.
func TestJournalFaults(t *testing.T) {
	t.Parallel()
	for _, errno := range []error{syscall.EIO, syscall.ENOSPC, faultfs.Torn(syscall.EIO)} {
		for _, mode := range []string{"once", "from then on"} {
			t.Run(fmt.Sprintf("%v %T %s", errno, errno, mode), func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n++ {
					l := home(t, sample(planned(5)...))
					fault := faultfs.Nth(n, errno)
					if mode != "once" {
						fault = faultfs.From(n, errno)
					}
					ffs := faultfs.New(fsutil.OS(), fault)
					acked := map[int]bool{}
					o := runOptions(ffs, nil)
					o.Retry.Retries = 0
					s, err := Open(l, o)
					if err == nil {
						for k := 1; k <= 5; k++ {
							err := s.Apply(func(err error) {
								if err == nil {
									acked[k] = true
								}
							}, Change{ID: sub(k), To: backlog.Complete, Urgent: true})
							if err != nil {
								t.Fatal(err)
							}
							if k == 3 {
								_ = s.Flush(t.Context())
							}
						}
						operations := ffs.Count("")
						ffs.Fail(nil)
						if n%2 == 0 {
							_ = s.Close(t.Context())
						} else {
							die(t, s)
						}
						if n > operations {
							return // no operation is left to fail
						}
					}
					wantAcknowledged(t, l, acked, n)
				}
			})
		}
	}
}

// wantAcknowledged reopens the session, replays what waits, and looks.
func wantAcknowledged(t *testing.T, l Location, acked map[int]bool, n int) {
	t.Helper()
	s, err := Open(l, options(nil, nil))
	if err != nil {
		t.Fatalf("operation %d failed: reopening: %v", n, err)
	}
	r, err := ReadRecovery(l.RecoveryPath())
	if err == nil {
		_, err = s.Recover(t.Context(), []*Recovery{r}, RecoverOptions{}, false)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("operation %d failed: recover: %v", n, err)
	}
	closeSession(t, s)
	b, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	for k := range acked {
		if i, _ := b.Lookup(sub(k)); b.Items[i].Status != backlog.Complete {
			t.Errorf("operation %d failed: %s was acknowledged and is %s", n, sub(k), b.Items[i].Status)
		}
	}
}

// TestJournalThroughALink: what was acknowledged through a symbolic link is
// seen, and brought in, by who comes to the backlog directly, and the other way
// round.
func TestJournalThroughALink(t *testing.T) {
	t.Parallel()
	direct := home(t, sample(planned(2)...))
	linked := Location{Dir: t.TempDir(), Name: "other.json"}
	if err := os.Symlink(direct.Path(), linked.Path()); err != nil {
		t.Fatal(err)
	}
	for n, way := range [][2]Location{{linked, direct}, {direct, linked}} {
		s := open(t, way[0], runOptions(nil, nil))
		acknowledge(t, s, backlog.Complete, n+1)
		die(t, s)
		want := []string{"CP", "CC"}[n]
		wantVisible(t, way[1], want)
		closeSession(t, open(t, way[1], options(nil, nil)))
		if got := statuses(t, direct); got != want {
			t.Errorf("tasks.json says %s, want %s", got, want)
		}
		if exists(t, way[0].JournalPath()) || exists(t, way[1].JournalPath()) {
			t.Error("the journal stays")
		}
	}
}
