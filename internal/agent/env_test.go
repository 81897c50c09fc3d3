package agent

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// environment is what a stage printed with env -0, and the names that stand
// more than once.
func (p *place) environment(stage string) (env map[string]string, twice []string) {
	p.t.Helper()
	env = map[string]string{}
	for kv := range strings.SplitSeq(strings.TrimSuffix(p.log(stage), "\x00"), "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		if _, ok := env[name]; ok {
			twice = append(twice, name)
		}
		env[name] = value
	}
	return env, twice
}

func (p *place) expectEnvironment(stage string, want map[string]string) {
	p.t.Helper()
	got, twice := p.environment(stage)
	if len(twice) > 0 {
		p.t.Errorf("%s: these stand twice: %q", stage, twice)
	}
	if !maps.Equal(got, want) {
		p.t.Errorf("%s: its environment is\n%q\nwant\n%q", stage, got, want)
	}
}

var printEnv = backlog.Command{Argv: []string{"env", "-0"}}

func TestEnvironmentOfARun(t *testing.T) {
	t.Setenv("HACKY_TASK_RETRY", "7") // of this process: not handed in, so not inherited
	src := frame(`"env":{"A":"phase","B":"phase","HOME":"/phase"}`,
		`"title":"A title",`+argv("env", "-0")+`,"env":{"B":"subtask","EMPTY":"","LINES":"a\nb=c"},"gates":[{"level":2,"name":"check","run":["env","-0"]}]`)
	recipe := Recipe{Env: []backlog.EnvVar{{Name: "A", Value: "recipe"}, {Name: "C", Value: "recipe"}, {Name: "C", Value: "later"}}}
	path := os.Getenv("PATH")
	p := setUpBacklog(t, recipe, src, []string{"PATH=/nowhere", "X=1", "HOME=/root", "PATH=" + path, "C=inherited", "HACKY_TASK_RETRY=3"})
	expectResult(t, p.execute(), OK, 0, "")
	want := map[string]string{
		"PATH": path, "X": "1", "HOME": "/phase", "A": "phase", "B": "subtask", "C": "later", "EMPTY": "", "LINES": "a\nb=c",
		"HACKY_TASK_RETRY": "3",
		"HACKY_TASK_ID":    "P1.M1.T1.S1", "HACKY_TASK_TITLE": "A title", "HACKY_SESSION": p.session, "HACKY_ATTEMPT": "1",
		"HACKY_STAGE": "run", "HACKY_PROMPT_FILE": "", "HACKY_RUN_ID": "run-1", "HACKY_RUNNING": "1",
	}
	p.expectEnvironment(RunStage, want)
	want["HACKY_STAGE"] = "gate-2-check"
	p.expectEnvironment("gate-2-check", want)
}

// What hacky says of an attempt cannot be changed, wherever it is tried: not by
// what an outer run has set, nor by the configuration or the backlog.
func TestOwnVariablesWin(t *testing.T) {
	var vars []backlog.EnvVar
	var environ, fields []string
	for _, name := range perAttempt() {
		vars = append(vars, backlog.EnvVar{Name: name, Value: "wrong"})
		environ = append(environ, name+"=wrong")
		fields = append(fields, quoted(name)+`:"wrong"`)
	}
	env := `"env":{` + strings.Join(fields, ",") + `}`
	path := "PATH=" + os.Getenv("PATH")
	check := func(p *place, stages ...string) {
		t.Helper()
		expectResult(t, p.execute(), OK, 0, "")
		for _, stage := range stages {
			got, twice := p.environment(stage)
			if len(twice) > 0 || slices.Contains(slices.Collect(maps.Values(got)), "wrong") || got["HACKY_STAGE"] != stage {
				t.Errorf("%s: twice %q, environment %q", stage, twice, got)
			}
			for _, name := range perAttempt() {
				if _, ok := got[name]; !ok {
					t.Errorf("%s: there is no %s", stage, name)
				}
			}
		}
	}
	gates := []backlog.Gate{{Level: 1, Run: printEnv}}
	check(setUpBacklog(t, Recipe{Env: vars, Gates: gates}, frame(env, argv("env", "-0")+","+env), append(environ, path)), RunStage, "gate-1")
	check(setUpBacklog(t, Recipe{Env: vars, Gates: gates, Stages: []Stage{{Name: "one", Run: printEnv, Env: vars, Prompt: "hello"}}},
		frame(env, env), append(environ, path)), "one", "gate-1")
}

