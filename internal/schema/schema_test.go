package schema

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
)

const files = "../../configs/schema"

// TestFresh: the files are what the types say.
func TestFresh(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range all {
		want, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(files, name+".schema.json")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not fresh: go generate ./internal/schema (%v)", name, err)
		}
	}
	there := 0
	err = filepath.WalkDir(files, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			there++
		}
		return err
	})
	if err != nil || there != len(all) {
		t.Errorf("%d files for %d schemas, %v", there, len(all), err)
	}
}

// resolved is a schema as it stands in its file.
func resolved(t *testing.T, name string) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSamples: every backlog that hacky takes fits the schema.
func TestSamples(t *testing.T) {
	s := resolved(t, "tasks")
	var samples []string
	for _, pattern := range []string{"../../testdata/backlogs/*.json", "../../configs/example.json", "../../../shared/backlogs/*.json"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, names...)
	}
	if len(samples) < 5 {
		t.Fatal(samples)
	}
	for _, name := range samples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, perr := backlog.Parse(name, string(text))
		verr := s.Validate(decode(t, text))
		if perr == nil && verr != nil {
			t.Errorf("%s: %v", name, verr)
		}
	}
}

const good = `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","env":{"A":"b"},"milestones":[{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","workdir":"x","tasks":[` +
	`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","timeout":"1h30m","subtasks":[{"id":"P1.M1.T1.S1","type":"Subtask","title":"s","status":"Planned","story_points":0.5,"dependencies":[],` +
	`"context_scope":"x","run":["a","b"],"gates":[{"level":4,"name":"n","run":"r","timeout":"5s"}],"retries":3,"env":{},"workdir":"y","timeout":"1s"}]}]}]}]}`

// TestSchemaAndParser: what one refuses for its shape, the other refuses, too;
// what both take they agree on.
func TestSchemaAndParser(t *testing.T) {
	s := resolved(t, "tasks")
	for _, c := range []struct{ from, to string }{
		{"", ""},
		{`"title":"s"`, `"title":"s","more":{"deep":[1]}`},
		{`"story_points":0.5`, `"story_points":null`},
		{`"story_points":0.5`, `"story_points":-1`},
		{`"story_points":0.5`, `"story_points":"1"`},
		{`"id":"P1.M1.T1.S1"`, `"id":"S1"`},
		{`"id":"P1.M1.T1.S1",`, ``},
		{`"title":"s"`, `"title":5`},
		{`"title":"s",`, ``},
		{`"status":"Planned","story`, `"status":"Done","story`},
		{`"status":"Planned","story`, `"story`},
		{`"dependencies":[]`, `"dependencies":"P1"`},
		{`"dependencies":[]`, `"dependencies":[1]`},
		{`"run":["a","b"]`, `"run":"a b"`},
		{`"run":["a","b"]`, `"run":[]`},
		{`"run":["a","b"]`, `"run":""`},
		{`"run":["a","b"]`, `"run":5`},
		{`"run":["a","b"]`, `"run":[5]`},
		{`"level":4`, `"level":5`},
		{`"level":4`, `"level":0`},
		{`"level":4,`, ``},
		{`"run":"r",`, ``},
		{`"timeout":"5s"`, `"timeout":"5"`},
		{`"timeout":"5s"`, `"timeout":5`},
		{`"retries":3`, `"retries":11`},
		{`"retries":3`, `"retries":-1`},
		{`"retries":3`, `"retries":1.5`},
		{`"env":{}`, `"env":{"A":1}`},
		{`"env":{}`, `"env":[]`},
		{`"workdir":"y"`, `"workdir":7`},
		{`"subtasks":[`, `"subtasks":[5,`},
		{`"milestones":[`, `"other":[`},
		{`"context_scope":"x"`, `"context_scope":7`},
		{`"context_scope":"x"`, `"context_scope":null`},
		{`"dependencies":[]`, `"dependencies":null`},
		{`"run":["a","b"]`, `"run":null`},
		{`"gates":[`, `"gates":null,"x":[`},
		{`"env":{}`, `"env":null`},
		{`"timeout":"1s"`, `"timeout":null`},
		{`"retries":3`, `"retries":null`},
		{`"workdir":"y"`, `"workdir":null`},
		{`"tasks":[`, `"tasks":null,"x":[`},
		{`"backlog":[`, `"backlog":null,"x":[`},
		{`"name":"n"`, `"name":null`},
		{`"type":"Subtask"`, `"type":"Task"`},
		{`"type":"Subtask"`, `"type":"x"`},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		_, perr := backlog.Parse("tasks.json", text)
		verr := s.Validate(decode(t, []byte(text)))
		if (perr == nil) != (verr == nil) {
			t.Errorf("%s -> %s: the parser says %v, the schema %v", c.from, c.to, perr, verr)
		}
	}
}

// TestHackyYAML: the sample with everything in it fits, and what the file may
// not say does not.
func TestHackyYAML(t *testing.T) {
	s := resolved(t, "hacky")
	sample, err := os.ReadFile("../../configs/hacky.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(sample)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && rest != "\n" && !strings.HasPrefix(rest, " ") || ok && strings.HasPrefix(rest, "  ") {
			lines = append(lines, rest)
		}
	}
	for text, fits := range map[string]bool{
		"":                               true,
		strings.Join(lines, ""):          true,
		"parallelism: 4\nretry: false":   true,
		"progress: json\ncolor: never":   true,
		"progress: fancy":                false,
		"paralellism: 4":                 false,
		"stages: [{name: a, run: b}]":    true,
		"stages: [{name: a, runs: b}]":   false,
		"gates: [{level: 9, run: a}]":    false,
		"scope: [P1, P2.M1]":             true,
		"agents: {a: {argv: [b]}}":       true,
		"agents: {a: {argv: b}}":         false,
		"agents: {a: {extends: claude}}": true,
		"env: {A: b}":                    true,
	} {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(text, err)
		}
		if v == nil {
			v = map[string]any{}
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(decode(t, again)); (err == nil) != fits {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestDescribed: what people hover over in an editor is explained.
func TestDescribed(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range all["hacky"].Properties {
		if p.Description == "" {
			t.Errorf("hacky.yaml: %s has no description", name)
		}
	}
}
