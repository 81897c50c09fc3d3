package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// sub is a subtask of a test: its id, title, status and dependencies.
type sub struct {
	id, title string
	status    backlog.Status
	deps      []string
}

// parse makes a backlog of subtasks, which stand in document order.
func parse(t testing.TB, subs []sub) *backlog.Backlog {
	t.Helper()
	quote := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var out strings.Builder
	out.WriteString(`{"backlog":[`)
	keys, kinds := []string{"milestones", "tasks", "subtasks"}, []string{"Phase", "Milestone", "Task"}
	var open []string
	for _, s := range subs {
		parts := strings.Split(s.id, ".")
		same := 0
		for same < len(open) && open[same] == parts[same] {
			same++
		}
		for range open[same:] {
			out.WriteString("]}")
		}
		if len(open) > 0 {
			out.WriteByte(',')
		}
		open = open[:same]
		for _, p := range parts[same:3] {
			open = append(open, p)
			id := strings.Join(open, ".")
			fmt.Fprintf(&out, `{"id":%q,"type":%q,"title":"Title of %s","status":"Planned","description":"",%q:[`, id, kinds[len(open)-1], id, keys[len(open)-1])
		}
		deps := s.deps
		if deps == nil {
			deps = []string{}
		}
		fmt.Fprintf(&out, `{"id":%q,"type":"Subtask","title":%s,"status":%q,"story_points":1,"dependencies":%s,"context_scope":""}`, s.id, quote(s.title), s.status.String(), quote(deps))
	}
	for range open {
		out.WriteString("]}")
	}
	out.WriteString("]}")
	b, err := backlog.Parse("test", out.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// number is the item with an id.
func number(t testing.TB, b *backlog.Backlog, id string) int32 {
	t.Helper()
	i, ok := b.Lookup(id)
	if !ok {
		t.Fatalf("no %s", id)
	}
	return i
}

// scattered is n subtasks, each waiting for up to most earlier ones, at most
// so far back.
func scattered(t testing.TB, seed uint64, n, most, back int) *backlog.Backlog {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var subs []sub
	for k := range n {
		s := sub{id: fmt.Sprintf("P%d.M%d.T%d.S%d", k/27+1, k/9%3+1, k/3%3+1, k%3+1), title: fmt.Sprintf("Item %d", k), status: backlog.Status(r.IntN(7))}
		for range r.IntN(most + 1) {
			if from := max(0, k-back); k > from {
				if id := subs[from+r.IntN(k-from)].id; !strings.Contains(strings.Join(s.deps, " ")+" ", id+" ") {
					s.deps = append(s.deps, id)
				}
			}
		}
		if k >= 27 && k%9 == 0 && r.IntN(2) == 0 {
			s.deps = append(s.deps, fmt.Sprintf("P%d", k/27))
		}
		subs = append(subs, s)
	}
	return parse(t, subs)
}

// shuffled is n subtasks that wait for others anywhere, so that tasks wait for
// each other in circles.
func shuffled(t testing.TB, seed uint64, n, most int) *backlog.Backlog {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	subs := make([]sub, n)
	for k := range subs {
		subs[k].id = fmt.Sprintf("P%d.M%d.T%d.S%d", k/27+1, k/9%3+1, k/3%3+1, k%3+1)
	}
	order := r.Perm(n)
	for k, i := range order {
		for _, j := range r.Perm(k)[:min(k, r.IntN(most+1))] {
			subs[i].deps = append(subs[i].deps, subs[order[j]].id)
		}
	}
	return parse(t, subs)
}

func text(t testing.TB, write func(*Graph, *bytes.Buffer) error, g *Graph) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(g, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func dot(g *Graph, out *bytes.Buffer) error     { return g.DOT(out) }
func mermaid(g *Graph, out *bytes.Buffer) error { return g.Mermaid(out) }
func svg(g *Graph, out *bytes.Buffer) error     { return g.SVG(out) }
