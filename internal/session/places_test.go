package session

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// sheltersOf are two directories that are not there yet.
func sheltersOf(t testing.TB) []Shelter {
	t.Helper()
	dir := t.TempDir()
	return []Shelter{{Dir: filepath.Join(dir, "state", "hacky", "recovery")}, {Dir: filepath.Join(dir, "temp"), Volatile: true}}
}

// filledUp is a disk without room below dir: nothing new can be made or written,
// except over what is there.
func filledUp(dir string, err error) faultfs.Fault {
	return func(op faultfs.Op) error {
		if !strings.HasPrefix(op.Path, dir) {
			return nil
		}
		made := op.Name == "OpenFile" && op.Flag&os.O_CREATE != 0 && !strings.HasSuffix(op.Path, ".lock")
		if made || op.Name == "Mkdir" || op.Name == "Write" && !strings.HasSuffix(op.Path, ".lock") {
			return err
		}
		return nil
	}
}

// switched is a fault that is on only while on is true.
func switched(on *bool, f faultfs.Fault) faultfs.Fault {
	return func(op faultfs.Op) error {
		if !*on {
			return nil
		}
		return f(op)
	}
}

// paths of what waits, relative to the session or the shelters.
func waitingPaths(l Location, shelters []Shelter) string {
	var out []string
	for _, p := range Waiting(l, shelters) {
		name := p.Path
		for k, sh := range shelters {
			if strings.HasPrefix(name, sh.Dir) {
				name = []string{"STATE", "TEMP"}[k]
				if p.Volatile != sh.Volatile {
					name += " (wrongly volatile or not)"
				}
			}
		}
		out = append(out, strings.TrimPrefix(name, l.Dir+"/"))
	}
	return strings.Join(out, " ")
}

// recoverWaiting does what the command does with all that waits.
func recoverWaiting(t testing.TB, l Location, shelters []Shelter, opts RecoverOptions) []Decision {
	t.Helper()
	var files []*Recovery
	for _, p := range Waiting(l, shelters) {
		r, err := ReadRecovery(p.Path)
		if err != nil || r.Damage != nil {
			t.Fatalf("%s: %v, %+v", p.Path, err, r)
		}
		files = append(files, r)
	}
	s := open(t, l, options(nil, nil))
	decisions, err := s.Recover(context.Background(), files, opts, false)
	if err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
	return decisions
}

