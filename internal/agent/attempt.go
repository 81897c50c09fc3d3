package agent

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/git"
	"github.com/hacky-run/hacky/internal/secret"
)

// attempt is the state of one Execute.
type attempt struct {
	*Runner
	i        int32
	n        int
	item     *backlog.Item
	spec     backlog.Spec
	stages   []stage // none if the subtask has a "run" of its own
	gates    []backlog.Gate
	env      []string
	dir      string
	masker   *secret.Masker
	deadline time.Time
	timeout  time.Duration
	left     leftovers
	logs     map[string]*logFile
	res      Result
	announce func(stage string)

	where         string // the directory of its logs in the subtask's
	gateNames     []string
	base          prompt.Data // what all stages' templates have in common
	plan          []checkpoint.Step
	checkpoints   []checkpoint.Checkpoint
	state         checkpoint.State  // what the next checkpoint says
	conversations map[string]string // by agent
	said          *Said             // by the agent of the command that has just ended
	verifying     bool
	before        failure   // of the attempt before this one
	mending       bool      // the implement stage is asked again
	repo          *git.Repo // around dir; nil if there is none, or nobody wants to know
	snapshot      *git.Snapshot
	blind         error // why there is no snapshot although a commit is wanted
}

func (r *Runner) newAttempt(i int32, n int) *attempt {
	a := &attempt{Runner: r, i: i, n: n, item: &r.b.Items[i], spec: r.b.Effective(i), dir: r.dir, masker: r.masker, where: "attempt-" + strconv.Itoa(n),
		conversations: map[string]string{}}
	if a.spec.Workdir != "" {
		a.dir = r.workdir(a.spec)
	}
	a.gates = r.recipe.Gates
	if a.spec.HasGates {
		a.gates = a.spec.Gates
	}
	if len(a.gates) > 1 {
		a.gates = slices.Clone(a.gates)
		slices.SortStableFunc(a.gates, func(x, y backlog.Gate) int { return x.Level - y.Level })
	}
	a.gateNames = gateNames(a.gates)
	if a.spec.Run.IsZero() {
		a.stages = r.stages
		a.base = a.data()
		a.before = r.failureOf(i)
	}
	for _, v := range a.spec.Env {
		if secret.IsSecretName(v.Name) { // rare: each masker costs
			var own []string
			for _, v := range a.spec.Env {
				own = append(own, v.Name+"="+v.Value)
			}
			a.masker = secret.New(r.env, own)
			break
		}
	}
	return a
}

// Execute runs attempt n of subtask i and waits until nothing of it is left.
// It calls announce with the name of every stage before it starts; gates
// belong to the stage before them. Stages and gates that passed in an earlier
// attempt with the same inputs are not repeated. When ctx ends, the attempt is
// stopped.
func (r *Runner) Execute(ctx context.Context, i int32, n int, announce func(stage string)) Result {
	a := r.newAttempt(i, n)
	a.announce = announce
	a.begin()
	a.look(ctx)
	a.run(ctx)
	a.end()
	a.compare(ctx)
	a.remember()
	a.res.Ended = time.Now()
	return a.res
}

// Verify runs the gates of subtask i again, all that it has, up to the first
// that does not hold. Nothing else is executed, and no checkpoint is made; logs
// are in artifacts/<ID>/verify/.
func (r *Runner) Verify(ctx context.Context, i int32) Result {
	a := r.newAttempt(i, 0)
	a.where, a.verifying = "verify", true
	if err := a.root.RemoveAll(path.Join("artifacts", a.item.ID, a.where)); err != nil {
		return Result{Class: Permanent, Exit: -1, Reason: "remove the logs of an earlier verification: " + err.Error()}
	}
	a.begin()
	a.gatesFrom(ctx, 0)
	a.end()
	a.res.Ended = time.Now()
	return a.res
}

// begin sets the clock and the environment of all commands.
func (a *attempt) begin() {
	a.env = append(mergeEnv(a.Runner.env, a.spec.Env),
		"HACKY_TASK_ID="+a.item.ID, "HACKY_TASK_TITLE="+strings.ReplaceAll(a.item.Title, "\x00", ""), "HACKY_ATTEMPT="+strconv.Itoa(a.n))
	a.res.Started = time.Now()
	a.timeout = a.recipe.Timeout
	if a.spec.Timeout > 0 {
		a.timeout = a.spec.Timeout
	}
	if a.timeout > 0 {
		a.deadline = a.res.Started.Add(a.timeout)
	}
}

