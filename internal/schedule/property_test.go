package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// choices is where a random test gets its numbers: a generator, or a fuzzer's
// bytes.
type choices interface{ IntN(n int) int }

// bytesOf makes a fuzzer's input into choices; what is used up is 0.
type bytesOf struct{ left []byte }

func (b *bytesOf) IntN(n int) int {
	if len(b.left) == 0 {
		return 0
	}
	v := int(b.left[0])
	b.left = b.left[1:]
	return v % n
}

// randomNodes is a small random tree with random statuses, and dependencies on
// subtasks and parents that make no cycle, as they only lead to what stands
// earlier in a random order. Some are duplicates.
func randomNodes(c choices) []node {
	var nodes []node
	words := []string{"Planned", "Planned", "Planned", "Failed", "Retrying", "Complete", "Obsolete"}
	for p := range 1 + c.IntN(3) {
		for m := range 1 + c.IntN(2) {
			for t := range 1 + c.IntN(3) {
				for s := range c.IntN(4) {
					id := fmt.Sprintf("P%d.M%d.T%d.S%d", p+1, m+1, t+1, s+1)
					nodes = append(nodes, node{id: id, status: words[c.IntN(len(words))]})
				}
			}
		}
	}
	rank := make([]int, len(nodes))
	for k := range rank {
		j := c.IntN(k + 1)
		rank[k], rank[j] = rank[j], k
	}
	// A parent may be waited for by what is ranked after all below it.
	last := map[string]int{}
	var items []string
	for k, n := range nodes {
		for end := len("P1"); ; end += len(".M1") {
			id := n.id[:end]
			if _, ok := last[id]; !ok {
				items = append(items, id)
			}
			last[id] = max(last[id], rank[k])
			if id == n.id {
				break
			}
		}
	}
	density := c.IntN(4)
	for k := range nodes {
		for range c.IntN(1 + density) {
			if to := items[c.IntN(len(items))]; last[to] < rank[k] {
				nodes[k].deps = append(nodes[k].deps, to)
			}
		}
	}
	return nodes
}

// model is the same as a Plan, slow and obviously right: it looks at
// everything, every time.
type model struct {
	b        *backlog.Backlog
	selected []bool
	done     []bool // by item number, subtasks only
	failed   []bool
	running  []bool
	cause    []int32 // of what is blocked; -1
}

func newModel(b *backlog.Backlog, statuses []backlog.Status, selected []bool) *model {
	m := &model{b: b, selected: selected}
	for i := range b.Items {
		m.done = append(m.done, b.Items[i].Kind == backlog.Subtask && statuses[i].Satisfied())
		m.cause = append(m.cause, -1)
	}
	m.failed, m.running = make([]bool, b.Len()), make([]bool, b.Len())
	return m
}

// below are the subtasks that an item stands for.
func (m *model) below(i int32) []int32 {
	var out []int32
	for s := i; s < m.b.Items[i].End; s++ {
		if m.b.Items[s].Kind == backlog.Subtask {
			out = append(out, s)
		}
	}
	return out
}

// waitsFor are the subtasks that a subtask waits for directly.
func (m *model) waitsFor(i int32) []int32 {
	var out []int32
	for _, d := range m.b.Dependencies(i) {
		out = append(out, m.below(d)...)
	}
	return out
}

// subtasks are those that pass a test, in document order.
func (m *model) subtasks(pass func(i int32) bool) []int32 {
	var out []int32
	for i := int32(0); int(i) < m.b.Len(); i++ {
		if m.b.Items[i].Kind == backlog.Subtask && pass(i) {
			out = append(out, i)
		}
	}
	return out
}

func (m *model) unfinished() []int32 {
	return m.subtasks(func(i int32) bool { return m.selected[i] && !m.done[i] && !m.failed[i] && m.cause[i] < 0 })
}

func (m *model) ready() []int32 {
	var out []int32
	for _, i := range m.unfinished() {
		if !m.running[i] && !slices.ContainsFunc(m.waitsFor(i), func(d int32) bool { return !m.done[d] }) {
			out = append(out, i)
		}
	}
	return out
}

func (m *model) fail(i int32) (blocked []int32) {
	m.failed[i] = true
	for again := true; again; {
		again = false
		for _, s := range m.unfinished() {
			if slices.ContainsFunc(m.waitsFor(s), func(d int32) bool { return m.failed[d] && d == i || m.cause[d] == i }) {
				m.cause[s], again = i, true
				blocked = append(blocked, s)
			}
		}
	}
	slices.Sort(blocked)
	return blocked
}

// complete tells a plan and the model, and compares what that releases.
func (m *model) complete(t *testing.T, p *schedule.Plan, i int32) {
	t.Helper()
	before := m.ready()
	m.done[i], m.running[i], m.failed[i], m.cause[i] = true, false, false, -1
	want := len(m.ready()) - len(before)
	if slices.Contains(before, i) {
		want++
	}
	if got := p.Complete(i); got != want {
		t.Fatalf("%s released %d, want %d", m.b.Items[i].ID, got, want)
	}
}

