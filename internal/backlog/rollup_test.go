package backlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rollUp sets statuses of subtasks by id and returns the parents' by id.
func rollUp(t *testing.T, src string, set map[string]Status) map[string]Status {
	t.Helper()
	b := mustParse(t, src)
	statuses := b.Statuses()
	for id, s := range set {
		i, ok := b.Lookup(id)
		if !ok {
			t.Fatalf("no item %s", id)
		}
		statuses[i] = s
	}
	before := slices.Clone(statuses)
	out := map[string]Status{}
	for i, s := range b.RollUp(statuses) {
		if b.Items[i].Kind == Subtask && s != statuses[i] {
			t.Errorf("the subtask %s became %v", b.Items[i].ID, s)
		}
		out[b.Items[i].ID] = s
	}
	if !slices.Equal(before, statuses) {
		t.Error("RollUp changed its argument")
	}
	return out
}

// One task: the words are its subtasks' statuses, "2>1" that the second waits
// for the first.
func TestRollUpOfATask(t *testing.T) {
	for _, c := range []struct {
		subtasks []Status
		waits    string
		want     Status
	}{
		{[]Status{Obsolete}, "", Obsolete},
		{[]Status{Obsolete, Obsolete}, "", Obsolete},
		{[]Status{Complete}, "", Complete},
		{[]Status{Complete, Obsolete}, "", Complete},
		{[]Status{Obsolete, Complete, Complete}, "", Complete},
		{[]Status{Planned}, "", Planned},
		{[]Status{Planned, Planned}, "2>1", Planned},
		{[]Status{Planned, Obsolete}, "", Planned},
		{[]Status{Planned, Complete}, "", Implementing},
		{[]Status{Planned, Complete, Obsolete}, "", Implementing},
		{[]Status{Researching}, "", Implementing},
		{[]Status{Implementing}, "", Implementing},
		{[]Status{Retrying}, "", Implementing},
		{[]Status{Failed}, "", Failed},
		{[]Status{Failed, Complete}, "", Failed},
		{[]Status{Failed, Obsolete}, "", Failed},
		{[]Status{Failed, Planned}, "", Implementing},
		{[]Status{Failed, Planned}, "2>1", Failed},
		{[]Status{Planned, Failed}, "1>2", Failed},
		{[]Status{Failed, Planned, Planned}, "3>2 2>1", Failed},
		{[]Status{Failed, Planned, Planned}, "2>1", Implementing},
		{[]Status{Failed, Planned, Complete}, "2>3", Implementing},
		{[]Status{Failed, Obsolete, Planned}, "2>1 3>2", Implementing}, // Obsolete satisfies
		{[]Status{Failed, Complete, Planned}, "2>1 3>2", Implementing},
		{[]Status{Failed, Researching}, "", Implementing},
		{[]Status{Failed, Implementing}, "", Implementing},
		{[]Status{Failed, Retrying}, "", Implementing},
		{[]Status{Failed, Retrying}, "2>1", Implementing},
		{[]Status{Failed, Failed, Planned}, "3>1 3>2", Failed},
	} {
		fields := make([][]int, len(c.subtasks))
		for w := range strings.FieldsSeq(c.waits) {
			var from, to int
			if _, err := fmt.Sscanf(w, "%d>%d", &from, &to); err != nil {
				t.Fatal(err)
			}
			fields[from-1] = append(fields[from-1], to)
		}
		var subtasks []string
		set := map[string]Status{"P1": Failed, "P1.M1": Obsolete, "P1.M1.T1": Researching} // what parents say does not count
		for i, s := range c.subtasks {
			subtasks = append(subtasks, subtask(i+1, dependsOn(fields[i]...)))
			set[fmt.Sprintf("P1.M1.T1.S%d", i+1)] = s
		}
		got := rollUp(t, oneTask(subtasks...), set)
		for _, id := range []string{"P1.M1.T1", "P1.M1", "P1"} { // an only child decides
			if got[id] != c.want {
				t.Errorf("%v %s: %s is %v, want %v", c.subtasks, c.waits, id, got[id], c.want)
			}
		}
	}
}

