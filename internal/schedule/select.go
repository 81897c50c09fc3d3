package schedule

import (
	"github.com/hacky-run/hacky/internal/backlog"
)

// Select marks the subtasks of a scope: the items named, and all below them.
// A nil scope is everything.
func Select(b *backlog.Backlog, scope []int32) []bool {
	selected := make([]bool, b.Len())
	if scope == nil {
		scope = []int32{}
		for i := int32(0); int(i) < b.Len(); i = b.Items[i].End {
			scope = append(scope, i)
		}
	}
	for _, i := range scope {
		markSubtasks(b, i, func(s int32) { selected[s] = true })
	}
	return selected
}

// markSubtasks calls mark for item i, if it is a subtask, and all subtasks
// below it.
func markSubtasks(b *backlog.Backlog, i int32, mark func(int32)) {
	for end := b.Items[i].End; i < end; i++ {
		if b.Items[i].Kind == backlog.Subtask {
			mark(i)
		}
	}
}

// Missing lists the unfinished subtasks outside the selection that it waits
// for, directly or through others, in document order.
func Missing(b *backlog.Backlog, statuses []backlog.Status, selected []bool) []int32 {
	reached := make([]bool, b.Len())
	var queue, out []int32
	for i, in := range selected {
		if in && !statuses[i].Satisfied() {
			reached[i] = true
			queue = append(queue, int32(i))
		}
	}
	// Items are visited like subtasks: a parent leads to its children.
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		visit := func(to int32) {
			if reached[to] {
				return
			}
			reached[to] = true
			if b.Items[to].Kind == backlog.Subtask && statuses[to].Satisfied() {
				return
			}
			queue = append(queue, to)
		}
		if b.Items[v].Kind == backlog.Subtask {
			for _, d := range b.Dependencies(v) {
				visit(d)
			}
		} else {
			for c := range b.Children(v) {
				visit(c)
			}
		}
	}
	for i := range reached {
		if reached[i] && !selected[i] && b.Items[i].Kind == backlog.Subtask && !statuses[i].Satisfied() {
			out = append(out, int32(i))
		}
	}
	return out
}

// Order lists what a plan would run, in the order in which one worker would if
// nothing failed. It uses the plan up.
func Order(p *Plan) []int32 {
	var out []int32
	for {
		i, ok := p.Next()
		if !ok {
			return out
		}
		out = append(out, i)
		p.Complete(i)
	}
}
