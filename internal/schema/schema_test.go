package schema

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
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
		{`"id":"P1","type"`, `"id":"P1.M1","type"`},
		{`"id":"P1.M1","type"`, `"id":"P1","type"`},
		{`"id":"P1.M1.T1","type"`, `"id":"P1.M1","type"`},
		{`"id":"P1.M1.T1.S1"`, `"id":"P1.M1.T1"`},
		{`"id":"P1.M1.T1.S1"`, `"id":"P1.M1.T1.S1234567890123456789"`},
		{`"timeout":"1s"`, `"timeout":"0s"`},
		{`"timeout":"1s"`, `"timeout":"0m0.5s"`},
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
		if err := s.Validate(fromYAML(t, text)); (err == nil) != fits {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// fromYAML is what an editor makes of a hacky.yaml.
func fromYAML(t *testing.T, text string) any {
	t.Helper()
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
	return decode(t, again)
}

// TestSchemaAndOptions: what hacky takes from hacky.yaml the schema takes, and
// what one refuses the other does.
func TestSchemaAndOptions(t *testing.T) {
	s := resolved(t, "hacky")
	agree := func(text string, bounded bool) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "hacky.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, perr := config.Load(nil, config.Env{Dir: dir})
		verr := s.Validate(fromYAML(t, text))
		if bounded { // by more than a pattern can tell
			if perr == nil || verr != nil {
				t.Errorf("%s: hacky says %v, the schema %v", text, perr, verr)
			}
			return
		}
		if (perr == nil) != (verr == nil) {
			t.Errorf("%s: hacky says %v, the schema %v", text, perr, verr)
		}
	}
	numbers := "0 1 2 10 11 1024 1025 100000 100001 9223372036854775807 99999999999999999999 -1 1.5 abc none [1] {a:1} true null"
	durations := "0 0s 1s 10ms 1h30m 1.5s .5s +2s 100 500 60000 60001 99 -5s xyz 5 none 5S 1m-3s 10d null [1s] true 5ms5 s"
	words := "auto always never tty plain json none trace debug info warn error console fancy '' 5 null [auto]"
	booleans := "true false yes no on off True OFF t f 0 1 2 maybe null '' [true] 1.5"
	ids := "all P1 P1.M2 P1,P2 'P1.M2.T3.S4, P2' [P1,P2.M1] [] [5] 5 P1.T1 p1 'P1,' P1.M1.T1.S1.X1 null {P1:P2} [[P1]] [null]"
	names := "claude my-agent none a_1 My a/b -a '' [a] null {a:b}"
	seen := 0
	for _, o := range config.Describe() {
		values := map[string]string{
			"session": "plan/001_x 003 '' [a] null", "agent": names, "scope": ids,
		}[o.Name]
		switch {
		case values != "":
		case o.Values.Bool:
			values = booleans
		case o.Values.Numbers != nil && o.Values.Pattern == "":
			values = numbers
		case o.Values.Pattern != "":
			values = durations
		case o.Values.Words != nil:
			values = words
		default:
			t.Fatalf("%s: there is nothing to try", o.Name)
		}
		for _, value := range splitQuoted(values) {
			seen++
			text := o.Name + ": " + strings.ReplaceAll(value, ":", ": ")
			agree(text, o.Name == "flush-interval" && value == "1h30m" || o.Name == "retry-backoff" && slices.Contains([]string{"10ms", "1h30m"}, value))
		}
		if o.Default != "" {
			agree(o.Name+": "+o.Default, false)
		}
	}
	if seen < 300 {
		t.Errorf("only %d values", seen)
	}
	agree("flush-interval: 2h", true)
	agree("flush-interval: 1ms", true)
	agree("timeout: 721h", true)
	for _, text := range []string{
		"stages: [{name: a, run: b}]", "stages: [{name: a, run: [sleep, 5]}]", "stages: [{name: a, agent: claude}]", "stages: [{name: a}]",
		"stages: [{run: b}]", "stages: [{name: a, run: b, agent: claude}]", "stages: [{name: gate-1, run: b}]", "stages: [{name: A, run: b}]",
		"stages: [{name: a, run: []}]", "stages: [{name: a, run: ''}]", "stages: {}", "stages: [a]", "stages: [{name: a, run: b, timeout: 5}]",
		"stages: [{name: a, run: b, timeout: 0}]", "stages: [{name: a, run: b, timeout: none}]", "stages: [{name: a, run: b, env: {PORT: 80, ON: true, A: b}}]",
		"stages: [{name: a, run: b, env: {A-B: c}}]", "stages: [{name: a, run: b, env: {A: [c]}}]", "stages: null",
		"gates: [{level: 1, run: a}]", "gates: [{level: 5, run: a}]", "gates: [{level: 0, run: a}]", "gates: [{run: a}]", "gates: [{level: 1}]", "gates: [{level: 1, run: a, timeout: x}]",
		"env: {A: 1, B: x, C: 1.5}", "env: {1A: x}", "env: {A: null}", "env: [A]", "agents: {a: {argv: [b]}}", "agents: [a]", "agents: {a: 5}", "unknown: 1",
	} {
		agree(text, false)
	}
}

