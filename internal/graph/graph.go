// Package graph draws a backlog: what waits for what, where it stands, and the
// longest way to its end. New gathers nodes and edges; DOT, Mermaid and SVG
// write them.
//
// A node is a subtask, or with Options.Level what is merged into a task,
// milestone or phase. A dependency on an item that is not merged into one node
// becomes a node of its own, a joint: the nodes below the item lead to it, and
// whoever waits for it waits for the joint. So a hundred that wait for a hundred
// are two hundred edges. Edges lead from what is waited for to who waits.
//
// The SVG is laid out here (layout.go): in layers, so that edges lead
// downwards. Merged nodes may wait for each other; one edge of such a circle
// then leads upwards.
//
// Text of the backlog is hostile and is escaped for each format. Statuses are
// words in every node and not only colours. The package is pure, and the same
// input gives the same bytes. All of it is linear in nodes and edges, but for
// sorting.
package graph

import (
	"github.com/hacky-run/hacky/internal/backlog"
)

// Options say what is drawn.
type Options struct {
	Selected []bool       // by item number, the subtasks that are drawn; nil is all
	Level    backlog.Kind // what is below an item of this kind is merged into it; backlog.Subtask merges nothing
	Critical []int32      // subtasks, each waiting for the one before: the critical path
}

// Graph is what is drawn.
type Graph struct {
	Nodes []Node
	Edges []Edge // each pair once, sorted
	Level backlog.Kind
}

// Node is an item, or a joint.
type Node struct {
	ID, Title   string
	Status      backlog.Status
	Blocked     bool // Planned, and waits for what failed; of merged ones: so is all that is left, and it is not Failed itself
	Done, Total int  // subtasks merged into it
	Failed      int  // of these
	Critical    bool
	Outside     bool // not selected, but something that is waits for it
	Joint       bool
}

// Edge leads from what is waited for to what waits, by index in Nodes.
type Edge struct {
	From, To int32
	Critical bool
}

// New gathers what is drawn of a backlog with these statuses.
func New(b *backlog.Backlog, statuses []backlog.Status, o Options) *Graph {
	g := &gathering{b: b, statuses: statuses, o: o, of: make([]int32, b.Len()), critical: map[[2]int32]bool{}}
	g.find()
	for i := range b.Items {
		if i := int32(i); g.drawn(i) {
			for _, d := range b.Dependencies(i) {
				g.edge(d, i)
			}
		}
	}
	g.path()
	return &Graph{Nodes: g.nodes, Edges: g.sorted(), Level: o.Level}
}

// gathering is a Graph that is being made.
type gathering struct {
	b        *backlog.Backlog
	statuses []backlog.Status
	o        Options
	nodes    []Node
	of       []int32 // the node of an item, plus 1
	edges    []Edge
	critical map[[2]int32]bool
}

// drawn tells whether item i is a subtask of the selection.
func (g *gathering) drawn(i int32) bool {
	return g.b.Items[i].Kind == backlog.Subtask && (g.o.Selected == nil || g.o.Selected[i])
}

// holder is the item that item i is drawn as, or the item itself if it is
// above the level.
func (g *gathering) holder(i int32) int32 {
	for g.b.Items[i].Kind > g.o.Level {
		i = g.b.Items[i].Parent
	}
	return i
}

// find makes the nodes, in document order: of what is selected, of what that
// waits for, and joints.
func (g *gathering) find() {
	const selected, outside, joint = 1, 2, 3
	role := make([]uint8, g.b.Len())
	for i := range g.b.Items {
		if g.drawn(int32(i)) {
			role[g.holder(int32(i))] = selected
		}
	}
	for i := range g.b.Items {
		if !g.drawn(int32(i)) {
			continue
		}
		for _, d := range g.b.Dependencies(int32(i)) {
			if h := g.holder(d); role[h] == 0 {
				if role[h] = outside; g.b.Items[h].Kind < g.o.Level {
					role[h] = joint
				}
			}
		}
	}
	stuck := g.b.Stuck(g.statuses)
	rolled := g.statuses
	if g.o.Level != backlog.Subtask {
		rolled = g.b.RollUp(g.statuses)
	}
	for i, r := range role {
		if r == 0 {
			continue
		}
		it := &g.b.Items[i]
		n := Node{ID: it.ID, Title: it.Title, Status: rolled[i], Outside: r == outside, Joint: r == joint}
		planned, blocked := 0, 0
		for s := int32(i); s < it.End; s++ {
			if g.b.Items[s].Kind != backlog.Subtask || r == selected && !g.drawn(s) {
				continue
			}
			n.Total++
			switch st := g.statuses[s]; {
			case st.Satisfied():
				n.Done++
			case st == backlog.Failed:
				n.Failed++
			case st == backlog.Planned:
				planned++
				if stuck != nil && stuck[s] {
					blocked++
				}
			}
		}
		n.Blocked = planned > 0 && planned == blocked && n.Done+n.Failed+planned == n.Total && n.Status != backlog.Failed && r != joint
		if n.Joint { // rolled may be of another level
			if n.Status = backlog.Planned; n.Done == n.Total {
				n.Status = backlog.Complete
			}
		}
		g.nodes = append(g.nodes, n)
		g.of[i] = int32(len(g.nodes))
	}
	for i, r := range role {
		if r == joint {
			g.lead(int32(i))
		}
	}
}

