package graph

import (
	"cmp"
	"math"
	"slices"
)

// The layout is Sugiyama's: break circles, put each node in a layer below what
// it waits for (longest path), reserve places in the layers that an edge
// crosses, order each layer by the mean of its neighbours, then move nodes
// sideways towards theirs. What differs from the textbook:
//
//   - A layer has a width; what does not fit goes further down, as it may.
//   - Edges that leave one node, or that enter one, share one lane, so that
//     1,000 that wait for one cost a lane and not 1,000. An edge goes with its
//     target's if more enter that than leave its source.
//   - Lanes are bounded in all: the longest are not reserved, and their edges
//     drawn straight, behind the nodes.
//   - Every component is laid out by itself, and then they are packed.

// Sizes in the drawing, in pixels.
const (
	nodeWidth, nodeHeight = 208, 42
	laneWidth             = 2
	sideGap, layerGap     = 16, 40
	margin                = 20
)

// drawing is a laid-out graph.
type drawing struct {
	width, height float64
	at            []point // of each node, its upper left corner
	lines         []line
}

type point struct{ x, y float64 }

// line is a part of an edge, or of several that share a lane. It leads from its
// first point downwards to its last.
type line struct {
	points      []point // a curve from the first to the second, then straight
	head, tail  bool    // an arrow at the lower end; at the upper one
	critical    bool
	far         bool  // not laid out: behind whatever is there
	upper, down int32 // the nodes at its ends; -1: it goes on in a lane
}

// spot is a place in a layer: of a node, or of a lane.
type spot struct {
	node  int32 // -1: a lane
	layer int32
	x     float64 // the middle
	half  float64 // half of the width
	order int32   // in the layer
	above []int32 // spots in the layer above
	below []int32
}

// link connects two spots of neighbouring layers.
type link struct{ from, to int32 }

type linkKind struct{ head, tail, critical bool }

// lay lays a graph out.
func lay(g *Graph) *drawing {
	d := &drawing{at: make([]point, len(g.Nodes))}
	var parts []*part
	var single []int32
	for _, nodes := range components(g) {
		if len(nodes) == 1 {
			single = append(single, nodes[0])
			continue
		}
		parts = append(parts, layPart(g, nodes))
	}
	d.pack(parts, single)
	slices.SortStableFunc(d.lines, func(a, b line) int { return cmp.Compare(rank(a), rank(b)) })
	return d
}

// rank is what is drawn over what: far lines under all, critical ones on top.
func rank(l line) int {
	switch {
	case l.far && !l.critical:
		return 0
	case !l.critical:
		return 1
	}
	return 2
}

// components are the connected parts of a graph, in document order.
func components(g *Graph) [][]int32 {
	root := make([]int32, len(g.Nodes))
	for i := range root {
		root[i] = int32(i)
	}
	find := func(i int32) int32 {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	for _, e := range g.Edges {
		if a, b := find(e.From), find(e.To); a != b {
			root[max(a, b)] = min(a, b)
		}
	}
	at := map[int32]int{}
	var out [][]int32
	for i := range root {
		r := find(int32(i))
		k, ok := at[r]
		if !ok {
			k = len(out)
			at[r] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], int32(i))
	}
	return out
}

// pack puts each part where it can be highest, and below them all the nodes
// without edges in a grid.
func (d *drawing) pack(parts []*part, single []int32) {
	area, wide := 0.0, 0.0
	for _, p := range parts {
		area += (p.width + 2*sideGap) * (p.height + layerGap)
		wide = max(wide, p.width)
	}
	area += float64(len(single)) * (nodeWidth + sideGap) * (nodeHeight + sideGap)
	wide = max(wide, math.Sqrt(area*1.6), nodeWidth)
	const column = nodeWidth + 2*sideGap
	columns := func(width float64) int { return int(math.Ceil((width + 2*sideGap) / column)) }
	filled := make([]float64, columns(wide)) // down to where each is
	for _, p := range parts {
		n := columns(p.width)
		best, top := 0, math.Inf(1)
		for c := range len(filled) - n + 1 {
			if y := slices.Max(filled[c : c+n]); y < top {
				best, top = c, y
			}
		}
		x := float64(best) * column
		p.move(d, margin+x, margin+top)
		d.width = max(d.width, x+p.width)
		for c := best; c < best+n; c++ {
			filled[c] = top + p.height + layerGap
		}
	}
	x, y := 0.0, max(0, slices.Max(filled)-layerGap)
	if len(single) > 0 && len(parts) > 0 {
		y += layerGap
	}
	for k, i := range single {
		if x > 0 && x+nodeWidth > wide {
			x, y = 0, y+nodeHeight+sideGap
		}
		d.at[i] = point{margin + x, margin + y}
		d.width = max(d.width, x+nodeWidth)
		x += nodeWidth + sideGap
		if k == len(single)-1 {
			y += nodeHeight
		}
	}
	d.width += 2 * margin
	d.height = y + 2*margin
}

