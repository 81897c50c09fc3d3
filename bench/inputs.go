package main

import (
	"bytes"
	"fmt"

	"github.com/hacky-run/hacky/bench/gen"
)

// The same graph in the languages of the other tools. Every task is a phony target, so nothing is ever up
// to date, and an edge is written wherever tasks.json has one.

func makefile(g *gen.Graph, command string) []byte {
	var out bytes.Buffer
	out.WriteString(".PHONY: all")
	targets(&out, all(g), " t%d")
	out.WriteString("\nall:")
	targets(&out, all(g), " t%d")
	out.WriteString("\n")
	for i := range g.N {
		fmt.Fprintf(&out, "t%d:", i)
		targets(&out, g.Deps(i), " t%d")
		fmt.Fprintf(&out, "\n\t%s\n", command)
	}
	return out.Bytes()
}

func ninjaFile(g *gen.Graph, command string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "rule run\n command = %s\n", command)
	for i := range g.N {
		fmt.Fprintf(&out, "build t%d: run", i)
		targets(&out, g.Deps(i), " t%d")
		out.WriteString("\n")
	}
	return out.Bytes()
}

func taskfile(g *gen.Graph, command string) []byte {
	var out bytes.Buffer
	out.WriteString("version: '3'\nsilent: true\nrun: once\ntasks:\n  all: {deps: [")
	targets(&out, all(g), "t%d, ")
	out.WriteString("]}\n")
	for i := range g.N {
		fmt.Fprintf(&out, "  t%d: {cmds: [%q], deps: [", i, command)
		targets(&out, g.Deps(i), "t%d, ")
		out.WriteString("]}\n")
	}
	return out.Bytes()
}

// justfile lets just start all dependencies of a recipe at once: it has no number of jobs, and one after the
// other it is slower still.
func justfile(g *gen.Graph, command string) []byte {
	var out bytes.Buffer
	out.WriteString("[parallel]\nall:")
	targets(&out, all(g), " t%d")
	out.WriteString("\n")
	for i := range g.N {
		fmt.Fprintf(&out, "[parallel]\nt%d:", i)
		targets(&out, g.Deps(i), " t%d")
		fmt.Fprintf(&out, "\n\t@%s\n", command)
	}
	return out.Bytes()
}

// numbers is a line for each run of GNU parallel.
func numbers(n int) []byte {
	var out bytes.Buffer
	for i := range n {
		fmt.Fprintln(&out, i)
	}
	return out.Bytes()
}

func targets(out *bytes.Buffer, tasks []int, format string) {
	for _, i := range tasks {
		fmt.Fprintf(out, format, i)
	}
}

func all(g *gen.Graph) []int {
	tasks := make([]int, g.N)
	for i := range tasks {
		tasks[i] = i
	}
	return tasks
}
