package session

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// What the simulation has found, as short as it goes.

func wantVisible(t *testing.T, l Location, want string) {
	t.Helper()
	b, now, err := View(l)
	if err != nil || letters(b, now) != want {
		t.Errorf("a reader sees %s, %v; want %s", letters(b, now), err, want)
	}
}

// An old status that an editor brings back is not meant only because a hacky
// that sets something else saves it, too.
func TestStaleEditorThenHacky(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	run := open(t, l, options(nil, nil))
	apply(t, run, backlog.Complete, 1)
	flush(t, run)
	edit(t, l, word(1, backlog.Complete), word(1, backlog.Planned))
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Failed, 2)
	closeSession(t, set)
	closeSession(t, run)
	if got := statuses(t, l); got != "CF" {
		t.Errorf("the file says %s", got)
	}
}

// What is set is meant, also when an editor saves it again before the run looks.
func TestHackyThenEditor(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	run := open(t, l, options(nil, nil))
	apply(t, run, backlog.Complete, 1)
	flush(t, run)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Planned, 1)
	closeSession(t, set)
	edit(t, l, `"title":"s 2"`, `"title":"another"`)
	closeSession(t, run)
	if got := statuses(t, l); got != "PP" {
		t.Errorf("the file says %s", got)
	}
}

// A writer that has been there for long does not bring back what it said before
// others said something else.
func TestOldWriterYields(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	old := open(t, l, options(nil, nil))
	apply(t, old, backlog.Obsolete, 1)
	flush(t, old)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Failed, 1)
	closeSession(t, set)
	edit(t, l, word(1, backlog.Failed), word(1, backlog.Planned)) // behind what was noted last: an old status
	closeSession(t, old)
	if got := statuses(t, l); got != "FP" {
		t.Errorf("the file says %s", got)
	}
}

// The later of two words holds, also if tasks.json has said it all along.
func TestPendingYields(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	run := open(t, l, options(nil, nil))
	apply(t, run, backlog.Failed, 1)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Planned, 1)
	closeSession(t, set)
	closeSession(t, run)
	if got := statuses(t, l); got != "PP" {
		t.Errorf("the file says %s", got)
	}
}

// The journal of a run, which is not trimmed before its next commit, does not
// hold against what was set since.
func TestJournalYields(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	run := open(t, l, runOptions(nil, nil))
	acknowledge(t, run, backlog.Failed, 1)
	flush(t, run)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Planned, 1)
	closeSession(t, set)
	wantVisible(t, l, "PP")
	die(t, run)
	closeSession(t, open(t, l, options(nil, nil)))
	wantVisible(t, l, "PP")
}

// What nobody waits for replaces what the journal says of the item.
func TestUnacknowledgedAfterAcknowledged(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	synctest.Test(t, func(t *testing.T) {
		run := open(t, l, runOptions(nil, nil))
		acknowledge(t, run, backlog.Failed, 1)
		apply(t, run, backlog.Planned, 1)
		flush(t, run)
		synctest.Wait()
		die(t, run)
	})
	wantVisible(t, l, "PP")
	closeSession(t, open(t, l, options(nil, nil)))
	wantVisible(t, l, "PP")
}

// A run that has no journal does not leave a dead run's one behind: that would
// hold against what the run has acknowledged.
func TestRunWithoutJournalRemovesTheOld(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	dead := open(t, l, runOptions(nil, nil))
	acknowledge(t, dead, backlog.Failed, 1)
	die(t, dead)
	ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if op.Name == "Rename" && op.To == l.JournalPath() {
			return syscall.EACCES
		}
		return nil
	})
	run := open(t, l, runOptions(ffs, nil))
	apply(t, run, backlog.Planned, 1)
	flush(t, run)
	die(t, run)
	wantVisible(t, l, "PP")
}

// What an editor has written, and perhaps not synced, is not taken for stable.
func TestSyncsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	l := home(t, sample(backlog.Complete))
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Complete, 1)
	flush(t, s)
	file, dir := 0, 0
	for _, op := range ffs.Ops() {
		switch {
		case op.Name == "Sync" && filepath.Base(op.Path) == TasksFile:
			file++
		case op.Name == "SyncDir":
			dir++
		}
	}
	if file == 0 || dir == 0 {
		t.Errorf("acknowledged with %d syncs of the file and %d of the directory", file, dir)
	}
	closeSession(t, s)
}

