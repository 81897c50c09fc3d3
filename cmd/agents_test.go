package cmd_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/agent/fakeagent"
)

// workshop is a session whose subtasks go through stages, with fake agents in
// PATH that remember their calls.
type workshop struct {
	t     *testing.T
	dir   string
	state string
	env   []string
}

func newWorkshop(t *testing.T, backlog, config string, env ...string) *workshop {
	t.Helper()
	w := &workshop{t: t, dir: t.TempDir(), state: t.TempDir()}
	bin := t.TempDir()
	if err := fakeagent.Install(bin); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.dir, "tasks.json"), backlog)
	if config != "" {
		write(t, filepath.Join(w.dir, "hacky.yaml"), config)
	}
	w.env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH"), "FAKE_AGENT_STATE=" + w.state,
		"FAKE_AGENT_WRITE=prps/$HACKY_TASK_ID.md=the plan"}, env...)
	return w
}

func (w *workshop) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	c := command(ctx, w.t, w.dir, args...)
	c.Env = append(append(c.Env, w.env...), env...)
	return c
}

func (w *workshop) hacky(env []string, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return finish(w.t, w.command(ctx, env, args...))
}

// calls are the calls of an agent so far: its arguments and prompts.
func (w *workshop) calls(name string) (calls []agentCall) {
	w.t.Helper()
	for n := 1; ; n++ {
		data, err := os.ReadFile(filepath.Join(w.state, name+"."+itoa(n)+".json"))
		if err != nil {
			return calls
		}
		var c agentCall
		if err := json.Unmarshal(data, &c); err != nil {
			w.t.Fatal(err)
		}
		calls = append(calls, c)
	}
}

type agentCall struct {
	Args   []string
	Prompt string
}

func itoa(n int) string { return string(rune('0' + n/10%10))[:min(1, n/10)] + string(rune('0'+n%10)) }

// staged are n subtasks without a command of their own.
func staged(n int) string {
	var list []subtask
	for range n {
		list = append(list, subtask{run: "null"})
	}
	return oneTask(list...)
}

// TestAgentStages: research leaves a PRP, implement gets its path, and all of
// it can be looked at afterwards.
func TestAgentStages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"claude", "codex", "gemini", "opencode", "aider", "amp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, staged(1), "")
			w.hacky(nil, "run", "--agent", name).wants(t, 0)
			calls := w.calls(name)
			if len(calls) != 2 {
				t.Fatalf("%d calls", len(calls))
			}
			prp := filepath.Join(w.dir, "prps", "P1.M1.T1.S1.md")
			contains(t, "the prompt of research", calls[0].Prompt, "P1.M1.T1.S1", prp)
			contains(t, "the prompt of implement", calls[1].Prompt, "P1.M1.T1.S1", prp)
			c := w.hacky(nil, "checkpoints", "P1.M1.T1.S1")
			c.wants(t, 0)
			contains(t, "checkpoints", c.stdout, "pre-execution", "coder-response", "complete", "research, implement")
			s := w.hacky(nil, "show", "P1.M1.T1.S1")
			s.wants(t, 0)
			contains(t, "show", s.stdout, "Complete", "#1", "ok", "implement", name)
			line := read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson"))
			contains(t, "the evidence", line, `"agent":"`+name+`"`, `"sha256":"`)
		})
	}
}

