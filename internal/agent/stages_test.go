package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func sh(line string) backlog.Command { return backlog.Command{Shell: line} }

const planned = `"story_points":1` // a subtask with nothing to run of its own

// stagesOf is the commands of a result.
func stagesOf(res Result) string {
	var names []string
	for _, c := range res.Commands {
		names = append(names, c.Stage)
	}
	return strings.Join(names, " ")
}

func (p *place) expectStages(res Result, want string) {
	p.t.Helper()
	if got := stagesOf(res); got != want {
		p.t.Errorf("executed %q, want %q", got, want)
	}
}

func TestStagesInOrder(t *testing.T) {
	stages := []Stage{{Name: "research", Run: sh("echo r >> out")}, {Name: "implement", Run: sh("echo i >> out")}, {Name: "review", Run: sh("echo v >> out")}}
	p := setUp(t, Recipe{Stages: stages, Gates: []backlog.Gate{{Level: 1, Run: sh("echo g >> out")}}}, planned)
	res := p.execute()
	expectResult(t, res, OK, 0, "")
	p.expectStages(res, "research implement review gate-1")
	if got := strings.Join(p.announced, " "); got != "research implement review" {
		t.Errorf("announced %q: gates belong to the stage before them", got)
	}
	if out, _ := os.ReadFile(p.dir + "/out"); string(out) != "r\ni\nv\ng\n" {
		t.Errorf("they did %q", out)
	}
}

// A subtask's own command stands instead of the stages.
func TestOwnRunInsteadOfStages(t *testing.T) {
	p := setUp(t, Recipe{Stages: []Stage{{Name: "implement", Run: sh("exit 1"), Prompt: "p", Output: "o"}}}, shell("cat"))
	res := p.execute()
	expectResult(t, res, OK, 0, "")
	p.expectStages(res, "run")
	if p.sessionFiles() != "" {
		t.Errorf("it made %q", p.sessionFiles())
	}
}

func TestFailedStageEndsTheAttempt(t *testing.T) {
	stages := []Stage{{Name: "research", Run: sh("echo trouble; exit 75")}, {Name: "implement", Run: sh("exit 0")}}
	p := setUp(t, Recipe{Stages: stages, FixAttempts: 2}, planned)
	res := p.execute()
	expectResult(t, res, Transient, 75, "exit 75, a temporary failure")
	p.expectStages(res, "research")
	if res.Stage != "research" || string(res.Tail) != "trouble\n" || res.Log != "artifacts/P1.M1.T1.S1/attempt-1/research.log" {
		t.Errorf("the result is %+v", res)
	}
}

func TestPrompt(t *testing.T) {
	const prompt = "{{.ID}} {{.Title}} #{{.Attempt}}: {{.Context}}{{range .Parents}} [{{.ID}} {{.Title}}: {{.Description}}]{{end}}{{with .Failure}} FAILED {{.}}{{end}}"
	p := setUp(t, Recipe{Stages: []Stage{
		{Name: "implement", Run: sh(`cat; cmp -s "$HACKY_PROMPT_FILE" prompt && echo same`), Prompt: prompt},
		{Name: "review", Run: sh(`cat; echo "<$HACKY_PROMPT_FILE>"; readlink /proc/$$/fd/0 || echo /dev/null`)},
	}}, `"title":"Do <it> & $(more)"`, `"context_scope":"the scope"`)
	want := "P1.M1.T1.S1 Do <it> & $(more) #1: the scope [P1 The phase: about the phase] [P1.M1 The milestone: ] [P1.M1.T1 The task: ]"
	p.write("prompt", want, 0o644)
	expectResult(t, p.execute(), OK, 0, "")
	if got := p.log("implement"); got != want+"same\n" {
		t.Errorf("on its standard input is %q, want %q", got, want)
	}
	if got := p.read("artifacts/P1.M1.T1.S1/attempt-1/prompt.md"); got != want {
		t.Errorf("prompt.md is %q", got)
	}
	if got := p.log("review"); got != "<>\n/dev/null\n" {
		t.Errorf("a stage without a prompt reads %q", got)
	}
}

func TestBadTemplates(t *testing.T) {
	p := setUp(t, Recipe{}, planned)
	for _, st := range []Stage{
		{Name: "implement", Prompt: "{{.Nothing}}"}, {Name: "implement", Prompt: "{{"}, {Name: "implement", Output: "{{.ID"},
		{Name: "implement", Output: "{{.Failure.X}}"},
	} {
		r, err := NewRunner(p.b, Recipe{Stages: []Stage{st}}, p.session+"/tasks.json", p.dir, "run-1", nil)
		if err == nil || !strings.Contains(err.Error(), "implement") {
			t.Errorf("%q %q is accepted: %v %v", st.Prompt, st.Output, r, err)
		}
	}
	if r, err := NewRunner(p.b, Recipe{}, p.session+"/missing/tasks.json", p.dir, "run-1", nil); err == nil {
		t.Errorf("a session that is not there is accepted: %v", r)
	}
}