// end ends what commands have left behind, and closes the logs.
func (a *attempt) end() {
	a.silent()
	a.res.Leftover = a.left.end(a.grace)
	a.lingered(a.left.groups)
	a.res.Leftover += a.endOrphans(a.item.ID, a.n)
	a.left.finish()
	for _, l := range a.logs {
		if err := l.close(); err != nil {
			a.res.LogError = err.Error()
		}
	}
}

// run executes the stages, then the gates; a failed gate sends it back to the
// implement stage as often as the recipe allows.
func (a *attempt) run(ctx context.Context) {
	next := a.resume()
	a.res.Skipped = next
	commands := max(1, len(a.stages))
	for fix, failure := a.state.FixAttempt, ""; ; fix++ {
		a.state.FixAttempt = fix
		if !a.stagesFrom(ctx, next, failure) || a.gatesFrom(ctx, next-commands) && a.commit(ctx) {
			break
		}
		// A subtask's own command does not know how to mend what a gate found.
		if a.res.Class != Permanent || a.res.Gate == 0 || len(a.stages) == 0 || fix >= a.recipe.FixAttempts {
			break
		}
		next = slices.IndexFunc(a.stages, func(s stage) bool { return s.Name == "implement" })
		if next < 0 {
			next = len(a.stages) - 1
		}
		failure, a.mending = told(a.res.Stage, a.res.Reason, a.res.Tail), true
		a.state.ValidationResults = nil
	}
	switch a.res.Class {
	case OK:
		a.checkpoint(checkpoint.Complete, nil)
	case Permanent:
		a.checkpoint(checkpoint.Failed, &a.res.Reason)
	case Transient, Interrupted, Quota: // it goes on later
	}
}

// stagesFrom executes the stages from number next on. It reports whether all
// passed.
func (a *attempt) stagesFrom(ctx context.Context, next int, failure string) bool {
	if len(a.stages) == 0 {
		if next > 0 {
			a.announce(RunStage)
			return true
		}
		a.announce(RunStage)
		x := a.execution(RunStage, a.spec.Run, 0)
		x.env = append(slices.Clip(a.env), "HACKY_STAGE="+RunStage, "HACKY_PROMPT_FILE=")
		tell := a.watch()
		end := a.exec(ctx, x)
		tell("its command")
		if !a.decide(x, end) {
			return false
		}
		a.state.CoderResponse = a.res.Log
		a.passed(0, checkpoint.CoderResponse)
		return true
	}
	for k := next; k < len(a.stages); k++ {
		if !a.stage(ctx, k, failure) {
			return false
		}
		if name, err := a.outputName(k); err == nil && name != "" && k < len(a.stages)-1 {
			a.state.PRPPath = filepath.Clean(name)
		}
		label := checkpoint.PreExecution
		if k == len(a.stages)-1 {
			label = checkpoint.CoderResponse
			a.state.CoderResponse = a.res.Log
		}
		if a.said != nil {
			a.state.Agent, a.state.Session, a.state.CoderResult = a.said.Agent, a.said.Session, a.said.Text
		}
		a.plan, _ = a.steps() // with what this stage has left
		a.passed(k, label)
	}
	if next >= len(a.stages) { // only gates are left
		a.announce(a.stages[len(a.stages)-1].Name)
	}
	return true
}

// stage executes stage k. It reports whether it passed.
func (a *attempt) stage(ctx context.Context, k int, failure string) bool {
	st := &a.stages[k]
	a.announce(st.Name)
	x := a.execution(st.Name, st.Run, st.Timeout)
	var end ended
	tell := a.watch()
	d, err := a.stageData(k)
	if d.Failure = failure; failure == "" {
		d.Failure = a.failedBefore(st.Name)
	}
	switch {
	case err != nil:
	case st.Agent != nil:
		err = a.converse(ctx, k, x, d, &end)
	default:
		err = a.command(ctx, k, x, d, &end)
	}
	if err == nil && end.class == OK {
		err = a.checkOutput(k)
	}
	tell("the stage " + st.Name)
	if err != nil {
		end = ended{class: Permanent, exit: end.exit, reason: a.masker.MaskString(err.Error())}
	}
	return a.decide(x, end)
}

