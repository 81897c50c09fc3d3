package schedule_test

import (
	"slices"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

func TestReadyInDocumentOrder(t *testing.T) {
	// The order of the document, not of the numbers in the ids.
	b := backlogOf(t, "P1.M1.T1.S3", "P1.M1.T1.S1", "P1.M1.T1.S10", "P1.M1.T1.S2")
	p := planAll(b)
	expectLeft(t, p, 4)
	expectNext(t, b, p, "S3 S1 S10 S2")
	expectLeft(t, p, 4) // handed out is not finished
}

func TestLaterReleaseTakesItsPlaceInTheDocument(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1 < P1.M1.T1.S4", "P1.M1.T1.S2", "P1.M1.T1.S3", "P1.M1.T1.S4")
	p := planAll(b)
	if n := p.Complete(lookup(t, b, "P1.M1.T1.S4")); n != 1 { // without Next: somebody else did it
		t.Errorf("released %d, want 1", n)
	}
	expectNext(t, b, p, "S1 S2 S3")
	expectLeft(t, p, 3)
}

func TestParentIsADependency(t *testing.T) {
	for _, parent := range []string{"P1.M1.T1", "P1.M1", "P1"} {
		t.Run(parent, func(t *testing.T) {
			b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P2.M1.T1.S1 < "+parent)
			p := planAll(b)
			expectNext(t, b, p, "S1 S2")
			if n := p.Complete(lookup(t, b, "P1.M1.T1.S1")); n != 0 {
				t.Errorf("half of the parent released %d", n)
			}
			expectNext(t, b, p, "")
			if n := p.Complete(lookup(t, b, "P1.M1.T1.S2")); n != 1 {
				t.Errorf("the parent released %d, want 1", n)
			}
			expectNext(t, b, p, "P2.M1.T1.S1")
		})
	}
}

func TestParentThatIsSatisfiedFromTheStart(t *testing.T) {
	for name, lines := range map[string][]string{
		"all of it done": {"P1.M1.T1.S1 Complete", "P1.M1.T1.S2 Obsolete", "P2.M1.T1.S1 < P1"},
		"nothing in it":  {"P1.M1", "P2.M1.T1.S1 < P1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := backlogOf(t, lines...)
			p := planAll(b)
			expectLeft(t, p, 1)
			expectNext(t, b, p, "P2.M1.T1.S1")
		})
	}
}

func TestStatusesAtTheStart(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1 Complete", "P1.M1.T1.S2 Obsolete", "P1.M1.T1.S3 Failed",
		"P1.M1.T1.S4 Researching", "P1.M1.T1.S5 Implementing", "P1.M1.T1.S6 Retrying", "P1.M1.T1.S7 Planned",
		"P1.M1.T1.S8 < P1.M1.T1.S1 P1.M1.T1.S2", "P1.M1.T1.S9 < P1.M1.T1.S3", "P1.M1.T1.S10 Complete < P1.M1.T1.S3")
	p := planAll(b)
	expectLeft(t, p, 7)
	expectNext(t, b, p, "S3 S4 S5 S6 S7 S8")
	if s := blockedBy(b, p); s != "" {
		t.Errorf("a failure of an earlier run blocks: %s", s)
	}
}

// The plan looks at the statuses it is given: the file's may be older.
func TestStatusesAreNotTheFiles(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1 Complete", "P1.M1.T1.S2")
	statuses := b.Statuses()
	statuses[lookup(t, b, "P1.M1.T1.S1")] = backlog.Planned
	statuses[lookup(t, b, "P1.M1.T1.S2")] = backlog.Complete
	expectNext(t, b, newPlan(b, statuses), "S1")
}