func TestOutputFile(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.md")
	if err := os.WriteFile(outside, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, output, line, want string }{
		{"there", "out/{{.ID}}.md", `mkdir -p "$HACKY_SESSION/out" && echo text > "$HACKY_SESSION/out/$HACKY_TASK_ID.md"`, ""},
		{"missing", "out/{{.ID}}.md", `exit 0`, "exit 0, but the output out/P1.M1.T1.S1.md is not there"},
		{"empty", "out.md", `: > "$HACKY_SESSION/out.md"`, "exit 0, but the output out.md is empty"},
		{"a directory", "out", `mkdir "$HACKY_SESSION/out"`, "exit 0, but the output out is empty"},
		{"above the session", "../x.md", `echo text > "$HACKY_SESSION/../x.md"`, "exit 0, but the output ../x.md is not there"},
		{"above it in between", "a/../../x.md", `echo text > "$HACKY_SESSION/../x.md"`, "exit 0, but the output a/../../x.md is not there"},
		{"elsewhere", outside, `exit 0`, "exit 0, but the output " + outside + " is not there"},
		{"a link out of the session", "link.md", `ln -s ` + outside + ` "$HACKY_SESSION/link.md"`, "exit 0, but the output link.md is not there"},
		{"by the title", "{{.Title}}", `exit 0`, "exit 0, but the output ../../etc/passwd is not there"},
		{"after a failure", "out.md", `exit 3`, "exit 3"},
	} {
		p := setUp(t, Recipe{Stages: []Stage{{Name: "implement", Run: sh(c.line), Output: c.output}, {Name: "next", Run: sh("exit 0")}}}, `"title":"../../etc/passwd"`)
		res := p.execute()
		if c.want == "" {
			expectResult(t, res, OK, 0, "")
			continue
		}
		if res.Class != Permanent || !strings.HasPrefix(res.Reason, c.want) || res.Stage != "implement" || len(res.Commands) != 1 {
			t.Errorf("%s: it is %s by %s, %q; want permanent, %q", c.name, res.Class, res.Stage, res.Reason, c.want)
		}
	}
}

func TestGatesAscendingAndStable(t *testing.T) {
	var gates []backlog.Gate
	for _, g := range []struct {
		level int
		name  string
	}{{3, ""}, {1, "b"}, {2, ""}, {1, "a"}, {1, ""}, {2, ""}, {1, "b"}, {2, "2"}, {1, ""}} {
		gates = append(gates, backlog.Gate{Level: g.level, Name: g.name, Run: sh(`echo "$HACKY_STAGE"`)})
	}
	p := setUp(t, Recipe{Gates: gates}, shell("exit 0"))
	res := p.execute()
	want := "run gate-1-b gate-1-a gate-1 gate-1-b-2 gate-1-2 gate-2 gate-2-2 gate-2-2-2 gate-3"
	p.expectStages(res, want)
	levels := []int{0, 1, 1, 1, 1, 1, 2, 2, 2, 3}
	for k, name := range strings.Fields(want)[1:] {
		if got := p.log(name); got != name+"\n" {
			t.Errorf("the log of %s is %q", name, got)
		}
		if c := res.Commands[k+1]; c.Gate != levels[k+1] {
			t.Errorf("%s has level %d", name, c.Gate)
		}
	}
	if gates[0].Level != 3 {
		t.Error("the configuration's gates are sorted in place")
	}
}

func TestWhichGates(t *testing.T) {
	recipe := Recipe{Gates: []backlog.Gate{{Level: 1, Run: sh("exit 0")}}}
	for fields, want := range map[string]string{
		shell("exit 0"):                 "run gate-1",
		shell("exit 0") + `,"gates":[]`: "run",
		shell("exit 0") + `,"gates":[{"level":4,"name":"x","run":"exit 0"}]`:      "run gate-4-x",
		shell("exit 0") + `,"gates":[{"level":4,"name":"x","run":["./missing"]}]`: "run gate-4-x",
	} {
		p := setUp(t, recipe, fields)
		p.expectStages(p.execute(), want)
	}
}

