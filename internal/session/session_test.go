package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

func TestApplyAndFlush(t *testing.T) {
	l := home(t, sample(planned(3)...))
	s := open(t, l, options(nil, nil))
	if s.Dirty() || s.Pending() != 0 {
		t.Error("a new session is dirty")
	}
	acks := 0
	acked := func(err error) {
		acks++
		if err != nil {
			t.Errorf("acked with %v", err)
		}
	}
	if err := s.Apply(acked, Change{ID: sub(1), To: backlog.Implementing}, Change{ID: sub(2), To: backlog.Complete}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(acked, Change{ID: sub(1), To: backlog.Complete}); err != nil {
		t.Fatal(err)
	}
	if acks != 2 {
		t.Errorf("acked %d times in 2 calls", acks)
	}
	if s.Pending() != 2 || !s.Dirty() {
		t.Errorf("%d pending, want 2 items", s.Pending())
	}
	if st, ok := s.Status(sub(1)); !ok || st != backlog.Complete {
		t.Errorf("Status before the flush: %v, %v", st, ok)
	}
	if got := letters(s.Backlog(), s.Statuses()); got != "CCP" {
		t.Errorf("Statuses before the flush: %s", got)
	}
	if got := statuses(t, l); got != "PPP" {
		t.Errorf("the file before the flush: %s", got)
	}
	flush(t, s)
	if s.Dirty() {
		t.Errorf("%d pending after the flush", s.Pending())
	}
	// Status words, and nothing else; the parents follow.
	want := strings.ReplaceAll(sample(backlog.Complete, backlog.Complete, backlog.Planned),
		`"title":"p","status":"Planned"`, `"title":"p","status":"Implementing"`)
	want = strings.ReplaceAll(want, `"title":"m","status":"Planned"`, `"title":"m","status":"Implementing"`)
	want = strings.ReplaceAll(want, `"title":"t","status":"Planned"`, `"title":"t","status":"Implementing"`)
	if got := get(t, l.Path()); got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
	apply(t, s, backlog.Complete, 3)
	closeSession(t, s)
	if got := get(t, l.Path()); strings.Count(got, `"Complete"`) != 6 {
		t.Errorf("Close has not flushed, or not rolled up:\n%s", got)
	}
}

func TestApplyRefuses(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s := open(t, l, options(nil, nil))
	for id, want := range map[string]string{
		sub(9):     "P1.M1.T1.S9 is not in " + l.Path(),
		"P1.M1.T1": "P1.M1.T1 is a task; its status follows from its subtasks",
		"P1":       "P1 is a phase; its status follows from its subtasks",
	} {
		acked := func(error) { t.Errorf("%s was acknowledged", id) }
		err := s.Apply(acked, Change{ID: sub(1), To: backlog.Complete}, Change{ID: id, To: backlog.Complete})
		if err == nil || err.Error() != want {
			t.Errorf("Apply(%s): %v, want %s", id, err, want)
		}
	}
	if s.Dirty() {
		t.Error("half of a refused call was accepted")
	}
	closeSession(t, s)
	if err := s.Apply(nil, Change{ID: sub(1), To: backlog.Complete}); err == nil {
		t.Error("a closed session accepts what it will never write")
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestFlushWritesNothing: without need the file is not touched, nor its parents
// "repaired".
func TestFlushWritesNothing(t *testing.T) {
	l := home(t, sample(backlog.Planned, backlog.Complete)) // the parents should say Implementing
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	ffs.Fail(nil)
	flush(t, s)
	if ops := ffs.Ops(); len(ops) > 0 {
		t.Errorf("a flush of nothing made %v", ops)
	}
	apply(t, s, backlog.Complete, 2) // it is already
	flush(t, s)
	apply(t, s, backlog.Failed, 1)
	apply(t, s, backlog.Planned, 1) // and back
	closeSession(t, s)
	for _, op := range ffs.Ops() {
		switch op.Name { // it may be synced: whoever wrote it may not have
		case "Write", "WriteAt", "Rename", "Exchange", "Remove", "Truncate":
			if filepath.Base(op.Path) == "write.lock" {
				continue // notes
			}
			t.Errorf("%s of %s, though the file says it all", op.Name, op.Path)
		}
	}
	if got := get(t, l.Path()); got != sample(backlog.Planned, backlog.Complete) {
		t.Errorf("the file is\n%s", got)
	}
}

// TestParentsThatNobodyTouched keep what somebody wrote there, however wrong.
func TestParentsThatNobodyTouched(t *testing.T) {
	two := strings.Replace(sample(planned(2)...), "\n]}]}]}]}\n", "\n"+`]},`+
		`{"id":"P1.M1.T2","type":"Task","title":"t2","status":"Failed","subtasks":[`+
		`{"id":"P1.M1.T2.S1","type":"Subtask","title":"x","status":"Complete"}]}]}]}]}`+"\n", 1)
	l := home(t, two)
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Implementing, 1)
	closeSession(t, s)
	got := get(t, l.Path())
	if !strings.Contains(got, `"title":"t2","status":"Failed"`) {
		t.Errorf("a task that nothing happened to was changed:\n%s", got)
	}
	if !strings.Contains(got, `"title":"t","status":"Implementing"`) {
		t.Errorf("the task in which something happened was not:\n%s", got)
	}
}

func TestFlushKeepsTheFileWhatItIs(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "elsewhere", "real.json")
	if err := os.Mkdir(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, target, "\ufeff"+strings.ReplaceAll(sample(planned(2)...), "\n", "\r\n"))
	if err := os.Chmod(target, 0o640); err != nil {
		t.Fatal(err)
	}
	l := Location{filepath.Join(dir, "session"), TasksFile}
	if err := os.Mkdir(l.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../elsewhere/real.json", l.Path()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time hacky's own file is the old one
		s := open(t, l, options(nil, nil))
		apply(t, s, backlog.Complete, 1, 2)
		closeSession(t, s)
		if link, err := os.Readlink(l.Path()); err != nil || link != "../elsewhere/real.json" {
			t.Fatalf("the link is %q, %v", link, err)
		}
		info, err := os.Stat(target)
		if err != nil || info.Mode() != 0o640 {
			t.Errorf("mode %v, %v; want 0640", info.Mode(), err)
		}
		want := "\ufeff" + strings.ReplaceAll(strings.ReplaceAll(sample(planned(2)...), "Planned", "Complete"), "\n", "\r\n")
		if got := get(t, target); got != want {
			t.Errorf("the target is\n%q\nwant\n%q", got, want)
		}
		put(t, filepath.Join(dir, "elsewhere", ".real.json.0123456789abcdef.hacky-tmp"), "stale")
	}
	closeSession(t, open(t, l, options(nil, nil)))
	if exists(t, filepath.Join(dir, "elsewhere", ".real.json.0123456789abcdef.hacky-tmp")) {
		t.Error("a stale temp file beside the target was not swept")
	}
}

func TestSecondRunIsLockedOut(t *testing.T) {
	l := home(t, sample(planned(2)...))
	o := options(nil, nil)
	o.Run, o.Holder = true, "process 42, since yesterday"
	run := open(t, l, o)
	_, err := Open(l, o)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder != o.Holder || locked.Dir != l.Dir {
		t.Fatalf("second run: %v", err)
	}
	if !strings.Contains(err.Error(), "locked by another run (process 42, since yesterday)") {
		t.Errorf("it says %q", err)
	}
	// Others still write.
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Complete, 2)
	closeSession(t, set)
	apply(t, run, backlog.Complete, 1)
	closeSession(t, run)
	if got := statuses(t, l); got != "CC" {
		t.Errorf("the file says %s", got)
	}
	closeSession(t, open(t, l, o))
	if got := get(t, filepath.Join(l.Dir, ".hacky", ".gitignore")); got != "*\n" {
		t.Errorf(".gitignore holds %q", got)
	}
}