// part is the layout of a component.
type part struct {
	g             *Graph
	nodes         []int32
	local         map[int32]int32 // index in Graph.Nodes to index in nodes
	spots         []spot          // the first ones are the nodes
	layers        [][]int32
	links         map[link]linkKind
	order         []link // the keys of links, in the order they were made
	far           []arc
	width, height float64
}

// arc is an edge by spots, downwards.
type arc struct {
	from, to int32
	critical bool
	up       bool // the edge leads upwards
}

func layPart(g *Graph, nodes []int32) *part {
	p := &part{g: g, nodes: nodes, local: make(map[int32]int32, len(nodes)), links: map[link]linkKind{}}
	for k, i := range nodes {
		p.local[i] = int32(k)
		p.spots = append(p.spots, spot{node: i, half: nodeWidth / 2})
	}
	arcs := p.arcs()
	p.assign(arcs)
	p.route(arcs)
	p.fill()
	p.arrange()
	p.place()
	return p
}

// arcs are the edges of a part, those that close a circle turned around.
func (p *part) arcs() []arc {
	out := make([][]arc, len(p.nodes))
	first, _ := slices.BinarySearchFunc(p.g.Edges, p.nodes[0], func(e Edge, i int32) int { return cmp.Compare(e.From, i) })
	k := first
	for n, i := range p.nodes { // both sorted
		for k < len(p.g.Edges) && p.g.Edges[k].From < i {
			k++
		}
		for ; k < len(p.g.Edges) && p.g.Edges[k].From == i; k++ {
			e := p.g.Edges[k]
			out[n] = append(out[n], arc{from: int32(n), to: p.local[e.To], critical: e.Critical})
		}
	}
	const fresh, open, done = 0, 1, 2
	state := make([]uint8, len(p.nodes))
	next := make([]int, len(p.nodes))
	var arcs []arc
	for start := range p.nodes {
		if state[start] != fresh {
			continue
		}
		state[start] = open
		for path := []int32{int32(start)}; len(path) > 0; {
			v := path[len(path)-1]
			if next[v] == len(out[v]) {
				state[v] = done
				path = path[:len(path)-1]
				continue
			}
			a := out[v][next[v]]
			next[v]++
			switch state[a.to] {
			case open:
				arcs = append(arcs, arc{from: a.to, to: a.from, critical: a.critical, up: true})
				continue
			case fresh:
				state[a.to] = open
				path = append(path, a.to)
			}
			arcs = append(arcs, a)
		}
	}
	slices.SortStableFunc(arcs, func(a, b arc) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return arcs
}

// assign puts each node into the first layer below all it waits for that has
// room.
func (p *part) assign(arcs []arc) {
	n := len(p.nodes)
	most := max(6, int32(math.Sqrt(float64(n))*0.9))
	waits := make([]int32, n)
	for _, a := range arcs {
		waits[a.to]++
	}
	after := make([][]int32, n)
	for _, a := range arcs {
		after[a.from] = append(after[a.from], a.to)
	}
	var queue []int32
	for i := range waits {
		if waits[i] == 0 {
			queue = append(queue, int32(i))
		}
	}
	sources := len(queue)
	// free[k] leads towards the first layer from k on that has room.
	var free, used []int32
	grow := func(k int32) {
		for int32(len(free)) <= k+1 {
			free = append(free, int32(len(free)))
			used = append(used, 0)
		}
	}
	find := func(k int32) int32 {
		for grow(k); free[k] != k; grow(k) {
			grow(free[k])
			free[k] = free[free[k]]
			k = free[k]
		}
		return k
	}
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		s := &p.spots[v]
		s.layer = find(s.layer)
		if used[s.layer]++; used[s.layer] == most {
			free[s.layer] = s.layer + 1
		}
		for _, w := range after[v] {
			p.spots[w].layer = max(p.spots[w].layer, s.layer+1)
			if waits[w]--; waits[w] == 0 {
				queue = append(queue, w)
			}
		}
	}
	// What waits for nothing moves down to just above the first that waits for
	// it, where there is room: short edges are easier to follow.
	for _, v := range queue[:sources] {
		lowest := p.spots[after[v][0]].layer
		for _, w := range after[v] {
			lowest = min(lowest, p.spots[w].layer)
		}
		s := &p.spots[v]
		for l := lowest - 1; l > s.layer && l > lowest-16; l-- {
			if used[l] < most {
				used[s.layer]--
				used[l]++
				s.layer = l
				break
			}
		}
	}
}