// TestQuota: a limit parks what needs the agent, costs no attempt, ends when
// the agent said, and is remembered by the next run.
func TestQuota(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"claude", "codex"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, staged(2), "stages: [{name: implement, agent: "+name+"}]\n", "FAKE_AGENT=quota,ok", "FAKE_AGENT_RESET=+90s")
			r := w.hacky(nil, "run", "--parallelism", "1", "--quota-wait", "5s")
			r.wants(t, 75)
			contains(t, "standard output", r.stdout, "held", "its quota is used up until", "longer than --quota-wait")
			if n := len(w.calls(name)); n != 1 {
				t.Errorf("%d calls", n)
			}
			s := w.hacky(nil, "status")
			s.wants(t, 0)
			contains(t, "status", s.stdout, "held: the quota of ", "2 Planned")
			// Not asked again while the hold lasts.
			w.hacky(nil, "run", "--quota-wait", "1s").wants(t, 75)
			if n := len(w.calls(name)); n != 1 {
				t.Errorf("%d calls after another run", n)
			}
		})
	}
	w := newWorkshop(t, staged(2), "stages: [{name: implement, agent: claude}]\n", "FAKE_AGENT=event,ok", "FAKE_AGENT_RESET=+2s")
	r := w.hacky(nil, "run", "--parallelism", "1", "--progress", "json")
	r.wants(t, 0)
	contains(t, "events", r.stdout, `"type":"subtaskHeld"`, `"type":"quotaHeld"`, `"type":"quotaReleased"`, `"credential":"`)
	for line := range strings.Lines(r.stdout) {
		if strings.Contains(line, `"attempt":2`) || strings.Contains(line, "Retrying") {
			t.Errorf("an attempt was spent: %s", line)
		}
	}
	done(t, w.dir)
}

// TestFixResumes: what a gate found goes back to the same conversation.
func TestFixResumes(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]string{"claude": "--resume", "codex": "resume", "aider": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, staged(1), `stages: [{name: implement, agent: `+name+`}]
gates: [{level: 2, run: "echo the gate says no; test -e tried || { touch tried; false; }"}]
`)
			w.hacky(nil, "run").wants(t, 0)
			calls := w.calls(name)
			if len(calls) != 2 {
				t.Fatalf("%d calls", len(calls))
			}
			contains(t, "the second prompt", calls[1].Prompt, "gate-2 failed: exit 1", "the gate says no")
			if got := strings.Join(calls[1].Args, " "); !strings.Contains(got, mark) {
				t.Errorf("arguments %q", got)
			}
			if resumed := !strings.Contains(calls[1].Prompt, "You execute one subtask"); resumed != (mark != "") {
				t.Errorf("resumed %v: %s", resumed, calls[1].Prompt)
			}
		})
	}
}

// TestFixGivesUp: after --fix-attempts it is Failed, with everything kept.
func TestFixGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(1), "stages: [{name: implement, agent: claude}]\ngates: [{level: 1, run: \"false\"}]\n")
	w.hacky(nil, "run", "--fix-attempts", "3").wants(t, 1)
	if n := len(w.calls("claude")); n != 4 {
		t.Errorf("%d calls", n)
	}
	c := w.hacky(nil, "checkpoints", "P1.M1.T1.S1", "-o", "json")
	contains(t, "checkpoints", c.stdout, `"label": "failed"`, `"fixAttempt": 3`, `"error": "exit 1"`)
}

// TestResume: after a kill -9 during a gate, neither the agent's work nor a gate
// that has passed is repeated; with another prompt, it is.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(1), `agent: claude
gates:
  - {level: 1, run: "echo x >> gate1"}
  - {level: 2, run: "test -e go || { touch reached; exec sleep 60; }"}
