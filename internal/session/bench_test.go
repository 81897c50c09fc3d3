package session

import (
	"os"
	"path/filepath"
	"testing"

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
