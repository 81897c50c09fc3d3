package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hacky-run/hacky/bench/gen"
)

// planning is what hacky and ninja need to read a realistic graph and say what they would do.
func (b *bench) planning(n, rounds int) workload {
	w := workload{name: sized("dry-run", n), tasks: n, rounds: rounds, goal: atMost(1, "ninja -n")}
	w.enter = func() []contestant {
		g := gen.RealisticGraph(n)
		var list []contestant
		if b.ninja != "" {
			list = append(list, contestant{
				name: "ninja -n", file: "build.ninja", input: ninjaFile(g, b.children["true"]),
				argv: []string{b.ninja, "-n"}, keep: true,
				verify: wantOutput(fmt.Sprintf("[%d/%d]", n, n)),
			})
		}
		if b.hacky != "" {
			list = append(list, contestant{
				name: nameHacky, file: "tasks.json", input: gen.Realistic(n),
				argv: []string{b.hacky, "run", "--dry-run"}, keep: true,
				verify: wantOutput(gen.ID(n - 1)), memory: 4,
			})
		}
		return list
	}
	return w
}

// wantOutput checks that the standard output has a certain text, the last that is due.
func wantOutput(text string) func(dir string) error {
	return func(dir string) error {
		out, err := os.ReadFile(filepath.Join(dir, "out"))
		if err == nil && !bytes.Contains(out, []byte(text)) {
			err = fmt.Errorf("%q is not in the output", text)
		}
		return err
	}
}

// setting is the change of one status, the whole process with its reading of the backlog, against a copy of
// the file in this process: read, write, fsync.
func (b *bench) setting(n, rounds int) workload {
	const copying = "copy and fsync"
	w := workload{name: sized("set-one-of", n), tasks: n, rounds: rounds, goal: atMost(1.5, copying)}
	w.enter = func() []contestant {
		input := gen.Realistic(n)
		list := []contestant{{name: copying, file: "tasks.json", input: input, inside: copySync}}
		if b.hacky != "" {
			list = append(list, contestant{
				name: nameHacky, file: "tasks.json", input: input,
				argv:   []string{b.hacky, "set", gen.ID(0), "Complete"},
				verify: func(dir string) error { return wantComplete(dir, 1) },
			})
		}
		return list
	}
	return w
}

func copySync(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "tasks.json"))
	return errors.Join(err, writeSync(filepath.Join(dir, "copy"), data))
}
