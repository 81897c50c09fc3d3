package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Stage is one command of every subtask that has no "run" of its own.
type Stage struct {
	Name    string
	Run     backlog.Command
	Prompt  string // a text/template over Prompt; "" for none
	Output  string // a template of a path: this file must exist and not be empty afterwards
	Env     []backlog.EnvVar
	Timeout time.Duration
}

// Recipe is how subtasks are executed, as far as they do not say it themselves.
type Recipe struct {
	Stages      []Stage
	Gates       []backlog.Gate
	Env         []backlog.EnvVar
	Timeout     time.Duration // per attempt
	IdleTimeout time.Duration // without output
	FixAttempts int           // how often a failed gate goes back to the implement stage
	Unable      string        // why Stages cannot be executed; "" if they can
}

// Prompt is what a stage's templates may use.
type Prompt struct {
	ID, Title, Context string
	Parents            []Parent // phase, milestone, task
	Attempt            int
	Failure            string // what failed before, with its last lines; "" the first time
}

// Parent is an item above a subtask.
type Parent struct{ ID, Title, Description string }

// Runner executes attempts. It may be used by many goroutines at once.
type Runner struct {
	b       *backlog.Backlog
	recipe  Recipe
	root    *os.Root
	session string // absolute
	dir     string // where relative workdirs begin, absolute
	here    string // this process's own working directory, absolute
	base    []string
	null    *os.File
	grace   time.Duration // Grace, but for tests
	stages  []stageTemplates

	starting sync.RWMutex // held for reading from the start of a process until it is entered
	buffers  sync.Pool
	mu       sync.Mutex
	programs map[[2]string]string // PATH and name -> file
	active   map[*killer]bool
	lingers  map[int]bool // groups that outlived their command, until their attempt ends
	killed   bool
}

type stageTemplates struct{ prompt, output *template.Template }

// RunStage is the name of the stage that a subtask's own "run" makes.
const RunStage = "run"

// NewRunner prepares for attempts of b's subtasks in the session directory.
// environ is what commands inherit, dir where they run. The error says which
// template is wrong.
func NewRunner(b *backlog.Backlog, recipe Recipe, session, dir, runID string, environ []string) (*Runner, error) {
	r := &Runner{b: b, grace: Grace, recipe: recipe, session: session, dir: dir, programs: map[[2]string]string{},
		active: map[*killer]bool{}, lingers: map[int]bool{}}
	for _, st := range recipe.Stages {
		var t stageTemplates
		var err error
		if t.prompt, err = parseTemplate(st.Name+" prompt", st.Prompt); err != nil {
			return nil, err
		}
		if t.output, err = parseTemplate(st.Name+" output", st.Output); err != nil {
			return nil, err
		}
		r.stages = append(r.stages, t)
	}
	r.base = mergeEnv(inherit(environ), recipe.Env)
	r.base = append(r.base, "HACKY_SESSION="+session, "HACKY_RUN_ID="+runID, "HACKY_RUNNING=1")
	root, err := os.OpenRoot(session)
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	r.root, r.null = root, null
	r.here, _ = os.Getwd() // unknown is none of those that commands ask for
	return r, nil
}

// Close releases what NewRunner opened.
func (r *Runner) Close() error { return errors.Join(r.root.Close(), r.null.Close()) }

// Kill ends everything at once, with SIGKILL, and lets nothing start any more:
// for a user who does not want to wait. What it ends is Interrupted.
func (r *Runner) Kill() {
	r.starting.Lock() // what is just being started is entered first, and ended
	defer r.starting.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	for k := range r.active {
		k.now()
	}
	for group := range r.lingers {
		killGroup(group)
	}
}

func killGroup(group int) {
	if groupAlive(group) {
		_ = syscall.Kill(-group, syscall.SIGKILL) // it may have ended meanwhile
	}
}

func (r *Runner) isKilled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}

