package session

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
)

// BenchmarkFlushOne sets one status in a backlog of 100,000 subtasks (52 MB)
// and flushes; BenchmarkWriteAndSync is its yardstick: the same bytes into a
// new file, and fsync. Goal: at most 1.5x.
func BenchmarkFlushOne(b *testing.B) {
	l := home(b, string(gen.Realistic(100_000)))
	s := open(b, l, options(nil, nil))
	b.Cleanup(func() { closeSession(b, s) })
	to := []backlog.Status{backlog.Complete, backlog.Planned}
	n := 0
	for b.Loop() {
		apply(b, s, to[n%2], 1)
		flush(b, s)
		n++
	}
	b.SetBytes(int64(s.Backlog().Size()))
}

func BenchmarkWriteAndSync(b *testing.B) {
	data := gen.Realistic(100_000)
	dir := b.TempDir()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		name := filepath.Join(dir, "new")
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = f.Write(data); err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			b.Fatal(err)
		}
	}
}

// crashed is a session of 100,000 subtasks whose run died with a record of each
// in its journal.
func crashed(b *testing.B) Location {
	b.Helper()
	l := home(b, string(gen.Realistic(100_000)))
	o := options(nil, nil)
	o.Run, o.Unsafe = true, true
	s := open(b, l, o)
	list := s.Backlog()
	changes := make([]Change, 0, 1000)
	for i := range list.Items {
		if list.Items[i].Kind == backlog.Subtask {
			changes = append(changes, Change{ID: list.Items[i].ID, To: backlog.Complete})
		}
		if len(changes) == cap(changes) || i == len(list.Items)-1 {
			acked := make(chan error, 1)
			if err := s.Apply(func(err error) { acked <- err }, changes...); err != nil {
				b.Fatal(err)
			}
			if err := <-acked; err != nil {
				b.Fatal(err)
			}
			changes = changes[:0]
		}
	}
	if err := s.releaseRun(); err != nil { // as the kernel does when the process is killed
		b.Fatal(err)
	}
	return l
}

// BenchmarkOpenAfterCrash opens a session of 100,000 subtasks for a run, with
// 100,000 records in the journal of one that died; BenchmarkLoad is its
// yardstick. Goal: under 1.5x. BenchmarkViewAfterCrash is what a reader does.
func BenchmarkOpenAfterCrash(b *testing.B) {
	l := crashed(b)
	journal := []byte(get(b, l.JournalPath()))
	o := options(nil, nil)
	o.Run = true
	before := time.Now().Add(-time.Minute) // when the run died
	if err := os.Chtimes(l.JournalPath(), before, before); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := open(b, l, o)
		b.StopTimer()
		if s.Pending() < 100_000 {
			b.Fatalf("%d updates were replayed", s.Pending())
		}
		if err := s.releaseRun(); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(l.JournalPath(), journal, 0o644), os.Chtimes(l.JournalPath(), before, before)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkViewAfterCrash(b *testing.B) {
	l := crashed(b)
	for b.Loop() {
		if _, _, err := View(l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	l := home(b, string(gen.Realistic(100_000)))
	for b.Loop() {
		if _, err := Read(l); err != nil {
			b.Fatal(err)
		}
	}
}
