package secret

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naively masks every byte that belongs to any of the strings.
func naively(all []string, text string) string {
	secret := make([]bool, len(text))
	for _, str := range all {
		for i := 0; i+len(str) <= len(text); i++ {
			if text[i:i+len(str)] == str {
				for k := range len(str) {
					secret[i+k] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range len(text) {
		switch {
		case !secret[i]:
			out.WriteByte(text[i])
		case i == 0 || !secret[i-1]:
			out.WriteString(mask)
		}
	}
	return out.String()
}

// inPieces streams text cut at random and checks what is held back meanwhile.
func inPieces(t *testing.T, m *Masker, rnd *rand.Rand, text string) string {
	t.Helper()
	var out bytes.Buffer
	s := m.Stream(&out)
	for rest := text; rest != ""; {
		n := min(len(rest), rnd.IntN(12))
		if rnd.IntN(8) == 0 {
			n = rnd.IntN(len(rest) + 1)
		}
		piece := []byte(rest[:n])
		if k, err := s.Write(piece); k != n || err != nil {
			t.Fatalf("Write = %d, %v", k, err)
		}
		clear(piece) // the writer may use it again
		rest = rest[n:]
		held := string(s.held)
		if held != "" && !slices.ContainsFunc(m.set.strings, func(str string) bool { return len(str) > len(held) && strings.HasPrefix(str, held) }) {
			t.Fatalf("%q is held back, no beginning of %q", held, m.set.strings)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnySplitIsTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[rnd.IntN(2)]
		}
		return string(b)
	}
	masked := 0
	for range 4000 {
		var all []string
		for range 1 + rnd.IntN(4) {
			all = append(all, word(shortest+rnd.IntN(12)))
		}
		if rnd.IntN(2) == 0 { // one inside the other
			all = append(all, word(rnd.IntN(3))+all[0]+word(rnd.IntN(3)))
		}
		slices.Sort(all)
		m := &Masker{set: newSet(slices.Compact(all))}
		var text strings.Builder
		for range rnd.IntN(12) {
			text.WriteString(word(rnd.IntN(9)))
			if rnd.IntN(2) == 0 {
				text.WriteString(all[rnd.IntN(len(all))])
			}
			if rnd.IntN(3) == 0 {
				text.WriteByte('-')
			}
		}
		want := naively(all, text.String())
		if want != text.String() {
			masked++
		}
		if got := string(m.Mask([]byte(text.String()))); got != want {
			t.Fatalf("%q: Mask(%q)\n = %q\nwant %q", all, text.String(), got, want)
		}
		if got := m.MaskString(text.String()); got != want {
			t.Fatalf("%q: MaskString(%q)\n = %q\nwant %q", all, text.String(), got, want)
		}
		if got := inPieces(t, m, rnd, text.String()); got != want {
			t.Fatalf("%q: Stream of %q\n = %q\nwant %q", all, text.String(), got, want)
		}
	}
	if masked < 1000 {
		t.Fatalf("only %d texts held a secret", masked)
	}
}

func TestLargeWritesAreTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	m := New(append(tenSecrets(rnd), "PRIVATE_KEY="+privateKey(rnd)))
	var text bytes.Buffer
	for _, str := range m.set.strings {
		text.Write(agentOutput(rnd, 5000))
		text.WriteString(str)
	}
	var out bytes.Buffer
	s := m.Stream(&out)
	if n, err := s.Write(text.Bytes()); n != text.Len() || err != nil {
		t.Fatal(n, err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := naively(m.set.strings, text.String()); out.String() != want {
		t.Fatal("a large write is masked otherwise than the whole")
	}
}

func FuzzStream(f *testing.F) {
	f.Add("hunter2hunter", "2hunter2", "say hunter2hunter2hunter2", uint64(1))
	f.Add("aaaaaab", "aaaaaaa", "aaaaaaaaaaaaaaabaa", uint64(2))
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		if len(a) < shortest || len(b) < shortest || len(text) > 4<<10 || len(a)+len(b) > 1<<10 {
			return
		}
		all := forms([]string{a, b})
		m := &Masker{set: newSet(all)}
		want := naively(all, text)
		if got := m.MaskString(text); got != want {
			t.Fatalf("MaskString = %q, want %q", got, want)
		}
		if got := inPieces(t, m, rand.New(rand.NewPCG(seed, 0)), text); got != want {
			t.Fatalf("Stream = %q, want %q", got, want)
		}
	})
}

func TestALineAppearsAtOnce(t *testing.T) {
	m := New([]string{"API_KEY=hunter2hunter2"})
	var out bytes.Buffer
	s := m.Stream(&out)
	for _, step := range []struct{ write, want string }{
		{"ready\n", "ready\n"},
		{"Continue? [h", "ready\nContinue? ["}, // h may begin the secret
		{"/n] ", "ready\nContinue? [h/n] "},
		{"hunter2hun", "ready\nContinue? [h/n] "},
		{"ter2", "ready\nContinue? [h/n] ***"},
		{"!", "ready\nContinue? [h/n] ***!"},
		{"hunter2hunt", "ready\nContinue? [h/n] ***!"},
	} {
		if _, err := io.WriteString(s, step.write); err != nil {
			t.Fatal(err)
		}
		if out.String() != step.want {
			t.Fatalf("after %q: %q, want %q", step.write, out.String(), step.want)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "ready\nContinue? [h/n] ***!hunter2hunt"; out.String() != want {
		t.Fatalf("after Flush: %q, want %q", out.String(), want)
	}
	if _, err := io.WriteString(s, "er2."); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what stands in two outputs is masked twice
		if _, err := io.WriteString(s, "hunter2hunter2"); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := "ready\nContinue? [h/n] ***!hunter2hunter2.******"; out.String() != want {
		t.Fatalf("after Flush and more: %q, want %q", out.String(), want)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriteErrorsAreReported(t *testing.T) {
	broken := errors.New("broken")
	for _, m := range []*Masker{nil, New(), New([]string{"KEY=hunter2hunter2"})} {
		s := m.Stream(failing{broken})
		if _, err := io.WriteString(s, "text"); !errors.Is(err, broken) {
			t.Errorf("Write = %v", err)
		}
	}
	s := New([]string{"KEY=hunter2hunter2"}).Stream(failing{broken})
	if _, err := io.WriteString(s, "hunter2"); err != nil {
		t.Errorf("Write of what is held back = %v", err)
	}
	if err := s.Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush = %v", err)
	}
}
