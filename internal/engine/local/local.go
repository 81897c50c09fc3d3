// Package local runs a plan with a fixed number of workers on this machine.
//
// A worker takes the first ready subtask, executes an attempt, reports what
// became of it and takes the next. What waits for a subtask is started only
// after its completion was acknowledged; what does not wait for it goes on. A
// subtask that waits for its retry occupies no worker.
//
// Drain lets running attempts finish and starts nothing more; the end of Run's
// context stops them. Either way Run returns after everything has ended and
// every event has been acknowledged.
package local

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/retry"
	"github.com/hacky-run/hacky/internal/schedule"
)

// Options bound a run. Zero means no limit where a limit is meant.
type Options struct {
	Parallelism int
	Retry       retry.Policy // of attempts that fail in a transient way
	MaxTasks    int
	MaxFailures int
	MaxDuration time.Duration
	FailFast    bool // as MaxFailures 1
	NoRetry     bool // not even where a subtask asks for retries

	// Attempts is how many attempts a subtask had before this run.
	Attempts func(id string) int

	// Credentials are those whose quota a subtask uses; nil: none does. Held are
	// those that are known to be used up. QuotaWait is how long to wait for one
	// when nothing else can be done.
	Credentials func(item int32) []string
	Held        []engine.Hold
	QuotaWait   time.Duration
}

// Engine is one run. Use it once.
type Engine struct {
	b    *backlog.Backlog
	plan *schedule.Plan
	exec engine.Executor
	rec  engine.Recorder
	opts Options

	revising sync.Mutex // taken before mu
	mu       sync.Mutex
	wake     sync.Cond
	due      []*delayed // retries whose time has come
	running  int
	idle     int
	unacked  int
	failures int
	waiting  map[*delayed]bool
	tries    map[int32]int // retries used by a subtask, only where there were any
	revived  map[int32]int // attempts that a subtask had in this run before it was put back
	holds    holds
	ended    bool
	draining error
	out      engine.Outcome
}

// delayed is a subtask that waits for its next attempt.
type delayed struct {
	item    int32
	attempt int // the one that failed
	timer   *time.Timer
}

// keptTails bounds how many failures keep their last output: each is up to
// agent.TailSize, and a backlog may fail 100,000 times.
const keptTails = 50

// New prepares a run of plan, which must not be used elsewhere any more.
func New(b *backlog.Backlog, plan *schedule.Plan, exec engine.Executor, rec engine.Recorder, opts Options) *Engine {
	e := &Engine{b: b, plan: plan, exec: exec, rec: rec, opts: opts,
		waiting: map[*delayed]bool{}, tries: map[int32]int{}, revived: map[int32]int{},
		holds: holds{held: map[string]*hold{}, parked: map[string][]int32{}, begun: map[int32]bool{}, inRow: map[string]int{}}}
	e.wake.L = &e.mu
	return e
}

// Drain makes the run start nothing more, with a reason; running attempts
// finish, and what waits for a retry goes back to Planned. It may be called at
// any time; the first reason counts.
func (e *Engine) Drain(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drain(reason)
}

// drain is Drain under the lock.
func (e *Engine) drain(reason error) {
	if e.draining != nil {
		return
	}
	e.draining = reason
	back := e.due
	e.due = nil
	for d := range e.waiting {
		d.timer.Stop()
		delete(e.waiting, d)
		back = append(back, d)
	}
	for _, d := range back {
		e.unacked++ // keeps Run from returning before the event is out
		go func() {
			e.rec.Record(e.event(engine.SubtaskStopped, d.item, d.attempt, backlog.Planned), nil)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.unacked--
			e.wake.Broadcast()
		}()
	}
	e.wake.Broadcast()
}

// Run executes the plan until nothing is left that could be started.
func (e *Engine) Run(ctx context.Context) engine.Outcome {
	began := time.Now()
	unhook := context.AfterFunc(ctx, func() { e.Drain(context.Cause(ctx)) })
	defer unhook()
	if e.opts.MaxDuration > 0 {
		t := time.AfterFunc(e.opts.MaxDuration, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.limit("max-duration")
			e.wake.Broadcast()
		})
		defer t.Stop()
	}
	e.mu.Lock()
	for _, h := range e.opts.Held {
		e.setHold(h.Credential, h.Until, began)
	}
	useful := max(1, e.plan.Left())
	e.mu.Unlock()
	var workers sync.WaitGroup
	for range min(e.opts.Parallelism, useful) {
		workers.Go(func() {
			for {
				switch i, what := e.take(); what {
				case over:
					return
				case skip:
					e.skip(i)
				case park:
					e.parkRetry(i)
				case start:
					e.attempt(ctx, i)
				}
			}
		})
	}
	workers.Wait()
	e.mu.Lock() // Drain and the end of MaxDuration may come late
	defer e.mu.Unlock()
	e.out.Blocked = e.plan.Blocked()
	e.out.Left = e.plan.Unfinished()
	e.out.Held = e.ending()
	if len(e.out.Left) == 0 {
		e.out.Limit = "" // it kept nothing from starting
	}
	e.out.Drained = e.draining
	e.out.Duration = time.Since(began)
	return e.out
}

