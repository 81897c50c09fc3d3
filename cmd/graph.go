package cmd

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/graph"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
)

func (a *app) graphCmd() *cobra.Command {
	var output, collapse string
	c := &cobra.Command{
		Use:   "graph",
		Short: "Draw what waits for what, as DOT, Mermaid or SVG",
		Long: `Draw the subtasks and their dependencies, with what is waited for on top:
statuses in words and colours, the critical path, which is the longest one by
story points through what is not finished, in bold. --collapse merges what is
below a task, milestone or phase, and says how much of it is done and failed.
With --scope, what it waits for outside is drawn dashed. It takes no lock and
writes nothing.

SVG is drawn by hacky itself; for DOT there is Graphviz, and Mermaid is shown by
many wikis and forges, up to a few hundred items.

Exit codes: 0, 2 mistake in the call or the backlog.`,
		Example: `  hacky graph -o svg > graph.svg
  hacky graph --scope P1 --collapse task | dot -Tpdf > graph.pdf
  hacky graph -o mermaid --collapse milestone`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "dot", "mermaid", "svg"); err != nil {
				return err
			}
			level, err := collapseLevel(collapse)
			if err != nil {
				return err
			}
			return a.graph(cfg, output, level)
		},
	}
	config.Register(c.Flags(), "scope")
	c.Flags().StringVarP(&output, "output", "o", "dot", "output: dot, mermaid, svg")
	c.Flags().StringVar(&collapse, "collapse", "", "merge the subtasks of each: one of task, milestone, phase")
	return c
}

// collapseLevel is the kind of item that is drawn as one.
func collapseLevel(name string) (backlog.Kind, error) {
	if name == "" {
		return backlog.Subtask, nil
	}
	levels := []string{"phase", "milestone", "task"}
	if err := checkWord("--collapse", name, levels[2], levels[1], levels[0]); err != nil {
		return 0, err
	}
	return backlog.Kind(slices.Index(levels, name)), nil
}

// readable is how many nodes a drawing, or for Mermaid edges, may have before
// it is said that merging helps. Mermaid refuses more than 500 edges.
const readable, mermaidEdges = 1000, 500

func (a *app) graph(cfg *config.Config, output string, level backlog.Kind) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	scope, err := resolveScope(b, cfg.Scope, a.origin("scope"))
	if err != nil {
		return err
	}
	g := drawn(b, statuses, schedule.Select(b, scope), level)
	switch finer := level > backlog.Phase; {
	case !finer:
	case len(g.Nodes) > readable:
		fmt.Fprintf(a.stderr, "hacky: %d items are hard to read; --scope or --collapse %s makes them fewer\n", len(g.Nodes), strings.ToLower((level - 1).String()))
	case output == "mermaid" && len(g.Edges) > mermaidEdges:
		fmt.Fprintf(a.stderr, "hacky: %d dependencies are more than Mermaid draws; --scope or --collapse %s makes them fewer\n", len(g.Edges), strings.ToLower((level - 1).String()))
	}
	write := map[string]func(io.Writer) error{"dot": g.DOT, "mermaid": g.Mermaid, "svg": g.SVG}[output]
	var out bytes.Buffer
	if err := write(&out); err != nil {
		return err
	}
	_, err = out.WriteTo(a.stdout)
	return err
}

// drawn is the graph of the selected subtasks, with the critical path through
// what of them is not finished: by story points, or where there are none by
// their number.
func drawn(b *backlog.Backlog, statuses []backlog.Status, selected []bool, level backlog.Kind) *graph.Graph {
	order := schedule.Order(schedule.New(b, statuses, selected))
	points := make([]float64, b.Len())
	sum := 0.0
	for _, i := range order {
		points[i] = b.Points(i)
		sum += points[i]
	}
	weight := func(i int32) float64 { return points[i] }
	if sum == 0 {
		weight = func(int32) float64 { return 1 }
	}
	path, _ := schedule.CriticalPath(b, order, weight)
	return graph.New(b, statuses, graph.Options{Selected: selected, Level: level, Critical: path})
}