`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := w.command(ctx, nil, "run")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second gate runs", func() bool { return exists(filepath.Join(w.dir, "reached")) })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	write(t, filepath.Join(w.dir, "go"), "")
	r := w.hacky(nil, "run")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "goes on after gate-1, which had passed")
	if n, gates := len(w.calls("claude")), read(t, filepath.Join(w.dir, "gate1")); n != 2 || gates != "x\n" {
		t.Errorf("%d calls, gate 1 ran %q", n, gates)
	}

	// The same for what failed: the gate is asked again first. With another
	// prompt everything is done again.
	w = newWorkshop(t, staged(1), "agent: claude\ngates: [{level: 1, run: \"test -e go\"}]\n")
	w.hacky(nil, "run", "--fix-attempts", "0").wants(t, 1)
	if err := os.Mkdir(filepath.Join(w.dir, "prompts"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.dir, "prompts", "implement.md"), "do {{.ID}}")
	write(t, filepath.Join(w.dir, "go"), "")
	r = w.hacky(nil, "run")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "goes on after research, which had passed; no further, because the inputs of implement have changed")
	if calls := w.calls("claude"); len(calls) != 3 || calls[2].Prompt != "do P1.M1.T1.S1" {
		t.Errorf("%+v", calls)
	}
}

// TestAgentBadInput: before anything starts, and with a word on what to do.
func TestAgentBadInput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, file, text, want string }{
		{"an agent that is not installed", "agent: ghost\nagents: {ghost: {argv: [no-such-agent], install: Ask a medium.}}\n", "", "", "Ask a medium."},
		{"an agent that does not exist", "agent: clade\n", "", "", `"claude"`},
		{"a profile with an unknown key", "agent: claude\nagents: {claude: {promt: stdin}}\n", "", "", `prompt`},
		{"a template that does not parse", "agent: claude\n", "prompts/implement.md", "one\n{{.Titel}}", "prompts/implement.md:2:"},
		{"a named template that is not there", "stages: [{name: a, agent: claude, prompt: no.md}]\n", "", "", "no.md"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkshop(t, staged(1), c.config)
			if c.file != "" {
				if err := os.Mkdir(filepath.Join(w.dir, filepath.Dir(c.file)), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(w.dir, c.file), c.text)
			}
			before := read(t, filepath.Join(w.dir, "tasks.json"))
			r := w.hacky(nil, "run")
			r.wants(t, 2)
			contains(t, "standard error", r.stderr, c.want)
			if read(t, filepath.Join(w.dir, "tasks.json")) != before || exists(filepath.Join(w.dir, "artifacts")) {
				t.Error("something was written")
			}
		})
	}
}

// TestSecrets: what an agent prints of the environment is masked everywhere.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(1), `stages: [{name: implement, run: 'echo "key $SERVICE_API_KEY and ${SERVICE_API_KEY}x"; echo "$SERVICE_API_KEY" >&2', prompt: "{{.Title}} {{.ID}}"}]
gates: [{level: 1, run: 'echo "token $OTHER_TOKEN"; false'}]
env: {OTHER_TOKEN: "${ORIGIN}"}
`)
	r := w.hacky([]string{"SERVICE_API_KEY=s3cr3t-value-of-it", "ORIGIN=another-s3cret"}, "run", "--fix-attempts", "0", "--progress", "json")
	r.wants(t, 1)
	all := r.stdout + r.stderr
	err := filepath.Walk(w.dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && !strings.HasSuffix(name, "hacky.yaml") {
			all += read(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(all, "s3cr3t") || strings.Contains(all, "another-s3") {
		t.Errorf("a secret is shown:\n%s", all)
	}
	contains(t, "the log", read(t, filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "implement.log")), "key *** and ***x\n***\n")
	if strings.Contains(r.stderr, "ORIGIN") {
		t.Errorf("a variable that is set is said not to be: %s", r.stderr)
	}
	r = w.hacky(nil, "run", "--fix-attempts", "0") // without them
	r.wants(t, 1)
	contains(t, "standard error", r.stderr, `"variable":"ORIGIN"`, "is not set")
}

// TestSelfAward: an agent that edits tasks.json changes the text, not its own
// status; what is the user's is noticed.
func TestSelfAward(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(2), `stages:
  - name: implement
    run: |
      if [ $HACKY_TASK_ID = P1.M1.T1.S1 ]; then
        sleep 0.3; sed -e '/S1"/s/"status": *"[A-Za-z]*"/"status":"Complete"/' -e '/S2"/s/"title": *"[^"]*"/"title":"renamed"/' tasks.json > x && mv x tasks.json
        echo mine > prd_snapshot.md
        hacky set P1.M1.T1.S1 Complete 2> refused
        sleep 1.5; exit 1
      fi
