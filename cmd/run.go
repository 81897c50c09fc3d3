package cmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/engine/local"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/retry"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/supervise"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) runCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the subtasks of a backlog that are not finished",
		Long: `Run every subtask in scope that is not Complete or Obsolete, dependencies
first, in parallel, and write their statuses into tasks.json.

Ctrl+C once: start nothing new, let running subtasks finish. Twice, or SIGTERM:
stop them; they are Planned again. Three times: exit at once. Within a second of
each other they count once.

Exit codes: 0 all done, 1 some failed or are blocked, 2 mistake in the call, the
configuration or the backlog, 3 updates wait in a recovery file, 4 another run
has the session, 5 stopped by a limit, 75 everything left waits for a quota
beyond --quota-wait, 130/143 interrupted.`,
		Example: `  hacky run --parallelism 4
  hacky run --scope P1.M2 --with-deps --flush-retries 3
  HACKY_TASK_RETRY=0 hacky run --progress json > events.ndjson`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			return a.run(c.Context(), cfg, log)
		},
	}
	config.Register(c.Flags())
	return c
}

// flushMax and taskMax bound the backoff (§4).
const (
	flushMax = 2 * time.Second
	taskMax  = 30 * time.Second
)

// flushOptions is how a session is written under a configuration.
func (a *app) flushOptions(cfg *config.Config, log zerolog.Logger) session.Options {
	return session.Options{Log: log, Shelters: a.shelters(), Retry: retry.Policy{Retries: cfg.FlushRetries, Base: cfg.FlushBackoff, Max: flushMax}}
}

func (a *app) run(ctx context.Context, cfg *config.Config, log zerolog.Logger) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	job := &job{app: a, cfg: cfg, log: log, loc: loc, runID: newRunID()}
	defer job.close()
	if cfg.DryRun {
		b, statuses, err := session.View(loc)
		if err != nil {
			return err
		}
		return job.dryRun(b, statuses)
	}
	if err := a.refuseNested(loc); err != nil {
		return err
	}
	return job.run(ctx)
}

// within tells whether this hacky was started by a subtask of a run of the
// session, and by which.
func (a *app) within(loc session.Location) (id string, ok bool, err error) {
	running, _ := a.env.Lookup("HACKY_RUNNING")
	outer, _ := a.env.Lookup("HACKY_SESSION")
	if running == "" || outer == "" {
		return "", false, nil
	}
	dir, err := filepath.Abs(loc.Dir)
	if err != nil {
		return "", false, err
	}
	here, err := os.Stat(dir)
	if err != nil {
		return "", false, err
	}
	if there, err := os.Stat(outer); err != nil || !os.SameFile(here, there) {
		return "", false, nil //nolint:nilerr // a session that is gone is not this one
	}
	id, _ = a.env.Lookup("HACKY_TASK_ID")
	return id, true, nil
}

// refuseNested keeps a subtask from running its own session once more.
func (a *app) refuseNested(loc session.Location) error {
	id, ok, err := a.within(loc)
	if err != nil || !ok {
		return err
	}
	return &exitError{exitLocked, fmt.Errorf("this is subtask %s of a run of the session %s, which cannot be run within itself; name another with --session", id, loc.Dir)}
}

// refuseOwn keeps a subtask from awarding itself a status.
func (a *app) refuseOwn(loc session.Location, ids []string) error {
	id, ok, err := a.within(loc)
	if err != nil || !ok {
		return err
	}
	if slices.Contains(ids, id) {
		return fmt.Errorf("%s cannot be set by a command of its own attempt: its status follows from how the attempt ends", id)
	}
	return nil
}

func newRunID() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	return time.Now().UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(random[:])
}

// job is one run from reading the backlog to the exit code.
type job struct {
	*app
	cfg   *config.Config
	log   zerolog.Logger
	loc   session.Location
	runID string

	warned bool // of keys that look misspelt

	b        *backlog.Backlog
	selected []bool
	runner   *agent.Runner
	engine   atomic.Pointer[local.Engine] // nil: nothing runs yet
}

