package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
)

const (
	nameSynced = "bare loop + fdatasync"
	nameNoSync = "hacky without fdatasync"
	nameStamps = "make -j2 with stamps"
)

// durable compares runs in which every completion is on stable storage: with
// the same hacky that leaves the fdatasync out, with a make that writes a stamp
// file for each target, and, where each waits for the one before, with a loop
// that appends a record, syncs it and starts the next command.
func (b *bench) durable(shape string, rounds int, g *gen.Graph) workload {
	chain := g.Edges > 0
	w := workload{name: "durable-" + shape, tasks: g.N, rounds: rounds}
	exe := b.children["exit"]
	w.goal = goal{"<=1.15x " + nameNoSync + ", ahead of make", func(medians map[string]time.Duration, _ string) string {
		mine := medians[nameHacky]
		return verdict(float64(mine) <= 1.15*float64(medians[nameNoSync]) && (medians[nameStamps] == 0 || mine < medians[nameStamps]))
	}}
	if chain {
		w.goal = atMost(1.15, nameSynced)
	}
	w.enter = func() []contestant {
		if b.hacky == "" {
			return nil
		}
		input := g.Backlog([]string{exe})
		without := b.hackyRun(nameNoSync, input, "none")
		without.argv[0] = b.noSync
		all := []contestant{without, b.hackyRun(nameHacky, input, "none")}
		if chain {
			all = append([]contestant{{name: nameSynced, argv: []string{b.bareloop, "-sync", filepath.Join(b.dir, "records"), runLength(g.Widths()), exe}}}, all...)
		} else if b.make != "" {
			all = append(all, contestant{name: nameStamps, file: "Makefile", input: stampedMakefile(g, exe),
				argv: []string{b.make, "-s", "-j2", "all"}, budget: 4 * slowTime})
		}
		return all
	}
	return w
}

// stampedMakefile writes a file for each target that is done, as people do who
// want make to remember.
func stampedMakefile(g *gen.Graph, command string) []byte {
	var out bytes.Buffer
	out.WriteString("all:")
	targets(&out, all(g), " t%d")
	out.WriteString("\n")
	for i := range g.N {
		fmt.Fprintf(&out, "t%d:", i)
		targets(&out, g.Deps(i), " t%d")
		fmt.Fprintf(&out, "\n\t@%s && : > $@\n", command)
	}
	return out.Bytes()
}
