package local

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/engine"
)

// TestHold: the end of a credential's quota parks everything that needs it and
// nothing else, costs no attempt, and ends at the reset time.
func TestHold(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3", "S4 < S1"), Options{Parallelism: 1, Retry: policy, QuotaWait: time.Hour}, func(w *world, _ context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"claude"}, "S2": {"codex", "claude"}}
		w.quota = map[string][]reset{"S1": {{"claude", time.Minute}}}
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		1s Held S1#1 Planned claude until 1m1s
		1s Started S3#1 Implementing
		1s hold claude until 1m1s
		2s Finished S3#1 Complete
		1m1s Started S1#1 Implementing
		1m1s release claude
		1m2s Finished S1#1 Complete
		1m2s Started S2#1 Implementing
		1m3s Finished S2#1 Complete
		1m3s Started S4#1 Implementing
		1m4s Finished S4#1 Complete
	`)
	w.expectOutcome(t, out, "4 started, 4 complete, 0 retried")
}

// TestHoldTooLong: when nothing else can run and the wait is longer than
// allowed, the run ends and says until when.
func TestHoldTooLong(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3", "S4 < S1"), Options{Parallelism: 2, Retry: policy, QuotaWait: time.Minute}, func(w *world, _ context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"claude"}, "S2": {"claude"}}
		w.quota = map[string][]reset{"S1": {{"claude", time.Hour}}}
		w.lasts = map[string]time.Duration{"S2": 500 * time.Millisecond, "S3": 10 * time.Second}
	})
	w.expectOutcome(t, out, "3 started, 2 complete, 0 retried, left S1 S4, 1 held for claude until 1h0m1s")
	if out.Duration != 10500*time.Millisecond {
		t.Errorf("it took %v", out.Duration)
	}
}

// TestHoldOfAnEarlierRun is kept from the first moment, and what needs nothing
// of it runs.
func TestHoldOfAnEarlierRun(t *testing.T) {
	var w *world
	var out engine.Outcome
	synctest.Test(t, func(t *testing.T) {
		held := []engine.Hold{{Credential: "claude", Until: time.Now().Add(time.Minute)}}
		w = newWorld(subtasks(t, "S1", "S2"), Options{Parallelism: 2, Held: held, QuotaWait: time.Hour})
		w.uses = map[string][]string{"S1": {"claude"}}
		out = w.e.Run(t.Context())
	})
	w.expect(t, `
		0s Started S2#1 Implementing
		1s Finished S2#1 Complete
		1m0s Started S1#1 Implementing
		1m0s release claude
		1m1s Finished S1#1 Complete
	`)
	w.expectOutcome(t, out, "2 started, 2 complete, 0 retried")
}

// TestHoldBackoff: without a reset time, or with one that is wrong, holds
// become longer each time.
func TestHoldBackoff(t *testing.T) {
	w, out := run(t, subtasks(t, "S1"), Options{Parallelism: 1, QuotaWait: 24 * time.Hour}, func(w *world, _ context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"claude"}}
		w.quota = map[string][]reset{"S1": {{"claude", 0}, {"claude", 0}, {"claude", -time.Second}, {"claude", -time.Second}}}
	})
	w.expectOutcome(t, out, "1 started, 1 complete, 0 retried")
	var untils []time.Duration
	for _, ev := range w.events {
		if ev.Type == engine.QuotaHeld {
			untils = append(untils, ev.Until.Sub(ev.Time))
		}
	}
	want := []time.Duration{5 * time.Minute, 10 * time.Minute, 4 * time.Second, 8 * time.Second}
	if len(untils) != 4 || [4]time.Duration(untils) != [4]time.Duration(want) {
		t.Errorf("held for %v, want %v", untils, want)
	}
}

// TestHoldWhileRetrying: a retry whose time comes during a hold waits for its
// end, with the attempts it has left.
func TestHoldWhileRetrying(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 2, Retry: policy, QuotaWait: time.Hour}, func(w *world, _ context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"claude"}, "S2": {"claude"}}
		w.classes = map[string][]agent.Class{"S1": {agent.Transient, agent.OK}}
		w.quota = map[string][]reset{"S2": {{"claude", time.Minute}}}
	})
	w.expectOutcome(t, out, "2 started, 2 complete, 1 retried")
	last := w.of("S1")
	if ev := last[len(last)-1]; ev.Attempt != 2 || ev.Time.Sub(w.begin) < time.Minute {
		t.Errorf("%+v", ev)
	}
}

// TestHoldDrained: a run that is stopped does not wait for a hold.
func TestHoldDrained(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 1, QuotaWait: time.Hour}, func(w *world, stop context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"claude"}, "S2": {"claude"}}
		w.quota = map[string][]reset{"S1": {{"claude", time.Minute}}}
		w.at(30*time.Second, func() { stop(errUser) })
	})
	if out.Duration != 30*time.Second {
		t.Errorf("it took %v", out.Duration)
	}
	w.expectOutcome(t, out, "1 started, 0 complete, 0 retried, left S1 S2, 2 held for claude until 1m1s, drained: the user said so")
}