func (j *job) close() {
	if j.runner != nil {
		_ = j.runner.Close() // opened for reading
	}
}

// warnKeys logs, once, the keys of the backlog that look misspelt.
func (j *job) warnKeys(b *backlog.Backlog) {
	if j.warned {
		return
	}
	j.warned = true
	for _, w := range b.Warnings() {
		j.log.Warn().Msg(w.Text(j.loc.Path()))
	}
}

// check finds everything that keeps a backlog from being run, before anything
// is written or started.
func (j *job) check(b *backlog.Backlog, statuses []backlog.Status) error {
	j.warnKeys(b)
	j.close()
	j.runner = nil
	if err := j.choose(b, statuses); err != nil {
		return err
	}
	recipe, err := j.recipe(j.cfg, j.log)
	if err != nil {
		return err
	}
	recipe.Note = func(id, text string) { j.log.Info().Str("id", id).Msg(text) }
	absolute, err := filepath.Abs(j.loc.Dir)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if j.runner, err = agent.NewRunner(b, recipe, filepath.Join(absolute, j.loc.Name), dir, j.runID, os.Environ()); err != nil {
		return err
	}
	var errs []error
	for i, in := range j.selected {
		if !in || statuses[i].Satisfied() {
			continue
		}
		if err := j.runner.Check(int32(i)); err != nil {
			if errs = append(errs, err); len(errs) == 20 {
				errs = append(errs, errors.New("there may be more like these"))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// choose selects the subtasks in scope, and with --with-deps those that they
// wait for.
func (j *job) choose(b *backlog.Backlog, statuses []backlog.Status) error {
	scope, err := resolveScope(b, j.cfg.Scope, j.origin("scope"))
	if err != nil {
		return err
	}
	j.b, j.selected = b, schedule.Select(b, scope)
	if missing := schedule.Missing(b, statuses, j.selected); len(missing) > 0 {
		if !j.cfg.WithDeps {
			return fmt.Errorf("the scope waits for %s outside it that are not finished (%s); run with --with-deps, or widen --scope",
				count(len(missing), "subtask"), listIDs(b, missing))
		}
		for _, i := range missing {
			j.selected[i] = true
		}
	}
	return nil
}

func (j *job) dryRun(b *backlog.Backlog, statuses []backlog.Status) error {
	if err := j.check(b, statuses); err != nil {
		return err
	}
	return ui.DryRun(j.stdout, j.cfg.Progress, j.plan(b, statuses), j.width())
}

func (j *job) run(ctx context.Context) error {
	waiting := j.waitingIn(j.loc)
	if waiting != "" && !j.cfg.Recover {
		// A backlog that is not in order comes first: recover could not work either.
		if _, err := session.Read(j.loc); err != nil {
			return err
		}
		return &exitError{exitRecovery, fmt.Errorf("updates of an earlier run wait in %s; type: hacky recover%s (or run with --recover)",
			waiting, j.sessionArg(j.loc.Path()))}
	}
	recoveries, err := j.recoveries(j.loc, "")
	if err != nil {
		return err
	}
	if bad := damagedOne(recoveries); bad != nil { // refused before anything is written
		return j.damaged(bad, j.loc, "")
	}
	if err := j.oneAtATime(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	signals := j.listen(stop)
	defer signals.end()

	opts := j.flushOptions(j.cfg, j.log)
	opts.Interval, opts.Batch = j.cfg.FlushInterval, j.cfg.FlushBatch
	opts.Run, opts.Check, opts.Unsafe = true, j.check, journalUnsafe
	opts.Holder = fmt.Sprintf("process %d, since %s", os.Getpid(), time.Now().Format(time.DateTime))
	opts.Failed = func(err error) { signals.drain(err) }
	opts.Changed = j.changed
	s, err := session.Open(j.loc, opts)
	if err != nil {
		return err
	}
	if err := renewCopies(fsutil.OS(), j.loc, j.cfg.File); err != nil {
		j.log.Debug().Err(err).Msg("cannot put copies of the schemas where editors look for them")
	}
	if len(recoveries) > 0 {
		if err := j.recover(ctx, s, recoveries); err != nil {
			return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}
	return j.execute(ctx, s, signals)
}

// oneAtATime sees to it that a run that commits executes one subtask at a time:
// of two, nobody could tell which changed what.
func (j *job) oneAtATime() error {
	if !j.cfg.Commit || j.cfg.Parallelism == 1 {
		return nil
	}
	for _, e := range j.options {
		if e.Name == "parallelism" && e.Source != config.FromDefault {
			return fmt.Errorf("%s: %d subtasks at once cannot be committed apart; --commit needs --parallelism 1", j.origin("parallelism"), j.cfg.Parallelism)
		}
	}
	j.cfg.Parallelism = 1
	j.log.Info().Msg("running one subtask at a time, as --commit has to tell what each changed")
	return nil
}

// recover replays what waits before the run begins.
func (j *job) recover(ctx context.Context, s *session.Session, files []*session.Recovery) error {
	decisions, err := s.Recover(ctx, files, session.RecoverOptions{}, false)
	if err != nil {
		return err
	}
	conflicts := 0
	for _, d := range decisions {
		if d.Verdict == session.Conflict {
			conflicts++
		}
	}
	j.log.Info().Int("changes", len(decisions)).Int("conflicts", conflicts).Msg("replayed the recovery file")
	if conflicts > 0 {
		return &exitError{exitFailed, fmt.Errorf("%s in %s; nothing was run: see \"hacky recover%s --dry-run\", then settle with --force or --discard",
			count(conflicts, "conflict"), paths(files), j.sessionArg(j.loc.Path()))}
	}
	return nil
}

// unfinished are the ids of the subtasks that this run may start.
func (j *job) unfinished(s *session.Session) []string {
	var ids []string
	for i, st := range statusesOf(j.b, s) {
		if j.selected[i] && !st.Satisfied() {
			ids = append(ids, j.b.Items[i].ID)
		}
	}
	return ids
}

// backToPlanned puts back what a run that died left as if it were running: the
// run lock is ours, so nothing is.
func (j *job) backToPlanned(s *session.Session) error {
	var changes []session.Change
	for i, st := range statusesOf(j.b, s) {
		if j.selected[i] && st.Running() {
			changes = append(changes, session.Change{ID: j.b.Items[i].ID, To: backlog.Planned})
		}
	}
	return s.Apply(nil, changes...)
}

// execute runs the plan and reports.
func (j *job) execute(ctx context.Context, s *session.Session, signals *signals) error {
	if err := j.backToPlanned(s); err != nil {
		return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	attempts, err := session.Attempts(j.loc, j.unfinished(s))
	if err != nil { // evidence does not stop a run
		j.log.Warn().Err(err).Msg("cannot tell how many attempts there were; counting from 1")
	}
	// Recovery may have changed statuses, not the backlog.
	statuses := statusesOf(j.b, s)
	plan := schedule.New(j.b, statuses, j.selected)
	progress := j.startProgress(statuses)
	defer progress.end()
	tasks := retry.Policy{Retries: j.cfg.TaskRetry, Base: j.cfg.TaskBackoff, Max: taskMax}
	e := local.New(j.b, plan, j.runner, &recorder{s: s, b: j.b, progress: progress, log: j.log, runID: j.runID}, local.Options{
		Parallelism: j.cfg.Parallelism, Retry: tasks, NoRetry: !j.cfg.Retry,
		MaxTasks: j.cfg.MaxTasks, MaxFailures: j.cfg.MaxFailures, MaxDuration: j.cfg.MaxDuration, FailFast: j.cfg.FailFast,
		Attempts:  func(id string) int { return attempts[id] },
		QuotaWait: j.cfg.QuotaWait, Held: j.held(), Credentials: j.runner.Credentials,
	})
	supervisor := supervised(j.runner, j.runID, j.log)
	j.engine.Store(e)
	var late []int32 // what others have changed since the plan was made
	for i, st := range statusesOf(j.b, s) {
		if st != statuses[i] {
			late = append(late, int32(i))
		}
	}
	e.Revise(late)
	signals.attach(e, j.runner, s, supervisor, progress)
	out := e.Run(ctx)
	unsupervised(j.runner, supervisor, j.log)
	signals.ended()

	err = s.Close(context.WithoutCancel(ctx))
	final := statusesOf(j.b, s)
	var failed *session.FlushError
	if errors.As(err, &failed) {
		for _, u := range failed.Unsaved { // only the user can still save it
			if i, ok := j.b.Lookup(u.ID); ok {
				final[i] = u.From
			}
		}
	}
	failures := settle(&out, j.selected, final)
	sum := ui.Summary{Outcome: out}
	for i, in := range j.selected {
		if in {
			sum.Total++
			if final[i].Satisfied() {
				sum.Done++
			}
		}
	}
	switch interrupted := signals.code(); {
	case err != nil:
		sum.Exit, sum.Error = exitCode(err), err.Error()
	case interrupted != 0 && len(out.Left) > 0:
		sum.Exit = interrupted
	case failures > 0 || len(out.Blocked) > 0:
		sum.Exit = exitFailed
	case len(out.Held) > 0 && out.Limit == "":
		sum.Exit = exitQuota
	case len(out.Left) > 0:
		sum.Exit = exitLimit
	}
	progress.Summary(sum)
	if err == nil && sum.Exit != exitOK {
		return &exitError{code: sum.Exit}
	}
	return err
}

// changed lets the engine look at what others have changed, not at once: it is
// called in the middle of what the engine may be waiting for.
func (j *job) changed(ids []string) {
	e := j.engine.Load()
	if e == nil {
		return // the plan is made of what the session says then
	}
	var items []int32
	for _, id := range ids {
		if i, ok := j.b.Lookup(id); ok {
			items = append(items, i)
		}
	}
	go e.Revise(items)
}

// held are the credentials that an earlier run has found used up.
func (j *job) held() []engine.Hold {
	holds, err := session.Holds(j.loc, time.Now())
	if err != nil {
		j.log.Warn().Err(err).Msg("cannot tell which quotas are used up; trying all agents")
	}
	var out []engine.Hold
	for _, h := range holds {
		out = append(out, engine.Hold{Credential: h.Credential, Until: h.Until})
	}
	return out
}

// supervised sees to it that no process outlives the run, even if hacky is
// killed. A run without that is better than none.
func supervised(r *agent.Runner, runID string, log zerolog.Logger) *supervise.Supervisor {
	const without = "if hacky is killed now, what it started lives on"
	s, err := supervise.Start(runID, func(err error) { log.Warn().Err(err).Msg(without) })
	if err != nil {
		log.Warn().Err(err).Msg(without)
	}
	if err := r.Adopt(s); err != nil {
		log.Warn().Err(err).Msg("what subtasks leave running in the background may outlive them")
	}
	return s
}

// unsupervised is for when all attempts have ended.
func unsupervised(r *agent.Runner, s *supervise.Supervisor, log zerolog.Logger) {
	if n := r.Finish(); n > 0 {
		log.Info().Int("processes", n).Msg("ended what subtasks had left running")
	}
	if err := s.Close(); err != nil {
		log.Debug().Err(err).Msg("the supervisor would not have known everything")
	}
}

// statusesOf are the session's statuses by the item numbers of b, which may be
// an earlier reading of the file.
func statusesOf(b *backlog.Backlog, s *session.Session) []backlog.Status {
	if s.Backlog() == b {
		return s.Statuses()
	}
	out := b.Statuses()
	for i := range b.Items {
		if st, ok := s.Status(b.Items[i].ID); ok {
			out[i] = st
		}
	}
	return out
}