func (r *Runner) enter(k *killer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active[k] = true
	if r.killed { // while it was started
		k.now()
	}
}

// linger notes a group that outlived its command.
func (r *Runner) linger(group int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lingers[group] = true
	if r.killed {
		killGroup(group)
	}
}

// lingered says that these groups are gone.
func (r *Runner) lingered(groups []int) {
	if len(groups) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, group := range groups {
		delete(r.lingers, group)
	}
}

func (r *Runner) leave(k *killer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, k)
}

// Check says what would keep a subtask from being executed at all.
func (r *Runner) Check(i int32) error {
	spec := r.b.Effective(i)
	if spec.Run.IsZero() && len(r.recipe.Stages) == 0 {
		return fmt.Errorf("%s has no \"run\", and no stages are configured; add one of them (hacky.yaml: stages)", r.b.Items[i].ID)
	}
	if spec.Run.IsZero() && r.recipe.Unable != "" {
		return fmt.Errorf("%s: %s", r.b.Items[i].ID, r.recipe.Unable)
	}
	if spec.Workdir == "" {
		return nil
	}
	dir := r.workdir(spec)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the workdir %s does not exist; create it or correct \"workdir\"", r.b.Items[i].ID, dir)
	case err != nil:
		return fmt.Errorf("%s: workdir: %w", r.b.Items[i].ID, err)
	case !info.IsDir():
		return fmt.Errorf("%s: the workdir %s is not a directory", r.b.Items[i].ID, dir)
	}
	return nil
}

func (r *Runner) workdir(spec backlog.Spec) string {
	if filepath.IsAbs(spec.Workdir) {
		return filepath.Clean(spec.Workdir)
	}
	return filepath.Join(r.dir, spec.Workdir)
}

// attempt is the state of one Execute.
type attempt struct {
	*Runner
	i        int32
	n        int
	item     *backlog.Item
	spec     backlog.Spec
	env      []string
	dir      string
	deadline time.Time
	timeout  time.Duration
	left     leftovers
	logs     map[string]*logFile
	res      Result
	announce func(stage string)
}

// Execute runs attempt n of subtask i and waits until nothing of it is left.
// It calls announce with the name of every stage before it starts; gates
// belong to the stage before them. When ctx ends, the attempt is stopped.
func (r *Runner) Execute(ctx context.Context, i int32, n int, announce func(stage string)) Result {
	item := &r.b.Items[i]
	spec := r.b.Effective(i)
	a := attempt{Runner: r, i: i, n: n, item: item, spec: spec, announce: announce, dir: r.dir}
	if spec.Workdir != "" {
		a.dir = r.workdir(spec)
	}
	a.env = append(mergeEnv(r.base, spec.Env),
		"HACKY_TASK_ID="+item.ID, "HACKY_TASK_TITLE="+strings.ReplaceAll(item.Title, "\x00", ""), "HACKY_ATTEMPT="+strconv.Itoa(n))
	a.res.Started = time.Now()
	a.timeout = r.recipe.Timeout
	if spec.Timeout > 0 {
		a.timeout = spec.Timeout
	}
	if a.timeout > 0 {
		a.deadline = a.res.Started.Add(a.timeout)
	}
	a.run(ctx)
	a.res.Leftover = a.left.end(a.grace)
	a.lingered(a.left.groups)
	for _, l := range a.logs {
		if err := l.close(); err != nil {
			a.res.LogError = err.Error()
		}
	}
	a.res.Ended = time.Now()
	return a.res
}

