package schedule_test

import (
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// newPlan is a plan of everything with these statuses.
func newPlan(b *backlog.Backlog, statuses []backlog.Status) *schedule.Plan {
	return schedule.New(b, statuses, schedule.Select(b, nil))
}

func scope(t *testing.T, b *backlog.Backlog, names ...string) []bool {
	t.Helper()
	items := []int32{}
	for _, id := range names {
		items = append(items, lookup(t, b, id))
	}
	return schedule.Select(b, items)
}

func marked(b *backlog.Backlog, selected []bool) string {
	var items []int32
	for i, in := range selected {
		if in {
			items = append(items, int32(i))
		}
	}
	return short(ids(b, items))
}

func TestSelect(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T2.S1", "P1.M2.T1.S1", "P2.M1", "P3.M1.T1.S1")
	for _, c := range []struct {
		scope []string
		want  string
	}{
		{[]string{"P1.M1.T1.S2"}, "S2"},
		{[]string{"P1.M1.T1"}, "S1 S2"},
		{[]string{"P1.M1"}, "S1 S2 P1.M1.T2.S1"},
		{[]string{"P1"}, "S1 S2 P1.M1.T2.S1 P1.M2.T1.S1"},
		{[]string{"P2"}, ""},
		{[]string{"P3", "P1.M2", "P1.M2.T1.S1"}, "P1.M2.T1.S1 P3.M1.T1.S1"},
		{[]string{}, ""},
	} {
		if got := marked(b, scope(t, b, c.scope...)); got != c.want {
			t.Errorf("%v selects %q, want %q", c.scope, got, c.want)
		}
	}
	if got := marked(b, schedule.Select(b, nil)); got != "S1 S2 P1.M1.T2.S1 P1.M2.T1.S1 P3.M1.T1.S1" {
		t.Errorf("no scope selects %q, want every subtask and no parent", got)
	}
}

func TestMissing(t *testing.T) {
	b := backlogOf(t,
		"P1.M1.T1.S1",
		"P1.M1.T1.S2 < P1.M1.T1.S1",
		"P1.M1.T1.S3 Complete < P1.M1.T1.S4",
		"P1.M1.T1.S4",
		"P1.M1.T1.S5 Failed",
		"P2.M1.T1.S1 < P1.M1.T1.S2", // through S2 to S1
		"P2.M1.T1.S2 < P1.M1.T1.S3", // a Complete one's dependencies do not matter
		"P2.M1.T1.S3 < P1.M1.T1",    // a parent: all of it
		"P2.M1.T1.S4 Complete < P1", // needs nothing any more
		"P2.M1.T1.S5 < P2.M1.T1.S1 P1.M1.T1.S5")
	for _, c := range []struct {
		scope []string
		want  string
	}{
		{[]string{"P2.M1.T1.S1"}, "S1 S2"},
		{[]string{"P2.M1.T1.S2"}, ""},
		{[]string{"P2.M1.T1.S3"}, "S1 S2 S4 S5"},
		{[]string{"P2.M1.T1.S4"}, ""},
		{[]string{"P2.M1.T1.S5"}, "S1 S2 S5 P2.M1.T1.S1"},
		{[]string{"P2.M1.T1.S1", "P1.M1.T1.S2"}, "S1"},
		{[]string{"P2.M1.T1.S1", "P1.M1.T1"}, ""},
		{[]string{"P1"}, ""},
		{[]string{}, ""},
	} {
		got := short(ids(b, schedule.Missing(b, b.Statuses(), scope(t, b, c.scope...))))
		if got != c.want {
			t.Errorf("%v misses %q, want %q", c.scope, got, c.want)
		}
	}
}

// Outside the selection nothing runs, and what waits for it never becomes
// ready: Missing has told before.
func TestNotSelectedIsNotRun(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2 < P1.M1.T1.S1", "P1.M1.T1.S3")
	p := schedule.New(b, b.Statuses(), scope(t, b, "P1.M1.T1.S2", "P1.M1.T1.S3"))
	expectNext(t, b, p, "S3")
	p.Complete(lookup(t, b, "P1.M1.T1.S3"))
	expectNext(t, b, p, "")
	if s := short(ids(b, p.Unfinished())); s != "S2" {
		t.Errorf("Unfinished is %q, want S2", s)
	}
	if n := p.Complete(lookup(t, b, "P1.M1.T1.S1")); n != 1 { // somebody else did it
		t.Errorf("released %d, want S2", n)
	}
	expectNext(t, b, p, "S2")
}

func TestOrder(t *testing.T) {
	b := backlogOf(t,
		"P1.M1.T1.S1 < P1.M1.T1.S3",
		"P1.M1.T1.S2 Complete",
		"P1.M1.T1.S3 < P1.M1.T2",
		"P1.M1.T1.S4",
		"P1.M1.T2.S1 < P1.M1.T1.S2",
		"P1.M1.T2.S2 Failed")
	want := "S4 P1.M1.T2.S1 P1.M1.T2.S2 S3 S1"
	if got := short(ids(b, schedule.Order(planAll(b)))); got != want {
		t.Errorf("order is %q, want %q", got, want)
	}
}