`)
	w.env[0] = "PATH=" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH")
	write(t, filepath.Join(w.dir, "prd_snapshot.md"), "the user's")
	r := w.hacky(nil, "run", "--flush-interval", "100ms")
	r.wants(t, 1)
	if got := statuses(t, w.dir); got != "Failed Complete" {
		t.Errorf("statuses: %s", got)
	}
	contains(t, "tasks.json", read(t, filepath.Join(w.dir, "tasks.json")), "renamed")
	contains(t, "the log", r.stderr, "it is being executed", "changed prd_snapshot.md")
	contains(t, "what set said", read(t, filepath.Join(w.dir, "refused")), "cannot be set by a command of its own attempt")
}

// TestHead: every attempt's evidence says where HEAD was, and, if it lasted or
// was an agent's, what it changed but for the session's own files. Who works
// outside the repository is named.
func TestHead(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	w := newWorkshop(t, oneTask(subtask{run: `"true"`}, subtask{run: `"echo new > new; git commit -q --allow-empty -m more; sleep 1.1"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"true"`, more: `,"workdir":` + strconv.Quote(elsewhere)}), "")
	git := w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	r := w.hacky(nil, "run")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "its workdir "+elsewhere+" is outside the repository ")
	if n := strings.Count(r.stderr, " outside the repository"); n != 1 {
		t.Errorf("said %d times", n)
	}
	before, after := strings.TrimSpace(git("rev-parse", "HEAD~")), strings.TrimSpace(git("rev-parse", "HEAD"))
	evidence := func(n string) string {
		s := w.hacky(nil, "show", "P1.M1.T1.S"+n)
		s.wants(t, 0)
		_, line, _ := strings.Cut(s.stdout, "      git")
		line, _, _ = strings.Cut(line, "\n")
		return strings.TrimSpace(line)
	}
	// A busy machine may make even true last so long that changes are counted.
	if got := evidence("1"); got != before[:10] && got != before[:10]+", 0 files changed, +0 -0" {
		t.Errorf("1: %q", got)
	}
	if got := evidence("2"); got != before[:10]+" to "+after[:10]+", 0 files changed, +0 -0" {
		t.Errorf("2: %q", got)
	}
	if got := evidence("3"); got != "" {
		t.Errorf("3: %q", got)
	}
	contains(t, "the evidence", read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson")), `"untracked":1}`)
}

// TestCommit: what a subtask changed becomes a commit, nothing else does.
func TestCommit(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"echo one > one; echo more >> mine"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"echo bad > two"`, deps: `["P1.M1.T1.S2"]`}), "")
	git := w.repository()
	write(t, filepath.Join(w.dir, "mine"), "mine\n")
	git("add", "mine", "tasks.json")
	git("commit", "-qm", "begin")
	write(t, filepath.Join(w.dir, "mine"), "mine, not committed\n")
	write(t, filepath.Join(w.dir, ".git", "hooks", "pre-commit"), "#!/bin/sh\n! git diff --cached | grep -q bad || { echo the hook refuses; exit 1; }\n")
	if err := os.Chmod(filepath.Join(w.dir, ".git", "hooks", "pre-commit"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := w.hacky(nil, "run", "--commit")
	r.wants(t, 1)
	contains(t, "standard output", r.stdout, "the hook refuses")
	contains(t, "the log", r.stderr, "one subtask at a time", "had changes before, and are not committed: mine")
	if got := git("log", "--format=%s", "--name-only"); !strings.HasPrefix(got, "P1.M1.T1.S1: ") || strings.Count(got, "P1.M1.T1.S") != 1 || !strings.Contains(got, "\n\none\n") {
		t.Errorf("history:\n%s", got)
	}
	if got := statuses(t, w.dir); got != "Complete Complete Failed" {
		t.Errorf("statuses: %s", got)
	}
	contains(t, "git status", git("status", "--short"), " M mine", " M tasks.json", "?? two")
	w.hacky(nil, "run", "--commit", "--parallelism", "3").wants(t, 2)
}

// TestVerify: gates are run again, and statuses stay.
func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"touch there"`, more: `,"gates":[{"level":1,"run":"test -e there"},{"level":2,"run":"echo fine"}]`}, subtask{run: `"true"`}), "")
	w.hacky(nil, "run").wants(t, 0)
	r := w.hacky(nil, "verify")
	r.wants(t, 0)
	contains(t, "verify", r.stdout, "2 subtasks verified, 0 no longer hold", "has no gates")
	contains(t, "logs", w.hacky(nil, "logs", "P1.M1.T1.S1").stdout, "== P1.M1.T1.S1, attempt 1, gate-2: exit 0", "== P1.M1.T1.S1, verify, gate-2 ==\nfine\n")
	if r := w.hacky(nil, "logs", "P1.M1.T1.S1", "--attempt", "1"); strings.Contains(r.stdout, "verify") {
		t.Errorf("no attempt's: %s", r.stdout)
	}
	if err := os.Remove(filepath.Join(w.dir, "there")); err != nil {
		t.Fatal(err)
	}
	r = w.hacky(nil, "verify", "P1.M1.T1.S1")
	r.wants(t, 1)
	contains(t, "verify", r.stdout, "no longer holds: gate-1: exit 1")
	r = w.hacky(nil, "verify", "-o", "json")
	r.wants(t, 1)
	contains(t, "verify", r.stdout, `"holds": false`, `"gate": "gate-1"`)
	w.hacky(nil, "verify", "P1.M1").wants(t, 2)
	done(t, w.dir)
}

// TestHangingAgents: time limits end agents that do not end by themselves.
func TestHangingAgents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scenario, flag string }{{"hang", "--idle-timeout=300ms"}, {"hang-after", "--timeout=2s"}, {"orphan", "--timeout=30s"}} {
		t.Run(c.scenario, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, staged(1), "stages: [{name: implement, agent: claude}]\n", "FAKE_AGENT="+c.scenario)
			code := 1
			if c.scenario == "orphan" {
				code = 0
			}
			w.hacky(nil, "run", "--no-retry", c.flag).wants(t, code)
			if c.scenario == "orphan" {
				pid := strings.TrimSpace(read(t, filepath.Join(w.state, "grandchild")))
				n := 0
				for _, d := range pid {
					n = n*10 + int(d-'0')
				}
				eventually(t, "the grandchild is gone", func() bool { return syscall.Kill(n, 0) != nil })
			}
		})
	}
}

// TestLargeOutput: an agent's output passes through bounded memory, whatever it
// is, and all of it is in the log. A gate looks how much that was: what the
// system tells afterwards counts the memory of the tests, too, which started it.
func TestLargeOutput(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells a process how much memory another one had")
	}
	if testing.Short() {
		t.Skip("writes 400 MB")
	}
	const size, most = 200 << 20, 64 << 20
	for _, scenario := range []string{"bytes", "binary"} {
		w := newWorkshop(t, staged(1), `stages: [{name: implement, agent: claude}]
gates: [{level: 1, run: "grep VmHWM /proc/$PPID/status > memory"}]
`, "FAKE_AGENT="+scenario+":"+strconv.Itoa(size), "MY_TOKEN=a-secret-that-is-looked-for")
		w.hacky(nil, "run", "--no-retry").wants(t, 0)
		fields := strings.Fields(read(t, filepath.Join(w.dir, "memory")))
		if used, err := strconv.Atoi(fields[1]); err != nil || used<<10 > most {
			t.Errorf("%s: %v of memory for %d MB of output, want at most %d MB", scenario, fields, size>>20, most>>20)
		}
		info, err := os.Stat(filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "implement.log"))
		if err != nil || info.Size() < size {
			t.Errorf("%s: the log has %v, %v", scenario, info, err)
		}
	}
}

// TestMessyGate: a gate that removes the session's state, changes the user's
// files and awards statuses is told of, and decides nothing but its own end.
func TestMessyGate(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(1), `stages: [{name: implement, run: "true"}]
gates:
  - {level: 1, name: messy, run: "cd $HACKY_SESSION; rm -rf artifacts .hacky; echo x > prd_snapshot.md; sed -i.bak s/Planned/Complete/ tasks.json; rm tasks.json.bak"}
  - {level: 2, name: bad, run: ["false"]}
`)
	r := w.hacky(nil, "run")
	r.wants(t, 1)
	contains(t, "the log", r.stderr, "the gate gate-1-messy changed prd_snapshot.md", "somebody has removed this directory with the locks")
	if got := statuses(t, w.dir); got != "Failed" {
		t.Errorf("statuses: %s", got)
	}
	noLitter(t, w.dir)
}
