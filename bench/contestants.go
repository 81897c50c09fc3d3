package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
)

// contestant is one tool on one workload: the file it reads, its command, and how to see that it did the work.
type contestant struct {
	name   string
	file   string
	input  []byte
	argv   []string
	keep   bool                   // standard output goes to the file "out", not to /dev/null
	verify func(dir string) error // after every round, not timed
	inside func(dir string) error // instead of argv: timed in this process
	budget time.Duration          // once it has used so much it sits out the other rounds; 0 is never
	memory float64                // goal: peak memory in sizes of the input; 0 is none
}

const (
	nameBare  = "bare loop"
	nameHacky = "hacky"
	slowTime  = 8 * time.Second
	slowTasks = 1000   // the largest work for tools that need several milliseconds for each command
	maxTasks  = 10_000 // the largest for all others
)

// contestants are all that are there and up to the size. The bare loop comes first.
func (b *bench) contestants(g *gen.Graph, child string) []contestant {
	exe := b.children[child]
	written := exe
	if child == "true" {
		written = "true" // as a user writes it: looked up in PATH each time
	}
	all := []contestant{{name: nameBare, argv: []string{b.bareloop, runLength(g.Widths()), written}}}
	if b.hacky != "" {
		input := g.Backlog([]string{written})
		all = append(all, b.hackyRun(nameHacky, input, "none"))
		if g.Edges == 0 && g.N <= slowTasks {
			all = append(all, b.hackyRun("hacky --progress plain", input, "plain"))
		}
	}
	if g.N > maxTasks {
		return all
	}
	if b.make != "" {
		all = append(all, contestant{
			name: "make -j2", file: "Makefile", input: makefile(g, exe),
			argv: []string{b.make, "-s", "-j2", "all"}, budget: slowTime,
		})
	}
	if b.ninja != "" {
		all = append(all, contestant{
			name: "ninja -j2", file: "build.ninja", input: ninjaFile(g, exe),
			argv: []string{b.ninja, "-j2"}, budget: slowTime,
		})
	}
	if g.N > slowTasks || child != "exit" {
		return all
	}
	if b.task != "" {
		all = append(all, contestant{
			name: "go-task -C 2", file: "Taskfile.yml", input: taskfile(g, exe),
			argv: []string{b.task, "-C", "2", "all"}, budget: slowTime,
		})
	}
	if b.just != "" {
		all = append(all, contestant{
			name: "just [parallel]", file: "justfile", input: justfile(g, exe),
			argv: []string{b.just, "all"}, budget: slowTime,
		})
	}
	if b.parallel != "" && g.Edges == 0 {
		all = append(all, contestant{
			name: "GNU parallel -j2", file: "arguments", input: numbers(g.N),
			argv: []string{b.parallel, "--will-cite", "-j2", "-n0", exe, "::::", "arguments"}, budget: slowTime,
		})
	}
	return all
}

func (b *bench) hackyRun(name string, input []byte, progress string) contestant {
	return contestant{
		name: name, file: "tasks.json", input: input,
		argv:   []string{b.hacky, "run", "--parallelism", "2", "--progress", progress},
		keep:   progress != "none",
		verify: func(dir string) error { return wantComplete(dir, statuses(input, "")) },
	}
}

// wantComplete checks that so many items in the tasks.json of dir are Complete.
func wantComplete(dir string, want int) error {
	data, err := os.ReadFile(filepath.Join(dir, "tasks.json"))
	if err != nil {
		return err
	}
	if got := statuses(data, "Complete"); got != want {
		return fmt.Errorf("%d items of tasks.json are Complete, want %d of %d", got, want, statuses(data, ""))
	}
	return nil
}

// statuses counts the items with this status, or all of them. It relies on the generator's spelling, which
// hacky keeps.
func statuses(data []byte, status string) int {
	pattern := `"status": "`
	if status != "" {
		pattern += status + `"`
	}
	return bytes.Count(data, []byte(pattern))
}

// runLength is how bareloop takes its waves: 1x1,1x1000.
func runLength(widths []int) string {
	var groups []string
	for i := 0; i < len(widths); {
		n := 1
		for i+n < len(widths) && widths[i+n] == widths[i] {
			n++
		}
		groups = append(groups, fmt.Sprintf("%dx%d", n, widths[i]))
		i += n
	}
	return strings.Join(groups, ",")
}
