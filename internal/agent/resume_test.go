package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// A stage that has passed is repeated if it would see another environment,
// directory or title, and not for a typo that was fixed.
func TestCheckpointsOfOtherWork(t *testing.T) {
	recipe := func() Recipe {
		return Recipe{
			Env: []backlog.EnvVar{{Name: "FILE", Value: "1"}},
			Stages: []Stage{
				{Name: "research", Run: sh("true"), Env: []backlog.EnvVar{{Name: "STAGE", Value: "1"}}},
				{Name: "implement", Run: sh("exit 1")},
			},
		}
	}
	src := frame("", `"title":"Write the login page",`+planned+`,"env":{"ITEM":"1"}`)
	for _, tt := range []struct {
		change string
		recipe func(r *Recipe)
		edit   [2]string
		again  bool
	}{
		{"nothing", nil, [2]string{}, false},
		{"a typo", nil, [2]string{"login", "logn"}, false},
		{"an unknown field", nil, [2]string{planned, planned + `,"owner":"me"`}, false},
		{"the title", nil, [2]string{"Write the login page", "Delete all users"}, true},
		{"the item's environment", nil, [2]string{`"ITEM":"1"`, `"ITEM":"2"`}, true},
		{"a parent's environment", nil, [2]string{`"type":"Task",`, `"type":"Task","env":{"UP":"1"},`}, true},
		{"the directory", nil, [2]string{planned, planned + `,"workdir":"w"`}, true},
		{"the file's environment", func(r *Recipe) { r.Env[0].Value = "2" }, [2]string{}, true},
		{"the stage's environment", func(r *Recipe) { r.Stages[0].Env[0].Value = "2" }, [2]string{}, true},
		{"a later stage's environment", func(r *Recipe) { r.Stages[1].Env = r.Stages[0].Env }, [2]string{}, false},
	} {
		p := setUpBacklog(t, recipe(), src, nil)
		if err := os.Mkdir(filepath.Join(p.dir, "w"), 0o755); err != nil {
			t.Fatal(err)
		}
		p.expectStages(p.attempt(t.Context(), 1, 1), "research implement")
		if text := p.read("artifacts/P1.M1.T1.S1/checkpoints.json"); !strings.Contains(text, `"work": "sha256:`) {
			t.Errorf("%s: the checkpoints do not tell the work: %s", tt.change, text)
		}
		after := recipe()
		if tt.recipe != nil {
			tt.recipe(&after)
		}
		edited := src
		if tt.edit[0] != "" {
			if edited = strings.Replace(src, tt.edit[0], tt.edit[1], 1); edited == src {
				t.Fatalf("%s: nothing to edit in %s", tt.change, src)
			}
		}
		b, err := backlog.Parse("tasks.json", edited)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewRunner(b, after, filepath.Join(p.session, "tasks.json"), p.dir, "run-2", []string{"PATH=" + os.Getenv("PATH")})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.r.Close(); err != nil {
			t.Error(err)
		}
		p.r, p.b = r, b
		want := "implement"
		if tt.again {
			want = "research implement"
		}
		if got := stagesOf(p.attempt(t.Context(), 1, 2)); got != want {
			t.Errorf("after a change of %s %q were executed, want %q", tt.change, got, want)
		}
	}
}