func TestDuplicateDependencies(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2 < P1.M1.T1.S1 P1.M1.T1.S1 P1.M1.T1.S1",
		"P2.M1.T1.S1 < P1 P1.M1.T1.S1 P1.M1 P1")
	p := planAll(b)
	expectNext(t, b, p, "S1")
	if n := p.Complete(lookup(t, b, "P1.M1.T1.S1")); n != 1 {
		t.Errorf("released %d, want S2 once", n)
	}
	expectNext(t, b, p, "S2")
	if n := p.Complete(lookup(t, b, "P1.M1.T1.S2")); n != 1 {
		t.Errorf("released %d, want P2.M1.T1.S1 once", n)
	}
	expectNext(t, b, p, "P2.M1.T1.S1")

	p = planAll(b)
	blocked := p.Fail(lookup(t, b, "P1.M1.T1.S1"))
	if s := short(ids(b, blocked)); s != "S2 P2.M1.T1.S1" {
		t.Errorf("blocked %q, want each once", s)
	}
	expectLeft(t, p, 0)
}

func TestCompleteTwiceCountsOnce(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T1.S3 < P1.M1.T1.S1 P1.M1.T1.S2")
	p := planAll(b)
	expectNext(t, b, p, "S1 S2")
	s1 := lookup(t, b, "P1.M1.T1.S1")
	p.Complete(s1)
	if n := p.Complete(s1); n != 0 {
		t.Errorf("the second time released %d", n)
	}
	expectLeft(t, p, 2)
	expectNext(t, b, p, "")
}

func TestFailBlocksWhatWaits(t *testing.T) {
	b := backlogOf(t,
		"P1.M1.T1.S1",
		"P1.M1.T1.S2 < P1.M1.T1.S1",  // directly
		"P1.M1.T1.S3 < P1.M1.T1.S2",  // through S2
		"P1.M1.T1.S4",                // not at all
		"P1.M2.T1.S1 < P1.M1.T1",     // through the task
		"P1.M2.T1.S2",                // not at all
		"P2.M1.T1.S1 < P1.M2",        // through a parent of a blocked one
		"P2.M1.T1.S2 < P2.M1.T1.S1 ", // and on
		"P3.M1.T1.S1 < P1.M1.T1.S4")  // not at all
	p := planAll(b)
	blocked := p.Fail(lookup(t, b, "P1.M1.T1.S1"))
	want := "S2 S3 P1.M2.T1.S1 P2.M1.T1.S1 P2.M1.T1.S2"
	if s := short(ids(b, blocked)); s != want {
		t.Errorf("blocked %q, want %q", s, want)
	}
	if s := blockedBy(b, p); s != "S2<S1 S3<S1 P1.M2.T1.S1<S1 P2.M1.T1.S1<S1 P2.M1.T1.S2<S1" {
		t.Errorf("Blocked is %q", s)
	}
	if s := short(ids(b, p.Unfinished())); s != "S4 P1.M2.T1.S2 P3.M1.T1.S1" {
		t.Errorf("Unfinished is %q", s)
	}
	expectLeft(t, p, 3)
	expectNext(t, b, p, "S4 P1.M2.T1.S2")
	p.Complete(lookup(t, b, "P1.M1.T1.S4"))
	expectNext(t, b, p, "P3.M1.T1.S1")
}

func TestFirstFailureIsTheCause(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T1.S3 < P1.M1.T1.S2", "P1.M1.T1.S4 < P1.M1.T1.S1",
		"P2.M1.T1.S1 < P1", "P2.M1.T1.S2 < P1.M1.T1.S1 P1.M1.T1.S2")
	p := planAll(b)
	expectNext(t, b, p, "S1 S2")
	if s := short(ids(b, p.Fail(lookup(t, b, "P1.M1.T1.S2")))); s != "S3 P2.M1.T1.S1 P2.M1.T1.S2" {
		t.Errorf("the first failure blocks %q", s)
	}
	if s := short(ids(b, p.Fail(lookup(t, b, "P1.M1.T1.S1")))); s != "S4" {
		t.Errorf("the second failure blocks %q, want only what is new", s)
	}
	if s := blockedBy(b, p); s != "S3<S2 S4<S1 P2.M1.T1.S1<S2 P2.M1.T1.S2<S2" {
		t.Errorf("Blocked is %q", s)
	}
	expectLeft(t, p, 0)
	if u := p.Unfinished(); len(u) > 0 {
		t.Errorf("Unfinished is %q", ids(b, u))
	}
}

