package session

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
	"github.com/hacky-run/hacky/internal/journal"
)

func (w *simWorld) failing(p *simProc, op faultfs.Op, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.faults++
	name := filepath.Base(op.Path)
	if strings.HasSuffix(name, ".hacky-tmp") {
		name = "a temp file"
	}
	w.logf("%v: %s of %s fails: %v (%T)", p, op.Name, name, err, err)
}

// alone runs one process on a disk without faults.
func (w *simWorld) alone(kind string, script func(p *simProc)) {
	if w.spawn(kind, script) == nil {
		w.failf("too many processes")
	}
	w.work.Wait()
	synctest.Wait()
}

// settle lets everybody come to an end on a disk that is well again, recovers
// what waits, and looks whether all is as it should be.
func (w *simWorld) settle() {
	w.disk.mu.Lock()
	w.disk.weather = fair
	w.disk.mu.Unlock()
	w.mu.Lock()
	w.calm = true
	w.logf("everybody ends")
	w.mu.Unlock()
	for range 600 {
		time.Sleep(time.Second)
		if w.mu.Lock(); len(w.procs) == 0 {
			w.mu.Unlock()
			break
		}
		w.mu.Unlock()
	}
	synctest.Wait()
	if len(w.procs) > 0 {
		w.failf("%v does not come to an end", w.procs)
		return
	}
	l := w.disk.location()
	w.check(l, "at the end")
	for _, step := range []func(Location){w.settleJournal, w.settleRecovery, w.settleRun, w.settleStatuses, w.settleParents} {
		if len(w.failed) == 0 {
			step(l)
		}
	}
	w.mu.Lock()
	w.calm = false
	w.mu.Unlock()
}

// settleJournal: whoever writes brings in what a dead run left.
func (w *simWorld) settleJournal(l Location) {
	w.alone("set", func(p *simProc) {
		if s := w.open(p, w.options(p)); s != nil {
			w.close(p, s)
		}
	})
	if c, err := journal.Read(fsutil.OS(), l.JournalPath()); err != nil || c != nil { // the beginning of one says nothing
		w.failf("the journal stays: %v, %v", c, err)
	}
	w.check(l, "with the journal replayed")
}

// settleRecovery: recovering twice changes nothing any more, and conflicts can
// be settled.
func (w *simWorld) settleRecovery(l Location) {
	paths := recoveryFiles(l)
	if len(w.handed) > 0 {
		paths = append(paths, "-")
	}
	for _, path := range paths {
		damaged := false
		if path != "-" {
			r, err := ReadRecovery(path)
			w.must(err)
			damaged = err == nil && r.Damage != nil
		}
		w.alone("recover", func(p *simProc) { w.recoverScript(p, path, RecoverOptions{Force: damaged}, false) })
		w.check(l, "recovered")
		before, err := os.ReadFile(l.Path())
		w.must(err)
		if isReserve(l, path) { // armed again: there is nothing in it
			continue
		}
		left, rerr := os.ReadFile(path)
		if path != "-" {
			w.alone("recover", func(p *simProc) { w.recoverScript(p, path, RecoverOptions{}, false) })
		}
		after, err := os.ReadFile(l.Path())
		w.must(err)
		if !bytes.Equal(before, after) {
			w.failf("recovering %s again has changed tasks.json", filepath.Base(path))
		}
		if again, err := os.ReadFile(path); !bytes.Equal(left, again) || errors.Is(err, os.ErrNotExist) != errors.Is(rerr, os.ErrNotExist) {
			w.failf("recovering again has changed %s", filepath.Base(path))
		}
		opts := RecoverOptions{Force: w.r.IntN(2) == 0}
		opts.Discard = !opts.Force
		w.alone("recover", func(p *simProc) { w.recoverScript(p, path, opts, false) })
		if _, err := os.Lstat(path); err == nil && !isReserve(l, path) {
			w.failf("%s stays", filepath.Base(path))
		}
		w.check(l, "with conflicts settled")
	}
}

// isReserve reports whether a file is a reserve that is not in use.
func isReserve(l Location, path string) bool {
	return path == reserve(l.Path()) && !reserveUsed(fsutil.OS(), path)
}

// settleRun: a clean run leaves nothing behind, and while it is there no other
// can be.
func (w *simWorld) settleRun(l Location) {
	w.alone("run", func(p *simProc) {
		o := w.options(p)
		o.Run = true
		s := w.open(p, o)
		if s == nil {
			w.failf("a run cannot open")
			return
		}
		second, err := Open(l, o)
		var locked *LockedError
		if !errors.As(err, &locked) || locked.Holder != p.String() {
			w.failf("a second run is told %v", err)
		}
		if second != nil {
			w.close(p, second)
		}
		w.close(p, s)
	})
	err := filepath.WalkDir(l.Dir, func(name string, _ os.DirEntry, err error) error {
		base := filepath.Base(name)
		good := name == l.Dir || name == reserve(l.Path()) || slices.Contains([]string{TasksFile, ".hacky", ".gitignore", "run.lock", "write.lock"}, base) ||
			strings.HasPrefix(base, "journal-torn-") || strings.Contains(base, ".kept-") || strings.HasSuffix(base, ".editor")
		if !good {
			w.failf("%s is left behind", base)
		}
		return err
	})
	w.must(err)
}

// settleStatuses: now tasks.json itself says what it should.
func (w *simWorld) settleStatuses(l Location) {
	b, err := Read(l)
	w.must(err)
	_, now, err := View(l)
	w.must(err)
	if !slices.Equal(b.Statuses(), now) {
		w.failf("a reader sees %v, tasks.json says %v", now, b.Statuses())
	}
	for _, id := range w.items {
		if i, _ := b.Lookup(id); !w.allowed(id).has(b.Items[i].Status) {
			w.failf("in the end %s is %s; it has to be %v%s", id, b.Items[i].Status, w.allowed(id), w.describe(id))
		}
	}
	if !w.rough && shapeOf(b) != w.shape {
		w.failf("what the editor saved last is lost: tasks.json is\n%s", b.Source())
	}
}

// settleParents: where anything changed the parents follow.
func (w *simWorld) settleParents(l Location) {
	w.alone("set", func(p *simProc) {
		s := w.open(p, w.options(p))
		if s == nil {
			w.failf("a writer cannot open")
			return
		}
		b := s.Backlog()
		var changes []Change
		for i := range b.Items {
			if it := &b.Items[i]; it.Kind == backlog.Subtask && (i == 0 || b.Items[i-1].Kind == backlog.Task) {
				changes = append(changes, Change{ID: it.ID, To: (it.Status + 1 + backlog.Status(w.r.IntN(6))) % 7})
			}
		}
		w.accept(p, changes)
		if err := s.Apply(nil, changes...); err != nil {
			w.failf("%v", err)
		}
		w.close(p, s)
	})
	b, err := Read(l)
	w.must(err)
	if !slices.Equal(b.Statuses(), b.RollUp(b.Statuses())) {
		w.failf("the parents do not follow:\n%s", b.Source())
	}
	w.check(l, "at last")
}
