package backlog

import (
	"strings"
	"testing"
)

// TestWarnings: what looks like a known key is told with its place; what is the
// user's own, or has a meaning, is not.
func TestWarnings(t *testing.T) {
	for _, c := range []struct{ key, meant string }{
		{"depends_on", "dependencies"}, {"deps", "dependencies"}, {"needs", "dependencies"}, {"dependancies", "dependencies"},
		{"cmd", "run"}, {"command", "run"}, {"Run", "run"}, {"gate", "gates"}, {"gtaes", "gates"}, {"checks", "gates"},
		{"timout", "timeout"}, {"time_limit", "timeout"}, {"work_dir", "workdir"}, {"cwd", "workdir"}, {"storyPoints", "story_points"},
		{"retry", "retries"}, {"Env", "env"}, {"descripton", "description"},
		{"mine", ""}, {"owner", ""}, {"agent", ""}, {"model", ""}, {"stages", ""}, {"ask", ""}, {"labels", ""}, {"requirements", ""}, {"x-run", ""}, {"rum", ""},
	} {
		src := strings.Replace(small, `"type":"Subtask"`, `"`+c.key+`":0,"type":"Subtask"`, 1)
		if src == small {
			src = strings.Replace(small, `"type": "Subtask"`, `"`+c.key+`":0,"type": "Subtask"`, 1)
		}
		b, err := Parse("tasks.json", src)
		if err != nil || src == small {
			t.Fatal(c.key, err)
		}
		got := ""
		for _, w := range b.Warnings() {
			got += w.Message
			if w.Line == 0 || w.Column == 0 {
				t.Errorf("%s: at %d:%d", c.key, w.Line, w.Column)
			}
		}
		if c.meant == "" && got != "" || c.meant != "" && !strings.HasSuffix(got, `did you mean "`+c.meant+`"?`) {
			t.Errorf("%s: %q", c.key, got)
		}
	}
	many := strings.Repeat(`{"cmd":0},`, 1000)
	src := `{"backlog":[` + strings.TrimSuffix(many, ",") + `]}`
	if _, err := Parse("tasks.json", src); err == nil {
		t.Error("items without anything are a backlog")
	}
}
