package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// optionRow is a row of the table of options: a good value as it is typed and
// as it is listed, and a bad one with what is said about it.
type optionRow struct {
	name, good string
	listed     any
	bad, why   string
}

func optionRows() []optionRow {
	number := func(least, most int) string { return fmt.Sprintf("is not an integer between %d and %d", least, most) }
	return []optionRow{
		{"session", "elsewhere", "elsewhere", "", ""},
		{"flush-retries", "0", 0.0, "11", number(0, 10)},
		{"flush-retries", "10", 10.0, "abc", number(0, 10)},
		{"retry-backoff", "250", "250ms", "99ms", "is not a duration between 100ms and 1m"},
		{"retry-backoff", "60s", "1m", "61s", "is not a duration between 100ms and 1m"},
		{"task-retry", "7", 7.0, "-1", number(0, 10)},
		{"retry", "false", false, "2", "is not true or false"},
		{"parallelism", "1024", 1024.0, "0", number(1, 1024)},
		{"scope", "P1.M2,P1.M1", "P1.M2,P1.M1", "P1,,P2", "is not all, an id"},
		{"with-deps", "true", true, "yess", "is not true or false"},
		{"flush-interval", "20ms", "20ms", "soon", "is not a duration"},
		{"flush-batch", "7", 7.0, "2.9", "is not an integer"},
		{"timeout", "90m", "1h30m", "-5s", "is not none or a duration"},
		{"idle-timeout", "none", "none", "5 s", "is not none or a duration"},
		{"max-tasks", "5", 5.0, "0x5", "is not none or an integer"},
		{"max-duration", "2h", "2h", "1d", "is not none or a duration"},
		{"max-failures", "3", 3.0, "-3", "is not none or an integer"},
		{"fail-fast", "true", true, "2", "is not true or false"},
		{"agent", "claude", "claude", "a b", "is not none or a name"},
		{"commit", "true", true, "perhaps", "is not true or false"},
		{"quota-wait", "90m", "1h30m", "nine", "is not a duration"},
		{"fix-attempts", "0", 0.0, "11", number(0, 10)},
		{"dry-run", "true", true, "maybe", "is not true or false"},
		{"recover", "true", true, "maybe", "is not true or false"},
		{"color", "never", "never", "red", "is not one of auto, always, never"},
		{"progress", "json", "json", "fancy", "is not one of auto, tty, plain, json, none"},
		{"log-level", "trace", "trace", "fatal", "is not one of trace, debug, info, warn, error"},
		{"log-format", "console", "console", "xml", "is not one of auto, console, json"},
	}
}