func TestEnvironmentOfStages(t *testing.T) {
	recipe := Recipe{
		Env: []backlog.EnvVar{{Name: "A", Value: "recipe"}},
		Stages: []Stage{
			{Name: "one", Run: printEnv, Prompt: "hello", Env: []backlog.EnvVar{{Name: "A", Value: "one"}, {Name: "B", Value: "one"}}},
			{Name: "two", Run: printEnv},
		},
	}
	p := setUp(t, recipe, `"env":{"B":"subtask"}`)
	expectResult(t, p.attempt(t.Context(), 1, 1), OK, 0, "")
	one, _ := p.environment("one")
	two, _ := p.environment("two")
	if one["A"] != "one" || one["B"] != "one" || one["HACKY_PROMPT_FILE"] != p.session+"/artifacts/P1.M1.T1.S1/attempt-1/prompt.md" {
		t.Errorf("the first stage has %q", one)
	}
	if two["A"] != "recipe" || two["B"] != "subtask" || two["HACKY_STAGE"] != "two" || two["HACKY_PROMPT_FILE"] != "" {
		t.Errorf("the second stage has %q", two)
	}
}

func TestAttemptNumber(t *testing.T) {
	p := setUp(t, Recipe{}, shell(`echo "$HACKY_ATTEMPT"`))
	expectResult(t, p.attempt(t.Context(), 1, 12), OK, 0, "")
	if got := p.read("artifacts/P1.M1.T1.S1/attempt-12/run.log"); got != "12\n" {
		t.Errorf("attempt 12 says %q", got)
	}
}

// The text of a task never becomes a part of a shell line.
func TestTitlesAreNotCode(t *testing.T) {
	for _, title := range []string{
		"$(touch pwned)", "`touch pwned`", `"; touch pwned; "`, `'; touch pwned; '`, "a\ntouch pwned\n", "$HACKY_ATTEMPT ${HOME}", `\"\'\\`, "%s%n", "-n", "",
		"ünïcödé \u2028",
	} {
		recipe := Recipe{Gates: []backlog.Gate{{Level: 1, Run: backlog.Command{Shell: `test "$HACKY_STAGE" = gate-1`}}}}
		p := setUp(t, recipe, `"title":`+quoted(title), shell(`printf %s "$HACKY_TASK_TITLE"; printf .`))
		expectResult(t, p.execute(), OK, 0, "")
		if got := p.log(RunStage); got != title+"." {
			t.Errorf("the title %q arrives as %q", title, got)
		}
		if _, err := os.Stat(p.dir + "/pwned"); err == nil {
			t.Errorf("the title %q was executed", title)
		}
	}
	// A NUL cannot be in an environment; the rest arrives.
	p := setUp(t, Recipe{}, `"title":"a\u0000b"`, shell(`printf %s "$HACKY_TASK_TITLE"`))
	expectResult(t, p.execute(), OK, 0, "")
	if got := p.log(RunStage); got != "ab" {
		t.Errorf("the title with a NUL arrives as %q", got)
	}
}

// Arguments are arguments, whatever is in them; only a shell line is one.
func TestArgumentsAreNotAShellLine(t *testing.T) {
	p := setUp(t, Recipe{}, argv("printf", "%s|", "$HOME", "a b", "*", "", "$(touch pwned)", "'"))
	expectResult(t, p.execute(), OK, 0, "")
	if got := p.log(RunStage); got != "$HOME|a b|*||$(touch pwned)|'|" {
		t.Errorf("it has the arguments %q", got)
	}
	p = setUp(t, Recipe{}, shell(`x=1; printf '%s|' "$x" $((1+1)) | tr '|' /`))
	expectResult(t, p.execute(), OK, 0, "")
	if got := p.log(RunStage); got != "1/2/" {
		t.Errorf("the shell line prints %q", got)
	}
}
