package session

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// An old tasks.json that is put back, by `git reset --hard` or an editor, takes
// no status away that hacky has written since: not while a session is open, not
// between two, and not after a kill before any of its operations.
func TestOldFilePutBack(t *testing.T) {
	t.Parallel()
	done := false
	for k := 0; !done && k < 400; k++ {
		l := home(t, sample(planned(2)...))
		old := get(t, l.Path())
		killed := errors.New("killed")
		var dead atomic.Bool
		disk := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
			if op.N >= k && op.Name != "Unlock" { // the kernel unlocks for a process that was killed
				dead.Store(true)
				return killed
			}
			return nil
		})
		var acked [3]bool
		done = func() bool {
			s, err := Open(l, runOptions(disk, nil))
			if err != nil {
				return false
			}
			defer die(t, s)
			for n := 1; n <= 2; n++ {
				told := make(chan bool, 1) // whether it was acknowledged by a process that lived
				if err := s.Apply(func(err error) { told <- err == nil && !dead.Load() }, Change{ID: sub(n), To: backlog.Complete}); err != nil {
					t.Fatal(err)
				}
				if err := s.Flush(t.Context()); err != nil {
					return false // what the recovery file and the journal hold is tested elsewhere
				}
				select {
				case acked[n] = <-told:
				case <-time.After(time.Minute):
					t.Fatalf("killed before operation %d: a flush has %s, and nobody was told", k, sub(n))
				}
				put(t, l.Path(), old)
			}
			return s.Flush(t.Context()) == nil
		}()
		put(t, l.Path(), old)
		var log logged
		s := open(t, l, options(nil, &log))
		closeSession(t, s)
		got := statuses(t, l)
		for n := 1; n <= 2; n++ {
			if acked[n] && got[n-1] != 'C' {
				t.Fatalf("killed before operation %d: %s was acknowledged, and tasks.json says %s\n%s", k, sub(n), got, log.String())
			}
		}
	}
	if !done {
		t.Error("no round came to its end")
	}
}

// What is kept against an old status is said at warn; an item that is other work
// by now keeps what its file says; and a status that was taken back stays so.
func TestOldStatusOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		write []backlog.Status // by hackys, one after the other
		saved backlog.Status   // then, by another program
		edit  []string         // of the text
		want  string
	}{
		{"an old Planned", []backlog.Status{backlog.Complete}, backlog.Planned, nil, "C"},
		{"an attempt in progress", []backlog.Status{backlog.Implementing, backlog.Failed}, backlog.Implementing, nil, "F"},
		{"a Complete that was reset", []backlog.Status{backlog.Complete, backlog.Planned}, backlog.Complete, nil, "P"},
		{"another Complete", []backlog.Status{backlog.Planned}, backlog.Complete, nil, "C"},
		{"Obsolete by hand", []backlog.Status{backlog.Complete}, backlog.Obsolete, nil, "O"},
		{"other work", []backlog.Status{backlog.Complete}, backlog.Planned, []string{`"title":"s 1"`, `"title":"s 1","run":"other"`}, "P"},
		{"another title", []backlog.Status{backlog.Complete}, backlog.Planned, []string{`"title":"s 1"`, `"title":"deploy"`}, "P"},
	} {
		l := home(t, sample(backlog.Failed, backlog.Planned))
		for _, status := range tt.write {
			s := open(t, l, options(nil, nil))
			apply(t, s, status, 1)
			closeSession(t, s)
		}
		src := strings.Replace(get(t, l.Path()), word(1, tt.write[len(tt.write)-1]), word(1, tt.saved), 1)
		if tt.edit != nil {
			src = strings.Replace(src, tt.edit[0], tt.edit[1], 1)
		}
		put(t, l.Path(), src)
		if _, now, err := View(l); err != nil || !strings.HasPrefix(now[3].String(), tt.want) {
			t.Errorf("%s: readers see %v, %v; want %s", tt.name, now[3], err, tt.want)
		}
		var log logged
		closeSession(t, open(t, l, options(nil, &log)))
		if got := statuses(t, l); got[:1] != tt.want {
			t.Errorf("%s: tasks.json says %s, want %s", tt.name, got, tt.want)
		}
		said := strings.Contains(log.String(), "has an old status")
		if kept := tt.want != tt.saved.String()[:1]; kept != said {
			t.Errorf("%s: said %v, kept %v: %s", tt.name, said, kept, log.String())
		}
	}
}

// Notes of before the machine was started anew bring nothing back: a power cut
// may have taken later ones away.
func TestNotesOfAnEarlierBoot(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	old := get(t, l.Path())
	for k, want := range []string{"CP", "PP"} {
		s := open(t, l, options(nil, nil))
		if k == 0 {
			apply(t, s, backlog.Complete, 1)
		}
		closeSession(t, s)
		if got := statuses(t, l); got != want {
			t.Errorf("boot %d: %s, want %s", k, got, want)
		}
		put(t, l.Path(), old)
		lines := get(t, l.Hidden("write.lock"))
		n := newNotes("another")
		for line := range strings.Lines(lines) {
			n.take(strings.TrimSuffix(line, "\n"))
		}
		if err := os.WriteFile(l.Hidden("write.lock"), n.compacted(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A clock that is wrong decides nothing: whoever has read a status says the
// later one.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Hour, -time.Nanosecond, 0, time.Hour, 250 * 365 * 24 * time.Hour} {
		l := home(t, sample(planned(2)...))
		for k, status := range []backlog.Status{backlog.Implementing, backlog.Failed, backlog.Planned, backlog.Complete} {
			o := options(nil, nil)
			if k%2 == 0 {
				o.Now = func() time.Time { return time.Now().Add(off) }
			}
			s := open(t, l, o)
			apply(t, s, status, 1)
			closeSession(t, s)
			if got := statuses(t, l); got[:1] != status.String()[:1] {
				t.Errorf("off by %v: after %v tasks.json says %s", off, status, got)
			}
		}
	}
}

// Any part of the notes' file misleads nobody, and of the whole nothing is lost.
func TestNotesCutAnywhere(t *testing.T) {
	t.Parallel()
	n := newNotes("boot")
	var text []byte
	at := time.Unix(1000, 0)
	text = appendNote(text, said{"P1.M1.T1.S1", backlog.Complete}, at)
	text = n.appendKept(text, said{"P1.M1.T1.S1", backlog.Complete}, mark{at: at, work: "0123456789abcdef"})
	for cut := range len(text) + 1 {
		n, err := readNotes(strings.NewReader(string(text[:cut])), newNotes("boot"))
		if err != nil {
			t.Fatal(err)
		}
		_, m, ok := n.last("P1.M1.T1.S1")
		if ok != (cut == len(text)) || ok && m.work != "0123456789abcdef" {
			t.Fatalf("of %d bytes: %v %v", cut, ok, m)
		}
		more, err := readNotes(strings.NewReader(string(text)), n)
		if err != nil || len(more.marks) != 1 || !more.marks[said{"P1.M1.T1.S1", backlog.Complete}].kept {
			t.Fatalf("after %d bytes the rest is read as %v, %v", cut, more, err)
		}
	}
}
