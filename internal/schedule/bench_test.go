package schedule_test

import (
	"strconv"
	"testing"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

func subtaskID(task, n int) string { return "P1.M1.T" + strconv.Itoa(task) + ".S" + strconv.Itoa(n) }

func independent(n int) []node {
	nodes := make([]node, n)
	for k := range nodes {
		nodes[k] = node{id: subtaskID(1, k+1), status: "Planned"}
	}
	return nodes
}

// chain stands in the document in reverse, so that document order does not
// help.
func chain(n int) []node {
	nodes := independent(n)
	for k := range nodes[1:] {
		nodes[k].deps = []string{subtaskID(1, k+2)}
	}
	return nodes
}

func fanOut(n int) []node {
	nodes := independent(n)
	for k := 1; k < n; k++ {
		nodes[k].deps = []string{subtaskID(1, 1)}
	}
	return nodes
}

// fanIn is n onto one, by their names.
func fanIn(n int) []node {
	last := node{id: subtaskID(2, 1), status: "Planned"}
	nodes := independent(n)
	for _, before := range nodes {
		last.deps = append(last.deps, before.id)
	}
	return append(nodes, last)
}

// parentToMany is n onto n, through the task of the first n: n*n edges if it
// were spelt out.
func parentToMany(n int) []node {
	nodes := independent(n)
	for k := range n {
		nodes = append(nodes, node{id: subtaskID(2, k+1), status: "Planned", deps: []string{"P1.M1.T1"}})
	}
	return nodes
}

// layered is layers of width subtasks, each waiting for all of the layer
// before.
func layered(layers, width int) []node {
	var nodes []node
	var before []string
	for l := range layers {
		var ids []string
		for k := range width {
			id := subtaskID(l+1, k+1)
			ids = append(ids, id)
			nodes = append(nodes, node{id: id, status: "Planned", deps: before})
		}
		before = ids
	}
	return nodes
}

const many = 100_000

var shapes = []struct {
	name string
	make func() []node
}{
	{"independent", func() []node { return independent(many) }},
	{"chain", func() []node { return chain(many) }},
	{"fan-out", func() []node { return fanOut(many) }},
	{"fan-in", func() []node { return fanIn(many) }},
	{"parent-to-many", func() []node { return parentToMany(many / 2) }},
	{"layered", func() []node { return layered(100, 100) }},
}

// TestLarge would not end in anybody's lifetime if something were quadratic.
func TestLarge(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			b := build(t, shape.make())
			all := schedule.Select(b, nil)
			if missing := schedule.Missing(b, b.Statuses(), all); len(missing) > 0 {
				t.Errorf("%d are missing", len(missing))
			}
			order := schedule.Order(schedule.New(b, b.Statuses(), all))
			at := make([]int, b.Len())
			for k, i := range order {
				if at[i] != 0 {
					t.Fatalf("%s was handed out twice", b.Items[i].ID)
				}
				at[i] = k + 1
			}
			for i := range b.Items {
				if b.Items[i].Kind != backlog.Subtask {
					continue
				}
				if at[i] == 0 {
					t.Fatalf("%s was not handed out", b.Items[i].ID)
				}
				for _, d := range b.Dependencies(int32(i)) {
					if at[d] > at[i] {
						t.Fatalf("%s was handed out before %s", b.Items[i].ID, b.Items[d].ID)
					}
				}
			}
			// And everything that can be handed out fails.
			p := schedule.New(b, b.Statuses(), all)
			ended := 0
			for i, ok := p.Next(); ok; i, ok = p.Next() {
				ended += 1 + len(p.Fail(i))
			}
			if ended != len(order) || p.Left() != 0 {
				t.Errorf("of %d failed or are blocked %d, left are %d", len(order), ended, p.Left())
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, shape := range shapes {
		graph := build(b, shape.make())
		statuses, all := graph.Statuses(), schedule.Select(graph, nil)
		graph.Dependents(0) // made once and for ever
		b.Run(shape.name+"/new", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				schedule.New(graph, statuses, all)
			}
		})
		b.Run(shape.name+"/drain", func(b *testing.B) {
			b.ReportAllocs()
			subtasks := 0
			for b.Loop() {
				p := schedule.New(graph, statuses, all)
				subtasks += p.Left()
				for i, ok := p.Next(); ok; i, ok = p.Next() {
					p.Complete(i)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(subtasks), "ns/subtask")
		})
	}
}

// BenchmarkSeize is what it costs when others complete 50,000 subtasks that are
// ready; the yardstick is handing them out.
func BenchmarkSeize(b *testing.B) {
	bl, err := backlog.Parse("tasks.json", string(gen.Realistic(50_000)))
	if err != nil {
		b.Fatal(err)
	}
	all := schedule.Select(bl, nil)
	for _, kind := range []string{"seize", "yardstick-next"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				p := schedule.New(bl, bl.Statuses(), all)
				for i := int32(bl.Len() - 1); i >= 0; i-- {
					if kind == "seize" {
						p.Seize(i)
					} else {
						p.Next()
					}
				}
			}
		})
	}
}