// route makes the lanes and links of all arcs.
func (p *part) route(arcs []arc) {
	leave, enter := make([]int32, len(p.nodes)), make([]int32, len(p.nodes))
	for _, a := range arcs {
		leave[a.from]++
		enter[a.to]++
	}
	// By lane: of a source, of a target, or of an arc that leads upwards.
	type owner struct {
		kind uint8
		of   int32
	}
	const ofSource, ofTarget, ofArc = 0, 1, 2
	owners := make([]owner, len(arcs))
	longest := map[owner]int32{}
	var all []owner
	for k, a := range arcs {
		o := owner{ofSource, a.from}
		switch {
		case a.up:
			o = owner{ofArc, int32(k)}
		case enter[a.to] > leave[a.from]:
			o = owner{ofTarget, a.to}
		}
		owners[k] = o
		long := p.spots[a.to].layer - p.spots[a.from].layer - 1
		was, seen := longest[o]
		if longest[o] = max(was, long); !seen {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(x, y owner) int { return cmp.Compare(longest[x], longest[y]) })
	lanes := int32(3*len(p.nodes) + 2000)
	routed := map[owner]bool{}
	for _, o := range all {
		if lanes -= longest[o]; lanes >= 0 {
			routed[o] = true
		}
	}
	made := map[owner][]int32{} // spots of its lane, from the owner's end on
	for k, a := range arcs {
		o := owners[k]
		if !routed[o] && p.spots[a.to].layer-p.spots[a.from].layer > 1 {
			p.far = append(p.far, a)
			continue
		}
		chain := made[o]
		need := int(p.spots[a.to].layer - p.spots[a.from].layer - 1)
		for len(chain) < need {
			l := p.spots[a.from].layer + 1 + int32(len(chain))
			if o.kind == ofTarget {
				l = p.spots[a.to].layer - 1 - int32(len(chain))
			}
			p.spots = append(p.spots, spot{node: -1, layer: l, half: laneWidth / 2})
			chain = append(chain, int32(len(p.spots)-1))
		}
		made[o] = chain
		at := a.from
		for s := range need {
			to := chain[s]
			if o.kind == ofTarget {
				to = chain[need-1-s]
			}
			p.connect(link{at, to}, linkKind{tail: a.up && at == a.from, critical: a.critical})
			at = to
		}
		p.connect(link{at, a.to}, linkKind{head: !a.up, tail: a.up && at == a.from, critical: a.critical})
	}
}

func (p *part) connect(l link, k linkKind) {
	was, seen := p.links[l]
	if !seen {
		p.order = append(p.order, l)
		p.spots[l.from].below = append(p.spots[l.from].below, l.to)
		p.spots[l.to].above = append(p.spots[l.to].above, l.from)
	}
	p.links[l] = linkKind{was.head || k.head, was.tail || k.tail, was.critical || k.critical}
}