// A task that was told of a failure and later of another must pass on neither
// twice, and lose nothing that began to wait elsewhere.
func TestFailuresBelowOneParent(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T2.S1", "P2.M1.T1.S1 < P1.M1.T1", "P2.M1.T1.S2 < P1.M1.T2",
		"P2.M1.T1.S3 < P1.M1")
	p := planAll(b)
	if s := ids(b, p.Fail(lookup(t, b, "P1.M1.T1.S1"))); s != "P2.M1.T1.S1 P2.M1.T1.S3" {
		t.Errorf("blocked %q", s)
	}
	if s := ids(b, p.Fail(lookup(t, b, "P1.M1.T1.S2"))); s != "" {
		t.Errorf("blocked once more: %q", s)
	}
	if s := ids(b, p.Fail(lookup(t, b, "P1.M1.T2.S1"))); s != "P2.M1.T1.S2" {
		t.Errorf("blocked %q, want what waits for the other task", s)
	}
	if s := blockedBy(b, p); s != "P2.M1.T1.S1<S1 P2.M1.T1.S2<P1.M1.T2.S1 P2.M1.T1.S3<S1" {
		t.Errorf("Blocked is %q", s)
	}
}

func TestRequeue(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T1.S3 < P1.M1.T1.S1")
	p := planAll(b)
	expectNext(t, b, p, "S1 S2")
	p.Requeue(lookup(t, b, "P1.M1.T1.S2"))
	p.Requeue(lookup(t, b, "P1.M1.T1.S1"))
	expectLeft(t, p, 3)
	expectNext(t, b, p, "S1 S2")
	p.Requeue(lookup(t, b, "P1.M1.T1.S1"))
	p.Complete(lookup(t, b, "P1.M1.T1.S1")) // somebody else did it
	expectNext(t, b, p, "S3")
	expectLeft(t, p, 2)
}

// What was blocked stays so for this run, even if somebody else completes what
// failed: its failure has been reported.
func TestBlockedStaysBlocked(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2 < P1.M1.T1.S1", "P1.M1.T1.S3 < P1.M1.T1.S2")
	p := planAll(b)
	expectNext(t, b, p, "S1")
	p.Fail(lookup(t, b, "P1.M1.T1.S1"))
	if n := p.Complete(lookup(t, b, "P1.M1.T1.S1")); n != 0 {
		t.Errorf("released %d", n)
	}
	expectNext(t, b, p, "")
	expectLeft(t, p, 0)
	if s := blockedBy(b, p); s != "S2<S1 S3<S1" {
		t.Errorf("Blocked is %q", s)
	}
}

// Subtasks that somebody else ended leave the heap wherever they stand in it.
func TestLeavingTheHeapFromAnywhere(t *testing.T) {
	const n = 40
	for gone := range int32(n) {
		b := build(t, independent(n))
		p := planAll(b)
		a, z := 3+gone, 3+(gone+7)%n // items 0 to 2 are the parents
		p.Complete(a)
		p.Fail(z)
		var got []int32
		for i, ok := p.Next(); ok; i, ok = p.Next() {
			got = append(got, i)
		}
		if len(got) != n-2 || !slices.IsSorted(got) || slices.Contains(got, a) || slices.Contains(got, z) {
			t.Fatalf("without %d and %d it hands out %v", a, z, got)
		}
		expectLeft(t, p, n-2)
	}
}

func TestEmptyBacklog(t *testing.T) {
	b := backlogOf(t)
	p := planAll(b)
	expectNext(t, b, p, "")
	expectLeft(t, p, 0)
	if len(p.Unfinished()) != 0 || len(p.Blocked()) != 0 {
		t.Error("an empty backlog has something to do")
	}
}