// splitQuoted splits at spaces outside of quotes.
func splitQuoted(text string) []string {
	var out []string
	quoted := false
	for _, word := range strings.Split(text, " ") {
		if quoted {
			out[len(out)-1] += " " + word
		} else {
			out = append(out, word)
		}
		quoted = quoted != (strings.Count(word, "'")%2 == 1)
	}
	return out
}

// TestDescribed: every key of every document is explained, for people who hover
// over it in an editor and for documentation; and no meaning is without use.
func TestDescribed(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	keys := 0
	for name, s := range all {
		walk(s, func(s *jsonschema.Schema) {
			for key, p := range s.Properties {
				keys++
				used[p.Description] = true
				if p.Description == "" {
					t.Errorf("%s: %s has no description", name, key)
				}
			}
		})
	}
	if keys < 400 {
		t.Errorf("only %d keys", keys)
	}
	for key, meaning := range meanings() {
		if !used[meaning] {
			t.Errorf("nothing is explained by %q: %s", key, meaning)
		}
	}
}

// TestRefusedEvents: the schema of events takes no line that hacky does not
// print.
func TestRefusedEvents(t *testing.T) {
	s := resolved(t, "event")
	const event = `{"v":1,"time":"2026-01-24T15:30:45Z","type":"subtaskFinished","session":".","id":"P1.M1.T1.S1","title":"t","attempt":1,"status":"Complete"}`
	const quota = `{"v":1,"time":"2026-01-24T15:30:45Z","type":"quotaHeld","session":".","credential":"claude","until":"2026-01-24T15:30:45Z"}`
	const summary = `{"v":1,"time":"2026-01-24T15:30:45Z","type":"summary","session":".","total":1,"done":1,"started":1,"completed":1,"retried":0,"failed":[],"blocked":[],"left":[],"durationMs":5,"exit":0}`
	for _, c := range []struct{ line, from, to string }{
		{event, `"v":1`, `"v":99`},
		{event, `"v":1,`, ``},
		{event, `"subtaskFinished"`, `"subtaskExploded"`},
		{event, `"subtaskFinished"`, `"quotaHeld"`},
		{event, `"type":"subtaskFinished",`, ``},
		{event, `"id":"P1.M1.T1.S1",`, ``},
		{event, `"attempt":1`, `"attempt":"1"`},
		{event, `"Complete"`, `"Done"`},
		{event, `"session":".",`, ``},
		{event, `"time":"2026-01-24T15:30:45Z",`, ``},
		{quota, `"credential":"claude",`, ``},
		{quota, `"quotaHeld"`, `"subtaskHeld"`},
		{summary, `"exit":0`, `"exit":null`},
		{summary, `"failed":[]`, `"failed":null`},
		{summary, `"failed":[]`, `"failed":["P1"]`},
		{summary, `"summary"`, `"subtaskPlanned"`},
	} {
		if err := s.Validate(decode(t, []byte(c.line))); err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		line := strings.Replace(c.line, c.from, c.to, 1)
		if s.Validate(decode(t, []byte(line))) == nil {
			t.Errorf("%s: taken", line)
		}
	}
}
