package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A long chain is folded in the middle, and fits.
func TestWhyLongChain(t *testing.T) {
	now := time.Date(2026, 1, 24, 15, 30, 45, 0, time.Local)
	failed := now.Add(-90 * time.Second)
	r := &Root{Listed: Listed{ID: "P1.M1.T1.S20", Title: strings.Repeat("long ", 20), Status: "Failed", Standing: HasFailed, Since: &failed, Reason: "exit 1"},
		Waiting: 1, From: "P1.M1.T1.S1", FromTitle: "first", Advice: "mend it"}
	for k := 2; k <= 20; k++ {
		r.Chain = append(r.Chain, WhyLink{ID: fmt.Sprintf("P1.M1.T1.S%d", k), Title: strings.Repeat("long ", 20), Status: "Planned", Named: "P1.M1.T1"})
	}
	y := &Why{Session: "plan/x", ID: "P1.M1.T1.S1", Title: "first", Type: "Subtask", Status: "Planned", Subtasks: 1, Open: 1, RootCount: 1, Roots: []*Root{r}}
	var b strings.Builder
	if err := y.Text(&b, Screen{Width: 60}, now); err != nil {
		t.Fatal(err)
	}
	fits(t, b.String(), 60)
	for _, want := range []string{"Planned; it waits, for one reason\n", "   failed 15:29:15 (1m ago): exit 1\n", "     waits for P1.M1.T1.S7 of P1.M1.T1", "     ... 7 more in between\n", "waits for P1.M1.T1.S15 of", "   1 subtask waits for it\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	for _, not := range []string{"T1.S8 ", "T1.S14 "} {
		if strings.Contains(b.String(), not) {
			t.Errorf("%q is in\n%s", not, b.String())
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 1, 24, 1, 30, 45, 0, time.Local)
	for ago, want := range map[time.Duration]string{
		-time.Minute:   "01:31:45 (0s ago)", // another clock
		time.Minute:    "01:29:45 (1m ago)",
		2 * time.Hour:  "2026-01-23 23:30 (2h ago)",
		72 * time.Hour: "2026-01-21 01:30 (3 days ago)",
	} {
		if got := Ago(now.Add(-ago), now); got != want {
			t.Errorf("%v: %q, want %q", ago, got, want)
		}
	}
}
