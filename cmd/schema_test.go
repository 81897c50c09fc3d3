package cmd_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// fitsSchema holds JSON documents against a schema of configs/schema.
func fitsSchema(t *testing.T, name string, documents ...string) {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(read(t, "../configs/schema/"+name+".schema.json")), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) == 0 {
		t.Errorf("%s: nothing to look at", name)
	}
	for _, text := range documents {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if err := r.Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// TestSchemasOfARun: what a run with all there is writes and prints fits the
// schemas: agents, gates, retries, failures, holds, commits, a recovery file.
func TestSchemasOfARun(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: "null"}, subtask{run: `"test $HACKY_ATTEMPT -gt 1 || exit 75"`}, subtask{run: `"echo no; exit 3"`},
		subtask{run: `"true"`, deps: `["P1.M1.T1.S3"]`}), "agents: {mine: {extends: claude}}\nstages: [{name: implement, agent: mine}]\ngates: [{level: 1, run: \"true\"}]\n")
	git := w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	r := w.hacky(nil, "run", "--progress", "json", "--commit")
	r.wants(t, 1)
	fitsSchema(t, "event", lines(r.stdout)...)
	fitsSchema(t, "attempt", lines(read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson")))...)
	fitsSchema(t, "checkpoints", read(t, filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "checkpoints.json")))
	fitsSchema(t, "status", w.hacky(nil, "status", "-o", "json").stdout)
	fitsSchema(t, "tasks", read(t, filepath.Join(w.dir, "tasks.json")))
	fitsSchema(t, "event", lines(w.hacky(nil, "run", "--progress", "json", "--dry-run").stdout)...)

	held := newWorkshop(t, staged(1), "stages: [{name: implement, agent: claude}]\n", "FAKE_AGENT=quota", "FAKE_AGENT_RESET=in 5 hours")
	r = held.hacky(nil, "run", "--progress", "json", "--quota-wait", "1s")
	r.wants(t, 75)
	fitsSchema(t, "event", lines(r.stdout)...)
	fitsSchema(t, "attempt", lines(read(t, filepath.Join(held.dir, "artifacts", "attempts.ndjson")))...)
	fitsSchema(t, "status", held.hacky(nil, "status", "-o", "json").stdout)

	made := t.TempDir()
	hacky(t, made, "init", "--example").wants(t, 0)
	tasks := read(t, filepath.Join(made, "tasks.json"))
	fitsSchema(t, "tasks", tasks)
	contains(t, "tasks.json", tasks, `"$schema": ".hacky/schema/tasks.schema.json"`)
	contains(t, "hacky.yaml", read(t, filepath.Join(made, "hacky.yaml")), "# yaml-language-server: $schema=.hacky/schema/hacky.schema.json\n")
	if !exists(filepath.Join(made, ".hacky", "schema", "tasks.schema.json")) || !exists(filepath.Join(made, ".hacky", "schema", "hacky.schema.json")) {
		t.Error("the schemas are not there")
	}

	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Log("bash is not installed: no recovery file was made")
		return
	}
	dir := session(t, oneTask(subtask{run: `["true"]`, more: `,"more":"` + strings.Repeat("x", 4000) + `"`}))
	finish(t, cleanCommand(t.Context(), dir, bash, "-c", "ulimit -f 2; exec "+binary(t)+" run")).wants(t, 3)
	fitsSchema(t, "recovery", read(t, filepath.Join(dir, "tasks.json.failed")))
	fitsSchema(t, "recovery", recoveryFile)
}