// limit notes the first limit that was reached.
func (e *Engine) limit(name string) {
	if e.out.Limit == "" {
		e.out.Limit = name
	}
}

// todo is what a worker does next.
type todo int

const (
	over  todo = iota // nothing any more
	start             // an attempt
	skip              // somebody else completed the subtask
	park              // its retry is due, but its credential is held
)

// take waits for something to do.
func (e *Engine) take() (i int32, what todo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.draining == nil {
			if n := len(e.due); n > 0 {
				i = e.due[0].item
				e.due = e.due[1:]
				e.running++
				switch {
				case e.rec.Status(i).Satisfied():
					return i, skip
				case e.heldFor(i) != "":
					return i, park
				}
				return i, start
			}
			if i, what := e.next(); what != over {
				return i, what
			}
		}
		if e.over() {
			e.ended = true // whoever comes now, and be it with something to do, comes late
			e.wake.Broadcast()
			return 0, over
		}
		e.idle++
		e.wake.Wait()
		e.idle--
	}
}

// next takes the first subtask of the plan that nothing keeps; what is over if
// there is none.
func (e *Engine) next() (i int32, what todo) {
	for e.out.Limit == "" {
		i, ok := e.plan.Next()
		if !ok {
			break
		}
		if e.rec.Status(i).Satisfied() {
			e.running++
			return i, skip
		}
		if credential := e.heldFor(i); credential != "" {
			e.park(i, credential)
			continue
		}
		e.running++
		if e.holds.begun[i] { // it goes on
			delete(e.holds.begun, i)
			return i, start
		}
		e.out.Started++
		if e.out.Started == e.opts.MaxTasks {
			e.limit("max-tasks")
		}
		return i, start
	}
	return 0, over
}

// over reports whether nothing goes on that could lead to anything to start.
func (e *Engine) over() bool {
	if e.ended {
		return true
	}
	if e.running > 0 || e.unacked > 0 || len(e.waiting) > 0 {
		return false
	}
	return e.draining != nil || e.out.Limit != "" || !e.worthWaiting()
}

