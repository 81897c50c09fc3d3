package schedule_test

import (
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// node is a subtask of a test's backlog: "P1.M1.T1.S2 Failed < P1.M1.T1.S1 P2"
// is Failed and waits for two items. Parents follow from the ids.
type node struct {
	id     string
	status string
	deps   []string
}

func parseNode(line string) node {
	own, deps, _ := strings.Cut(line, "<")
	words := strings.Fields(own)
	n := node{id: words[0], status: "Planned", deps: strings.Fields(deps)}
	if len(words) > 1 {
		n.status = words[1]
	}
	return n
}

// backlogOf parses lines of subtasks; see node.
func backlogOf(t testing.TB, lines ...string) *backlog.Backlog {
	t.Helper()
	nodes := make([]node, len(lines))
	for k, line := range lines {
		nodes[k] = parseNode(line)
	}
	return build(t, nodes)
}

// build writes the tasks.json of these subtasks, in their order, and parses
// it. An id of a parent makes a parent that need not have children.
func build(t testing.TB, nodes []node) *backlog.Backlog {
	t.Helper()
	keys := [...]string{"milestones", "tasks", "subtasks"}
	kinds := [...]string{"Phase", "Milestone", "Task", "Subtask"}
	var b strings.Builder
	b.WriteString(`{"backlog":[`)
	var open []string // ids of the parents that are open
	shut := func(depth int) {
		for len(open) > depth {
			open = open[:len(open)-1]
			b.WriteString("]}")
		}
	}
	fresh := true // nothing in this list yet
	for _, n := range nodes {
		common := 0
		for common < len(open) && strings.HasPrefix(n.id, open[common]+".") {
			common++
		}
		if len(open) > common {
			shut(common)
			fresh = false
		}
		for depth, end := common, 0; end < len(n.id); depth++ {
			end = len(n.id)
			if depth < strings.Count(n.id, ".") {
				end = len(strings.Join(strings.SplitN(n.id, ".", depth+2)[:depth+1], "."))
			}
			if !fresh {
				b.WriteByte(',')
			}
			b.WriteString(`{"id":"` + n.id[:end] + `","type":"` + kinds[depth] + `","title":"t","status":"`)
			if depth < len(keys) {
				b.WriteString(`Planned","` + keys[depth] + `":[`)
				open = append(open, n.id[:end])
				fresh = true
				continue
			}
			b.WriteString(n.status + `","dependencies":[`)
			if len(n.deps) > 0 {
				b.WriteString(`"` + strings.Join(n.deps, `","`) + `"`)
			}
			b.WriteString("]}")
			fresh = false
		}
	}
	shut(0)
	b.WriteString("]}")
	parsed, err := backlog.Parse("tasks.json", b.String())
	if err != nil {
		t.Fatalf("the test's backlog is refused:\n%v", err)
	}
	return parsed
}

func lookup(t testing.TB, b *backlog.Backlog, id string) int32 {
	t.Helper()
	i, ok := b.Lookup(id)
	if !ok {
		t.Fatalf("%s is not in the test's backlog", id)
	}
	return i
}

// planAll is a plan of everything, with the statuses in the file.
func planAll(b *backlog.Backlog) *schedule.Plan {
	return schedule.New(b, b.Statuses(), schedule.Select(b, nil))
}

func ids(b *backlog.Backlog, items []int32) string {
	words := make([]string, len(items))
	for k, i := range items {
		words[k] = b.Items[i].ID
	}
	return strings.Join(words, " ")
}

// short is ids without the frame that most tests share.
func short(s string) string { return strings.ReplaceAll(s, "P1.M1.T1.", "") }

// next is the id that Next hands out, "" if none.
func next(b *backlog.Backlog, p *schedule.Plan) string {
	i, ok := p.Next()
	if !ok {
		return ""
	}
	return b.Items[i].ID
}

// expectNext takes everything that is ready and compares it.
func expectNext(t *testing.T, b *backlog.Backlog, p *schedule.Plan, want string) {
	t.Helper()
	ready := p.Ready()
	var got []string
	for {
		id := next(b, p)
		if id == "" {
			break
		}
		got = append(got, id)
	}
	if s := short(strings.Join(got, " ")); s != want {
		t.Errorf("handed out %q, want %q", s, want)
	}
	if ready != len(got) {
		t.Errorf("Ready said %d, and %d were handed out", ready, len(got))
	}
}

func expectLeft(t *testing.T, p *schedule.Plan, want int) {
	t.Helper()
	if p.Left() != want {
		t.Errorf("Left is %d, want %d", p.Left(), want)
	}
}

// blockedBy is the plan's Blocked as "S2<S1 S3<S1".
func blockedBy(b *backlog.Backlog, p *schedule.Plan) string {
	var words []string
	for _, bl := range p.Blocked() {
		words = append(words, b.Items[bl.Item].ID+"<"+b.Items[bl.By].ID)
	}
	return short(strings.Join(words, " "))
}
