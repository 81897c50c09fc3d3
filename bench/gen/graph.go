package gen

import (
	"fmt"
	"strings"
)

// Graph is subtasks numbered from 0 and what each waits for, so that the same work can be written down for
// other tools too.
type Graph struct {
	N     int
	Edges int

	deps  func(i int) []int
	scope func(i int) string
	waves []int
}

// Deps is what subtask i waits for: lower numbers, ascending. The caller must not change it.
func (g *Graph) Deps(i int) []int { return g.deps(i) }

// Widths is how many subtasks each wave has; nil where the graph is not made of waves.
func (g *Graph) Widths() []int { return g.waves }

// Waves is one wave of subtasks after the other, each subtask waiting for all of the wave before its own.
func Waves(widths ...int) *Graph {
	g := &Graph{waves: widths, scope: func(int) string { return "Generated for a benchmark." }}
	var before [][]int // of each subtask
	var all []int
	var previous []int
	for _, width := range widths {
		first := len(all)
		for range width {
			all = append(all, len(all))
			before = append(before, previous)
			g.Edges += len(previous)
		}
		previous = all[first:len(all):len(all)]
	}
	g.N = len(all)
	g.deps = func(i int) []int { return before[i] }
	return g
}

// ChainGraph is the graph of Chain.
func ChainGraph(n int) *Graph { return LayersGraph(n, 1) }

// LayersGraph is the graph of Layers.
func LayersGraph(layers, width int) *Graph {
	widths := make([]int, layers)
	for i := range widths {
		widths[i] = width
	}
	return Waves(widths...)
}

// RealisticGraph is the graph of Realistic.
func RealisticGraph(n int) *Graph {
	g := &Graph{N: n, scope: realisticScope}
	before := make([][]int, n)
	for i := range before {
		// 0 to 3 of the last 50, spread by multiplying with odd numbers: no random source, equal everywhere.
		for k := range min(i, i*7919>>3&3) {
			step := 1 + k*17 + (i*(31+2*k))%16
			if step <= i {
				before[i] = append([]int{i - step}, before[i]...)
			}
		}
		g.Edges += len(before[i])
	}
	g.deps = func(i int) []int { return before[i] }
	return g
}

// ID is the id of the i-th subtask in document order.
func ID(i int) string {
	return fmt.Sprintf("P%d.M%d.T%d.S%d", i/perPhase+1, i%perPhase/perMilestone+1, i%perMilestone/perTask+1, i%perTask+1)
}

func realisticScope(i int) string {
	area := [...]string{"decoder", "scheduler", "journal", "retry policy", "status view", "lock file", "report"}[i%7]
	return strings.Join([]string{
		fmt.Sprintf("1. INPUT: src/part_%d and its \"strict\" mode.", i%1000),
		fmt.Sprintf("2. LOGIC: Extend the %s for case %d \u2014 no second pass.", area, i),
		"3. OUTPUT: Tests that fail before.",
	}, "\n")
}
