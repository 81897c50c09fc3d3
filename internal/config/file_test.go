package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func textOf(v any) string { return fmt.Sprint(v) }

// The first place that has a file is the only one that is read.
func TestFileSearch(t *testing.T) {
	files := map[string]string{
		"flag.yaml":                      "parallelism: 11",
		"var.yaml":                       "parallelism: 12",
		"hacky.yaml":                     "parallelism: 13",
		"configs/hacky.yaml":             "parallelism: 14",
		"xdg/hacky/hacky.yaml":           "parallelism: 15",
		"home/.config/hacky/hacky.yaml":  "parallelism: 16",
		"relative/xdg/hacky/hacky.yaml":  "parallelism: 17",
		"home/.config/hacky/unread.yaml": "parallelism: 18",
	}
	w := world{
		args:  []string{"--config", "flag.yaml"},
		vars:  map[string]string{"HACKY_CONFIG": "$DIR/var.yaml", "XDG_CONFIG_HOME": "$DIR/xdg"},
		files: files,
	}
	steps := []struct {
		remove  func()
		want    int
		file    string // the end of Config.File
		comment string
	}{
		{func() {}, 11, "flag.yaml", "the flag"},
		{func() { w.args = nil }, 12, "/var.yaml", "the variable"},
		{func() { w.vars["HACKY_CONFIG"] = "" }, 13, "hacky.yaml", "the working directory, for an empty variable"},
		{func() { delete(files, "hacky.yaml") }, 14, "configs/hacky.yaml", "configs"},
		{func() { delete(files, "configs/hacky.yaml") }, 15, "/xdg/hacky/hacky.yaml", "XDG_CONFIG_HOME"},
		{func() { w.vars["XDG_CONFIG_HOME"] = "relative/xdg" }, 16, "/home/.config/hacky/hacky.yaml", "home, for a relative XDG_CONFIG_HOME"},
		{func() { delete(w.vars, "XDG_CONFIG_HOME") }, 16, "/home/.config/hacky/hacky.yaml", "home"},
		{func() { files["configs"] = "a file" }, 16, "/home/.config/hacky/hacky.yaml", "home, where configs is a file"},
		{func() { w.vars["XDG_CONFIG_HOME"] = "$DIR/nothing" }, 2, "", "no file"},
	}
	for _, s := range steps {
		s.remove()
		c, _ := w.mustLoad(t)
		if c.Parallelism != s.want || !strings.HasSuffix(c.File, s.file) || (s.file == "") != (c.File == "") {
			t.Errorf("%s: parallelism %d of %q, want %d of %q", s.comment, c.Parallelism, c.File, s.want, s.file)
		}
	}
}

