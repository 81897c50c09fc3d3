package cmd

import (
	"io"
	"testing"

	"github.com/hacky-run/hacky/internal/config"
)

// BenchmarkHelp is what `hacky --help` does after the program is loaded. Every
// page of memory that it touches is a page fault, which costs more than the rest.
func BenchmarkHelp(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		a := &app{stdout: io.Discard, stderr: io.Discard, env: config.Env{Lookup: func(string) (string, bool) { return "", false }}}
		root := a.root()
		root.SetArgs([]string{"--help"})
		if err := root.Execute(); err != nil {
			b.Fatal(err)
		}
	}
}
