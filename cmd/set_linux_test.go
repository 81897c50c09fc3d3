package cmd_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// On a terminal more than 20 are not changed without a yes; elsewhere nobody is
// asked.
func TestAsksBeforeMany(t *testing.T) {
	t.Parallel()
	failed := func(n int) string {
		text := oneTask(make([]subtask, n)...)
		text = strings.ReplaceAll(text, `"run":`, `"run":["true"]`)
		head, tail, _ := strings.Cut(text, "\n")
		return head + "\n" + strings.ReplaceAll(tail, `"Planned"`, `"Failed"`)
	}
	count := func(dir, status string) int {
		return strings.Count(read(t, filepath.Join(dir, "tasks.json")), `"status":"`+status+`","story`)
	}
	for _, c := range []struct {
		name, args, answer string
		n, code, planned   int
	}{
		{"yes", "reset", "y\n", 21, 0, 21},
		{"no", "reset", "\n", 21, 1, 0},
		{"no, with set", "set P1 Planned", "nope\n", 21, 1, 0},
		{"end of input", "reset", "\x04", 21, 1, 0},
		{"few", "reset", "", 20, 0, 20},
		{"unasked", "set P1.* Planned --yes", "", 21, 0, 21},
		{"dry run", "reset --dry-run", "", 21, 0, 0},
		{"none changes", "set P1 Failed", "", 21, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := session(t, failed(c.n))
			r, master := inTerminal(t, dir, strings.Fields(c.args)...)
			if c.answer != "" {
				r.says("Set 21 subtasks to Planned (21 Failed)? [y/N] ")
				if n := count(dir, "Planned"); n > 0 {
					t.Errorf("%d were set before the answer", n)
				}
				if _, err := master.WriteString(c.answer); err != nil {
					t.Fatal(err)
				}
			}
			r.ends(c.code)
			if n := count(dir, "Planned"); n != c.planned {
				t.Errorf("%d are Planned, want %d", n, c.planned)
			}
			if c.answer == "" && strings.Contains(r.stderr.String(), "?") {
				t.Errorf("asked: %s", r.stderr.String())
			}
		})
	}
	dir := session(t, strings.Replace(failed(30), `"Failed"`, `"Implementing"`, 3))
	r := hacky(t, dir, "reset")
	r.wants(t, 0)
	if got := lines(r.stdout); len(got) != 21 || got[20] != "... and 10 more; all 30: 3 Implementing -> Planned, 27 Failed -> Planned" {
		t.Errorf("%d lines: %s", len(got), r.stdout)
	}
	if n := count(dir, "Planned"); n != 30 {
		t.Errorf("%d are Planned after a reset without a terminal, want 30", n)
	}
}

// What another hacky completes while the user thinks is left alone.
func TestChangedWhileAsked(t *testing.T) {
	t.Parallel()
	dir := session(t, strings.ReplaceAll(oneTask(make([]subtask, 25)...), `"run":`, `"run":["true"]`))
	hacky(t, dir, "set", "P1", "Failed").wants(t, 0)
	hacky(t, dir, "set", "P1.M1.T1.S24", "P1.M1.T1.S25", "Planned").wants(t, 0)
	r, master := inTerminal(t, dir, "reset")
	r.says("Set 23 subtasks to Planned (23 Failed)? [y/N] ")
	hacky(t, dir, "set", "P1.M1.T1.S3", "Complete").wants(t, 0)
	hacky(t, dir, "set", "P1.M1.T1.S24", "Failed").wants(t, 0)
	if _, err := master.WriteString("yes\n"); err != nil {
		t.Fatal(err)
	}
	r.ends(0)
	got := strings.Fields(statuses(t, dir))
	for i, s := range got {
		want := "Planned"
		switch i {
		case 2:
			want = "Complete"
		case 23:
			want = "Failed" // nobody has said yes to that
		}
		if s != want {
			t.Errorf("S%d is %s, want %s", i+1, s, want)
		}
	}
}
