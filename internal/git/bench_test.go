package git

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkHead compares reading the files with asking git.
func BenchmarkHead(b *testing.B) {
	p := benchPlace(b, 1)
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			if _, ok := p.readHead(); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("process", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.line(context.Background(), reading("rev-parse", "--verify", "--quiet", "HEAD^{commit}")...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLarge is about 10,000 tracked files of which none, or all, are dirty.
func BenchmarkLarge(b *testing.B) {
	const files = 10_000
	p := benchPlace(b, files)
	ctx := context.Background()
	clean, err := p.Snapshot(ctx)
	if err != nil {
		b.Fatal(err)
	}
	snapshot := func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Snapshot(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("snapshot/clean", snapshot)
	n := 0
	change := func(count int) {
		n++
		for i := range count {
			p.write(fmt.Sprintf("d%d/f%d", i%100, i), fmt.Sprintf("%d\n", n))
		}
	}
	change(files)
	b.Run("snapshot/dirty", snapshot)
	b.Run("diffstat/dirty", func(b *testing.B) {
		head := p.head()
		for b.Loop() {
			if st, err := p.DiffStat(ctx, head, nil); err != nil || st.Files != files {
				b.Fatal(st, err)
			}
		}
	})
	for _, count := range []int{files, 10} {
		b.Run(fmt.Sprintf("commit/%d", count), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				change(count)
				b.StartTimer()
				if res, err := p.Commit(ctx, clean, Options{Message: "m"}); err != nil || len(res.Files) < count {
					b.Fatal(len(res.Files), err)
				}
			}
		})
	}
}

func benchPlace(b *testing.B, files int) place {
	b.Helper()
	p := setUp(b)
	for i := range files {
		p.write(fmt.Sprintf("d%d/f%d", i%100, i), "0\n")
	}
	p.git("add", "-A")
	p.git("commit", "-q", "-m", "first")
	return p
}
