package schedule

import (
	"cmp"
	"slices"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Trail says what an item waits for, down to the roots: the unfinished
// subtasks that are themselves the reason. A root is one that failed or runs,
// or that waits for nothing unfinished. Statuses are taken at their word:
// whether what is said to run does run, the caller knows.
type Trail struct {
	// Roots are in the order of their distance, and of the document among
	// equals. There are none when all at or below the item is satisfied.
	Roots []int32

	at []step // by item number
}

// step is how an item was reached.
type step struct {
	reached bool
	dist    int32
	from    int32 // the subtask that waits; -1: where the trail begins
	named   int32 // what it waits for by name: the item or a parent of it
}

// Link is a part of the way to a root: the subtask From waits for Item, because
// it names Named, which is Item or a parent of it.
type Link struct{ From, Named, Item int32 }

// Why follows what item i waits for: a subtask, or a parent, which stands for
// the unfinished subtasks below it. Each root is reached on a shortest way. It
// takes time linear in the items and in the dependencies that are followed.
func Why(b *backlog.Backlog, statuses []backlog.Status, i int32) *Trail {
	t := &Trail{at: make([]step, b.Len())}
	open := Open(b, statuses)
	var queue []int32
	reach := func(top, from, dist int32) { // top and all below it
		if t.at[top].reached || !open[top] {
			return // it is as near as it can be
		}
		t.at[top].reached = true
		for s := top; s < b.Items[top].End; s++ {
			if b.Items[s].Kind != backlog.Subtask || !open[s] || s != top && t.at[s].reached {
				continue
			}
			t.at[s] = step{reached: true, dist: dist, from: from, named: top}
			queue = append(queue, s)
		}
	}
	reach(i, -1, 0)
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if statuses[s] == backlog.Failed || statuses[s].Running() || !Waits(b, open, s) {
			t.Roots = append(t.Roots, s)
			continue
		}
		for _, d := range b.Dependencies(s) {
			reach(d, s, t.at[s].dist+1)
		}
	}
	slices.SortFunc(t.Roots, func(x, y int32) int {
		return cmp.Or(cmp.Compare(t.at[x].dist, t.at[y].dist), cmp.Compare(x, y))
	})
	return t
}

// Open marks the unfinished subtasks and the items above them.
func Open(b *backlog.Backlog, statuses []backlog.Status) []bool {
	open := make([]bool, b.Len())
	for i := b.Len() - 1; i >= 0; i-- { // children before parents
		it := &b.Items[i]
		if it.Kind == backlog.Subtask {
			open[i] = !statuses[i].Satisfied()
		}
		if open[i] && it.Parent >= 0 {
			open[it.Parent] = true
		}
	}
	return open
}

// Waits tells whether subtask s waits for anything that is marked as open.
func Waits(b *backlog.Backlog, open []bool, s int32) bool {
	return slices.ContainsFunc(b.Dependencies(s), func(d int32) bool { return open[d] })
}

// Distance is how many links the way to a root has. Of a root below the item
// that was asked about, or of that item, it is 0.
func (t *Trail) Distance(root int32) int { return int(t.at[root].dist) }

// Way is the way to a root, beginning at what was asked about or is below it.
func (t *Trail) Way(root int32) []Link {
	var out []Link
	for s := root; t.at[s].from >= 0; s = t.at[s].from {
		out = append(out, Link{From: t.at[s].from, Named: t.at[s].named, Item: s})
	}
	slices.Reverse(out)
	return out
}

// Waiting counts the unfinished subtasks that wait for subtask i, directly or
// through others.
func Waiting(b *backlog.Backlog, statuses []backlog.Status, i int32) int {
	told := make([]bool, b.Len()) // its dependents are counted
	queued := make([]bool, b.Len())
	queued[i] = true
	queue := []int32{i}
	for head := 0; head < len(queue); head++ {
		for a := queue[head]; a >= 0 && !told[a]; a = b.Items[a].Parent {
			told[a] = true
			for _, d := range b.Dependents(a) {
				if !statuses[d].Satisfied() && !queued[d] {
					queued[d] = true
					queue = append(queue, d)
				}
			}
		}
	}
	return len(queue) - 1
}

// Stuck lists the unfinished subtasks that cannot run because they wait,
// directly or through others, for a failed one, in document order, each with
// the nearest that failed. What runs or failed itself is not among them.
func Stuck(b *backlog.Backlog, statuses []backlog.Status) []Blocked {
	var queue []int32
	for i := range b.Items {
		if b.Items[i].Kind == backlog.Subtask && statuses[i] == backlog.Failed {
			queue = append(queue, int32(i))
		}
	}
	if len(queue) == 0 {
		return nil
	}
	by := make([]int32, b.Len()) // plus 1
	told := make([]bool, b.Len())
	for _, i := range queue {
		by[i] = i + 1
	}
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		for a := v; a >= 0 && !told[a]; a = b.Items[a].Parent {
			told[a] = true
			for _, d := range b.Dependents(a) {
				if by[d] == 0 && statuses[d] == backlog.Planned {
					by[d] = by[v]
					queue = append(queue, d)
				}
			}
		}
	}
	var out []Blocked
	for i, cause := range by {
		if cause > 0 && statuses[i] != backlog.Failed {
			out = append(out, Blocked{Item: int32(i), By: cause - 1})
		}
	}
	return out
}
