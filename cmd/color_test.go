package cmd_test

import (
	"strings"
	"testing"
)

// Tables are coloured as --color, NO_COLOR and CLICOLOR_FORCE say, in that
// order; documents for programs never are.
func TestColorOfTables(t *testing.T) {
	dir := t.TempDir()
	run := func(env []string, args ...string) string {
		c := command(t.Context(), t, dir, args...)
		c.Env = append(c.Env, env...)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	run(nil, "init", "--example")
	if out := run([]string{"CLICOLOR_FORCE=1"}, "run"); !strings.Contains(out, " \x1b[32mcomplete\x1b[0m  P1") || !strings.Contains(out, " \x1b[33mretrying\x1b[0m  P1") {
		t.Errorf("plain lines of a run:\n%s", out)
	}
	run(nil, "reset", "--downstream", "P1")
	run(nil, "set", "P1.M1.T1.S1", "Complete")
	for _, tt := range []struct {
		env      []string
		args     string
		coloured bool
	}{
		{nil, "status", false},
		{nil, "status --color always", true},
		{nil, "status -o tree --color always", true},
		{nil, "status -o json --color always", false},
		{[]string{"CLICOLOR_FORCE=1"}, "status", true},
		{[]string{"CLICOLOR_FORCE=0"}, "status", false},
		{[]string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, "status", false},
		{[]string{"CLICOLOR_FORCE=1"}, "status --color never", false},
		{[]string{"NO_COLOR=1"}, "status --status Complete --color always", true},
		{[]string{"HACKY_COLOR=always"}, "why P1.M1.T1.S1 -o yaml", false},
	} {
		out := run(tt.env, strings.Fields(tt.args)...)
		if got := strings.Contains(out, "\x1b[32m"); got != tt.coloured {
			t.Errorf("%v hacky %s: coloured is %v\n%s", tt.env, tt.args, got, out)
		}
	}
}