func TestFileProblems(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"flush-retries: true", []string{`hacky.yaml:1: flush-retries: "true" is not an integer between 0 and 10`}},
		{"flush-retries: 2.9", []string{`hacky.yaml:1: flush-retries: "2.9" is not an integer between 0 and 10`}},
		{"flush-retries: 0x3", []string{`hacky.yaml:1: flush-retries: "0x3" is not an integer between 0 and 10`}},
		{"flush-retries:\n", []string{`hacky.yaml:1: flush-retries: has no value; allowed is an integer between 0 and 10`}},
		{"flush-retries: ~", []string{`hacky.yaml:1: flush-retries: has no value; allowed is an integer between 0 and 10`}},
		{"flush-retries: [1]", []string{`hacky.yaml:1: flush-retries: a list is not an integer between 0 and 10`}},
		{"flush-retries: {a: 1}", []string{`hacky.yaml:1: flush-retries: a mapping is not an integer between 0 and 10`}},
		{"scope: []", []string{`hacky.yaml:1: scope: "" is not all, an id such as P1.M2.T3.S4, or a comma list of ids`}},
		{"scope: [P1, [P2]]", []string{`hacky.yaml:1: scope: a list of other things than ids is not all, an id such as P1.M2.T3.S4, or a comma list of ids`}},
		{"a: 1\nPARALLELISM: 3\nflush_retries: 2\nzzzzzzzzzzzzzzz: 1", []string{
			`hacky.yaml:1: unknown key "a"; the nearest known key is "env"`,
			`hacky.yaml:2: unknown key "PARALLELISM"; did you mean "parallelism"?`,
			`hacky.yaml:3: unknown key "flush_retries"; did you mean "flush-retries"?`,
			`hacky.yaml:4: unknown key "zzzzzzzzzzzzzzz"; the nearest known key is "session"`,
		}},
		{"retry: true\n\nretry: true\n", []string{`hacky.yaml:3: duplicate key "retry", first on line 1`}},
		{"env:\n  A: 1\n  A: 1\n", []string{`hacky.yaml:3: duplicate key "A", first on line 2`}},
		{"[a]: 1", []string{`hacky.yaml:1: a key must be a name`}},
		{"just text", []string{"hacky.yaml:1: the file must hold options, as in `parallelism: 4`"}},
		{"- 1\n", []string{"hacky.yaml:1: the file must hold options, as in `parallelism: 4`"}},
		{"retry: true\n---\nretry: false\n", []string{`hacky.yaml:2: a second YAML document; only one is allowed`}},
		{"retry: true\n---\nretry: [\n", []string{`hacky.yaml:3: not valid YAML: did not find expected node content`}},
		{"retry: [", []string{`hacky.yaml:1: not valid YAML: did not find expected node content`}},
		{"a: 1\n\tb: 2\n", []string{`hacky.yaml:2: not valid YAML: found a tab character that violates indentation`}},
		{"\xff\xfe\x00", []string{`hacky.yaml: not valid YAML: incomplete UTF-16 character`}},
		{strings.Repeat("#", maxFileSize+1), []string{`hacky.yaml: is larger than 1048576 bytes, too large for a configuration`}},

		{"stages:\n", []string{`hacky.yaml:1: stages must be a list`}},
		{"stages:\n  - 3\n  - {}\n", []string{
			`hacky.yaml:2: stages[0] must be a mapping with a name and a command`,
			`hacky.yaml:3: stages[1] has no name`,
			`hacky.yaml:3: stages[1] must have exactly one of run and agent`,
		}},
		{"stages:\n- name: a\n  run: x\n  agent: y\n- name: a\n  run: x\n- name: gate-x\n  run: x\n", []string{
			`hacky.yaml:2: stages[0] must have exactly one of run and agent`,
			`hacky.yaml:5: stages[1].name: "a" is already the name of the stage on line 2`,
			`hacky.yaml:7: stages[2].name: "gate-x" is not a name for a stage: gates are named gate-`,
		}},
		{"stages:\n- name: A b\n  run: ' '\n  timout: 3s\n  timeout: 3\n  env: [A]\n", []string{
			`hacky.yaml:2: stages[0].name: "A b" is not a name of a-z, 0-9, _ and -, starting with a letter or digit`,
			`hacky.yaml:3: stages[0].run is empty`,
			`hacky.yaml:4: stages[0]: unknown key "timout"; did you mean "timeout"?`,
			`hacky.yaml:5: stages[0].timeout: "3" has no unit (write 3s, 3m or 3h): allowed is none or a duration above 0 and of at most 720h`,
			`hacky.yaml:6: stages[0].env must be a mapping of variables to values`,
		}},
		{"stages:\n- {name: a, run: []}\n- {name: b, run: [\"\"]}\n- {name: c, run: [a, {}]}\n- {name: d, run: {}}\n- {name: e, run: \"a\\0b\"}\n- {name: f, run: }", []string{
			`hacky.yaml:2: stages[0].run is empty`,
			`hacky.yaml:3: stages[1].run[0] is empty`,
			`hacky.yaml:4: stages[2].run[1] must be a text`,
			`hacky.yaml:5: stages[3].run must be a text`,
			`hacky.yaml:6: stages[4].run must not hold a NUL character`,
			`hacky.yaml:7: stages[5].run has no value`,
		}},
		{"gates:\n- level: 5\n  run: x\n- level: one\n  run: x\n- name: n\n- level: [1]\n  run: x\n  name: -x\n", []string{
			`hacky.yaml:2: gates[0].level: "5" is not an integer between 1 and 4`,
			`hacky.yaml:4: gates[1].level: "one" is not an integer between 1 and 4`,
			`hacky.yaml:6: gates[2] has no level`,
			`hacky.yaml:6: gates[2] has no run`,
			`hacky.yaml:7: gates[3].level must be a text`,
		}},
		{"agents: [a]\n", []string{`hacky.yaml:1: agents must be a mapping of names to profiles`}},
		{"agents:\n  a: 3\n  b: {x: 1, x: 2}\n", []string{
			`hacky.yaml:2: agents.a must be a mapping`,
			`hacky.yaml:3: not valid YAML: mapping key "x" already defined at line 3`,
		}},
		{"env:\n  1A: x\n  B: [x]\n  C:\n", []string{
			`hacky.yaml:2: env: "1A" is not the name of a variable`,
			`hacky.yaml:3: env.B must be a text`,
			`hacky.yaml:4: env.C has no value`,
		}},
	}
	for _, tt := range tests {
		got := world{files: map[string]string{"hacky.yaml": tt.text}}.problems(t)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%.200q:\ngot  %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

// Comments, null documents and nothing at all are a file that says nothing.
func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "# only this\n", "---\n", "--- ~\n...\n", "{}", "\ufeff# BOM\r\n"} {
		c, _ := world{files: map[string]string{"hacky.yaml": text}}.mustLoad(t)
		want := Default()
		want.File = "hacky.yaml"
		if !reflect.DeepEqual(*c, want) {
			t.Errorf("%q: got %+v", text, *c)
		}
	}
}

func TestNamedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "hacky.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		world world
		want  string
	}{
		{world{args: []string{"--config", "no.yaml"}}, `--config: "no.yaml" does not exist; name a file that is there, or leave it out`},
		{world{vars: map[string]string{"HACKY_CONFIG": "no.yaml"}}, `HACKY_CONFIG: "no.yaml" does not exist; name a file that is there, or leave it out`},
		{world{args: []string{"--config=hacky.yaml/x"}, files: map[string]string{"hacky.yaml": ""}}, `--config: "hacky.yaml/x" does not exist; name a file that is there, or leave it out`},
		{world{args: []string{"--config="}, files: map[string]string{"hacky.yaml": ""}}, `--config: "" is not the path of a file`},
		{world{args: []string{"--config=" + dir}}, `--config: "` + dir + `" is a directory, not a file`},
		{world{args: []string{"--config=c.yaml"}, files: map[string]string{"c.yaml": "x: 1"}}, `c.yaml:1: unknown key "x"; the nearest known key is "env"`},
		{world{files: map[string]string{"hacky.yaml/x": ""}}, `hacky.yaml: is a directory, not a file`},
	}
	for _, tt := range tests {
		if got := tt.world.problems(t); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.world, got, tt.want)
		}
	}

	// Permissions do not stop root, a link to itself does.
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	env := Env{Dir: dir, Lookup: func(name string) (string, bool) { return "loop", name == "HACKY_CONFIG" }}
	_, _, err := Load(nil, env)
	if want := `HACKY_CONFIG: "loop" cannot be read: too many levels of symbolic links`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSections(t *testing.T) {
	c, _ := world{files: map[string]string{"hacky.yaml": `
stages:
  - name: research
    agent: Writer
    prompt: prompts/research.md
    output: notes.md
  - &base
    name: implement_2
    run: go build ./... && true
    env: {Mixed_Case: 1.10, empty: "", flag: yes, ref: "${HOME}/x"}
    timeout: 400ms
  - {name: "3", run: [tool, "", 0x10, true], timeout: none}
gates:
  - {level: 2, run: "true"}
  - {level: 1, name: vet, run: [go, vet], timeout: 30m}
agents:
  Writer: {command: [a, b], Patterns: {Quota: "x"}}
  empty: {}
env:
  Path_Like: ~/bin
  PATH_LIKE: 007
`}}.mustLoad(t)
	wantStages := []Stage{
		{Name: "research", Agent: "Writer", Prompt: "prompts/research.md", Output: "notes.md"},
		{Name: "implement_2", Run: backlog.Command{Shell: "go build ./... && true"}, Timeout: 400 * time.Millisecond,
			Env: map[string]string{"Mixed_Case": "1.10", "empty": "", "flag": "yes", "ref": "${HOME}/x"}},
		{Name: "3", Run: backlog.Command{Argv: []string{"tool", "", "0x10", "true"}}},
	}
	wantGates := []backlog.Gate{
		{Level: 2, Run: backlog.Command{Shell: "true"}},
		{Level: 1, Name: "vet", Run: backlog.Command{Argv: []string{"go", "vet"}}, Timeout: 30 * time.Minute},
	}
	wantAgents := map[string]any{
		"Writer": map[string]any{"command": []any{"a", "b"}, "Patterns": map[string]any{"Quota": "x"}},
		"empty":  map[string]any{},
	}
	wantEnv := map[string]string{"Path_Like": "~/bin", "PATH_LIKE": "007"}
	for _, pair := range [][2]any{{c.Stages, wantStages}, {c.Gates, wantGates}, {c.Agents, wantAgents}, {c.Env, wantEnv}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got  %#v\nwant %#v", pair[0], pair[1])
		}
	}
}

