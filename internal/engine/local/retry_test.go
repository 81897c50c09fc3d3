package local

import (
	"context"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/retry"
)

// TestBackoff: min(base * 2^(n-1), max) plus 0 to 10% (§4), and the next
// attempt starts exactly then.
func TestBackoff(t *testing.T) {
	jittered := false
	for range 20 {
		w, out := run(t, subtasks(t, "S1 retries=7"), Options{Parallelism: 1, Retry: retry.Policy{Retries: 1, Base: time.Second, Max: 30 * time.Second}},
			func(w *world, _ context.CancelCauseFunc) {
				w.classes = map[string][]agent.Class{"S1": {agent.Transient}}
			})
		w.expectOutcome(t, out, "1 started, 0 complete, 7 retried, failed S1#8")
		events := w.of("S1")
		for n, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			ev := events[2*n+1]
			if ev.Type != engine.SubtaskRetrying || ev.Status != backlog.Retrying || ev.Retry != n+1 || ev.Retries != 7 || ev.Attempt != n+1 ||
				ev.Result.Class != agent.Transient {
				t.Errorf("the event of retry %d is %+v", n+1, ev)
			}
			if least := seconds * time.Second; ev.Delay < least || ev.Delay > least+least/10 {
				t.Errorf("before retry %d it waits %v, want %v and up to 10%% more", n+1, ev.Delay, least)
			} else if ev.Delay > least {
				jittered = true
			}
			next := events[2*n+2]
			if next.Type != engine.SubtaskStarted || next.Attempt != n+2 || next.Time.Sub(ev.Time) != ev.Delay {
				t.Errorf("retry %d is %s %v later, said was %v", n+1, next.Type, next.Time.Sub(ev.Time), ev.Delay)
			}
		}
	}
	if !jittered {
		t.Error("no delay has any jitter")
	}
}

func TestRetryWaitsWithoutAWorker(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3"), Options{Parallelism: 1, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Transient, agent.OK}}
		w.lasts = map[string]time.Duration{"S2": 10 * time.Second}
	})
	// S1's time has come while S2 ran: it goes before S3.
	w.expect(t, `
		0s Started S1#1 Implementing
		1s Retrying S1#1 Retrying
		1s Started S2#1 Implementing
		11s Finished S2#1 Complete
		11s Started S1#2 Implementing
		12s Finished S1#2 Complete
		12s Started S3#1 Implementing
		13s Finished S3#1 Complete
	`)
	w.expectOutcome(t, out, "3 started, 3 complete, 1 retried")
}

func TestManyRetriesAtOnce(t *testing.T) {
	lines := numbered(20)
	w, out := run(t, subtasks(t, lines...), Options{Parallelism: 20, Retry: retry.Policy{Retries: 2, Base: time.Second, Max: time.Second}},
		func(w *world, _ context.CancelCauseFunc) {
			w.classes = map[string][]agent.Class{}
			for _, id := range lines {
				w.classes[id] = []agent.Class{agent.Transient, agent.Transient, agent.OK}
			}
		})
	w.expectOutcome(t, out, "20 started, 20 complete, 40 retried")
	if out.Duration > 5200*time.Millisecond {
		t.Errorf("20 retries with 20 workers took %v", out.Duration)
	}
}

func TestHowOftenIsRetried(t *testing.T) {
	for _, c := range []struct {
		name    string
		subtask string
		opts    Options
		class   agent.Class
		want    int // retries
	}{
		{"the configured number", "S1", Options{}, agent.Transient, 3},
		{"fewer of its own", "S1 retries=1", Options{}, agent.Transient, 1},
		{"none of its own", "S1 retries=0", Options{}, agent.Transient, 0},
		{"more of its own", "S1 retries=5", Options{}, agent.Transient, 5},
		{"retries turned off", "S1", Options{NoRetry: true}, agent.Transient, 0},
		{"turned off against its own", "S1 retries=5", Options{NoRetry: true}, agent.Transient, 0},
		{"a permanent failure", "S1 retries=5", Options{}, agent.Permanent, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Parallelism, c.opts.Retry = 2, policy
			w, out := run(t, subtasks(t, c.subtask, "S2 < S1"), c.opts, func(w *world, _ context.CancelCauseFunc) {
				w.classes = map[string][]agent.Class{"S1": {c.class}}
			})
			if out.Retried != c.want || len(out.Failed) != 1 || out.Failed[0].Attempt != c.want+1 {
				t.Errorf("%s, want %d retries", w.summary(out), c.want)
			}
			if last := w.of("S1")[len(w.of("S1"))-1]; last.Type != engine.SubtaskFinished || last.Status != backlog.Failed {
				t.Errorf("in the end it is %s %s", last.Type, last.Status)
			}
		})
	}
}

// What succeeds, or fails for good, at a retry is counted as that.
func TestEndOfARetry(t *testing.T) {
	for class, want := range map[agent.Class]string{
		agent.OK:        "2 started, 2 complete, 2 retried",
		agent.Permanent: "1 started, 0 complete, 2 retried, failed S1#3, blocked S2<S1",
	} {
		w, out := run(t, subtasks(t, "S1", "S2 < S1"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
			w.classes = map[string][]agent.Class{"S1": {agent.Transient, agent.Transient, class}}
		})
		w.expectOutcome(t, out, want)
	}
}