// TestOpenReadsAgainUnderTheLock: the run before us may have written between
// our reading and our locking.
func TestOpenReadsAgainUnderTheLock(t *testing.T) {
	l := home(t, sample(planned(2)...))
	checks := 0
	o := options(faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if op.Name == "TryLock" && checks == 1 {
			edit(t, l, word(2, backlog.Planned), word(2, backlog.Complete))
		}
		return nil
	}), nil)
	o.Run, o.Check = true, func(*backlog.Backlog, []backlog.Status) error { checks++; return nil }
	s := open(t, l, o)
	if got := letters(s.Backlog(), s.Statuses()); got != "PC" || checks != 2 {
		t.Errorf("statuses %s after %d checks, want PC after 2", got, checks)
	}
	closeSession(t, s)

	refused := errors.New("refused")
	o.FS, o.Check = nil, func(*backlog.Backlog, []backlog.Status) error { return refused }
	if _, err := Open(l, o); !errors.Is(err, refused) {
		t.Errorf("Open: %v, want Check's error", err)
	}
}

// TestIgnoreFileOnAFullDisk: an empty .gitignore would stay for ever.
func TestIgnoreFileOnAFullDisk(t *testing.T) {
	l := home(t, sample(planned(1)...))
	full := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if filepath.Base(op.Path) == ".gitignore" && strings.HasPrefix(op.Name, "Write") {
			return syscall.ENOSPC
		}
		return nil
	})
	name := filepath.Join(l.Dir, ".hacky", ".gitignore")
	closeSession(t, open(t, l, options(full, nil)))
	if exists(t, name) {
		t.Errorf("it holds %q", get(t, name))
	}
	closeSession(t, open(t, l, options(nil, nil)))
	if got := get(t, name); got != "*\n" {
		t.Errorf("it holds %q", got)
	}
}
