package cmd_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// The command that why gives gets the item going, with the session and the
// configuration that were given to why, however they are called.
func TestWhyCommandWorks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, status string }{{"ready", "Planned"}, {"failed", "Failed"}, {"interrupted", "Implementing"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			home := filepath.Join(dir, "it's a session")
			mkdir(t, home)
			text := strings.ReplaceAll(oneTask(subtask{run: "null"}, subtask{run: "null", deps: `["P1.M1.T1.S1"]`}), `,"run":null`, "")
			write(t, filepath.Join(home, "tasks.json"), strings.Replace(text, `"title":"Subtask 1","status":"Planned"`, `"title":"Subtask 1","status":"`+c.status+`"`, 1))
			write(t, filepath.Join(dir, "other config.yaml"), "stages: [{name: make, run: touch made}]\n")
			r := hacky(t, dir, "why", "--config", "other config.yaml", "--session", "it's a session", "P1.M1.T1.S2", "-o", "json")
			r.wants(t, 0)
			var why struct{ Roots []struct{ Command string } }
			if err := json.Unmarshal([]byte(r.stdout), &why); err != nil || len(why.Roots) != 1 {
				t.Fatalf("%v in %s", err, r.stdout)
			}
			sh := cleanCommand(t.Context(), dir, "sh", "-c", why.Roots[0].Command)
			for k, v := range sh.Env {
				if path, ok := strings.CutPrefix(v, "PATH="); ok {
					sh.Env[k] = "PATH=" + filepath.Dir(binary(t)) + string(filepath.ListSeparator) + path
				}
			}
			finish(t, sh).wants(t, 0)
			if got := strings.Fields(statuses(t, home))[0]; got != "Complete" {
				t.Errorf("it is %s after %s", got, why.Roots[0].Command)
			}
			if !exists(filepath.Join(dir, "made")) {
				t.Error("the stage of the configuration was not executed")
			}
		})
	}
}