// TestGaveWayUnstable: an update that gives way to another hacky's is settled
// only when that is on stable storage; else the caller is told.
func TestGaveWayUnstable(t *testing.T) {
	l := home(t, sample(planned(2)...))
	broken := true
	s := open(t, l, options(faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if broken && op.Name == "Sync" && filepath.Base(op.Path) == l.Name {
			return syscall.ENOSPC
		}
		return nil
	}), nil))
	apply(t, s, backlog.Failed, 1)
	other := open(t, l, options(nil, nil))
	apply(t, other, backlog.Complete, 1)
	closeSession(t, other)
	var unstable *UnstableError
	if err := s.Flush(t.Context()); !errors.As(err, &unstable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush says %v", err)
	}
	if err := s.Flush(t.Context()); !errors.As(err, &unstable) { // still (seed 10845)
		t.Errorf("the second Flush says %v", err)
	}
	broken = false
	apply(t, s, backlog.Complete, 2)
	closeSession(t, s)
	if got := statuses(t, l); got != "CC" {
		t.Error(got)
	}
}

// TestJudgedOnce: what one hacky has judged to be later than its own word is
// not judged otherwise by another, which knows it for an old status (seed 11295).
func TestJudgedOnce(t *testing.T) {
	t.Parallel()
	l := home(t, sample(backlog.Failed, backlog.Planned))
	old, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	first := open(t, l, options(nil, nil))
	apply(t, first, backlog.Retrying, 1)
	flush(t, first)
	second := open(t, l, options(nil, nil))
	apply(t, second, backlog.Researching, 1)
	later := time.Now().Add(time.Second)
	if err := errors.Join(os.WriteFile(l.Path(), old, 0o600), os.Chtimes(l.Path(), later, later)); err != nil {
		t.Fatal(err)
	}
	closeSession(t, second)
	if got := statuses(t, l); got != "FP" {
		t.Fatalf("the second says %s", got)
	}
	apply(t, first, backlog.Complete, 2)
	closeSession(t, first)
	if got := statuses(t, l); got != "FC" {
		t.Errorf("the first says %s", got)
	}
}

// A Complete that a set has seen in a run's journal, and is to turn back, is
// turned back although the run puts it into tasks.json first.
func TestTurnsBackWhatItSaw(t *testing.T) {
	t.Parallel()
	for _, over := range []backlog.Status{backlog.Complete, backlog.Planned} {
		l := home(t, sample(planned(2)...))
		o := options(nil, nil)
		o.Run = true
		run := open(t, l, o)
		acked := make(chan error, 1)
		if err := run.Apply(func(err error) { acked <- err }, Change{ID: sub(1), To: backlog.Complete}); err != nil {
			t.Fatal(err)
		}
		if err := <-acked; err != nil {
			t.Fatal(err)
		}
		set := open(t, l, options(nil, nil))
		if err := set.Apply(nil, Change{ID: sub(1), To: backlog.Failed, Reopens: over == backlog.Complete}); err != nil {
			t.Fatal(err)
		}
		flush(t, run)
		closeSession(t, set)
		closeSession(t, run)
		want := "FP"
		if over != backlog.Complete { // it did not know
			want = "CP"
		}
		if got := statuses(t, l); got != want {
			t.Errorf("over %s: the file says %s, want %s", over, got, want)
		}
		if now, _ := set.Status(sub(1)); now.String()[0] != want[0] {
			t.Errorf("over %s: set says %s", over, now)
		}
	}
}

// A status that gives way when it is flushed, because a hacky has said something
// later of which the file shows nothing, is told, too.
func TestYieldIsTold(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	var told []string
	o := options(nil, nil)
	o.Changed = func(ids []string) { told = append(told, ids...) }
	run := open(t, l, o)
	apply(t, run, backlog.Failed, 1)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Planned, 1)
	closeSession(t, set)
	flush(t, run)
	if len(told) != 1 || told[0] != sub(1) {
		t.Errorf("told of %q", told)
	}
	closeSession(t, run)
}
