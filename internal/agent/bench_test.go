package agent

import (
	"context"
	"os/exec"
	"testing"
)

// BenchmarkExecute is what an attempt of ["true"] costs, next to
// BenchmarkBareExec, which only starts the same program and waits for it.
func BenchmarkExecute(b *testing.B) {
	p := setUp(b, Recipe{}, argv("/bin/true"))
	i, _ := p.b.Lookup("P1.M1.T1.S1")
	b.ReportAllocs()
	for b.Loop() {
		if res := p.r.Execute(context.Background(), i, 1, func(string) {}); res.Class != OK {
			b.Fatal(res.Reason)
		}
	}
}

// BenchmarkExecutePrinting makes the directories and the log, too.
func BenchmarkExecutePrinting(b *testing.B) {
	p := setUp(b, Recipe{}, argv("/bin/echo", "hello"))
	i, _ := p.b.Lookup("P1.M1.T1.S1")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if res := p.r.Execute(context.Background(), i, n, func(string) {}); res.Class != OK {
			b.Fatal(res.Reason)
		}
	}
}

func BenchmarkBareExec(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
