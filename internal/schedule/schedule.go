// Package schedule decides what may run next.
//
// A Plan is made of a backlog, the statuses it has now, and the subtasks that
// are to run. It hands out ready subtasks in document order, hears what became
// of them, and knows what is blocked by what. It is pure: no clock, no
// goroutines, no map order; the same calls give the same answers, so it can be
// replayed. It is not safe for concurrent use.
//
// The nodes of its graph are items, not subtasks: a dependency on a parent is
// one edge to the parent, and a parent is satisfied when all its children are.
// All work together is linear in items plus dependencies, but for the heap of
// ready subtasks.
package schedule

import (
	"slices"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Plan is the state of one run through a backlog.
type Plan struct {
	b       *backlog.Backlog
	state   []state
	pending []int32 // unsatisfied dependencies of a subtask, children of a parent
	cause   []int32 // the failed subtask that blocks this one, plus 1
	ready   heap    // may hold some that are no longer ready
	readies int     // those that are
	left    int     // selected subtasks that are neither satisfied, failed nor blocked
}

type state uint8

const (
	idle      state = iota // not selected, not satisfied: whoever waits for it waits for ever
	waiting                // selected, not ready
	ready                  // in the heap
	running                // handed out
	satisfied              // Complete or Obsolete
	failed
	blocked
)

// New makes a plan that runs the selected subtasks (by item number; see
// Select) that are not yet Complete or Obsolete.
func New(b *backlog.Backlog, statuses []backlog.Status, selected []bool) *Plan {
	n := b.Len()
	p := &Plan{b: b, state: make([]state, n), pending: make([]int32, n), cause: make([]int32, n)}
	for i := n - 1; i >= 0; i-- { // children before parents
		it := &b.Items[i]
		switch {
		case it.Kind != backlog.Subtask:
			if p.pending[i] == 0 {
				p.state[i] = satisfied
			}
		case statuses[i].Satisfied():
			p.state[i] = satisfied
		case selected[i]:
			p.state[i] = waiting
			p.left++
		}
		if p.state[i] != satisfied && it.Parent >= 0 {
			p.pending[it.Parent]++
		}
	}
	for i := range b.Items {
		if p.state[i] != waiting {
			continue
		}
		for _, d := range b.Dependencies(int32(i)) {
			if p.state[d] != satisfied {
				p.pending[i]++
			}
		}
		if p.pending[i] == 0 {
			p.state[i] = ready
			p.readies++
			p.ready = append(p.ready, int32(i)) // ascending, so it is a heap
		}
	}
	return p
}

// Next hands out the first ready subtask in document order.
func (p *Plan) Next() (i int32, ok bool) {
	for len(p.ready) > 0 {
		if i = p.ready.pop(); p.state[i] == ready {
			p.state[i] = running
			p.readies--
			return i, true
		}
	}
	return 0, false
}

// Ready is how many subtasks Next would hand out now.
func (p *Plan) Ready() int { return p.readies }

// Left is how many selected subtasks can still be finished: running, ready or
// waiting for one of those.
func (p *Plan) Left() int { return p.left }

// Complete says that a subtask is satisfied. It returns how many became ready.
func (p *Plan) Complete(i int32) (released int) {
	if p.state[i] == satisfied {
		return 0
	}
	p.leave(i)
	before := p.readies
	for node := i; ; {
		p.state[node] = satisfied
		for _, d := range p.b.Dependents(node) {
			p.pending[d]--
			if p.pending[d] == 0 && p.state[d] == waiting {
				p.Requeue(d)
			}
		}
		parent := p.b.Items[node].Parent
		if parent < 0 {
			break
		}
		p.pending[parent]--
		if p.pending[parent] > 0 {
			break
		}
		node = parent
	}
	return p.readies - before
}

// Fail says that a subtask failed for good, and blocks everything that waits
// for it. It returns what is newly blocked, in document order.
func (p *Plan) Fail(i int32) []int32 {
	p.leave(i)
	p.state[i] = failed
	out := p.block(i)
	slices.Sort(out)
	return out
}

// block blocks what waits for a failed subtask.
func (p *Plan) block(i int32) (newly []int32) {
	queue := []int32{i}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for node := v; node >= 0; node = p.b.Items[node].Parent {
			if node != v {
				if p.cause[node] != 0 {
					break // a failure below it has been told before, and above it too
				}
				p.cause[node] = i + 1
			}
			for _, d := range p.b.Dependents(node) {
				if p.state[d] == waiting {
					p.state[d] = blocked
					p.cause[d] = i + 1
					p.left--
					newly = append(newly, d)
					queue = append(queue, d)
				}
			}
		}
	}
	return newly
}

// Seize hands a selected subtask out whatever it waits for, also one that failed
// or is blocked, because somebody else has completed it. It is false for one that
// is handed out or satisfied already. Unblock has to follow when it is complete.
func (p *Plan) Seize(i int32) bool {
	switch p.state[i] {
	case ready:
		p.readies--
	case waiting:
	case failed, blocked:
		p.left++
	default:
		return false
	}
	p.state[i] = running
	return true
}

// Revive hands a subtask out that failed, because somebody wants it to run; it
// is to be given back by Requeue. It is false for others. Unblock has to follow.
func (p *Plan) Revive(i int32) bool {
	if p.state[i] != failed {
		return false
	}
	p.left++
	p.state[i] = running
	return true
}

// Unblock finds out anew what is blocked, after Seize or Revive. It is linear in
// the backlog.
func (p *Plan) Unblock() {
	clear(p.cause)
	for i, s := range p.state {
		if s != blocked {
			continue
		}
		p.left++
		if p.state[i] = waiting; p.pending[i] == 0 {
			p.Requeue(int32(i))
		}
	}
	for i, s := range p.state {
		if s == failed {
			p.block(int32(i))
		}
	}
}

// leave takes a subtask out of what is left.
func (p *Plan) leave(i int32) {
	switch p.state[i] {
	case waiting, running:
		p.left--
	case ready:
		p.left--
		p.readies--
	}
}

// Requeue makes a subtask ready again that was handed out.
func (p *Plan) Requeue(i int32) {
	p.state[i] = ready
	p.readies++
	p.ready.push(i)
}

// Unfinished lists the selected subtasks that did not end, in document order:
// ready, waiting or handed out.
func (p *Plan) Unfinished() []int32 {
	var out []int32
	for i, s := range p.state {
		if p.b.Items[i].Kind == backlog.Subtask && (s == waiting || s == ready || s == running) {
			out = append(out, int32(i))
		}
	}
	return out
}

// Blocked is a subtask that cannot run, and the failed one that is the reason.
type Blocked struct{ Item, By int32 }

// Blocked lists what is blocked, in document order.
func (p *Plan) Blocked() []Blocked {
	var out []Blocked
	for i, s := range p.state {
		if s == blocked {
			out = append(out, Blocked{Item: int32(i), By: p.cause[i] - 1})
		}
	}
	return out
}

// heap is a binary min-heap of item numbers: the lowest number is the first in
// the document. container/heap would box every number.
type heap []int32

func (h *heap) push(v int32) {
	*h = append(*h, v)
	h.up(len(*h) - 1)
}

func (h *heap) pop() int32 {
	s := *h
	top := s[0]
	last := len(s) - 1
	s[0] = s[last]
	*h = s[:last]
	h.down(0)
	return top
}

func (h heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent] <= h[i] {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

func (h heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if h[i] <= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