// forest is P1 with M1 (T1: S1 S2, T2: S1) and M2 (T1: S1, T2 without
// children), and P2 without children. The map gives subtasks dependencies.
func forest(deps map[string]string) string {
	subtask := func(id string) string {
		list := ""
		if deps[id] != "" {
			list = `"` + strings.ReplaceAll(deps[id], " ", `","`) + `"`
		}
		return fmt.Sprintf(`{"id":%q,"type":"Subtask","title":"s","status":"Planned","dependencies":[%s]}`, id, list)
	}
	parent := func(kind Kind, id string, children ...string) string {
		return fmt.Sprintf(`{"id":%q,"type":%q,"title":"p","status":"Planned",%q:[%s]}`, id, kind, kind.childrenKey(), strings.Join(children, ","))
	}
	return `{"backlog":[` +
		parent(Phase, "P1",
			parent(Milestone, "P1.M1",
				parent(Task, "P1.M1.T1", subtask("P1.M1.T1.S1"), subtask("P1.M1.T1.S2")),
				parent(Task, "P1.M1.T2", subtask("P1.M1.T2.S1"))),
			parent(Milestone, "P1.M2",
				parent(Task, "P1.M2.T1", subtask("P1.M2.T1.S1")),
				parent(Task, "P1.M2.T2"))) + "," +
		parent(Phase, "P2") + "]}"
}

func TestRollUpNested(t *testing.T) {
	const childless = "P1.M2.T2"
	for _, c := range []struct {
		name string
		deps map[string]string
		set  map[string]Status
		want map[string]Status
	}{
		{"nothing began", nil, nil,
			map[string]Status{"P1": Planned, "P1.M1": Planned, "P1.M1.T1": Planned, "P2": Planned}},
		{"one is done", nil, map[string]Status{"P1.M1.T1.S1": Complete},
			map[string]Status{"P1": Implementing, "P1.M1": Implementing, "P1.M1.T1": Implementing, "P1.M1.T2": Planned, "P1.M2": Planned}},
		{"a milestone is done", nil, map[string]Status{"P1.M1.T1.S1": Complete, "P1.M1.T1.S2": Obsolete, "P1.M1.T2.S1": Obsolete},
			map[string]Status{"P1": Implementing, "P1.M1": Complete, "P1.M1.T1": Complete, "P1.M1.T2": Obsolete}},
		{"all is done", nil, map[string]Status{"P1.M1.T1.S1": Complete, "P1.M1.T1.S2": Complete, "P1.M1.T2.S1": Obsolete, "P1.M2.T1.S1": Obsolete, childless: Obsolete},
			map[string]Status{"P1": Complete, "P1.M1": Complete, "P1.M2": Obsolete, "P1.M2.T1": Obsolete}},
		{"childless parents keep what they say, and say nothing about others", nil, map[string]Status{"P2": Researching, childless: Complete},
			map[string]Status{"P2": Researching, childless: Complete, "P1.M2": Planned}},
		{"failed, and able elsewhere", nil, map[string]Status{"P1.M1.T1.S1": Failed, "P1.M1.T1.S2": Complete},
			map[string]Status{"P1.M1.T1": Failed, "P1.M1": Implementing, "P1": Implementing}},
		{"failed, and running elsewhere", nil, map[string]Status{"P1.M1.T1.S1": Failed, "P1.M1.T1.S2": Complete, "P1.M1.T2.S1": Retrying},
			map[string]Status{"P1.M1.T1": Failed, "P1.M1": Implementing}},
		{"failed, and what is left waits for it", map[string]string{"P1.M1.T2.S1": "P1.M1.T1.S1"}, map[string]Status{"P1.M1.T1.S1": Failed, "P1.M1.T1.S2": Complete},
			map[string]Status{"P1.M1.T1": Failed, "P1.M1.T2": Planned, "P1.M1": Failed, "P1": Implementing, "P1.M2": Planned}},
		{"waiting through a task", map[string]string{"P1.M1.T2.S1": "P1.M1.T1"}, map[string]Status{"P1.M1.T1.S1": Failed, "P1.M1.T1.S2": Complete},
			map[string]Status{"P1.M1": Failed}},
		{"waiting through a milestone, and what waits through a task for that",
			map[string]string{"P1.M2.T1.S1": "P1.M1", "P1.M1.T2.S1": "P1.M1.T1"}, map[string]Status{"P1.M1.T1.S2": Failed, "P1.M1.T1.S1": Complete, childless: Complete},
			map[string]Status{"P1.M1": Failed, "P1": Failed, "P1.M2.T1": Planned, "P1.M2": Planned}},
		{"waiting for a task whose other part failed does not stop what does not wait",
			map[string]string{"P1.M2.T1.S1": "P1.M1.T1.S2"}, map[string]Status{"P1.M1.T1.S1": Failed},
			map[string]Status{"P1.M1.T1": Implementing, "P1.M1": Implementing, "P1": Implementing}},
		{"waiting for what is without children is not waiting",
			map[string]string{"P1.M1.T2.S1": childless}, map[string]Status{"P1.M1.T1.S1": Failed, "P1.M1.T1.S2": Failed, childless: Failed},
			map[string]Status{"P1.M1": Implementing}},
		{"forward dependency on the failed", map[string]string{"P1.M1.T1.S1": "P1.M1.T2", "P1.M1.T1.S2": "P1.M1.T1.S1"}, map[string]Status{"P1.M1.T2.S1": Failed},
			map[string]Status{"P1.M1.T1": Planned, "P1.M1": Failed}},
	} {
		got := rollUp(t, forest(c.deps), c.set)
		for id, want := range c.want {
			if got[id] != want {
				t.Errorf("%s: %s is %v, want %v", c.name, id, got[id], want)
			}
		}
	}
}

