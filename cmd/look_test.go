package cmd

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// What began at an unknown time is not stale, however long the run goes on.
func TestStale(t *testing.T) {
	now := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	l := &look{now: now, run: &session.Holder{Since: now.Add(-10 * time.Hour)}}
	for _, tt := range []struct {
		status string
		since  *time.Time
		want   bool
	}{
		{"Implementing", nil, false},
		{"Implementing", ago(time.Minute), false},
		{"Implementing", ago(2 * time.Hour), true},
		{"Retrying", nil, true},
	} {
		if got := l.stale(&ui.Listed{Status: tt.status, Since: tt.since}, time.Hour); got != tt.want {
			t.Errorf("%s since %v: %v", tt.status, tt.since, got)
		}
	}
	l.run = nil
	if !l.stale(&ui.Listed{Status: "Implementing"}, time.Hour) {
		t.Error("what no run has is not stale")
	}
}

// A subtask runs since its status says so, or since it has left something; but
// neither what is older than the run counts, nor what is older than its last
// attempt.
func TestAddBegin(t *testing.T) {
	now := time.Now().Round(0)
	at := func(hours int) time.Time { return now.Add(time.Duration(-hours) * time.Hour) }
	for _, tt := range []struct {
		name              string
		said, left, ended time.Time // zero: unknown
		run               bool      // since 5 hours
		want              time.Time
	}{
		{"nothing is known", time.Time{}, time.Time{}, time.Time{}, true, time.Time{}},
		{"it has printed nothing", at(2), time.Time{}, time.Time{}, true, at(2)},
		{"a later stage", at(1), at(2), time.Time{}, true, at(2)},
		{"before the run", at(6), at(7), time.Time{}, true, time.Time{}},
		{"without a run", at(6), time.Time{}, time.Time{}, false, at(6)},
		{"said of another attempt", at(3), at(1), at(2), true, at(1)},
	} {
		dir := t.TempDir()
		l := &look{loc: session.Location{Dir: dir, Name: session.TasksFile}}
		if tt.run {
			l.run = &session.Holder{Since: at(5)}
		}
		if !tt.left.IsZero() {
			attempt := filepath.Join(dir, "artifacts", "P1.M1.T1.S1", "attempt-2")
			if err := os.MkdirAll(attempt, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(attempt, tt.left, tt.left); err != nil {
				t.Fatal(err)
			}
		}
		s := &ui.Listed{ID: "P1.M1.T1.S1", Status: "Implementing"}
		l.addBegin(s, session.Past{Attempt: 1, Ended: tt.ended}, func(string, backlog.Status) time.Time { return tt.said })
		switch {
		case tt.want.IsZero():
			if s.Since != nil {
				t.Errorf("%s: since %v", tt.name, s.Since)
			}
		case s.Since == nil || !s.Since.Equal(tt.want):
			t.Errorf("%s: since %v, want %v", tt.name, s.Since, tt.want)
		}
	}
}
