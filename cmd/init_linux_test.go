package cmd_test

import (
	"path/filepath"
	"testing"
)

// On a terminal, and only if nothing is said, init asks.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers []string // a question, its answer
		code    int
		makes   string
	}{
		{"a PRD", []string{"[1-3]? ", "1\n", "The PRD is in the file: ", "PRD.md\n"}, 0, "plan/001_4955771cc6c4/prd_snapshot.md"},
		{"a backlog", []string{"[1-3]? ", "2\n", "The backlog is in the file: ", "given.json\n"}, 0, "tasks.json"},
		{"the example", []string{"[1-3]? ", " 3 \n"}, 0, "hacky.yaml"},
		{"no answer", []string{"[1-3]? ", "\n"}, 1, ""},
		{"the end", []string{"[1-3]? ", "\x04"}, 1, ""},
		{"no file", []string{"[1-3]? ", "1\n", "The PRD is in the file: ", "\n"}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "PRD.md"), "# What is wanted\n")
			write(t, filepath.Join(dir, "given.json"), two())
			before := snapshot(t, dir)
			r, master := inTerminal(t, dir, "init")
			for k := 0; k < len(c.answers); k += 2 {
				r.says(c.answers[k])
				if _, err := master.WriteString(c.answers[k+1]); err != nil {
					t.Fatal(err)
				}
			}
			r.ends(c.code)
			if c.makes != "" && !exists(filepath.Join(dir, c.makes)) {
				t.Errorf("it did not make %s", c.makes)
			}
			if c.makes == "" && snapshot(t, dir) != before {
				t.Error("it made something")
			}
		})
	}
	r, _ := inTerminal(t, t.TempDir(), "init", "--example")
	r.ends(0)
	r, master := inTerminal(t, t.TempDir(), "init", "--color", "never") // says nothing of what to make
	r.says("[1-3]? ")
	if _, err := master.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	r.ends(1)
}
