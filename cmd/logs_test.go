package cmd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The last lines of every text are those that counting from the front finds.
func TestLastLines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(strings.Repeat("x", r.IntN([]int{3, 20_000}[round%2])))
			b.WriteString(strings.Repeat("\n", r.IntN(3)))
		}
		text := b.String()
		lines := strings.SplitAfter(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		for n := range 6 {
			want := strings.Join(lines[max(0, len(lines)-n):], "")
			from, err := lastLines(strings.NewReader(text), int64(len(text)), n)
			if err != nil || text[from:] != want {
				t.Fatalf("%d lines of %.60q: %.60q, %v; want %.60q", n, text, text[from:], err, want)
			}
		}
	}
}

// However text is cut into pieces, nothing comes through that a terminal obeys,
// and what comes through is the same.
func TestCleaner(t *testing.T) {
	const in = "plain\ttext\r\n\x1b[1;31mred\x1b[0m \x1b]0;title\x07after\nB\u00e4r \u4e16\u754c \U0001f600 \x9b2J \x08\x08 \u202Eturned\nbell\x07\x1b[2Jhome\x1b[H"
	const want = "plain\ttext\nred after\nB\u00e4r \u4e16\u754c \U0001f600 \ufffd2J     turned\nbell home"
	for size := 1; size < len(in); size++ {
		var out bytes.Buffer
		c := newCleaner(&out)
		for k := 0; k < len(in); k += size {
			if _, err := fmt.Fprint(c, in[k:min(len(in), k+size)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.flush(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Fatalf("in pieces of %d: %q, want %q", size, got, want)
		}
	}
}

// A line without an end takes bounded memory, and comes through.
func TestCleanerLongLine(t *testing.T) {
	var out bytes.Buffer
	c := newCleaner(&out)
	piece := strings.Repeat("\u4e16", 1000)
	for range 1000 {
		if _, err := fmt.Fprint(c, piece); err != nil {
			t.Fatal(err)
		}
		if len(c.line) > longest+len(piece) {
			t.Fatalf("%d bytes are kept back", len(c.line))
		}
	}
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != strings.Repeat(piece, 1000) {
		t.Errorf("%d bytes came through, want %d", len(got), 1000*len(piece))
	}
}
