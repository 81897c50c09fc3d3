package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
)

func fromGen(t testing.TB, data []byte) *backlog.Backlog {
	t.Helper()
	b, err := backlog.Parse("test", string(data))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLayout(t *testing.T) {
	cmd := []string{"true"}
	cases := map[string]*Graph{}
	add := func(name string, b *backlog.Backlog, level backlog.Kind) {
		cases[name] = New(b, b.Statuses(), Options{Level: level})
	}
	add("one", fromGen(t, gen.Independent(1, cmd)), backlog.Subtask)
	add("independent", fromGen(t, gen.Independent(50, cmd)), backlog.Subtask)
	add("chain", fromGen(t, gen.Chain(60, cmd)), backlog.Subtask)
	add("fan out", fromGen(t, gen.FanOut(400, cmd)), backlog.Subtask)
	add("fan in", fromGen(t, gen.FanIn(400, cmd)), backlog.Subtask)
	add("layers", fromGen(t, gen.Layers(5, 12, cmd)), backlog.Subtask)
	add("realistic", fromGen(t, gen.Realistic(1000)), backlog.Subtask)
	for seed := range uint64(20) {
		b := scattered(t, seed, 30+int(seed)*20, 1+int(seed)%3, 5+int(seed)*4)
		add(fmt.Sprintf("scattered %d", seed), b, backlog.Subtask)
		add(fmt.Sprintf("scattered %d tasks", seed), b, backlog.Task)
		add(fmt.Sprintf("scattered %d milestones", seed), b, backlog.Milestone)
	}
	for seed := range uint64(10) {
		b := shuffled(t, seed, 40+int(seed)*20, 2)
		add(fmt.Sprintf("shuffled %d", seed), b, backlog.Subtask)
		add(fmt.Sprintf("shuffled %d tasks", seed), b, backlog.Task)
	}
	_, cases["circle"] = sampleGraph(t, Options{Level: backlog.Task})
	up := 0
	for name, g := range cases {
		t.Run(name, func(t *testing.T) { up += checkDrawing(t, g, lay(g)) })
	}
	if up == 0 {
		t.Error("no case has a circle")
	}
}

// checkDrawing checks that no nodes overlap, that all is inside, that edges
// lead downwards and past the nodes, and that following the lines finds exactly
// the edges. It returns how many lead upwards.
func checkDrawing(t *testing.T, g *Graph, d *drawing) (up int) {
	t.Helper()
	rows := map[float64][]int{}
	for i, p := range d.at {
		if p.x < margin-1e-6 || p.y < margin-1e-6 || p.x+nodeWidth > d.width || p.y+nodeHeight > d.height {
			t.Errorf("%s is outside: %v of %vx%v", g.Nodes[i].ID, p, d.width, d.height)
		}
		rows[p.y] = append(rows[p.y], i)
	}
	var tops []float64
	for y, row := range rows {
		tops = append(tops, y)
		slices.SortFunc(row, func(a, b int) int { return int(d.at[a].x - d.at[b].x) })
		for k := 1; k < len(row); k++ {
			if d.at[row[k]].x < d.at[row[k-1]].x+nodeWidth+sideGap-1e-6 {
				t.Errorf("%s and %s overlap", g.Nodes[row[k-1]].ID, g.Nodes[row[k]].ID)
			}
		}
	}
	// Parts beside each other are in different rows, but must not overlap either.
	slices.Sort(tops)
	for k, y := range tops {
		for _, z := range tops[k+1:] {
			if z-y >= nodeHeight {
				break
			}
			for _, a := range rows[y] {
				for _, b := range rows[z] {
					if max(d.at[a].x, d.at[b].x) < min(d.at[a].x, d.at[b].x)+nodeWidth {
						t.Errorf("%s and %s overlap", g.Nodes[a].ID, g.Nodes[b].ID)
					}
				}
			}
		}
	}
	next := map[point][]*line{} // of lanes
	for k := range d.lines {
		l := &d.lines[k]
		a, b := l.points[0], l.points[1]
		if b.y < a.y+layerGap-1e-6 || !l.far && b.y > a.y+layerGap+1e-6 {
			t.Errorf("a line from %v to %v", a, b)
		}
		if l.upper < 0 {
			next[a] = append(next[a], l)
		} else if at := d.at[l.upper]; a.y != at.y+nodeHeight || a.x < at.x || a.x > at.x+nodeWidth {
			t.Errorf("a line that leaves nothing: %v", a)
		}
		if l.down >= 0 {
			if at := d.at[l.down]; b.y != at.y || b.x < at.x || b.x > at.x+nodeWidth {
				t.Errorf("a line that leads to nothing: %v", b)
			}
			continue
		}
		for _, i := range rows[b.y] {
			if b.x > d.at[i].x && b.x < d.at[i].x+nodeWidth {
				t.Errorf("a lane leads through %s", g.Nodes[i].ID)
			}
		}
	}
	drawn := map[Edge]bool{}
	var follow func(from int32, first, l *line)
	follow = func(from int32, first, l *line) {
		if l.down < 0 {
			for _, n := range next[l.points[len(l.points)-1]] {
				follow(from, first, n)
			}
			return
		}
		if l.head {
			drawn[Edge{From: from, To: l.down}] = true
		}
		if first.tail {
			drawn[Edge{From: l.down, To: from}] = true
			up++
		}
	}
	for k := range d.lines {
		if l := &d.lines[k]; l.upper >= 0 {
			follow(l.upper, l, l)
		}
	}
	for _, e := range g.Edges {
		e.Critical = false
		if !drawn[e] {
			t.Errorf("%s -> %s is not drawn", g.Nodes[e.From].ID, g.Nodes[e.To].ID)
		}
		delete(drawn, e)
	}
	for e := range drawn {
		t.Errorf("%s -> %s is drawn, but is no dependency", g.Nodes[e.From].ID, g.Nodes[e.To].ID)
	}
	return up
}

// Ordering the layers makes fewer links cross than leaving them as they are.
func TestCrossings(t *testing.T) {
	b := scattered(t, 8, 100, 2, 15)
	g := New(b, b.Statuses(), Options{Level: backlog.Subtask})
	var before, after int
	for _, nodes := range components(g) {
		if len(nodes) < 2 {
			continue
		}
		p := &part{g: g, nodes: nodes, local: map[int32]int32{}, links: map[link]linkKind{}}
		for k, i := range nodes {
			p.local[i] = int32(k)
			p.spots = append(p.spots, spot{node: i, half: nodeWidth / 2})
		}
		arcs := p.arcs()
		p.assign(arcs)
		p.route(arcs)
		p.fill()
		before += p.crossings()
		p.arrange()
		after += p.crossings()
	}
	if after*3 > before*2 {
		t.Errorf("%d crossings, %d before", after, before)
	}
}

// What is readable fits a wide screen, and what has no edges stands in rows.
func TestWidth(t *testing.T) {
	b := fromGen(t, gen.Realistic(100))
	g := New(b, b.Statuses(), Options{Level: backlog.Subtask})
	d := lay(g)
	if d.width > 2400 || d.height > 1400 {
		t.Errorf("100 nodes are drawn on %.0f by %.0f", d.width, d.height)
	}
	most := 0
	rows := map[float64]int{}
	for _, at := range d.at {
		rows[at.y]++
		most = max(most, rows[at.y])
	}
	if most > 9 {
		t.Errorf("%d nodes in a row", most)
	}
	// A tall part leaves room for short ones beside it.
	var subs []sub
	chain := func(task, long int) {
		for k := range long {
			s := sub{id: fmt.Sprintf("P1.M1.T%d.S%d", task, k+1)}
			if k > 0 {
				s.deps = []string{subs[len(subs)-1].id}
			}
			subs = append(subs, s)
		}
	}
	chain(1, 15)
	for k := range 16 {
		chain(k+2, 3)
	}
	c := parse(t, subs)
	if d := lay(New(c, c.Statuses(), Options{Level: backlog.Subtask})); d.height > 15*(nodeHeight+layerGap)+2*margin {
		t.Errorf("short chains are drawn below a long one, down to %.0f", d.height)
	}
	// Without the bound the layers of these drift apart.
	for seed := range uint64(5) {
		b := scattered(t, seed, 100, 2, 15)
		g := New(b, b.Statuses(), Options{Level: backlog.Subtask})
		if d := lay(g); d.width > 3000 {
			t.Errorf("scattered %d: %.0f wide", seed, d.width)
		}
	}
}

// At any size a drawing has a few lines per node and edge, and no more: what is
// wide is wrapped, what shares an end shares a lane, lanes are bounded.
func TestCost(t *testing.T) {
	cmd := []string{"true"}
	for name, data := range map[string][]byte{"realistic": gen.Realistic(10_000), "fan out": gen.FanOut(10_000, cmd), "fan in": gen.FanIn(10_000, cmd),
		"chain": gen.Chain(10_000, cmd), "independent": gen.Independent(10_000, cmd), "layers": gen.Layers(10, 100, cmd)} {
		b := fromGen(t, data)
		g := New(b, b.Statuses(), Options{Level: backlog.Subtask})
		d := lay(g)
		if most := 2*len(g.Edges) + 4*len(g.Nodes) + 4000; len(d.lines) > most {
			t.Errorf("%s: %d lines for %d nodes and %d edges", name, len(d.lines), len(g.Nodes), len(g.Edges))
		}
	}
	// 3,000 that wait for a phase of 3,000.
	var subs []sub
	for k := range 3000 {
		subs = append(subs, sub{id: fmt.Sprintf("P1.M1.T1.S%d", k+1)})
	}
	for k := range 3000 {
		subs = append(subs, sub{id: fmt.Sprintf("P2.M1.T1.S%d", k+1), deps: []string{"P1"}})
	}
	b := parse(t, subs)
	if g := New(b, b.Statuses(), Options{Level: backlog.Subtask}); len(g.Edges) != 6000 {
		t.Errorf("%d edges", len(g.Edges))
	}
}

func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		bl := fromGen(b, gen.Realistic(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var out strings.Builder
				if err := New(bl, bl.Statuses(), Options{Level: backlog.Subtask}).SVG(&out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
