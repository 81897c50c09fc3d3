package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
)

// workload is the same work for several contestants. The first of them is what the others are ratios to.
type workload struct {
	name   string
	tasks  int
	rounds int
	enter  func() []contestant // makes the inputs: only when it is measured
	goal   goal
	growth string // the smaller workload whose cost per subtask this one should keep
}

// goal says what hacky should reach, and judges by the medians whether it did; "" where there is nothing to
// compare with.
type goal struct {
	text  string
	judge func(medians map[string]time.Duration, first string) string
}

func atMost(ratio float64, of string) goal {
	return goal{fmt.Sprintf("<=%gx %s", ratio, of), func(medians map[string]time.Duration, first string) string {
		base, ok := medians[first]
		if !ok || first == nameHacky {
			return ""
		}
		return verdict(float64(medians[nameHacky]) <= ratio*float64(base))
	}}
}

func aheadOfAll() goal {
	return goal{"ahead of every tool", func(medians map[string]time.Duration, first string) string {
		said := ""
		for name, wall := range medians {
			if name == first || strings.HasPrefix(name, nameHacky) {
				continue
			}
			if said = verdict(medians[nameHacky] < wall); said != verdict(true) {
				break
			}
		}
		return said
	}}
}

const maxGrowth = 1.2

func workloads(opts options, b *bench) []workload {
	few := min(opts.rounds, 3)
	small, large, huge, layers := 1000, 10_000, 100_000, 100
	if opts.quick {
		small, large, huge, layers = 200, 500, 5000, 10
		opts.rounds, few = few, 1
	}
	smallest := sized("independent", small)
	var list []workload
	for _, child := range []string{"true", "exit"} {
		list = append(list,
			b.running(smallest, child, opts.rounds, gen.Waves(small)),
			b.running(sized("chain", small), child, opts.rounds, gen.ChainGraph(small)),
			b.running(fmt.Sprintf("layers-%dx10", layers), child, opts.rounds, gen.LayersGraph(layers, 10)),
			b.running(sized("independent", large), child, few, gen.Waves(large)).growingFrom(smallest+"-"+child))
	}
	if !opts.quick {
		list = append(list, b.running("layers-100x100", "exit", few, gen.LayersGraph(100, 100)))
	}
	list = append(list, b.durable(sized("independent", small), opts.rounds, gen.Waves(small)),
		b.durable(sized("independent", large), few, gen.Waves(large)), b.durable(sized("chain", small), opts.rounds, gen.ChainGraph(small)))
	list = append(list, b.planning(huge, opts.rounds), b.setting(huge, opts.rounds))
	if opts.full {
		list = append(list,
			b.running(sized("independent", huge), "exit", 1, gen.Waves(huge)).growingFrom(smallest+"-exit"),
			b.running(sized("chain", huge), "exit", 1, gen.ChainGraph(huge)).growingFrom(sized("chain", small)+"-exit"),
			b.running(sized("fan-out", huge), "exit", 1, gen.Waves(1, huge)).growingFrom(smallest+"-exit"),
			b.running(sized("fan-in", huge), "exit", 1, gen.Waves(huge, 1)).growingFrom(smallest+"-exit"))
	}
	return list
}

func sized(shape string, n int) string { return fmt.Sprintf("%s-%d", shape, n) }

// running is a graph whose subtasks are really run.
func (b *bench) running(shape, child string, rounds int, g *gen.Graph) workload {
	w := workload{name: shape + "-" + child, tasks: g.N, rounds: rounds, goal: aheadOfAll()}
	if child == "true" {
		w.goal = atMost(1.25, nameBare)
	}
	w.enter = func() []contestant { return b.contestants(g, child) }
	return w
}

func (w workload) growingFrom(smaller string) workload {
	w.growth = smaller
	return w
}

// measure runs all rounds and adds their rows to the report.
func (w workload) measure(ctx context.Context, b *bench, r *report) error {
	contestants := w.enter()
	if len(contestants) == 0 {
		return nil
	}
	names := make([]string, len(contestants))
	for i, c := range contestants {
		names[i] = c.name
	}
	fmt.Fprintf(os.Stderr, "%s: %d rounds of %s\n", w.name, w.rounds, strings.Join(names, ", "))
	limit := time.Minute + time.Duration(w.tasks)*10*time.Millisecond
	results, failed := rounds(ctx, b, w.rounds, limit, contestants)
	if err := ctx.Err(); err != nil {
		return err
	}
	medians := map[string]time.Duration{}
	for name, s := range results {
		medians[name] = s.wall()
	}
	first, ok := medians[names[0]]
	for _, c := range contestants {
		if err := failed[c.name]; err != nil {
			r.failed(w.name, c.name, err)
			continue
		}
		s := results[c.name]
		line := row{workload: w.name, contestant: c.name, rounds: len(s), wall: s.wall(), cpu: s.cpu()}
		if ok {
			line.ratio = float64(s.wall()) / float64(first)
		}
		if c.name == nameHacky {
			line.goal, line.verdict = w.goal.text, w.goal.judge(medians, names[0])
		}
		r.rows = append(r.rows, line)
		if c.memory > 0 {
			r.rows = append(r.rows, memoryRow(w.name, c, s.peak()))
		}
	}
	w.addGrowth(r, medians)
	return nil
}

// addGrowth compares hacky's time for one subtask with that in a smaller workload.
func (w workload) addGrowth(r *report, medians map[string]time.Duration) {
	wall, ok := medians[nameHacky]
	if !ok {
		return
	}
	each := float64(wall) / float64(w.tasks)
	r.perTask[w.name] = each
	if base, ok := r.perTask[w.growth]; ok {
		r.rows = append(r.rows, row{
			workload: w.name, contestant: "hacky: one subtask, to " + w.growth, ratio: each / base,
			goal: fmt.Sprintf("<=%gx", maxGrowth), verdict: verdict(each/base <= maxGrowth),
		})
	}
}

func memoryRow(workload string, c contestant, peak int64) row {
	const mb = 1e6
	ratio := float64(peak) / float64(len(c.input))
	return row{
		workload: workload, contestant: fmt.Sprintf("%s: peak memory %.0f MB, file %.0f MB", c.name, float64(peak)/mb, float64(len(c.input))/mb),
		ratio: ratio, goal: fmt.Sprintf("<=%gx file", c.memory), verdict: verdict(ratio <= c.memory),
	}
}