// run executes the stages, then the gates; a failed gate sends it back to the
// implement stage as often as the recipe allows.
func (a *attempt) run(ctx context.Context) {
	stages := a.recipe.Stages
	if !a.spec.Run.IsZero() {
		stages = []Stage{{Name: RunStage, Run: a.spec.Run}}
	}
	gates := a.recipe.Gates
	if a.spec.HasGates {
		gates = a.spec.Gates
	}
	if len(gates) > 1 {
		gates = slices.Clone(gates)
		slices.SortStableFunc(gates, func(x, y backlog.Gate) int { return x.Level - y.Level })
	}
	from, failure := 0, ""
	for fix := 0; ; fix++ {
		if !a.stagesFrom(ctx, stages, from, failure) {
			return
		}
		if a.gates(ctx, gates) || a.res.Class != Permanent {
			return
		}
		// A subtask's own command does not know how to mend what a gate found.
		if !a.spec.Run.IsZero() || fix >= a.recipe.FixAttempts {
			return
		}
		from = slices.IndexFunc(stages, func(s Stage) bool { return s.Name == "implement" })
		if from < 0 {
			from = len(stages) - 1
		}
		failure = fmt.Sprintf("%s failed: %s\n%s", a.res.Stage, a.res.Reason, a.res.Tail)
	}
}

func (a *attempt) stagesFrom(ctx context.Context, stages []Stage, from int, failure string) bool {
	for k := from; k < len(stages); k++ {
		st := stages[k]
		a.announce(st.Name)
		x := a.execution(st.Name, st.Run, st.Timeout)
		x.env = append(mergeEnv(a.env, st.Env), "HACKY_STAGE="+st.Name)
		data := a.promptData(failure)
		promptFile, stdin, err := a.prompt(k, data)
		if err != nil {
			a.decide(x, ended{Permanent, -1, err.Error()})
			return false
		}
		if stdin != nil {
			x.stdin = stdin
		}
		x.env = append(x.env, "HACKY_PROMPT_FILE="+promptFile)
		end := a.exec(ctx, x)
		if stdin != nil {
			_ = stdin.Close() // only read from
		}
		if end.class == OK {
			if err := a.output(k, data); err != nil {
				end = ended{Permanent, end.exit, err.Error()}
			}
		}
		if !a.decide(x, end) {
			return false
		}
	}
	return true
}

func (a *attempt) gates(ctx context.Context, gates []backlog.Gate) bool {
	names := gateNames(gates)
	for k, g := range gates {
		name := names[k]
		x := a.execution(name, g.Run, g.Timeout)
		x.gate = g.Level
		x.env = append(slices.Clip(a.env), "HACKY_STAGE="+name, "HACKY_PROMPT_FILE=")
		if !a.decide(x, a.exec(ctx, x)) {
			return false
		}
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
		log = &logFile{root: a.root, name: a.file(stage + ".log")}
		if a.logs == nil {
			a.logs = make(map[string]*logFile, 1)
		}
		a.logs[stage] = log
	} else {
		log.forgetTail() // of the time before a gate failed
	}
	return &execution{stage: stage, argv: argv, dir: a.dir, timeout: timeout, idle: a.recipe.IdleTimeout, stdin: a.null, log: log}
}

// file is a name in the attempt's directory, relative to the session's. The
// id has been checked: letters, digits and dots in the shape of an id.
func (a *attempt) file(name string) string {
	return path.Join("artifacts", a.item.ID, "attempt-"+strconv.Itoa(a.n), name)
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
	log := x.log.written()
	a.res.Commands = append(a.res.Commands, Outcome{Stage: x.stage, Gate: x.gate, Exit: end.exit, Log: log})
	a.res.Class, a.res.Exit, a.res.Stage, a.res.Log = end.class, end.exit, x.stage, log
	a.res.Reason, a.res.Tail = end.reason, nil
	if end.class == OK {
		return true
	}
	a.res.Tail = x.log.last()
	return false
}

// Describe is what a subtask would execute, in one line for people.
func (r *Runner) Describe(i int32) string {
	if run := r.b.Spec(i).Run; !run.IsZero() {
		return run.String()
	}
	names := make([]string, len(r.recipe.Stages))
	for k, st := range r.recipe.Stages {
		names[k] = st.Name
	}
	return strings.Join(names, ", then ")
}
