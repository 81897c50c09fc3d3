package backlog

import (
	"fmt"
	"slices"
	"strings"
)

// check looks at what can only be seen when all items are known: ids,
// dependencies, cycles.
func (p *parser) check() {
	p.ids()
	if p.resolve() {
		p.cycles()
	}
}

// name is an item's id for messages. Problems may be about items whose id is
// one of them, so what is no id is quoted.
func (b *Backlog) name(i int32) string {
	it := &b.Items[i]
	if it.ID == "" {
		return "this " + strings.ToLower(it.Kind.String())
	}
	if _, err := ParseID(it.ID); err != nil {
		return quote(it.ID)
	}
	return it.ID
}

func (p *parser) ids() {
	items := p.b.Items
	p.b.byID = index{packed: make(map[uint64]int32, len(items)), other: map[string]int32{}}
	twice := false
	for i := range items {
		it := &items[i]
		if it.ID == "" {
			continue // reported as missing, empty or no string
		}
		if !p.keyFits(int32(i)) {
			p.fits(it)
		}
		// One that does not fit is known all the same: it is one problem, and
		// what depends on it shall not be a second.
		if !p.b.byID.put(p.keys[i], it.ID, int32(i)) {
			p.problem(int(it.idAt), "the id %s stands twice; every id must be unique", quote(it.ID))
			twice = true
		}
	}
	if twice { // the first keeps the id, so that what depends on it is checked as ever
		for i := len(items) - 1; i >= 0; i-- {
			p.b.byID.put(p.keys[i], items[i].ID, int32(i))
		}
		delete(p.b.byID.other, "")
	}
}

// keyFits is the short way to what fits checks, for ids that pack: all of the
// key but the own number is the parent's key.
func (p *parser) keyFits(i int32) bool {
	kind, parent, key := p.b.Items[i].Kind, p.b.Items[i].Parent, p.keys[i]
	var above uint64
	if parent >= 0 {
		above = p.keys[parent]
	}
	return kindOf(key) == kind && key&^packMask(kind) == above
}

// fits checks that an item's id is its parent's with one segment more.
func (p *parser) fits(it *Item) {
	tail := it.ID
	if it.Parent >= 0 {
		parent := p.b.Items[it.Parent].ID
		if len(tail) > len(parent)+1 && tail[:len(parent)] == parent && tail[len(parent)] == '.' {
			tail = tail[len(parent)+1:]
		} else {
			tail = ""
		}
	}
	if len(tail) > 1 && len(tail) <= maxIDDigits+1 && tail[0] == it.Kind.letter() {
		digits := true
		for _, c := range []byte(tail[1:]) {
			digits = digits && c >= '0' && c <= '9'
		}
		if digits {
			return
		}
	}
	name := strings.ToLower(it.Kind.String())
	switch kind, err := ParseID(it.ID); {
	case err != nil:
		p.problem(int(it.idAt), "%v", err)
	case kind != it.Kind:
		p.problem(int(it.idAt), "the id %s of this %s is that of a %s; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4",
			quote(it.ID), name, strings.ToLower(kind.String()))
	default:
		// The parent's id has its own problem if it is none.
		parent := p.b.Items[it.Parent]
		if kind, err := ParseID(parent.ID); err == nil && kind == parent.Kind {
			p.problem(int(it.idAt), "the id %s does not fit its parent %s; it must begin with %s",
				quote(it.ID), quote(parent.ID), quote(parent.ID+"."))
		}
	}
}

// resolve turns the dependencies into item numbers. It reports whether there
// may be cycles: there are none while everything depends only on what ends
// before it in the file, which is how most backlogs are written.
func (p *parser) resolve() (forward bool) {
	b := p.b
	b.deps = make([]int32, 0, len(p.deps))
	var written []depRef // p.deps as they stand in the file; once something is dropped
	var dropped []int    // of an item's: what can only be a mistake
	var told []int       // and its problems
	drop := func(k int) {
		if written == nil {
			written = slices.Clone(p.deps)
		}
		dropped, told = append(dropped, k), append(told, len(p.problems)-1)
	}
	for i := range b.Items {
		it := &b.Items[i]
		refs := p.deps[it.depsAt:it.depsTo]
		from, to := it.depsAt, it.depsTo
		dropped, told = dropped[:0], told[:0]
		it.depsAt = int32(len(b.deps))
		for k, ref := range refs {
			at := int(ref.from) - 1
			var id string
			d, ok := b.byID.packed[ref.key]
			if !ok {
				id = p.decode(text{from: int(ref.from), to: int(ref.to), escaped: true})
				d, ok = b.byID.get(ref.key, id)
			}
			switch {
			case !ok:
				p.unknownDependency(at, b.name(int32(i)), id)
				drop(k)
				continue
			case d == int32(i):
				p.problem(at, "cycle: %[1]s -> %[1]s; a subtask cannot wait for itself", b.name(d))
				drop(k)
				continue
			case d < int32(i) && b.Items[d].End > int32(i):
				p.problem(at, "cycle: %[1]s -> %[2]s -> %[1]s; a subtask cannot wait for an item that it is a part of", b.name(int32(i)), b.name(d))
				continue
			}
			if b.Items[d].End > int32(i) {
				forward = true
			}
			p.deps[len(b.deps)] = ref // so that the two stay parallel; what is overwritten has been read
			b.deps = append(b.deps, d)
		}
		it.depsTo = int32(len(b.deps))
		if len(dropped) > 0 {
			p.mendDependencies(written[from:to], dropped, told)
		}
	}
	return forward
}

