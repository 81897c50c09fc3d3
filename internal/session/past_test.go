package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Attempts of a few of many are found, whoever wrote the lines, and the rest is
// passed over.
func TestLastAttempts(t *testing.T) {
	l := home(t, sample(planned(5)...))
	if got, err := LastAttempts(l, []string{"P1.M1.T1.S1"}); err != nil || len(got) != 0 {
		t.Fatalf("without a file: %v %v", got, err)
	}
	lines := []string{
		`{"id":"P1.M1.T1.S1","attempt":1,"class":"permanent","exit":1,"reason":"exit 1","started":"2026-01-24T15:30:45Z","ended":"2026-01-24T15:31:45Z","log":"a"}`,
		`{"id":"P1.M1.T1.S10","attempt":7,"class":"ok"}`,
		`{"attempt":2, "id": "P1.M1.T1.S1", "class":"transient"}`, // somebody else's hand
		`no record`,
		``,
		`{"id":"P1.M1.T1.S1","attempt":5,"class":"ok","id":"P1.M1.T1.S2"}`, // says two things
		`{"id":"P1.M1.T1.S1","attempt":"six"}`,
		`{"id":"P1.M1.T1.S3","attempt":8,"reason":"` + strings.Repeat("x", 600<<10) + `"}`,             // longer than the buffer
		`{"id":"P1.M1.T1.S3","attempt":9,"reason":"` + strings.Repeat("x", maxAttemptLine+1000) + `"}`, // longer than is read
		`{"id":"P1.M1.T1.S\u0034","attempt":3}`,
		`{"id":"P1.M1.T1.S1","attempt":4,"cla`, // cut off
	}
	path := attemptsPath(l.Dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := LastAttempts(l, []string{"P1.M1.T1.S1", "P1.M1.T1.S3", "P1.M1.T1.S4", "P1.M1.T1.S5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got["P1.M1.T1.S1"].Attempt != 2 || got["P1.M1.T1.S3"].Attempt != 8 || got["P1.M1.T1.S4"].Attempt != 3 {
		t.Errorf("got %d: %d %d %d", len(got), got["P1.M1.T1.S1"].Attempt, got["P1.M1.T1.S3"].Attempt, got["P1.M1.T1.S4"].Attempt)
	}
	var all []string
	if err := EachPast(l, func([]byte) bool { return true }, func(p Past) { all = append(all, p.ID) }); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("P1.M1.T1.S1 P1.M1.T1.S10 P1.M1.T1.S1 P1.M1.T1.S3 P1.M1.T1.S4")
	if !slices.Equal(all, want) {
		t.Errorf("all are %v, want %v", all, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := LastAttempts(l, []string{"P1.M1.T1.S1"}); err == nil {
		t.Error("a directory is read")
	}
}

func TestTraces(t *testing.T) {
	l := home(t, sample(planned(5)...))
	const id = "P1.M1.T1.S1"
	if n, _ := Traces(l, id); n != 0 {
		t.Errorf("without a directory: %d", n)
	}
	then := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	for _, name := range []string{"attempt-9", "attempt-10", "attempt-x", "attempt-11.txt"} {
		dir := filepath.Join(l.Dir, "artifacts", id, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "attempt-10" {
			if err := os.Chtimes(dir, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "artifacts", id, "attempt-12"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if n, at := Traces(l, id); n != 10 || !at.Equal(then) {
		t.Errorf("got %d %v", n, at)
	}
	if n, _ := Traces(l, "../artifacts/"+id); n != 0 {
		t.Error("what is no id is looked up")
	}
}

// The last line of a log is what it says last, wherever that stands, and nothing
// outside the session is read.
func TestLastLine(t *testing.T) {
	l := home(t, sample(planned(1)...))
	if err := os.WriteFile(filepath.Join(filepath.Dir(l.Dir), "outside"), []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                      "",
		"one":                                   "one",
		"one\n  two \r\n\n \t\n":                "two",
		"10%\r50%\r100%\r\n":                    "100%",
		strings.Repeat("x\n", 10_000) + "end\n": "end",
		"a\xffb\n":                              "ab",
	} {
		if err := os.WriteFile(filepath.Join(l.Dir, "log"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := LastLine(l, "log"); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "log"), []byte("begin "+strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := LastLine(l, "log"); len(got) != tail {
		t.Errorf("of a long line there are %d bytes, want %d", len(got), tail)
	}
	if err := os.Symlink("../outside", filepath.Join(l.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "none", "link", "../outside", "/etc/passwd"} {
		if got := LastLine(l, name); got != "" {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// When a status was given is known to who only reads.
func TestSaid(t *testing.T) {
	l := home(t, sample(planned(2)...))
	before := time.Now()
	s, err := Open(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(nil, Change{ID: "P1.M1.T1.S1", To: backlog.Implementing}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	when, err := Said(l)
	if err != nil {
		t.Fatal(err)
	}
	if at := when("P1.M1.T1.S1", backlog.Implementing); at.Before(before.Add(-time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("said at %v", at)
	}
	for _, id := range []string{"P1.M1.T1.S1", "P1.M1.T1.S2"} {
		if at := when(id, backlog.Complete); !at.IsZero() {
			t.Errorf("%s: said to be complete at %v", id, at)
		}
	}
}
