package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/git"
	"github.com/hacky-run/hacky/internal/secret"
	"github.com/hacky-run/hacky/internal/supervise"
)

// Runner executes attempts. It may be used by many goroutines at once.
type Runner struct {
	b       *backlog.Backlog
	recipe  Recipe
	runID   string
	root    *os.Root
	session string // absolute
	dir     string // where relative workdirs begin, absolute
	here    string // this process's own working directory, absolute
	env     []string
	null    *os.File
	grace   time.Duration // Grace, but for tests
	stages  []stage
	fix     *prompt.Template
	masker  *secret.Masker
	fs      fsutil.FS // of checkpoints

	backlogName string
	credentials []string // whose quota the stages use

	starting sync.RWMutex // held for reading from the start of a process until it is entered
	buffers  sync.Pool
	mu       sync.Mutex
	programs map[[2]string]string   // PATH and name -> file
	repos    map[string]*git.Repo   // by directory; nil: there is none
	failures map[int32]failure      // of stages, by subtask; what its next attempt is told
	active   map[int]*killer        // by the group, which is the leader's number
	lingers  map[int]supervise.Slot // groups that outlived their command, until their attempt ends
	printing map[int32]printing     // by subtask, while it runs
	guarded  guarded                // the user's files at the last look
	killed   bool
	judged   map[string]bool  // workdirs that tellOutside has looked at; of Check alone
	commits  map[string]error // by repository: why nothing can be committed; of Check alone

	supervisor *supervise.Supervisor // nil for none
	ungrouped  atomic.Bool           // no command can be started in the supervisor's control group
	orphans    *orphans              // nil unless Adopt was called, and where there is no such thing
}

// RunStage is the name of the stage that a subtask's own "run" makes.
const RunStage = "run"

// NewRunner prepares for attempts of b's subtasks in the session whose backlog
// is at tasks, an absolute path. environ is what commands inherit, dir where
// they run. The error says which template is wrong, and in which line.
func NewRunner(b *backlog.Backlog, recipe Recipe, tasks, dir, runID string, environ []string) (*Runner, error) {
	session := filepath.Dir(tasks)
	r := &Runner{b: b, runID: runID, grace: Grace, recipe: recipe, session: session, backlogName: filepath.Base(tasks), dir: dir, fs: fsutil.Within(tasks, session),
		programs: map[[2]string]string{}, active: map[int]*killer{}, lingers: map[int]supervise.Slot{}, printing: map[int32]printing{}, repos: map[string]*git.Repo{}, failures: map[int32]failure{}, judged: map[string]bool{}, commits: map[string]error{}}
	var err error
	if r.stages, r.fix, err = recipe.parse(); err != nil {
		return nil, err
	}
	r.env = mergeEnv(inherit(environ), recipe.Env)
	known := [][]string{r.env}
	for _, st := range recipe.Stages {
		known = append(known, mergeEnv(nil, st.Env))
		if st.Agent == nil {
			continue
		}
		known = append(known, mergeEnv(nil, envOf(st.Agent)))
		if c := st.Agent.Credential; !slices.Contains(r.credentials, c) {
			r.credentials = append(r.credentials, c)
		}
	}
	r.masker = secret.New(known...)
	r.env = append(r.env, "HACKY_SESSION="+session, "HACKY_RUN_ID="+runID, "HACKY_RUNNING=1")
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

// Close releases what NewRunner opened, and ends what Finish would end.
func (r *Runner) Close() error {
	r.Finish()
	return errors.Join(r.disown(), r.root.Close(), r.null.Close())
}

// Kill ends everything at once, with SIGKILL, and lets nothing start any more:
// for a user who does not want to wait. What it ends is Interrupted.
func (r *Runner) Kill() {
	r.starting.Lock() // what is just being started is entered first, and ended
	defer r.starting.Unlock()
	r.killAll()
	r.killOrphans()
}

func (r *Runner) killAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	for _, k := range r.active {
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
	k.slot = r.supervisor.Began(k.group)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active[k.group] = k
	if r.killed { // while it was started
		k.now()
	}
}

// leave says that a command has been waited for. What outlived it in its group
// lingers.
func (r *Runner) leave(k *killer, lingers bool) {
	if !lingers {
		r.supervisor.Ended(k.slot)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, k.group)
	if !lingers {
		return
	}
	r.lingers[k.group] = k.slot
	if r.killed {
		killGroup(k.group)
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
		r.supervisor.Ended(r.lingers[group])
		delete(r.lingers, group)
	}
}

// Check says what would keep a subtask from being executed at all, and notes
// what people should know before it is. One goroutine at a time may call it.
func (r *Runner) Check(i int32) error {
	spec := r.b.Effective(i)
	if spec.Run.IsZero() && len(r.recipe.Stages) == 0 {
		return fmt.Errorf("%s has no \"run\", and no stages are configured; add one of them (hacky.yaml: stages)", r.b.Items[i].ID)
	}
	if spec.Run.IsZero() && r.recipe.Unable != "" {
		return fmt.Errorf("%s: %s", r.b.Items[i].ID, r.recipe.Unable)
	}
	if spec.Run.IsZero() {
		if err := r.installed(i); err != nil {
			return err
		}
	}
	if spec.Workdir == "" {
		return r.canCommit(i, r.dir)
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
	r.tellOutside(i, dir)
	return r.canCommit(i, dir)
}

// tellOutside says, once for each directory, that a workdir lies outside of
// the repository that the run is in: it may be meant, and it may be a slip that
// lets an agent loose on something else.
func (r *Runner) tellOutside(i int32, dir string) {
	if r.recipe.Note == nil || r.judged[dir] {
		return
	}
	r.judged[dir] = true
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return
	}
	home, what := above(r.dir), "repository"
	if home == "" {
		what = "directory of the run"
		if home, err = filepath.EvalSymlinks(r.dir); err != nil {
			return
		}
	}
	if rel, err := filepath.Rel(home, real); err == nil && filepath.IsLocal(rel) {
		return
	}
	r.recipe.Note(r.b.Items[i].ID, fmt.Sprintf("its workdir %s is outside the %s %s", dir, what, home))
}

// installed looks for the programs of the agents that the stages name.
func (r *Runner) installed(i int32) error {
	a := r.newAttempt(i, 1)
	for k := range a.stages {
		p := a.stages[k].Agent
		if p == nil {
			continue
		}
		x := &execution{argv: []string{p.Program()}, env: mergeEnv(mergeEnv(r.env, envOf(p)), a.stages[k].Env)}
		if _, err := a.lookup(x); err != nil {
			return fmt.Errorf("the agent %s of the stage %s is not there: no %q in PATH; %s", p.Name, a.stages[k].Name, p.Program(), p.Install)
		}
	}
	return nil
}

func (r *Runner) workdir(spec backlog.Spec) string {
	if filepath.IsAbs(spec.Workdir) {
		return filepath.Clean(spec.Workdir)
	}
	return filepath.Join(r.dir, spec.Workdir)
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