func TestGateClasses(t *testing.T) {
	gate := func(line string) Recipe {
		return Recipe{Gates: []backlog.Gate{{Level: 1, Run: sh("exit 0")}, {Level: 2, Name: "it", Run: sh(line)}, {Level: 3, Run: sh("exit 0")}}}
	}
	for line, want := range map[string]Result{
		"echo why; exit 1":     {Class: Permanent, Exit: 1, Reason: "exit 1"},
		"echo why; exit 75":    {Class: Transient, Exit: 75, Reason: "exit 75, a temporary failure"},
		"echo why; kill -9 $$": {Class: Transient, Exit: -1, Reason: "killed by signal 9 (killed)"},
	} {
		p := setUp(t, gate(line), shell("exit 0"))
		res := p.execute()
		expectResult(t, res, want.Class, want.Exit, want.Reason)
		p.expectStages(res, "run gate-1 gate-2-it")
		if res.Stage != "gate-2-it" || string(res.Tail) != "why\n" || res.Log != "artifacts/P1.M1.T1.S1/attempt-1/gate-2-it.log" {
			t.Errorf("the result is %+v", res)
		}
	}
}

// fixing is an implement stage that gets it right the n-th time, as its gate
// sees.
func fixing(n string) Recipe {
	return Recipe{FixAttempts: 2, Stages: []Stage{
		{Name: "research", Run: sh("echo r >> out")},
		{Name: "implement", Run: sh(`cat > "prompt.$(cat out | wc -l | tr -d ' ')"; echo i >> out`), Prompt: "Do it.{{with .Failure}} {{.}}{{end}}"},
		{Name: "review", Run: sh("echo v >> out")},
	}, Gates: []backlog.Gate{
		{Level: 1, Name: "lint", Run: sh("exit 0")},
		{Level: 2, Run: sh(`n=$(grep -c i out); echo only $n; test $n -ge ` + n)},
	}}
}

func TestFailedGateGoesBack(t *testing.T) {
	p := setUp(t, fixing("3"), planned)
	res := p.execute()
	expectResult(t, res, OK, 0, "")
	p.expectStages(res, "research implement review gate-1-lint gate-2 implement review gate-1-lint gate-2 implement review gate-1-lint gate-2")
	if got := strings.Join(p.announced, " "); got != "research implement review implement review implement review" {
		t.Errorf("announced %q", got)
	}
	for file, want := range map[string]string{
		"prompt.1": "Do it.", "prompt.3": "Do it. gate-2 failed: exit 1\nonly 1\n", "prompt.5": "Do it. gate-2 failed: exit 1\nonly 2\n",
	} {
		if text, err := os.ReadFile(filepath.Join(p.dir, file)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", file, text, err, want)
		}
	}
	if got := p.log("gate-2"); got != "only 1\nonly 2\nonly 3\n" {
		t.Errorf("the gate's log is %q", got)
	}
}

func TestFixAttemptsAreBounded(t *testing.T) {
	for attempts, rounds := range map[int]int{0: 1, 1: 2, 2: 3} {
		recipe := fixing("9")
		recipe.FixAttempts = attempts
		p := setUp(t, recipe, planned)
		res := p.execute()
		expectResult(t, res, Permanent, 1, "exit 1")
		if n := strings.Count(stagesOf(res), "implement"); n != rounds {
			t.Errorf("with %d fix attempts it was implemented %d times", attempts, n)
		}
	}
}

func TestWhatDoesNotGoBack(t *testing.T) {
	// A subtask's own command does not know how to mend what a gate found.
	recipe := fixing("9")
	p := setUp(t, recipe, shell("echo i >> out"))
	p.expectStages(p.execute(), "run gate-1-lint gate-2")
	// A transient failure of a gate is for the retry of the whole subtask.
	recipe.Gates[1].Run = sh("exit 75")
	p = setUp(t, recipe, planned)
	p.expectStages(p.execute(), "research implement review gate-1-lint gate-2")
	// A failure while it is mended is that stage's.
	recipe = fixing("9")
	recipe.Stages[2].Run = sh(`test $(grep -c i out) -lt 2`)
	p = setUp(t, recipe, planned)
	res := p.execute()
	expectResult(t, res, Permanent, 1, "exit 1")
	p.expectStages(res, "research implement review gate-1-lint gate-2 implement review")
	if res.Stage != "review" || len(res.Tail) > 0 {
		t.Errorf("it is decided by %s, which said %q", res.Stage, res.Tail)
	}
}

// Without a stage of that name it goes back to the last one.
func TestGoesBackToTheLastStage(t *testing.T) {
	recipe := fixing("2")
	recipe.Stages[1].Name, recipe.Stages[2] = "plan", Stage{Name: "code", Run: sh("echo i >> out")}
	p := setUp(t, recipe, planned)
	p.expectStages(p.execute(), "research plan code gate-1-lint gate-2")
	recipe = fixing("3")
	recipe.Stages[1].Name, recipe.Stages[2] = "plan", Stage{Name: "code", Run: sh("echo i >> out")}
	p = setUp(t, recipe, planned)
	p.expectStages(p.execute(), "research plan code gate-1-lint gate-2 code gate-1-lint gate-2")
}