// command executes a stage that is a program.
func (a *attempt) command(ctx context.Context, k int, x *execution, d prompt.Data, end *ended) error {
	st := &a.stages[k]
	file := ""
	if st.prompt != nil {
		text, err := st.prompt.Render(d)
		if err != nil {
			return err
		}
		name, stdin, err := a.writePrompt(a.masker.MaskString(text))
		if err != nil {
			return err
		}
		defer stdin.Close() //nolint:errcheck // only read from
		file, x.stdin = name, stdin
	}
	x.env = append(mergeEnv(a.env, st.Env), "HACKY_STAGE="+st.Name, "HACKY_PROMPT_FILE="+file)
	*end = a.exec(ctx, x)
	return nil
}

// gatesFrom executes the gates from number next on. It reports whether all
// passed.
func (a *attempt) gatesFrom(ctx context.Context, next int) bool {
	for k := max(0, next); k < len(a.gates); k++ {
		g := a.gates[k]
		x := a.execution(a.gateNames[k], g.Run, g.Timeout)
		x.gate = g.Level
		x.env = append(slices.Clip(a.env), "HACKY_STAGE="+x.stage, "HACKY_PROMPT_FILE=")
		tell := a.watch()
		end := a.exec(ctx, x)
		tell("the gate " + x.stage)
		ok := a.decide(x, end)
		if end.class != Interrupted {
			a.state.ValidationResults = append(slices.Clip(a.state.ValidationResults),
				checkpoint.Validation{Level: g.Level, Name: g.Name, Passed: ok, Exit: end.exit})
		}
		if !ok {
			return false
		}
		a.passed(max(1, len(a.stages))+k, checkpoint.GateLabel(g.Level))
	}
	return true
}

// gateNames are the stage names of gates, each once, as logs have them too.
func gateNames(gates []backlog.Gate) []string {
	var names []string
	for _, g := range gates {
		base := "gate-" + strconv.Itoa(g.Level)
		if g.Name != "" {
			base += "-" + fileName(g.Name)
		}
		name := base
		for n := 2; slices.Contains(names, name); n++ {
			name = base + "-" + strconv.Itoa(n)
		}
		names = append(names, name)
	}
	return names
}

// fileName makes any text fit for a part of a file's name.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 64)]
}

func (a *attempt) execution(stage string, run backlog.Command, timeout time.Duration) *execution {
	argv := run.Argv
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c", run.Shell}
	}
	log := a.logs[stage]
	if log == nil {
		log = &logFile{files: a.fs, dir: a.session, name: a.file(stage + ".log"), masker: a.masker}
		if a.logs == nil {
			a.logs = make(map[string]*logFile, 1)
		}
		a.logs[stage] = log
	} else {
		log.begin() // it goes on after a gate has failed
	}
	a.said = nil
	return &execution{stage: stage, argv: argv, dir: a.dir, timeout: timeout, idle: a.recipe.IdleTimeout, stdin: a.null, log: log, begun: time.Now()}
}

// file is a name in the attempt's directory, relative to the session's. The
// id has been checked: letters, digits and dots in the shape of an id.
func (a *attempt) file(name string) string {
	return path.Join("artifacts", a.item.ID, a.where, name)
}

func (a *attempt) exec(ctx context.Context, x *execution) ended {
	var err error
	if x.program, err = a.lookup(x); err != nil {
		return startError(x.argv[0], err)
	}
	end := a.wait(ctx, x)
	if end.exit == 127 {
		a.forget(x)
		gone := x.program
		if x.program, err = a.lookup(x); err == nil && x.program != gone && end.neverRan() {
			return a.wait(ctx, x)
		}
	}
	return end
}

// decide notes a command's end. It reports whether the attempt goes on.
func (a *attempt) decide(x *execution, end ended) bool {
	digest := x.log.end()
	log := x.log.written()
	a.res.Commands = append(a.res.Commands, Outcome{Stage: x.stage, Gate: x.gate, Exit: end.exit, Log: log,
		Digest: digest, Duration: time.Since(x.begun), Said: a.said})
	a.res.Class, a.res.Exit, a.res.Stage, a.res.Gate, a.res.Log = end.class, end.exit, x.stage, x.gate, log
	a.res.Reason, a.res.Tail = end.reason, nil
	if end.class == OK {
		return true
	}
	a.res.Tail = x.log.last()
	return false
}
