package session

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
	"github.com/hacky-run/hacky/internal/journal"
)

// Who lists the session's directory at any instant sees known names only: a
// "git add -A", a test runner or a watcher never meets a file that is about to
// go. Each operation of a run that flushes, fails, recovers and ends is such an
// instant.
func TestNothingTransientIsSeen(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(4)...))
	known := []string{TasksFile, TasksFile + ".failed", fsutil.PrivateDir}
	seen := func(op faultfs.Op) error {
		entries, err := os.ReadDir(l.Dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			if !slices.Contains(known, e.Name()) && !strings.HasPrefix(e.Name(), TasksFile+".failed.kept-") {
				t.Errorf("before operation %d (%s %s) %s is to be seen", op.N, op.Name, op.Path, e.Name())
			}
		}
		return nil
	}
	disk := faultfs.New(fsutil.OS(), seen)
	s := open(t, l, runOptions(disk, nil))
	acknowledge(t, s, backlog.Complete, 1)
	flush(t, s)
	edit(t, l, `"title":"s 4"`, `"title":"edited"`)
	acknowledge(t, s, backlog.Complete, 2)
	flush(t, s)
	disk.Fail(func(op faultfs.Op) error {
		if op.Name == "Exchange" {
			return syscall.ENOSPC
		}
		return seen(op)
	})
	acknowledge(t, s, backlog.Complete, 3)
	if err := s.Close(t.Context()); !exists(t, l.RecoveryPath()) {
		t.Fatalf("no recovery file: %v", err)
	}
	disk.Fail(seen)
	files := []*Recovery{recovery(t, l)}
	s = open(t, l, options(disk, nil))
	if _, err := s.Recover(t.Context(), files, RecoverOptions{}, true); err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
	if got := statuses(t, l); got != "CCCP" {
		t.Errorf("tasks.json says %s", got)
	}
}

// oldJournal makes the journal of an older hacky, in which this one is complete.
func oldJournal(t *testing.T, l Location, n int) string {
	t.Helper()
	s := open(t, l, runOptions(nil, nil))
	acknowledge(t, s, backlog.Complete, n)
	die(t, s)
	path := l.JournalPaths()[0]
	if err := os.Rename(l.JournalPath(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// A journal beside tasks.json is seen by readers, replayed by the next writer
// and then gone; that of an older run that is alive stays.
func TestOldJournal(t *testing.T) {
	t.Parallel()
	for _, run := range []bool{true, false} {
		l := home(t, sample(planned(4)...))
		path := oldJournal(t, l, 1)
		s := open(t, l, runOptions(nil, nil))
		if exists(t, path) {
			t.Error("the old journal stays when the new one has its records")
		}
		acknowledge(t, s, backlog.Complete, 2)
		die(t, s)
		both := get(t, l.JournalPath())
		path = oldJournal(t, l, 3) // an old hacky went on, and died
		put(t, l.JournalPath(), both)
		if b, now, err := View(l); err != nil || letters(b, now) != "CCCP" {
			t.Errorf("readers see %s, %v", letters(b, now), err)
		}

		_, unlock, err := fsutil.OS().TryLock(l.Hidden("run.lock"))
		if err != nil {
			t.Fatal(err)
		}
		s = open(t, l, options(nil, nil))
		apply(t, s, backlog.Failed, 4)
		closeSession(t, s)
		if !exists(t, path) || !exists(t, l.JournalPath()) {
			t.Error("the journal of a live run is gone")
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}

		o := options(nil, nil)
		if run {
			o = runOptions(nil, nil)
		}
		closeSession(t, open(t, l, o))
		if got := statuses(t, l); got != "CCCF" || exists(t, path) || exists(t, l.JournalPath()) {
			t.Errorf("run %v: tasks.json says %s; journals there: %v %v", run, got, exists(t, path), exists(t, l.JournalPath()))
		}
	}
}

// The journal of another backlog in the same directory is another one.
func TestJournalPerBacklog(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	other := Location{Dir: l.Dir, Name: "other.json"}
	put(t, other.Path(), sample(planned(2)...))
	s := open(t, other, runOptions(nil, nil))
	acknowledge(t, s, backlog.Complete, 1)
	die(t, s)
	if b, now, err := View(l); err != nil || letters(b, now) != "PP" {
		t.Errorf("tasks.json is shown as %s, %v", letters(b, now), err)
	}
	if b, now, err := View(other); err != nil || letters(b, now) != "CP" {
		t.Errorf("other.json is shown as %s, %v", letters(b, now), err)
	}
}

// Who removes .hacky/ in the middle of a run takes nothing that is acknowledged
// after that.
func TestHiddenRemovedInARun(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(3)...))
	s := open(t, l, runOptions(nil, nil))
	acknowledge(t, s, backlog.Complete, 1)
	if err := os.RemoveAll(l.Hidden("")); err != nil {
		t.Fatal(err)
	}
	acknowledge(t, s, backlog.Complete, 2)
	if c, err := journal.Read(fsutil.OS(), l.JournalPath()); err != nil || c == nil || len(c.Records) != 2 {
		t.Errorf("the journal that was made again: %+v, %v", c, err)
	}
	if got := strings.TrimSpace(get(t, l.Hidden(".gitignore"))); got != "*" {
		t.Errorf(".gitignore says %q", got)
	}
	flush(t, s)
	closeSession(t, s)
	if got := statuses(t, l); got != "CCP" {
		t.Errorf("tasks.json says %s", got)
	}
}
