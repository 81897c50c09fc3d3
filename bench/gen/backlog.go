package gen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	perTask      = 100
	perMilestone = 10 * perTask
	perPhase     = 10 * perMilestone
)

// Backlog writes the graph as a tasks.json in which every subtask runs cmd.
func (g *Graph) Backlog(cmd []string) []byte {
	w := writer{out: make([]byte, 0, 600*g.N+16*g.Edges+1024)}
	run := inline(cmd)
	w.line(0, "{")
	w.line(2, `"backlog": [`)
	for i := range g.N {
		if i%perPhase == 0 {
			w.open(4, i/perPhase, "Phase", before(ID(i), ".M"), "milestones")
		}
		if i%perMilestone == 0 {
			w.open(8, i%perPhase, "Milestone", before(ID(i), ".T"), "tasks")
		}
		if i%perTask == 0 {
			w.open(12, i%perMilestone, "Task", before(ID(i), ".S"), "subtasks")
		}
		w.subtask(g, i, run)
		for _, level := range []struct{ indent, size int }{{12, perTask}, {8, perMilestone}, {4, perPhase}} {
			if (i+1)%level.size == 0 || i == g.N-1 {
				w.line(0, "")
				w.line(level.indent+2, "]")
				w.put(level.indent, "}")
			}
		}
	}
	if g.N > 0 {
		w.line(0, "")
	}
	w.line(2, "]")
	w.line(0, "}")
	return w.out
}

type writer struct{ out []byte }

func (w *writer) put(indent int, text string) {
	for range indent {
		w.out = append(w.out, ' ')
	}
	w.out = append(w.out, text...)
}

func (w *writer) line(indent int, text string) {
	w.put(indent, text)
	w.out = append(w.out, '\n')
}

// open begins a parent item up to the bracket of its children; nth is 0 for the first of its siblings.
func (w *writer) open(indent, nth int, kind, id, children string) {
	w.sibling(nth)
	w.line(indent, "{")
	w.line(indent+2, `"type": "`+kind+`",`)
	w.line(indent+2, `"id": "`+id+`",`)
	w.line(indent+2, `"title": "`+kind+` `+id+`",`)
	w.line(indent+2, `"status": "Planned",`)
	w.line(indent+2, `"description": "Generated for a benchmark.",`)
	w.line(indent+2, `"`+children+`": [`)
}

func (w *writer) subtask(g *Graph, i int, run string) {
	deps := g.Deps(i)
	w.sibling(i % perTask)
	w.line(16, "{")
	w.line(18, `"type": "Subtask",`)
	w.line(18, `"id": "`+ID(i)+`",`)
	w.line(18, fmt.Sprintf(`"title": "Work item %d",`, i+1))
	w.line(18, `"status": "Planned",`)
	w.line(18, fmt.Sprintf(`"story_points": %d,`, i%3+1))
	w.put(18, `"dependencies": [`)
	for n, dep := range deps {
		if n > 0 {
			w.put(0, ", ")
		}
		w.put(0, `"`+ID(dep)+`"`)
	}
	w.line(0, "],")
	w.line(18, `"context_scope": `+quote(g.scope(i))+`,`)
	w.line(18, `"run": `+run)
	w.put(16, "}")
}

func (w *writer) sibling(nth int) {
	if nth > 0 {
		w.line(0, ",")
	}
}

func inline(cmd []string) string {
	words := slices.Clone(cmd)
	for i, word := range words {
		words[i] = quote(word)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(quoted)
}

// before is the part of an id in front of a segment.
func before(id, segment string) string {
	head, _, _ := strings.Cut(id, segment)
	return head
}
