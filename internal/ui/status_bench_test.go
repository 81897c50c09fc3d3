package ui

import (
	"io"
	"testing"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
)

// large is a session of 100,000 subtasks of which nothing is done.
func large(b *testing.B) *Status {
	bl, err := backlog.Parse("tasks.json", string(gen.Realistic(100_000)))
	if err != nil {
		b.Fatal(err)
	}
	s := &Status{Backlog: bl, Statuses: make([]backlog.Status, bl.Len()), Chosen: make([]bool, bl.Len())}
	for i := range s.Chosen {
		s.Statuses[i], s.Chosen[i] = bl.Items[i].Status, true
	}
	return s
}

// BenchmarkStatus prints 100,000 subtasks; its yardstick is parsing them.
func BenchmarkStatus(b *testing.B) {
	s := large(b)
	text := string(gen.Realistic(100_000))
	for _, form := range []struct {
		name  string
		print func() error
	}{
		{"json", func() error { return s.JSON(io.Discard) }},
		{"tree", func() error { return s.Tree(io.Discard, Screen{}, false) }},
		{"yardstick-parse", func() error { _, err := backlog.Parse("tasks.json", text); return err }},
	} {
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := form.print(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
