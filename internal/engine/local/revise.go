package local

import (
	"slices"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// Revise looks again at subtasks whose status somebody else has changed: one
// that is Complete or Obsolete now releases what waits for it, and one that
// failed in this run and is Planned again is executed again, with its number of
// retries anew. What is being executed goes on.
func (e *Engine) Revise(items []int32) {
	e.revising.Lock() // the events of one item in their order
	defer e.revising.Unlock()
	now := make([]backlog.Status, len(items))
	for k, i := range items { // not under the lock: a status may cost a look at a file
		now[k] = e.rec.Status(i)
	}
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return
	}
	var completed, again []int32
	var as []backlog.Status  // the completed ones
	gone := map[int32]bool{} // from what failed
	for k, i := range items {
		st := now[k]
		switch {
		case st.Satisfied() && (e.plan.Seize(i) || e.unpark(i) || e.undelay(i)):
			completed, as = append(completed, i), append(as, st)
		case st == backlog.Planned && e.plan.Revive(i):
			again = append(again, i)
			e.revived[i] += e.tries[i] + 1
			delete(e.tries, i)
		default:
			continue
		}
		gone[i] = true
	}
	before := len(e.out.Failed)
	e.out.Failed = slices.DeleteFunc(e.out.Failed, func(f engine.Failure) bool { return gone[f.Item] })
	e.failures -= before - len(e.out.Failed)
	e.unacked++ // keeps Run from returning before the events are out
	e.mu.Unlock()
	for k, i := range completed {
		e.rec.Record(e.event(engine.SubtaskSkipped, i, 0, as[k]), nil)
	}
	for _, i := range again {
		e.rec.Record(e.event(engine.SubtaskRevived, i, 0, backlog.Planned), nil)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range completed {
		e.plan.Complete(i)
	}
	for _, i := range again {
		e.plan.Requeue(i)
	}
	if len(gone) > 0 {
		e.plan.Unblock()
	}
	e.unacked--
	e.wake.Broadcast()
}

// undelay takes a subtask from those that wait for their next attempt. e.mu is
// held.
func (e *Engine) undelay(i int32) bool {
	for d := range e.waiting {
		if d.item == i {
			d.timer.Stop()
			delete(e.waiting, d)
			return true
		}
	}
	return false
}

// completedByOthers says so of a subtask whose attempt failed, and releases what
// waits for it. e.mu is held.
func (e *Engine) completedByOthers(i int32) {
	e.unacked++ // keeps Run from returning before the event is out
	status := e.rec.Status(i)
	go func() {
		e.rec.Record(e.event(engine.SubtaskSkipped, i, 0, status), nil)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.plan.Complete(i)
		e.unacked--
		e.wake.Broadcast()
	}()
}