// lead makes the edges to joint p: from the nodes below it that no other below
// it waits for, as those are done when these are.
func (g *gathering) lead(p int32) {
	awaited := make([]bool, g.b.Items[p].End-p)
	var mark func(i int32)
	mark = func(i int32) {
		if awaited[i-p] {
			return
		}
		awaited[i-p] = true
		for c := range g.b.Children(i) {
			mark(c)
		}
	}
	for i := p + 1; i < g.b.Items[p].End; i++ {
		if !g.drawn(i) {
			continue
		}
		for _, d := range g.b.Dependencies(i) {
			if h := g.holder(d); h > p && h < g.b.Items[p].End && h != g.holder(i) {
				mark(h)
			}
		}
	}
	all := true // merged ones may wait for each other in a circle
	for i := p + 1; i < g.b.Items[p].End; i++ {
		all = all && (g.of[i] == 0 || g.nodes[g.of[i]-1].Joint || awaited[i-p])
	}
	for i := p + 1; i < g.b.Items[p].End; i++ {
		if g.of[i] > 0 && !g.nodes[g.of[i]-1].Joint && (all || !awaited[i-p]) {
			g.join(g.of[i]-1, g.of[p]-1)
		}
	}
}

// edge is a dependency of subtask i on item d.
func (g *gathering) edge(d, i int32) {
	g.join(g.of[g.holder(d)]-1, g.of[g.holder(i)]-1)
}

func (g *gathering) join(from, to int32) {
	if from != to {
		g.edges = append(g.edges, Edge{From: from, To: to})
	}
}

// path marks what the critical path goes through.
func (g *gathering) path() {
	mark := func(from, to int32) {
		if from != to {
			g.critical[[2]int32{from, to}] = true
			g.nodes[from].Critical, g.nodes[to].Critical = true, true
			g.join(from, to) // may go through a joint past the edges that lead made
		}
	}
	for k, i := range g.o.Critical {
		at := g.of[g.holder(i)] - 1
		if at < 0 {
			continue // not selected
		}
		g.nodes[at].Critical = true
		if k == 0 {
			continue
		}
		before := g.o.Critical[k-1]
		if g.of[g.holder(before)] == 0 {
			continue
		}
		for _, d := range g.b.Dependencies(i) {
			if d > before || before >= g.b.Items[d].End {
				continue
			}
			if by := g.of[g.holder(d)] - 1; by >= 0 {
				mark(g.of[g.holder(before)]-1, by)
				mark(by, at)
				break
			}
		}
	}
}

// sorted are the edges, by From and To and each once. A counting sort serves:
// there may be millions.
func (g *gathering) sorted() []Edge {
	by := func(edges []Edge, key func(Edge) int32) []Edge {
		at := make([]int, len(g.nodes)+1)
		for _, e := range edges {
			at[key(e)+1]++
		}
		for k := range g.nodes {
			at[k+1] += at[k]
		}
		out := make([]Edge, len(edges))
		for _, e := range edges {
			out[at[key(e)]] = e
			at[key(e)]++
		}
		return out
	}
	edges := by(by(g.edges, func(e Edge) int32 { return e.To }), func(e Edge) int32 { return e.From })
	out := edges[:0]
	for _, e := range edges {
		if n := len(out); n == 0 || out[n-1] != e {
			out = append(out, e)
		}
	}
	for k := range out {
		out[k].Critical = g.critical[[2]int32{out[k].From, out[k].To}]
	}
	return out
}
