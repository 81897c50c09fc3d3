package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// fitsSchema holds JSON documents against a schema of configs/schema.
func fitsSchema(t *testing.T, name string, documents ...string) {
	t.Helper()
	if len(documents) == 0 {
		t.Errorf("%s: nothing to look at", name)
	}
	for _, text := range documents {
		if err := misfit(name, text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, clip(text))
		}
	}
}

var schemas sync.Map // *jsonschema.Resolved by name

// misfit tells how a document does not fit a schema. What hacky prints may not
// say more than its schema, either, although readers have to allow for that.
func misfit(name, document string) error {
	r, ok := schemas.Load(name)
	if !ok {
		text, err := os.ReadFile("../configs/schema/" + name + ".schema.json")
		if err != nil {
			return err
		}
		var s jsonschema.Schema
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		if name == "event" || strings.HasPrefix(name, "result/") {
			closeObjects(&s)
		}
		resolved, err := s.Resolve(nil)
		if err != nil {
			return err
		}
		r, _ = schemas.LoadOrStore(name, resolved)
	}
	var v any
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		return err
	}
	return r.(*jsonschema.Resolved).Validate(v)
}

func closeObjects(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.Properties != nil && s.AdditionalProperties == nil {
		s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	for _, p := range s.Properties {
		closeObjects(p)
	}
	for _, p := range s.AnyOf {
		closeObjects(p)
	}
	closeObjects(s.Items)
}

// printedJSON says which schemas the output of a call of hacky has to fit: the
// whole of it, or every line.
func printedJSON(args []string) (whole, line string) {
	command := ""
	for k, arg := range args {
		switch {
		case command == "" && !strings.HasPrefix(arg, "-"):
			command = arg
		case slices.Contains([]string{"json", "-ojson", "--output=json"}, arg) && (arg != "json" || slices.Contains([]string{"-o", "--output"}, args[k-1])):
			whole = "result/" + command
		case arg == "--progress=json" || arg == "json" && args[k-1] == "--progress":
			line = "event"
		}
	}
	return whole, line
}

// misprinted holds what a call of hacky has printed against its schema, if there
// is one for it.
func misprinted(args []string, stdout string) error {
	whole, line := printedJSON(args)
	if whole != "" && stdout != "" {
		if err := misfit(whole, stdout); err != nil {
			return fmt.Errorf("hacky %s: %w", strings.Join(args, " "), err)
		}
	}
	if line != "" {
		for text := range strings.Lines(stdout) {
			if err := misfit(line, text); err != nil {
				return fmt.Errorf("hacky %s: %w\n%s", strings.Join(args, " "), err, text)
			}
		}
	}
	return nil
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
	fitsSchema(t, "result/status", w.hacky(nil, "status", "-o", "json").stdout)
	fitsSchema(t, "tasks", read(t, filepath.Join(w.dir, "tasks.json")))
	fitsSchema(t, "event", lines(w.hacky(nil, "run", "--progress", "json", "--dry-run").stdout)...)

	held := newWorkshop(t, staged(1), "stages: [{name: implement, agent: claude}]\n", "FAKE_AGENT=quota", "FAKE_AGENT_RESET=in 5 hours")
	r = held.hacky(nil, "run", "--progress", "json", "--quota-wait", "1s")
	r.wants(t, 75)
	fitsSchema(t, "event", lines(r.stdout)...)
	fitsSchema(t, "attempt", lines(read(t, filepath.Join(held.dir, "artifacts", "attempts.ndjson")))...)
	fitsSchema(t, "result/status", held.hacky(nil, "status", "-o", "json").stdout)

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
