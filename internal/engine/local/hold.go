package local

import (
	"slices"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// holds are the credentials that nothing may be started with for now, because
// their quota is used up. A subtask that needs one is parked: it is not ready,
// holds no worker and spends no attempt until the hold ends.
type holds struct {
	held   map[string]*hold
	parked map[string][]int32 // by credential, the subtasks it keeps
	begun  map[int32]bool     // of these: those that had an attempt in this run
	inRow  map[string]int     // quota failures of a credential since it last served

	telling sync.Mutex // from a change to its event, or a later one might be told first; taken before Engine.mu
}

type hold struct {
	until time.Time
	timer *time.Timer
}

// Bounds of a hold. A reset time that has just passed, or that is wrong, must
// not make a loop of attempts; and without one nothing is known.
const (
	leastHold   = time.Second
	unknownHold = 5 * time.Minute
	mostBackoff = time.Hour
	// clockCheck is how often the clock is looked at: a machine that was
	// suspended comes back with its timers late.
	clockCheck = time.Minute
)

// holdUntil is when to try a credential again that has failed n times in a row.
func holdUntil(now, reset time.Time, n int) time.Time {
	base := leastHold
	if reset.IsZero() {
		base = unknownHold
	}
	backoff := now.Add(min(base<<min(n-1, 20), mostBackoff))
	if reset.After(backoff) {
		return reset
	}
	return backoff
}

// heldFor is a credential that keeps a subtask from being started; "" if there
// is none.
func (e *Engine) heldFor(i int32) string {
	if len(e.holds.held) == 0 || e.opts.Credentials == nil {
		return ""
	}
	for _, c := range e.opts.Credentials(i) {
		if e.holds.held[c] != nil {
			return c
		}
	}
	return ""
}

// park keeps a subtask until its credential is free. e.mu is held.
func (e *Engine) park(i int32, credential string) {
	e.holds.parked[credential] = append(e.holds.parked[credential], i)
}

// unpark takes a subtask from those that a quota keeps. e.mu is held.
func (e *Engine) unpark(i int32) bool {
	for credential, items := range e.holds.parked {
		if k := slices.Index(items, i); k >= 0 {
			if items = slices.Delete(items, k, k+1); len(items) == 0 {
				delete(e.holds.parked, credential)
			} else {
				e.holds.parked[credential] = items
			}
			return true
		}
	}
	return false
}

// hold parks a subtask whose attempt failed for want of quota, and everything
// else that needs the credential.
func (e *Engine) hold(i int32, n int, res *agent.Result) {
	e.mu.Lock()
	draining := e.draining != nil
	e.mu.Unlock()
	if draining {
		e.put(i, n, res)
		return
	}
	e.holds.telling.Lock()
	e.mu.Lock()
	now := time.Now()
	e.holds.inRow[res.Credential]++
	until := holdUntil(now, res.Until, e.holds.inRow[res.Credential])
	longer := e.setHold(res.Credential, until, now)
	until = e.holds.held[res.Credential].until
	e.mu.Unlock()

	e.recordHeld(i, n, res, res.Credential, until)
	if longer {
		e.rec.Record(engine.Event{Type: engine.QuotaHeld, Time: now, Item: -1, Credential: res.Credential, Until: until}, nil)
	}
	e.holds.telling.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.keep(i, res.Credential)
}

// parkRetry parks a subtask whose retry is due.
func (e *Engine) parkRetry(i int32) {
	n, _ := e.number(i)
	e.mu.Lock()
	credential := e.heldFor(i)
	if credential == "" { // it has just ended
		e.running--
		e.keep(i, "")
		e.mu.Unlock()
		return
	}
	until := e.holds.held[credential].until
	e.mu.Unlock()
	e.recordHeld(i, n, nil, credential, until)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.keep(i, credential)
}

// keep parks a subtask that had an attempt, unless the hold has ended meanwhile.
// e.mu is held.
func (e *Engine) keep(i int32, credential string) {
	e.holds.begun[i] = true
	if e.holds.held[credential] == nil {
		e.plan.Requeue(i)
	} else {
		e.park(i, credential)
	}
	e.wake.Broadcast()
}

// served notes that a subtask's credentials have quota.
func (e *Engine) served(i int32) {
	if e.opts.Credentials == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.opts.Credentials(i) {
		delete(e.holds.inRow, c)
	}
}

func (e *Engine) recordHeld(i int32, n int, res *agent.Result, credential string, until time.Time) {
	ev := e.event(engine.SubtaskHeld, i, n, backlog.Planned)
	ev.Result, ev.Credential, ev.Until = res, credential, until
	e.rec.Record(ev, nil)
}

// setHold begins a hold or makes it longer. e.mu is held.
func (e *Engine) setHold(credential string, until, now time.Time) (longer bool) {
	h := e.holds.held[credential]
	if h != nil && !until.After(h.until) {
		return false
	}
	if h == nil {
		h = &hold{}
		e.holds.held[credential] = h
	} else {
		h.timer.Stop()
	}
	h.until = until
	h.timer = time.AfterFunc(min(until.Sub(now), clockCheck), func() { e.tick(credential, h) })
	return true
}

// tick ends a hold when its time has come by the clock on the wall.
func (e *Engine) tick(credential string, h *hold) {
	e.holds.telling.Lock()
	defer e.holds.telling.Unlock()
	e.mu.Lock()
	if e.holds.held[credential] != h || e.ended {
		e.mu.Unlock()
		return
	}
	if left := h.until.Sub(time.Now().Round(0)); left > 0 {
		h.timer.Reset(min(left, clockCheck))
		e.wake.Broadcast() // the wait may have become short enough, or the clock was set
		e.mu.Unlock()
		return
	}
	delete(e.holds.held, credential)
	e.unacked++ // keeps Run from returning before the event is out
	e.mu.Unlock()
	e.rec.Record(engine.Event{Type: engine.QuotaReleased, Time: time.Now(), Item: -1, Credential: credential}, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unacked--
	for _, i := range e.holds.parked[credential] {
		e.plan.Requeue(i)
	}
	delete(e.holds.parked, credential)
	e.wake.Broadcast()
}

// worthWaiting reports whether a subtask is parked whose hold ends soon enough.
// e.mu is held.
func (e *Engine) worthWaiting() bool {
	limit := time.Now().Round(0).Add(e.opts.QuotaWait)
	for credential := range e.holds.parked {
		if h := e.holds.held[credential]; h != nil && !h.until.After(limit) {
			return true
		}
	}
	return false
}

// ending stops the clocks and tells what is still held. e.mu is held.
func (e *Engine) ending() []engine.Hold {
	var out []engine.Hold
	for credential, h := range e.holds.held {
		h.timer.Stop()
		if n := len(e.holds.parked[credential]); n > 0 {
			out = append(out, engine.Hold{Credential: credential, Until: h.until, Waiting: n})
		}
	}
	slices.SortFunc(out, func(a, b engine.Hold) int { return a.Until.Compare(b.Until) })
	return out
}