// TestEveryPlace lets the places of §5.6 fail one after the other: the updates
// are in the first that is left, and recover finds them there.
func TestEveryPlace(t *testing.T) {
	denied := func(names ...string) faultfs.Fault {
		return func(op faultfs.Op) error {
			for _, name := range names {
				if strings.Contains(op.Path, name) || strings.Contains(op.To, name) {
					return syscall.EACCES
				}
			}
			return nil
		}
	}
	both := func(fs ...faultfs.Fault) faultfs.Fault {
		return func(op faultfs.Op) error {
			for _, f := range fs {
				if err := f(op); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		fault func(l Location) faultfs.Fault
		want  string
	}{
		{"tasks.json cannot be replaced", func(Location) faultfs.Fault { return faultfs.Always("Exchange", syscall.EPERM) }, "tasks.json.failed"},
		{"the disk is full", func(l Location) faultfs.Fault { return filledUp(l.Dir, syscall.ENOSPC) }, "tasks.json.failed"},
		{"full, and the directory takes no new name", func(l Location) faultfs.Fault {
			return both(filledUp(l.Dir, syscall.ENOSPC), func(op faultfs.Op) error {
				if op.Name == "Rename" && filepath.Dir(op.To) == l.Dir {
					return syscall.EPERM
				}
				return nil
			})
		}, ".hacky/tasks.json.failed"},
		{"full, and nothing can be renamed", func(l Location) faultfs.Fault {
			return both(filledUp(l.Dir, syscall.ENOSPC), faultfs.Always("Rename", syscall.EPERM))
		}, ".hacky/reserve-tasks.json"},
		{"the session cannot be written", func(l Location) faultfs.Fault { return denied(l.Dir) }, "STATE"},
		{"nor the state directory", func(l Location) faultfs.Fault { return denied(l.Dir, "state/hacky") }, "TEMP"},
		{"nor anything", func(Location) faultfs.Fault { return denied("") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, shelters := home(t, sample(planned(3)...)), sheltersOf(t)
			broken := false
			o := options(faultfs.New(fsutil.OS(), switched(&broken, c.fault(l))), nil)
			o.Shelters = shelters
			s := open(t, l, o)
			apply(t, s, backlog.Complete, 1, 2)
			broken = true
			failed := flushError(t, s.Flush(context.Background()))
			if got := waitingPaths(l, shelters); got != c.want {
				t.Fatalf("updates wait in %q, want %q", got, c.want)
			}
			if c.want == "" {
				apply(t, s, backlog.Failed, 3)
				failed = flushError(t, s.Close(context.Background()))
				if len(failed.Unsaved) != 3 || failed.Recovery != "" {
					t.Errorf("%+v", failed)
				}
				return
			}
			p := Waiting(l, shelters)[0]
			if failed.Recovery != p.Path || failed.Volatile != p.Volatile || failed.Pending != 2 || len(failed.Unsaved) != 0 {
				t.Errorf("%+v, want %+v", failed, p)
			}
			if strings.Contains(failed.Error(), "reboot") != p.Volatile {
				t.Errorf("said: %v", failed)
			}
			if info, err := os.Stat(p.Path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			// What ends after that is kept, too: there, or, when the reserve is used up, further on.
			apply(t, s, backlog.Failed, 3)
			if failed = flushError(t, s.Close(context.Background())); failed.Pending != 3 || failed.Recovery == "" {
				t.Errorf("%+v", failed)
			}
			if got := verdicts(recoverWaiting(t, l, shelters, RecoverOptions{})); got != "S1 applied, S2 applied, S3 applied" {
				t.Error(got)
			}
			if got := statuses(t, l); got != "CCF" || waitingPaths(l, shelters) != "" {
				t.Errorf("statuses %s, waiting %q", got, waitingPaths(l, shelters))
			}
			if got := recoverWaiting(t, l, shelters, RecoverOptions{}); len(got) != 0 {
				t.Errorf("once more: %+v", got)
			}
			if info, err := os.Stat(reserve(l.Path())); err != nil || info.Size() < leastReserve {
				t.Errorf("the reserve is not armed again: %v", err)
			}
		})
	}
}

// TestSeveralPlaces: failures at different times leave files in different
// places; recover merges them, the latest of each item counting, and leaves
// each file its conflicts.
func TestSeveralPlaces(t *testing.T) {
	l, shelters := home(t, sample(planned(4)...)), sheltersOf(t)
	fail := func(fault faultfs.Fault, to backlog.Status, ns ...int) {
		t.Helper()
		broken := false
		o := options(faultfs.New(fsutil.OS(), switched(&broken, fault)), nil)
		o.Shelters = shelters
		s := open(t, l, o)
		broken = true
		apply(t, s, to, ns...)
		flushError(t, s.Close(context.Background()))
	}
	session := func(op faultfs.Op) error {
		if strings.HasPrefix(op.Path, l.Dir) {
			return syscall.EROFS
		}
		return nil
	}
	fail(session, backlog.Failed, 1, 2, 3)
	fail(faultfs.Always("Exchange", syscall.EPERM), backlog.Complete, 1, 4)
	fail(session, backlog.Complete, 2) // merged into the one that waits
	if got := waitingPaths(l, shelters); got != "tasks.json.failed STATE" {
		t.Fatalf("waiting: %q", got)
	}
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Complete, 3) // later than what waits
	closeSession(t, s)
	got := recoverWaiting(t, l, shelters, RecoverOptions{})
	if v := verdicts(got); v != "S1 applied, S4 applied, S2 applied, S3 conflict" {
		t.Errorf("%s", v)
	}
	if got := statuses(t, l); got != "CCCC" {
		t.Error(got)
	}
	if got := waitingPaths(l, shelters); got != "STATE" {
		t.Errorf("the conflict is in %q", got)
	}
	if r, err := ReadRecovery(Waiting(l, shelters)[0].Path); err != nil || waiting(r) != "S3=F" {
		t.Errorf("%v, %s", err, waiting(r))
	}
	recoverWaiting(t, l, shelters, RecoverOptions{Discard: true})
	if got := statuses(t, l) + waitingPaths(l, shelters); got != "CCCC" {
		t.Error(got)
	}
}

// TestShelterOfOthers: what another user, or another session, has in a shelter
// is not ours.
func TestShelterOfOthers(t *testing.T) {
	l, other, shelters := home(t, sample(planned(2)...)), home(t, sample(planned(2)...)), sheltersOf(t)
	keep := func(l Location, shelters []Shelter) *FlushError {
		t.Helper()
		broken := false
		o := options(faultfs.New(fsutil.OS(), switched(&broken, func(op faultfs.Op) error {
			if strings.HasPrefix(op.Path, l.Dir) {
				return syscall.EROFS
			}
			return nil
		})), nil)
		o.Shelters = shelters
		s := open(t, l, o)
		broken = true
		apply(t, s, backlog.Complete, 1)
		return flushError(t, s.Close(context.Background()))
	}
	keep(other, shelters)
	if got := waitingPaths(l, shelters); got != "" {
		t.Errorf("the other session's updates are taken for this one's: %q", got)
	}
	open := shelters[1].Dir
	if err := errors.Join(os.MkdirAll(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if e := keep(l, shelters[1:]); e.Recovery != "" || len(e.Unsaved) != 1 {
		t.Errorf("a directory that everybody may write was used: %+v", e)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(open, 0o700), os.Chown(open, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if e := keep(l, shelters[1:]); e.Recovery != "" {
			t.Errorf("somebody else's directory was used: %+v", e)
		}
	}
}

// TestReserveCrash: over the reserve, no crash makes a recovery file that says
// less or other than what was written, and none makes updates of zeros.
func TestReserveCrash(t *testing.T) {
	for n := 1; ; n++ {
		l := home(t, sample(planned(3)...))
		disk, err := faultfs.NewCrash(fsutil.OS(), l.Dir)
		if err != nil {
			t.Fatal(err)
		}
		on, ops := false, 0
		reached := false
		f := faultfs.New(disk, func(op faultfs.Op) error {
			if !on {
				return nil
			}
			if ops++; ops >= n {
				reached = true
				return errors.New("dead")
			}
			return filledUp(l.Dir, syscall.ENOSPC)(op)
		})
		s := open(t, l, options(f, nil))
		apply(t, s, backlog.Complete, 1, 2)
		on = true
		failed := flushError(t, s.Close(context.Background()))
		for choice := range uint64(20) { // nothing, everything, and some of what was not synced
			rnd := rand.New(rand.NewPCG(uint64(n), choice))
			dir := t.TempDir()
			if err := disk.Clone(dir, func(int) bool { return choice == 1 || choice > 1 && rnd.IntN(2) == 0 }); err != nil {
				t.Fatal(err)
			}
			after := Location{dir, l.Name}
			for _, p := range Waiting(after, nil) {
				r, err := ReadRecovery(p.Path)
				if err != nil || r.Damage != nil || waiting(r) != "S1=C S2=C" {
					t.Errorf("operation %d, choice %d: %s holds %v, %v", n, choice, p.Path, r, err)
				}
			}
			if failed.Recovery != "" && len(Waiting(after, nil)) == 0 {
				t.Errorf("operation %d, choice %d: it was said that updates wait in %s", n, choice, failed.Recovery)
			}
			if c, err := Open(after, options(nil, nil)); err != nil {
				t.Errorf("operation %d, choice %d: %v", n, choice, err)
			} else {
				closeSession(t, c)
			}
		}
		if !reached {
			break
		}
	}
}

// TestReserveIsNoMust: without room for the reserve the session works, and says so.
func TestReserveIsNoMust(t *testing.T) {
	l := home(t, sample(planned(1)...))
	var log logged
	s := open(t, l, options(faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if strings.Contains(op.Path, "reserve-") && op.Name == "Write" {
			return syscall.ENOSPC
		}
		return nil
	}), &log))
	apply(t, s, backlog.Complete, 1)
	closeSession(t, s)
	if got := statuses(t, l); got != "C" || len(log.lines(t, "cannot set space aside")) == 0 {
		t.Errorf("%s, log %s", got, log.String())
	}
	if _, err := os.Stat(reserve(l.Path())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a reserve is left: %v", err)
	}
}

// TestReserveGrows: it follows the size of the backlog, within bounds.
func TestReserveGrows(t *testing.T) {
	l := home(t, sample(planned(1)...))
	closeSession(t, open(t, l, options(nil, nil)))
	size := func() int64 {
		info, err := os.Stat(reserve(l.Path()))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	small := size()
	put(t, l.Path(), sample(slices.Repeat([]backlog.Status{backlog.Planned}, 2000)...))
	closeSession(t, open(t, l, options(nil, nil)))
	if small != leastReserve || size() <= 2000*100 {
		t.Errorf("%d and %d bytes", small, size())
	}
}

// TestReserveInUseStays: whatever operation on it fails, a reserve that holds
// updates is neither armed over nor removed.
func TestReserveInUseStays(t *testing.T) {
	l := home(t, sample(planned(2)...))
	broken := false
	s := open(t, l, options(faultfs.New(fsutil.OS(), switched(&broken, func(op faultfs.Op) error {
		if op.Name == "Rename" {
			return syscall.EACCES
		}
		return filledUp(l.Dir, syscall.ENOSPC)(op)
	})), nil))
	apply(t, s, backlog.Complete, 1)
	broken = true
	flushError(t, s.Close(context.Background()))
	held := get(t, reserve(l.Path()))
	for n := 1; ; n++ {
		reached := false
		f := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
			if op.N == n {
				reached = true
				return syscall.EIO
			}
			return nil
		})
		if s, err := Open(l, options(f, nil)); err == nil {
			closeSession(t, s)
		}
		if !exists(t, reserve(l.Path())) || get(t, reserve(l.Path())) != held {
			t.Fatalf("operation %d: the updates in the reserve are lost", n)
		}
		if !reached {
			break
		}
	}
}