func TestAliasesInSections(t *testing.T) {
	c, _ := world{files: map[string]string{"hacky.yaml": `
agents: {a: &p {x: 1}, b: *p}
env: {A: &v one, B: *v}
gates: [&g {level: 1, run: &r [a]}, *g]
stages: [{name: s, run: *r}]
session: &id P1
scope: [P2, *id]
`}}.mustLoad(t)
	if c.Env["B"] != "one" || len(c.Gates) != 2 || c.Gates[1].Level != 1 || c.Stages[0].Run.String() != "a" ||
		!reflect.DeepEqual(c.Scope, []string{"P2", "P1"}) ||
		!reflect.DeepEqual(c.Agents["a"], c.Agents["b"]) {
		t.Errorf("got %+v", c)
	}
}

// Whatever a file holds, there is a configuration or an error that says why.
func FuzzFile(f *testing.F) {
	f.Add(uncomment(SampleYAML()))
	f.Add([]byte("stages: [&a {name: x, run: [*a]}]\nenv: &e {<<: *e}"))
	f.Add([]byte("agents: {x: &x {y: *x}}"))
	f.Add([]byte("scope: &s [*s]\nflush-retries: !!binary aGk="))
	f.Add([]byte("? {a: b}\n: *x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, listing, err := combine(parseFile("f.yaml", data), nil, Env{})
		if (err == nil) != (c != nil) || (err == nil) != (listing != nil) {
			t.Fatalf("%q: config %v, error %v", data, c, err)
		}
		if err == nil {
			for _, s := range c.Stages {
				if s.Name == "" || s.Run.IsZero() == (s.Agent == "") || s.Timeout < 0 {
					t.Errorf("%q: stage %+v", data, s)
				}
			}
			for _, g := range c.Gates {
				if g.Level < 1 || g.Level > 4 || g.Run.IsZero() || g.Timeout < 0 {
					t.Errorf("%q: gate %+v", data, g)
				}
			}
		} else if strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%q: an empty error", data)
		}
	})
}