// What a stage prints in its second round is what its failure shows, not what
// it printed in the first.
func TestTailIsOfTheLastRound(t *testing.T) {
	recipe := Recipe{FixAttempts: 1, Timeout: time.Minute, Stages: []Stage{{Name: "implement", Run: sh(`test -e once && exit 9; touch once; echo first round`)}},
		Gates: []backlog.Gate{{Level: 1, Run: sh("exit 1")}}}
	p := setUp(t, recipe, planned)
	res := p.execute()
	expectResult(t, res, Permanent, 9, "exit 9")
	if len(res.Tail) > 0 {
		t.Errorf("the tail is of the round before: %q", res.Tail)
	}
}

// A retry is told what the attempt before it failed of, and only the stage that
// failed is.
func TestRetryIsToldWhatFailed(t *testing.T) {
	const prompt = "Do it.{{with .Failure}} FAILED {{.}}{{end}}"
	recipe := Recipe{Stages: []Stage{
		{Name: "research", Run: sh(`cat > r.$HACKY_ATTEMPT`), Prompt: prompt},
		{Name: "implement", Run: sh(`cat > i.$HACKY_ATTEMPT; test -e ok || { printf '\033[31mred\033[0m \000trouble\n'; exit $(cat code); }`), Prompt: prompt},
		{Name: "review", Run: sh(`cat > v.$HACKY_ATTEMPT`), Prompt: prompt},
	}}
	p := setUp(t, recipe, planned)
	expectPrompt := func(file, want string) {
		t.Helper()
		if text, err := os.ReadFile(filepath.Join(p.dir, file)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", file, text, err, want)
		}
	}
	p.write("code", "75", 0o644)
	expectResult(t, p.attempt(t.Context(), 1, 1), Transient, 75, "exit 75, a temporary failure")
	p.write("code", "3", 0o644)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	expectResult(t, p.attempt(stopped, 1, 2), Interrupted, -1, "stopped with the run")
	expectResult(t, p.attempt(t.Context(), 1, 2), Permanent, 3, "exit 3")
	expectPrompt("i.1", "Do it.")
	expectPrompt("i.2", "Do it. FAILED implement failed: exit 75, a temporary failure\nred trouble\n")

	// Another run, which knows it from the checkpoint and the log.
	r, err := NewRunner(p.b, recipe, filepath.Join(p.session, "tasks.json"), p.dir, "run-2", []string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.r.Close(); err != nil {
		t.Error(err)
	}
	p.r = r
	p.write("ok", "", 0o644)
	expectResult(t, p.attempt(t.Context(), 1, 3), OK, 0, "")
	expectPrompt("i.3", "Do it. FAILED implement failed: exit 3\nred trouble\n")
	expectPrompt("v.3", "Do it.")
	if _, err := os.Stat(filepath.Join(p.dir, "r.2")); err == nil {
		t.Error("research was repeated")
	}
}

// Running again what has failed for good is a new chance: its gates are asked,
// and what they say goes back as often as the first time.
func TestAnotherRunMendsAgain(t *testing.T) {
	recipe := fixing("4")
	recipe.FixAttempts = 1
	p := setUp(t, recipe, planned)
	expectResult(t, p.attempt(t.Context(), 1, 1), Permanent, 1, "exit 1")
	res := p.attempt(t.Context(), 1, 2)
	expectResult(t, res, Permanent, 1, "exit 1")
	p.expectStages(res, "gate-2 implement review gate-1-lint gate-2")
	res = p.attempt(t.Context(), 1, 3)
	expectResult(t, res, OK, 0, "")
	p.expectStages(res, "gate-2 implement review gate-1-lint gate-2")
}

// What is the user's is watched whatever runs.
func TestEverythingIsWatched(t *testing.T) {
	var notes []string
	recipe := Recipe{Gates: []backlog.Gate{{Level: 1, Run: sh("exit 0")}, {Level: 2, Run: sh(`rm "$HACKY_SESSION/prd_snapshot.md"`)}},
		Note: func(_, text string) { notes = append(notes, text) }}
	p := setUp(t, recipe, shell(`echo mine > "$HACKY_SESSION/prd_snapshot.md"`))
	expectResult(t, p.execute(), OK, 0, "")
	if len(notes) != 2 || !strings.HasPrefix(notes[0], "its command changed prd_snapshot.md") || !strings.HasPrefix(notes[1], "the gate gate-2 changed prd_snapshot.md") {
		t.Errorf("it is said: %q", notes)
	}
}