func (p *parser) unknownDependency(at int, name, id string) {
	if _, err := ParseID(id); err != nil {
		p.problem(at, "%s cannot depend on %s: %v", name, quote(id), err)
		return
	}
	p.problem(at, "%s depends on %s, which is not in this backlog; correct the id or remove it", name, quote(id))
}

// edge steps through what item i waits for: a subtask for its dependencies, a
// parent for its children. The cursor begins with 0.
func (b *Backlog) edge(i int32, cursor int32) (to, next int32, ok bool) {
	it := &b.Items[i]
	if it.Kind == Subtask {
		if it.depsAt+cursor < it.depsTo {
			return b.deps[it.depsAt+cursor], cursor + 1, true
		}
		return 0, 0, false
	}
	// A parent's cursor is the number of its next child; 0 stands for the first.
	c := max(cursor, i+1)
	if c < it.End {
		return c, b.Items[c].End, true
	}
	return 0, 0, false
}

// cycles reports one shortest cycle of every knot of items that wait for each
// other: Tarjan's strongly connected components (SIAM J. Comput. 1972), with a
// stack of its own because a chain may be 100,000 long.
func (p *parser) cycles() {
	b := p.b
	n := len(b.Items)
	index := make([]int32, n) // 0: not visited
	low := make([]int32, n)
	onStack := make([]bool, n)
	type frame struct{ item, cursor int32 }
	var frames []frame
	var stack []int32
	var visited int32
	for root := range b.Items {
		if index[root] != 0 {
			continue
		}
		frames = append(frames[:0], frame{item: int32(root)})
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			v := f.item
			if index[v] == 0 {
				visited++
				index[v], low[v] = visited, visited
				stack = append(stack, v)
				onStack[v] = true
			}
			if to, next, ok := b.edge(v, f.cursor); ok {
				f.cursor = next
				if index[to] == 0 {
					frames = append(frames, frame{item: to})
				} else if onStack[to] {
					low[v] = min(low[v], index[to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				u := frames[len(frames)-1].item
				low[u] = min(low[u], low[v])
			}
			if low[v] == index[v] {
				k := len(stack) - 1
				for stack[k] != v {
					k--
				}
				if knot := stack[k:]; len(knot) > 1 {
					p.reportCycle(knot)
				}
				for _, w := range stack[k:] {
					onStack[w] = false
				}
				stack = stack[:k]
			}
		}
	}
}

// reportCycle finds a shortest way from the knot's first subtask back to it.
func (p *parser) reportCycle(knot []int32) {
	b := p.b
	in := make(map[int32]bool, len(knot))
	start := int32(len(b.Items))
	for _, i := range knot {
		in[i] = true
		if b.Items[i].Kind == Subtask {
			start = min(start, i)
		}
	}
	from := map[int32]int32{}
	queue := []int32{start}
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		for to, cursor, ok := b.edge(v, 0); ok; to, cursor, ok = b.edge(v, cursor) {
			if !in[to] {
				continue
			}
			if _, seen := from[to]; seen {
				continue
			}
			from[to] = v
			if to == start {
				p.problem(p.towards(start, from), "cycle: %s; remove one of these dependencies", b.arrows(start, from))
				return
			}
			queue = append(queue, to)
		}
	}
}

// towards is where, in the file, subtask start names the next item of the
// cycle that from leads back through.
func (p *parser) towards(start int32, from map[int32]int32) int {
	next := start
	for from[next] != start {
		next = from[next]
	}
	it := p.b.Items[start]
	for k := it.depsAt; k < it.depsTo; k++ {
		if p.b.deps[k] == next {
			return int(p.deps[k].from) - 1
		}
	}
	return int(it.at)
}

// shownArrows bounds how much of a long cycle is printed.
const shownArrows = 20

func (b *Backlog) arrows(start int32, from map[int32]int32) string {
	names := []string{b.name(start)}
	for v := from[start]; v != start; v = from[v] {
		// On the way down from a parent to the subtask only the ends are told.
		if b.Items[v].Kind != Subtask && from[v] == b.Items[v].Parent && b.Items[v].Parent >= 0 {
			continue
		}
		names = append(names, b.name(v))
	}
	names = append(names, b.name(start))
	slices.Reverse(names)
	if len(names) > shownArrows {
		half := shownArrows / 2
		skipped := fmt.Sprintf("(%d more)", len(names)-2*half)
		names = slices.Concat(names[:half], []string{skipped}, names[len(names)-half:])
	}
	return strings.Join(names, " -> ")
}