// slowRollUp is the contract's words, one by one, without any cleverness.
type slowRollUp struct {
	b        *Backlog
	statuses []Status
}

// able: planned, and no dependency is failed or waits for a failed one.
func (r slowRollUp) able(i int32) bool {
	if r.statuses[i] != Planned {
		return false
	}
	for _, d := range r.b.Dependencies(i) {
		for s := d; s < r.b.Items[d].End; s++ {
			if r.b.Items[s].Kind != Subtask {
				continue
			}
			if r.statuses[s] == Failed || r.statuses[s] == Planned && !r.able(s) {
				return false
			}
		}
	}
	return true
}

// empty tells that there are no subtasks below a parent.
func (r slowRollUp) empty(i int32) bool {
	for k := i; k < r.b.Items[i].End; k++ {
		if r.b.Items[k].Kind == Subtask {
			return false
		}
	}
	return true
}

func (r slowRollUp) of(i int32) Status {
	if r.b.Items[i].Kind == Subtask || r.empty(i) {
		return r.statuses[i]
	}
	only := func(allowed ...Status) bool {
		for c := range r.b.Children(i) {
			if !r.empty(c) && !slices.Contains(allowed, r.of(c)) {
				return false
			}
		}
		return true
	}
	failed, alive := false, false
	for c := range r.b.Children(i) {
		failed = failed || !r.empty(c) && r.of(c) == Failed
	}
	for s := i + 1; s < r.b.Items[i].End; s++ {
		alive = alive || r.b.Items[s].Kind == Subtask && (r.statuses[s].Running() || r.able(s))
	}
	switch {
	case only(Obsolete):
		return Obsolete
	case only(Complete, Obsolete):
		return Complete
	case only(Planned, Obsolete):
		return Planned
	case failed && !alive:
		return Failed
	}
	return Implementing
}

func TestRollUpRandom(t *testing.T) {
	g := &randomTree{r: rand.New(rand.NewPCG(5, 6)), deps: 60}
	seen := map[Status]int{}
	stuck := 0
	for range 4000 {
		b := g.backlog(t)
		statuses := b.Statuses()
		for i := range statuses { // fewer finished than random ones
			if g.r.IntN(2) == 0 {
				statuses[i] = Planned
			}
		}
		got := b.RollUp(statuses)
		marks := b.Stuck(statuses)
		slow := slowRollUp{b, statuses}
		for i := range int32(b.Len()) {
			if want := slow.of(i); got[i] != want {
				t.Fatalf("%s is %v, want %v, in\n%s", b.Items[i].ID, got[i], want, b.Source())
			}
			if b.Items[i].Kind != Subtask {
				seen[got[i]]++
				continue
			}
			want := statuses[i] == Planned && !slow.able(i)
			if is := marks != nil && marks[i]; is != want {
				t.Fatalf("%s stuck: %t, want %t, in\n%s", b.Items[i].ID, is, want, b.Source())
			}
			if want {
				stuck++
			}
		}
		if again := b.RollUp(got); !slices.Equal(again, got) {
			t.Fatalf("rolled up twice it is %v, not %v", again, got)
		}
	}
	if seen[Failed] < 500 || seen[Implementing] < 500 || seen[Complete] < 500 || stuck < 500 {
		t.Errorf("the trees are dull: %v, %d stuck", seen, stuck)
	}
}
