package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// told is a trail as "S1:0 S4:2(S5>S4@T1 ...)": roots with their distance and
// the way.
func told(b *backlog.Backlog, t *schedule.Trail) string {
	var words []string
	for _, r := range t.Roots {
		var way []string
		for _, l := range t.Way(r) {
			step := b.Items[l.From].ID + ">" + b.Items[l.Item].ID
			if l.Named != l.Item {
				step += "@" + b.Items[l.Named].ID
			}
			way = append(way, step)
		}
		words = append(words, fmt.Sprintf("%s:%d(%s)", b.Items[r].ID, t.Distance(r), strings.Join(way, " ")))
	}
	return short(strings.Join(words, " "))
}

func TestWhy(t *testing.T) {
	for _, tt := range []struct {
		name, of, want string
		lines          []string
	}{
		{"complete", "P1.M1.T1.S1", "", []string{"P1.M1.T1.S1 Complete < P1.M1.T1.S2", "P1.M1.T1.S2 Failed"}},
		{"ready", "P1.M1.T1.S1", "S1:0()", []string{"P1.M1.T1.S1 Planned < P1.M1.T1.S2", "P1.M1.T1.S2 Obsolete"}},
		{"failed itself, though it waits too", "P1.M1.T1.S1", "S1:0()", []string{"P1.M1.T1.S1 Failed < P1.M1.T1.S2", "P1.M1.T1.S2"}},
		{"running itself", "P1.M1.T1.S1", "S1:0()", []string{"P1.M1.T1.S1 Retrying < P1.M1.T1.S2", "P1.M1.T1.S2"}},
		{"chain", "P1.M1.T1.S1", "S3:2(S1>S2 S2>S3)",
			[]string{"P1.M1.T1.S1 Planned < P1.M1.T1.S2", "P1.M1.T1.S2 Planned < P1.M1.T1.S3", "P1.M1.T1.S3 Failed < P1.M1.T1.S4", "P1.M1.T1.S4"}},
		{"the shorter way", "P1.M1.T1.S1", "S3:1(S1>S3)",
			[]string{"P1.M1.T1.S1 Planned < P1.M1.T1.S2 P1.M1.T1.S3", "P1.M1.T1.S2 Planned < P1.M1.T1.S3", "P1.M1.T1.S3"}},
		{"nearest first, then the document", "P1.M1.T1.S1", "S4:1(S1>S4) S5:1(S1>S5) S3:2(S1>S2 S2>S3)",
			[]string{"P1.M1.T1.S1 Planned < P1.M1.T1.S2 P1.M1.T1.S5 P1.M1.T1.S4", "P1.M1.T1.S2 Planned < P1.M1.T1.S3", "P1.M1.T1.S3", "P1.M1.T1.S4", "P1.M1.T1.S5"}},
		{"a dependency on a parent", "P2.M1.T1.S1", "S2:1(P2.M1.T1.S1>S2@P1)",
			[]string{"P1.M1.T1.S1 Complete", "P1.M1.T1.S2 Failed", "P1.M1.T1.S3 Planned < P1.M1.T1.S2", "P2.M1.T1.S1 Planned < P1"}},
		{"a parent", "P1", "S2:0() P2.M1.T1.S1:1(S1>P2.M1.T1.S1)",
			[]string{"P1.M1.T1.S1 Planned < P2.M1.T1.S1", "P1.M1.T1.S2 Planned", "P1.M1.T1.S3 Planned < P1.M1.T1.S2", "P2.M1.T1.S1 Implementing"}},
		{"a parent without children", "P1.M1.T1", "", []string{"P1.M1.T1 Planned", "P1.M1.T2.S1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var nodes []node
			for _, line := range tt.lines {
				nodes = append(nodes, parseNode(line))
			}
			b := build(t, nodes)
			if got := told(b, schedule.Why(b, b.Statuses(), lookup(t, b, tt.of))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// distances is the same as Why, slow and obviously right: it goes on until
// nothing changes any more.
func distances(m *model, statuses []backlog.Status, of int32) map[int32]int {
	open := func(s int32) bool { return !statuses[s].Satisfied() }
	root := func(s int32) bool {
		return statuses[s] == backlog.Failed || statuses[s].Running() || !slices.ContainsFunc(m.waitsFor(s), open)
	}
	dist := map[int32]int{}
	for _, s := range m.below(of) {
		if open(s) {
			dist[s] = 0
		}
	}
	for again := true; again; {
		again = false
		for s, d := range dist {
			if root(s) {
				continue
			}
			for _, w := range m.waitsFor(s) {
				if known, ok := dist[w]; open(w) && (!ok || known > d+1) {
					dist[w], again = d+1, true
				}
			}
		}
	}
	for s := range dist {
		if !root(s) {
			delete(dist, s)
		}
	}
	return dist
}

func compareWhy(t *testing.T, c choices) {
	b := build(t, randomNodes(c))
	statuses := b.Statuses()
	m := newModel(b, statuses, schedule.Select(b, nil))
	stuck := make([]bool, b.Len())
	for _, bl := range schedule.Stuck(b, statuses) {
		stuck[bl.Item] = true
		if statuses[bl.By] != backlog.Failed || !reaches(m, statuses, bl.Item, bl.By) {
			t.Fatalf("%s is said to be blocked by %s", b.Items[bl.Item].ID, b.Items[bl.By].ID)
		}
	}
	if want := b.Stuck(statuses); want != nil && !slices.Equal(stuck, want) || want == nil && slices.Contains(stuck, true) {
		t.Fatalf("blocked are %v, want %v", stuck, want)
	}
	for i := range b.Items {
		of := int32(i)
		trail, want := schedule.Why(b, statuses, of), distances(m, statuses, of)
		if len(trail.Roots) != len(want) {
			t.Fatalf("%s has the roots %q, want %d", b.Items[i].ID, ids(b, trail.Roots), len(want))
		}
		last, lastDist := int32(-1), 0
		for _, r := range trail.Roots {
			d, ok := want[r]
			if !ok || d != trail.Distance(r) {
				t.Fatalf("%s: %s is at %d, want %d %v", b.Items[i].ID, b.Items[r].ID, trail.Distance(r), d, ok)
			}
			if d < lastDist || d == lastDist && r <= last {
				t.Fatalf("%s: roots out of order: %q", b.Items[i].ID, ids(b, trail.Roots))
			}
			last, lastDist = r, d
			way := trail.Way(r)
			if len(way) != d {
				t.Fatalf("the way from %s to %s has %d links, want %d", b.Items[i].ID, b.Items[r].ID, len(way), d)
			}
			at := of
			for k, l := range way {
				if k == 0 && !slices.Contains(m.below(of), l.From) || k > 0 && l.From != at ||
					!slices.Contains(b.Dependencies(l.From), l.Named) || !slices.Contains(m.below(l.Named), l.Item) {
					t.Fatalf("no way from %s to %s: %s", b.Items[i].ID, b.Items[r].ID, told(b, trail))
				}
				at = l.Item
			}
			if d > 0 && at != r || d == 0 && !slices.Contains(m.below(of), r) {
				t.Fatalf("the way from %s does not lead to %s", b.Items[i].ID, b.Items[r].ID)
			}
		}
		if b.Items[i].Kind != backlog.Subtask || statuses[i].Satisfied() {
			continue
		}
		// Who waits for it directly or not: everybody from whom it can be reached.
		n := 0
		for _, s := range m.subtasks(func(s int32) bool { return s != of && !statuses[s].Satisfied() }) {
			if reaches(m, statuses, s, of) {
				n++
			}
		}
		if got := schedule.Waiting(b, statuses, of); got != n {
			t.Fatalf("%d wait for %s, want %d", got, b.Items[i].ID, n)
		}
	}
}

// reaches tells whether s waits for to, through unfinished ones.
func reaches(m *model, statuses []backlog.Status, s, to int32) bool {
	return slices.ContainsFunc(m.waitsFor(s), func(d int32) bool {
		return d == to || !statuses[d].Satisfied() && reaches(m, statuses, d, to)
	})
}

func TestWhyAgainstModel(t *testing.T) {
	for seed := range uint64(3000) {
		c := rand.New(rand.NewPCG(seed, 5))
		if !t.Run("", func(t *testing.T) { compareWhy(t, c) }) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func BenchmarkWhy(b *testing.B) {
	for _, shape := range shapes {
		graph := build(b, shape.make())
		statuses, last := graph.Statuses(), int32(graph.Len()-1)
		if shape.name == "chain" { // it stands in reverse
			last = lookup(b, graph, subtaskID(1, 1))
		}
		b.Run(shape.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				schedule.Why(graph, statuses, last)
			}
		})
	}
}
