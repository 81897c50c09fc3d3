package local

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
)

// What others complete during a run releases what waits for it, though it had
// failed here.
func TestOthersCompleteWhatFailed(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3", "S4 < S2"), Options{Parallelism: 2}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}}
		w.lasts = map[string]time.Duration{"S3": 10 * time.Second}
		w.statuses = map[string]backlog.Status{}
		w.at(5*time.Second, func() { w.others(3, backlog.Complete) })
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		0s Started S3#1 Implementing
		1s Finished S1#1 Failed
		5s Skipped S1#0 Complete
		5s Started S2#1 Implementing
		6s Finished S2#1 Complete
		6s Started S4#1 Implementing
		7s Finished S4#1 Complete
		10s Finished S3#1 Complete
	`)
	w.expectOutcome(t, out, "4 started, 3 complete, 0 retried")
}

// What failed and is put back is executed again: with new retries, and numbers
// that go on.
func TestOthersPutBackWhatFailed(t *testing.T) {
	w, out := run(t, subtasks(t, "S1 retries=1", "S2 < S1", "S3"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Transient, agent.Transient, agent.Transient, agent.OK}}
		w.lasts = map[string]time.Duration{"S3": 30 * time.Second}
		w.statuses = map[string]backlog.Status{}
		w.at(20*time.Second, func() { w.others(3, backlog.Planned) })
		w.at(25*time.Second, func() { w.others(5, backlog.Planned) }) // is being executed: nothing happens
	})
	for _, want := range []string{"Finished S1#2 Failed", "20s Revived S1#0 Planned", "20s Started S1#3 Implementing", "Finished S1#4 Complete", "Finished S2#1 Complete"} {
		if !strings.Contains(w.trace(), want) {
			t.Errorf("no %q in\n%s", want, w.trace())
		}
	}
	w.expectOutcome(t, out, "4 started, 3 complete, 2 retried")
}

// A run that was told to stop puts nothing back into its plan's end, and one that
// has ended hears nothing more.
func TestOthersAfterTheEnd(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}}
		w.statuses = map[string]backlog.Status{}
		w.at(time.Minute, func() { w.others(3, backlog.Complete) })
	})
	w.expectOutcome(t, out, "1 started, 0 complete, 0 retried, failed S1#1, blocked S2<S1")
	if n := len(w.events); n != 2 {
		t.Errorf("%d events:\n%s", n, w.trace())
	}
}

// What others complete while it is executed is done, however its attempt ends.
func TestOthersCompleteWhatRuns(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1"), Options{Parallelism: 1, MaxFailures: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}}
		w.lasts = map[string]time.Duration{"S1": 3 * time.Second}
		w.statuses = map[string]backlog.Status{}
		w.at(time.Second, func() { w.others(3, backlog.Complete) })
	})
	if !strings.Contains(w.trace(), "3s Skipped S1#0 Complete\n") {
		t.Errorf("events:\n%s", w.trace())
	}
	// The limit was reached before anybody could know.
	w.expectOutcome(t, out, "1 started, 0 complete, 0 retried, left S2, limit max-failures")
}

// What others complete while a quota keeps it, or it waits for its retry, is
// waited for no longer.
func TestOthersCompleteWhatWaits(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3", "S4 < S3"), Options{Parallelism: 2, Retry: policy, QuotaWait: 10 * time.Hour}, func(w *world, _ context.CancelCauseFunc) {
		w.uses = map[string][]string{"S1": {"x"}}
		w.quota = map[string][]reset{"S1": {{"x", 5 * time.Hour}}}
		w.classes = map[string][]agent.Class{"S3": {agent.Transient}}
		w.opts.Retry.Base = time.Hour
		w.statuses = map[string]backlog.Status{}
		w.at(1500*time.Millisecond, func() { w.others(5, backlog.Complete) })
		w.at(5*time.Second, func() { w.others(3, backlog.Complete) })
	})
	for _, want := range []string{"5s Skipped S1#0 Complete\n", "5s Started S2#1 Implementing\n", "1.5s Skipped S3#0 Complete\n", "1.5s Started S4#1 Implementing\n"} {
		if !strings.Contains(w.trace(), want) {
			t.Errorf("no %q in\n%s", want, w.trace())
		}
	}
	if out.Duration != 6*time.Second || len(out.Held) > 0 {
		t.Errorf("it took %v, held %v", out.Duration, out.Held)
	}
}