// revise lets others complete some subtasks and put some back that failed.
func (m *model) revise(t *testing.T, p *schedule.Plan, completed, planned []int32) {
	t.Helper()
	var seized []int32
	for _, i := range completed {
		want := m.selected[i] && !m.done[i] && !m.running[i]
		if got := p.Seize(i); got != want {
			t.Fatalf("seize %s: %v", m.b.Items[i].ID, got)
		}
		if want {
			seized = append(seized, i)
			m.running[i], m.failed[i], m.cause[i] = true, false, -1
		}
	}
	for _, i := range planned {
		if got := p.Revive(i); got != m.failed[i] {
			t.Fatalf("revive %s: %v", m.b.Items[i].ID, got)
		}
		if m.failed[i] {
			m.failed[i] = false
			defer func() { p.Requeue(i); check(t, p, m) }()
			m.running[i] = true
			defer func() { m.running[i] = false }()
		}
	}
	for _, i := range seized {
		p.Complete(i)
		m.done[i], m.running[i] = true, false
	}
	p.Unblock()
	for i := range m.cause {
		m.cause[i] = -1
	}
	for _, i := range m.subtasks(func(i int32) bool { return m.failed[i] }) {
		m.fail(i)
	}
}

// some are a few subtasks.
func (m *model) some(c choices) []int32 {
	all := m.subtasks(func(int32) bool { return true })
	var out []int32
	for range c.IntN(4) {
		if i := all[c.IntN(len(all))]; !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}

func (m *model) blocked() []schedule.Blocked {
	var out []schedule.Blocked
	for _, i := range m.subtasks(func(i int32) bool { return m.cause[i] >= 0 }) {
		out = append(out, schedule.Blocked{Item: i, By: m.cause[i]})
	}
	return out
}

// compare runs a plan and the model side by side to the end.
func compare(t *testing.T, c choices) {
	nodes := randomNodes(c)
	b := build(t, nodes)
	selected := schedule.Select(b, nil)
	statuses := b.Statuses()
	if c.IntN(3) == 0 { // a scope, with all it needs or without
		for i := range selected {
			selected[i] = selected[i] && c.IntN(2) == 0
		}
		if c.IntN(2) == 0 {
			for _, i := range schedule.Missing(b, statuses, selected) {
				selected[i] = true
			}
			if again := schedule.Missing(b, statuses, selected); len(again) > 0 {
				t.Fatalf("with what was missing, %s is missing", ids(b, again))
			}
		}
	}
	p, m := schedule.New(b, statuses, selected), newModel(b, statuses, selected)
	closed := len(schedule.Missing(b, statuses, selected)) == 0
	failing := c.IntN(3) // 0: nothing fails
	var out []int32      // handed out and not ended
	handed := map[int32]int{}
	revisions := 0
	for {
		check(t, p, m)
		ready := m.ready()
		if len(ready)+len(out) == 0 {
			break
		}
		if len(out) == 0 || len(ready) > 0 && c.IntN(2) == 0 {
			i, ok := p.Next()
			if !ok || i != ready[0] {
				t.Fatalf("Next is %d %v, want %s", i, ok, b.Items[ready[0]].ID)
			}
			m.running[i] = true
			handed[i]++
			out = append(out, i)
			continue
		}
		if c.IntN(8) == 0 { // somebody else completes one, whatever it is here
			open := m.subtasks(func(i int32) bool { return !m.done[i] && !m.running[i] })
			if len(open) > 0 {
				m.complete(t, p, open[c.IntN(len(open))])
				continue
			}
		}
		if revisions < 5 && c.IntN(8) == 0 {
			revisions++
			m.revise(t, p, m.some(c), m.some(c))
			continue
		}
		k := c.IntN(len(out))
		i := out[k]
		out = slices.Delete(out, k, k+1)
		switch what := c.IntN(10); {
		case what < 3*failing:
			if got, want := p.Fail(i), m.fail(i); !slices.Equal(got, want) {
				t.Fatalf("%s fails: blocked %q, want %q", b.Items[i].ID, ids(b, got), ids(b, want))
			}
			m.running[i] = false
		case what == 9 && handed[i] < 3:
			p.Requeue(i)
			m.running[i] = false
		default:
			m.complete(t, p, i)
		}
	}
	if i, ok := p.Next(); ok {
		t.Fatalf("in the end %s is handed out", b.Items[i].ID)
	}
	for i, in := range selected {
		times := handed[int32(i)]
		if !in && times > 0 || closed && in && times == 0 && !m.done[i] && m.cause[i] < 0 {
			t.Fatalf("%s was handed out %d times", b.Items[i].ID, times)
		}
	}
	if closed && p.Left() != 0 {
		t.Fatalf("in the end %d are left", p.Left())
	}
}

func check(t *testing.T, p *schedule.Plan, m *model) {
	t.Helper()
	unfinished := m.unfinished()
	if got := p.Unfinished(); !slices.Equal(got, unfinished) {
		t.Fatalf("Unfinished is %q, want %q", ids(m.b, got), ids(m.b, unfinished))
	}
	if p.Left() != len(unfinished) {
		t.Fatalf("Left is %d, want %d", p.Left(), len(unfinished))
	}
	if got, want := p.Ready(), len(m.ready()); got != want {
		t.Fatalf("Ready is %d, want %d", got, want)
	}
	if got, want := p.Blocked(), m.blocked(); !slices.Equal(got, want) {
		t.Fatalf("Blocked is %v, want %v", got, want)
	}
}

func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(4000) {
		func() {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			compare(t, rand.New(rand.NewPCG(seed, 1)))
		}()
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		input := make([]byte, 200)
		for k := range input {
			input[k] = byte(r.IntN(256))
		}
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input []byte) { compare(t, &bytesOf{input}) })
}
