package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Comments come back per subtask, oldest first, the last ones only; a line that
// was cut off costs itself alone.
func TestComments(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s, err := Open(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Comment("both", backlog.Failed, []string{"P1.M1.T1.S1", "P1.M1.T1.S2"}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(l.Dir, "artifacts", "notes.ndjson")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("no comment\n{\"ids\":[\"P1.M1.T1.S1\"],\"note\":\"cut o"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := s.Comment(fmt.Sprintf("%d\nlines", n), backlog.Planned, []string{"P1.M1.T1.S2"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ id, want string }{
		{"P1.M1.T1.S1", "Failed both"},
		{"P1.M1.T1.S2", "Planned 0\nlines;Planned 1\nlines;Planned 2\nlines"},
		{"P1.M1.T1", "Planned 0\nlines;Planned 1\nlines;Planned 2\nlines"}, // a parent hears what is said below it
		{"P1.M1.T2", ""},
		{"P1.M1.T", ""},
	} {
		comments, err := Comments(l, c.id, 3)
		var got []string
		for _, k := range comments {
			got = append(got, k.To.String()+" "+k.Text)
		}
		if s := strings.Join(got, ";"); err != nil || s != c.want {
			t.Errorf("%s: %q, %v; want %q", c.id, s, err, c.want)
		}
	}
}

// One text on many subtasks is not written as often; every line can be read
// back.
func TestCommentOnMany(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s, err := Open(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 100_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("P1.M1.T1.S%d", i)
	}
	if err := s.Comment(strings.Repeat("x", MaxComment), backlog.Planned, ids); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 999, 1000, 99_999} {
		if got, err := Comments(l, ids[i], 2); err != nil || len(got) != 1 {
			t.Errorf("%s: %d comments, %v", ids[i], len(got), err)
		}
	}
	if size := len(get(t, filepath.Join(l.Dir, "artifacts", "notes.ndjson"))); size > 3<<20 {
		t.Errorf("%d bytes", size)
	}
}

func TestCheckComment(t *testing.T) {
	for text, ok := range map[string]bool{"a": true, " \n": false, "": false, "\xff": false,
		strings.Repeat("a", MaxComment): true, strings.Repeat("a", MaxComment+1): false} {
		if err := CheckComment(text); (err == nil) != ok {
			t.Errorf("%.10q (%d bytes): %v", text, len(text), err)
		}
	}
}

// A comment is written to no other file and to nothing that waits for a reader.
func TestCommentOdd(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"link":      func(p string) error { return os.Symlink("/dev/null", p) },
		"fifo":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			l := home(t, sample(planned(2)...))
			if err := os.Mkdir(filepath.Join(l.Dir, "artifacts"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(l.Dir, "artifacts", "notes.ndjson")); err != nil {
				t.Fatal(err)
			}
			s, err := Open(l, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Comment("text", backlog.Planned, []string{"P1.M1.T1.S1"}); err == nil {
				t.Error("no error")
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Held tells of a run while it has the session, changes nothing, and keeps
// nobody out.
func TestHeld(t *testing.T) {
	l := home(t, sample(planned(2)...))
	if h, err := Held(l); h != nil || err != nil {
		t.Fatalf("%v, %v before there was a run", h, err)
	}
	if _, err := os.Lstat(filepath.Join(l.Dir, ".hacky")); err == nil {
		t.Error("it made .hacky")
	}
	s, err := Open(l, Options{Run: true, Holder: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := Held(l); err != nil || h == nil || h.Says != "me" || h.Since.IsZero() {
		t.Errorf("%v, %v during a run", h, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another that looks at the same time is no run.
	f, err := os.Open(filepath.Join(l.Dir, ".hacky", "run.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if h, err := Held(l); h != nil || err != nil {
		t.Errorf("%v, %v after a run", h, err)
	}
}