// configRun runs `hacky config -o json` in an environment of its own, with
// variables, in a directory with a hacky.yaml if yaml is not "".
func configRun(t *testing.T, yaml string, env []string, args ...string) result {
	t.Helper()
	dir := t.TempDir()
	if yaml != "" {
		write(t, filepath.Join(dir, "hacky.yaml"), yaml)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(ctx, t, dir, append([]string{"config", "-o", "json"}, args...)...)
	c.Env = append([]string{"PATH=" + t.TempDir(), "HOME=/no-home"}, env...)
	return finish(t, c)
}

type listed struct {
	Name    string `json:"name"`
	Value   any    `json:"value"`
	Source  string `json:"source"`
	Default any    `json:"default"`
}

func optionsOf(t *testing.T, r result) map[string]listed {
	t.Helper()
	r.wants(t, 0)
	var doc struct{ Options []listed }
	dec := json.NewDecoder(bytes.NewBufferString(r.stdout))
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	if dec.More() {
		t.Errorf("more than one document: %s", r.stdout)
	}
	out := map[string]listed{}
	for _, o := range doc.Options {
		out[o.Name] = o
	}
	return out
}

func variable(name string) string {
	return "HACKY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Every row of §4 by flag, variable and file: the same value; the source named.
func TestOptions(t *testing.T) {
	defaults := optionsOf(t, configRun(t, "", nil))
	seen := map[string]bool{}
	for _, row := range optionRows() {
		seen[row.name] = true
		t.Run(row.name+" "+row.good, func(t *testing.T) {
			t.Parallel()
			line := row.name + ": " + row.good + "\n"
			for _, c := range []struct {
				source string
				result
			}{
				{"flag", configRun(t, "", nil, "--"+row.name+"="+row.good)},
				{"environment", configRun(t, "", []string{variable(row.name) + "=" + row.good})},
				{"file", configRun(t, line, nil)},
				{"flag", configRun(t, line, []string{variable(row.name) + "=" + row.good}, "--"+row.name+"="+row.good)},
				{"environment", configRun(t, line, []string{variable(row.name) + "=" + row.good})},
				{"file", configRun(t, line, []string{variable(row.name) + "="})},
			} {
				got := optionsOf(t, c.result)[row.name]
				if got.Value != row.listed || got.Source != c.source {
					t.Errorf("by %s: %v from %q, want %v", c.source, got.Value, got.Source, row.listed)
				}
				if d := defaults[row.name]; got.Default != d.Value || d.Source != "default" {
					t.Errorf("default %v, but without it %v from %s", got.Default, d.Value, d.Source)
				}
			}
			if row.bad == "" {
				return
			}
			for _, c := range []struct {
				source, where string
				result
			}{
				{"flag", "--" + row.name + ": ", configRun(t, "", nil, "--"+row.name+"="+row.bad)},
				{"environment", variable(row.name) + ": ", configRun(t, "", []string{variable(row.name) + "=" + row.bad})},
				{"file", "hacky.yaml:1: " + row.name + ": ", configRun(t, row.name+": "+row.bad+"\n", nil)},
			} {
				c.wants(t, 2)
				want := fmt.Sprintf("hacky: %s%q %s", c.where, row.bad, row.why)
				if !strings.HasPrefix(c.stderr, want) || strings.Count(c.stderr, "\n") != 1 || c.stdout != "" {
					t.Errorf("by %s:\n%swant one line that begins with\n%s", c.source, c.stderr, want)
				}
			}
		})
	}
	for name := range defaults {
		if !seen[name] {
			t.Errorf("the option %s is not in this test's table", name)
		}
	}
}

// The other spellings, and the file's own mistakes.
func TestConfigSpellings(t *testing.T) {
	if o := optionsOf(t, configRun(t, "", nil, "--no-retry"))["retry"]; o.Value != false || o.Source != "flag" {
		t.Errorf("--no-retry: %+v", o)
	}
	if o := optionsOf(t, configRun(t, "", []string{"HACKY_NO_RETRY=true"}))["retry"]; o.Value != false || o.Source != "environment" {
		t.Errorf("HACKY_NO_RETRY: %+v", o)
	}
	if o := optionsOf(t, configRun(t, "", []string{"HACKY_TASK_RETRY_MAX_ATTEMPTS=5"}))["task-retry"]; o.Value != 5.0 {
		t.Errorf("HACKY_TASK_RETRY_MAX_ATTEMPTS: %+v", o)
	}
	r := configRun(t, "flush-retrys: 3\nparallelism: x\n", nil)
	r.wants(t, 2)
	contains(t, "standard error", r.stderr, "hacky: hacky.yaml:1: ", "flush-retrys", "flush-retries", "hacky: hacky.yaml:2: parallelism: ")
	r = configRun(t, "stages: [{name: a\n", nil)
	r.wants(t, 2)
	contains(t, "standard error", r.stderr, "hacky.yaml")
}

// Where the file is looked for, in this order.
func TestConfigFiles(t *testing.T) {
	dir := t.TempDir()
	run := func(env []string, args ...string) any {
		t.Helper()
		c := exec.Command(binary(t), append([]string{"config", "-o", "json"}, args...)...)
		c.Dir, c.Env = dir, append([]string{"HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, "xdg")}, env...)
		return optionsOf(t, finish(t, c))["parallelism"].Value
	}
	for i, name := range []string{"xdg/hacky/hacky.yaml", "configs/hacky.yaml", "hacky.yaml", "variable.yaml", "flag.yaml"} {
		path := filepath.Join(dir, name)
		mkdir(t, filepath.Dir(path))
		write(t, path, fmt.Sprintf("parallelism: %d\n", 10+i))
		var env, args []string
		if i >= 3 {
			env = []string{"HACKY_CONFIG=variable.yaml"}
		}
		if i == 4 {
			args = []string{"--config", "flag.yaml"}
		}
		if got := run(env, args...); got != float64(10+i) {
			t.Errorf("with %s: parallelism %v, want %d", name, got, 10+i)
		}
	}
}

// The example of the documentation runs as it stands there.
func TestDocumentedExampleRuns(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(read(t, "../docs/configuration.md"), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/configuration.md has no example")
	}
	backlog := strings.ReplaceAll(oneTask(subtask{run: `""`}), `,"run":""`, "")
	dir := session(t, strings.ReplaceAll(backlog, `"context_scope":""`, `"context_scope":"As far as is known."`))
	write(t, filepath.Join(dir, "hacky.yaml"), example)
	hacky(t, dir, "run").wants(t, 0)
	contains(t, "status", hacky(t, dir, "status").stdout, "1 subtask: 1 Complete\n")
	notes := read(t, filepath.Join(dir, "notes-P1.M1.T1.S1.md"))
	contains(t, "the notes", notes, "What is there about Subtask 1? As far as is known.\n", "It is part of P1.M1, A milestone: \n")
	log := read(t, filepath.Join(dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "implement.log"))
	contains(t, "the log", log, "level 2, attempt 1\n", "Do P1.M1.T1.S1, following notes-P1.M1.T1.S1.md.\n")
}