// skip passes over a subtask that somebody else completed since the plan was
// made.
func (e *Engine) skip(i int32) {
	e.rec.Record(e.event(engine.SubtaskSkipped, i, 0, e.rec.Status(i)), nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.signal(e.plan.Complete(i))
}

func (e *Engine) event(t engine.EventType, i int32, attempt int, s backlog.Status) engine.Event {
	return engine.Event{Type: t, Time: time.Now(), Item: i, ID: e.b.Items[i].ID, Attempt: attempt, Status: s}
}

// attempt executes a subtask once and reports the result.
func (e *Engine) attempt(ctx context.Context, i int32) {
	n, used := e.number(i)
	if e.leave(i, n, nil) {
		return
	}
	first := true
	res := e.exec.Execute(ctx, i, n, func(stage string) {
		ev := e.event(engine.SubtaskStage, i, n, statusOf(stage))
		ev.Stage = stage
		if first {
			ev.Type, first = engine.SubtaskStarted, false
		}
		e.rec.Record(ev, nil)
	})
	e.warned(i, res.Warnings)
	switch {
	case res.Class != agent.Interrupted && res.Class != agent.Quota && e.leave(i, n, &res):
	case res.Class == agent.OK:
		e.served(i)
		e.finish(i, n, backlog.Complete, &res)
	case res.Class == agent.Interrupted:
		// The context's own hook may come later, or the executor was stopped by
		// other means.
		e.Drain(cmp.Or(context.Cause(ctx), errors.New(res.Reason)))
		e.put(i, n, &res)
	case res.Class == agent.Quota:
		e.hold(i, n, &res)
	case res.Class == agent.Transient && used < e.retries(i):
		e.retryLater(i, n, used+1, &res)
	default:
		e.finish(i, n, backlog.Failed, &res)
	}
}

// keptWarnings bounds those that the summary of a run repeats; the evidence has
// all.
const keptWarnings = 50

func (e *Engine) warned(i int32, texts []string) {
	if len(texts) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, text := range texts {
		if len(e.out.Warned) < keptWarnings {
			e.out.Warned = append(e.out.Warned, engine.Warning{Item: i, Text: text})
		}
	}
}

// number is that of a subtask's next attempt, and how many retries it has had.
func (e *Engine) number(i int32) (n, used int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opts.Attempts(e.b.Items[i].ID) + e.revived[i] + e.tries[i] + 1, e.tries[i]
}

// statusOf is a subtask's status while a stage runs (§7).
func statusOf(stage string) backlog.Status {
	if stage == "research" {
		return backlog.Researching
	}
	return backlog.Implementing
}

// retries is how often a subtask may be repeated.
func (e *Engine) retries(i int32) int {
	if e.opts.NoRetry {
		return 0
	}
	if own := e.b.Spec(i).Retries; own >= 0 {
		return own
	}
	return e.opts.Retry.Retries
}

// finish reports a final result. Dependents are released, or blocked, by the
// acknowledgement.
func (e *Engine) finish(i int32, n int, status backlog.Status, res *agent.Result) {
	ev := e.event(engine.SubtaskFinished, i, n, status)
	ev.Result = res
	e.mu.Lock()
	e.running--
	e.unacked++
	if status == backlog.Failed { // at once, not when it is acknowledged
		e.failures++
		switch {
		case e.opts.FailFast:
			e.limit("fail-fast")
		case e.failures == e.opts.MaxFailures:
			e.limit("max-failures")
		}
	}
	ev.Alone = e.running == 0 && e.plan.Ready() == 0 && len(e.due) == 0
	e.mu.Unlock()
	inline := true
	e.rec.Record(ev, func(err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.unacked--
		released := 0
		switch {
		case err != nil:
			e.drain(err)
		case status == backlog.Complete:
			e.out.Completed++
			released = e.plan.Complete(i)
		case e.rec.Status(i).Satisfied():
			e.failures--
			e.completedByOthers(i)
		default:
			e.fail(i, n, res)
		}
		if inline {
			released-- // this worker takes one itself
		}
		if !inline && e.over() {
			e.wake.Broadcast()
		}
		e.signal(released)
	})
	e.mu.Lock()
	inline = false
	e.mu.Unlock()
}

func (e *Engine) fail(i int32, n int, res *agent.Result) {
	f := engine.Failure{Item: i, Attempt: n, Result: *res}
	if len(e.out.Failed) >= keptTails {
		f.Result.Tail = nil
	}
	e.out.Failed = append(e.out.Failed, f)
	e.plan.Fail(i)
}

// signal wakes as many workers as there is work for. The worker that calls it
// goes on to take, and so sees the end of the run itself.
func (e *Engine) signal(released int) {
	for range min(released, e.idle) {
		e.wake.Signal()
	}
}

// leave gives a subtask back that is other work now than the plan has for it:
// what was executed is not credited to it, and what is waiting is not executed
// in its name. It is left for the next run. res is nil before an attempt.
func (e *Engine) leave(i int32, n int, res *agent.Result) bool {
	how := e.rec.OtherWork(i, res != nil)
	if how == "" {
		return false
	}
	e.warned(i, []string{how})
	e.put(i, n, res)
	return true
}

// put gives an attempt that was stopped back: it is Planned again.
func (e *Engine) put(i int32, n int, res *agent.Result) {
	ev := e.event(engine.SubtaskStopped, i, n, backlog.Planned)
	ev.Result = res
	e.rec.Record(ev, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.wake.Broadcast()
}

// retryLater reports a transient failure and waits for the next attempt, in
// the background.
func (e *Engine) retryLater(i int32, n, retry int, res *agent.Result) {
	ev := e.event(engine.SubtaskRetrying, i, n, backlog.Retrying)
	ev.Result, ev.Retry, ev.Retries = res, retry, e.retries(i)
	ev.Delay = e.opts.Retry.Delay(retry, rand.Float64())
	e.mu.Lock()
	draining := e.draining != nil
	e.mu.Unlock()
	if draining {
		e.put(i, n, res)
		return
	}
	e.rec.Record(ev, nil)

	e.mu.Lock()
	if e.draining != nil { // meanwhile
		e.mu.Unlock()
		e.put(i, n, res)
		return
	}
	defer e.mu.Unlock()
	e.out.Retried++
	e.tries[i] = retry
	e.running--
	d := &delayed{item: i, attempt: n}
	e.waiting[d] = true
	d.timer = time.AfterFunc(ev.Delay, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.waiting[d] {
			return // drained
		}
		delete(e.waiting, d)
		e.due = append(e.due, d)
		e.wake.Signal()
	})
}
