package todo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// placed imports a list into a backlog and shows what has become of it.
func placed(t testing.TB, src, list string) (text, shown string, err error) {
	t.Helper()
	b, err := backlog.Parse("tasks.json", src)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse("todo.md", list)
	if err != nil {
		return "", "", err
	}
	p, err := l.Place(b)
	if err != nil {
		return "", "", err
	}
	text = b.Insert(p.Insertions...)
	after, err := backlog.Parse("tasks.json", text)
	if err != nil {
		return text, "", err
	}
	var out strings.Builder
	for i := range after.Items {
		it := &after.Items[i]
		fmt.Fprintf(&out, "%s %s", it.ID, it.Title)
		if it.Status != backlog.Planned {
			fmt.Fprintf(&out, " %s", it.Status)
		}
		spec := after.Spec(int32(i))
		if !spec.Run.IsZero() {
			fmt.Fprintf(&out, " $ %s", spec.Run)
		}
		for _, g := range spec.Gates {
			fmt.Fprintf(&out, " & %s", g.Run)
		}
		for _, d := range after.Dependencies(int32(i)) {
			fmt.Fprintf(&out, " <- %s", after.Items[d].ID)
		}
		out.WriteString("\n")
	}
	return text, out.String(), nil
}

const none = `{"backlog":[]}`

func TestPlace(t *testing.T) {
	for _, c := range []struct{ name, list, want string }{
		{"flat", "- a\n- b: `x y`\n", "P1 Work\nP1.M1 Work\nP1.M1.T1 Work\nP1.M1.T1.S1 a\nP1.M1.T1.S2 b $ x y <- P1.M1.T1.S1\n"},
		{"headings", "# H\n\ntext\n\n1. [x] a\n2. [ ] b\n\n# Nothing\n\n# J\n\n* c after: none\n",
			"P1 H\nP1.M1 H\nP1.M1.T1 H\nP1.M1.T1.S1 a Complete\nP1.M1.T1.S2 b <- P1.M1.T1.S1\nP2 J\nP2.M1 J\nP2.M1.T1 J\nP2.M1.T1.S1 c\n"},
		{"a title above four levels", "# Title\n- p\n  - m\n    - t\n      - s\n", "P1 p\nP1.M1 m\nP1.M1.T1 t\nP1.M1.T1.S1 s\n"},
		{"a name in backquotes is no command", "- Rename `a` to `b`\n- Fix `main.go`\n", "P1 Work\nP1.M1 Work\nP1.M1.T1 Work\nP1.M1.T1.S1 Rename `a` to `b`\nP1.M1.T1.S2 Fix `main.go` <- P1.M1.T1.S1\n"},
		{"words on lines of their own", "- a\n  run: `x`\n  gate: y\n- b\n  - after: none\n  - run: z\n", "P1 Work\nP1.M1 Work\nP1.M1.T1 Work\nP1.M1.T1.S1 a $ x & y\nP1.M1.T1.S2 b $ z\n"},
		{"all done", "- p\n  - [x] a\n", "P1 p Complete\nP1.M1 p Complete\nP1.M1.T1 p Complete\nP1.M1.T1.S1 a Complete\n"},
		{"a shell line with brackets", "- a run: (cd x && make)\n", "P1 Work\nP1.M1 Work\nP1.M1.T1 Work\nP1.M1.T1.S1 a $ (cd x && make)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, got, err := placed(t, none, c.list)
			if err != nil || got != c.want {
				t.Errorf("%v, got\n%swant\n%s", err, got, c.want)
			}
			if again, _, err := placed(t, text, c.list); again != text || err != nil {
				t.Errorf("imported again: %v\n%s", err, again)
			}
			crlf := strings.ReplaceAll(c.list, "\n", "\r\n")
			if _, got, err := placed(t, none, crlf); err != nil || got != c.want {
				t.Errorf("with CRLF: %v, got\n%s", err, got)
			}
		})
	}
}

// FuzzPlace: no list breaks a backlog, and importing it again adds nothing.
func FuzzPlace(f *testing.F) {
	f.Add("# a\n- [x] b: `c`\n  - d after: b\n")
	f.Add("- a\n- a\n- run: x\n-\n  1. y")
	f.Fuzz(func(t *testing.T, list string) {
		text, _, err := placed(t, none, list)
		if err != nil {
			return
		}
		if again, _, err := placed(t, text, list); again != text || err != nil {
			t.Errorf("imported again: %v\n%s\n%s", err, text, again)
		}
	})
}
