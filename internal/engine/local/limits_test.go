package local

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

func TestLimits(t *testing.T) {
	transient := map[string][]agent.Class{"S1": {agent.Transient, agent.OK}}
	bad := map[string][]agent.Class{"S2": {agent.Permanent}, "S3": {agent.Permanent}}
	for _, c := range []struct {
		name    string
		opts    Options
		classes map[string][]agent.Class
		want    string
	}{
		{"max-tasks", Options{MaxTasks: 3}, nil, "3 started, 3 complete, 0 retried, left S4 S5 S6, limit max-tasks"},
		{"max-tasks, and one of them is retried", Options{MaxTasks: 2}, transient,
			"2 started, 2 complete, 1 retried, left S3 S4 S5 S6, limit max-tasks"},
		{"max-tasks of all there are is no limit", Options{MaxTasks: 6}, nil, "6 started, 6 complete, 0 retried"},
		{"max-failures", Options{MaxFailures: 2}, bad, "3 started, 1 complete, 0 retried, failed S2#1 S3#1, left S4 S5 S6, limit max-failures"},
		{"max-failures not reached", Options{MaxFailures: 3}, bad, "6 started, 4 complete, 0 retried, failed S2#1 S3#1"},
		{"fail-fast", Options{FailFast: true}, bad, "2 started, 1 complete, 0 retried, failed S2#1, left S3 S4 S5 S6, limit fail-fast"},
		{"a transient failure is none yet", Options{FailFast: true}, transient, "6 started, 6 complete, 1 retried"},
		{"max-duration", Options{MaxDuration: 1500 * time.Millisecond}, nil, "2 started, 2 complete, 0 retried, left S3 S4 S5 S6, limit max-duration"},
		{"max-duration, and one is retried", Options{MaxDuration: 1500 * time.Millisecond}, transient,
			"2 started, 2 complete, 1 retried, left S3 S4 S5 S6, limit max-duration"},
		{"max-duration not reached", Options{MaxDuration: time.Minute}, nil, "6 started, 6 complete, 0 retried"},
		{"the first of two limits stays", Options{MaxTasks: 2, FailFast: true}, bad,
			"2 started, 1 complete, 0 retried, failed S2#1, left S3 S4 S5 S6, limit max-tasks"},
		{"the first of two limits is named", Options{MaxTasks: 4, FailFast: true}, bad,
			"2 started, 1 complete, 0 retried, failed S2#1, left S3 S4 S5 S6, limit fail-fast"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Parallelism, c.opts.Retry = 1, policy
			w, out := run(t, subtasks(t, numbered(6)...), c.opts, func(w *world, _ context.CancelCauseFunc) { w.classes = c.classes })
			w.expectOutcome(t, out, c.want)
		})
	}
}

func TestLimitLetsRunningOnesFinish(t *testing.T) {
	w, out := run(t, subtasks(t, numbered(6)...), Options{Parallelism: 3, Retry: policy, FailFast: true}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}, "S3": {agent.Transient, agent.Permanent}}
		w.lasts = map[string]time.Duration{"S2": time.Minute, "S3": 2 * time.Second}
	})
	w.expectOutcome(t, out, "3 started, 1 complete, 1 retried, failed S1#1 S3#2, left S4 S5 S6, limit fail-fast")
	if out.Duration != time.Minute {
		t.Errorf("it took %v", out.Duration)
	}
}

// All that is left after a failure is blocked: nothing was kept from starting.
func TestLimitWithNothingLeft(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1"), Options{Parallelism: 2, FailFast: true}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}}
	})
	w.expectOutcome(t, out, "1 started, 0 complete, 0 retried, failed S1#1, blocked S2<S1")
}

func TestMaxDurationDuringAnAcknowledgement(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1"), Options{Parallelism: 2, MaxDuration: 2 * time.Second}, func(w *world, _ context.CancelCauseFunc) {
		w.acks = map[string]time.Duration{"S1": 5 * time.Second}
	})
	w.expectOutcome(t, out, "1 started, 1 complete, 0 retried, left S2, limit max-duration")
	if out.Duration != 6*time.Second {
		t.Errorf("it took %v", out.Duration)
	}
}

func TestDrainBeforeRun(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 2}, func(w *world, _ context.CancelCauseFunc) {
		w.e.Drain(errUser)
	})
	w.expect(t, "")
	w.expectOutcome(t, out, "0 started, 0 complete, 0 retried, left S1 S2, drained: "+errUser.Error())
}

func TestDrainWhileRunning(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3", "S4 < S1"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.lasts = map[string]time.Duration{"S1": 2 * time.Second, "S2": 3 * time.Second}
		w.classes = map[string][]agent.Class{"S2": {agent.Transient}}
		w.at(time.Second, func() { w.e.Drain(errUser) })
		w.at(1500*time.Millisecond, func() { w.e.Drain(errDisk) }) // the first reason counts
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		0s Started S2#1 Implementing
		2s Finished S1#1 Complete
		3s Stopped S2#1 Planned
	`)
	w.expectOutcome(t, out, "2 started, 1 complete, 0 retried, left S2 S3 S4, drained: "+errUser.Error())
	if res := w.of("S2")[1].Result; res == nil || res.Class != agent.Transient {
		t.Errorf("the attempt that is not repeated has the result %+v", res)
	}
}

func TestDrainDuringARetrysWait(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Transient}, "S2": {agent.Transient}}
		w.at(1500*time.Millisecond, func() { w.e.Drain(errUser) })
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		0s Started S2#1 Implementing
		1s Retrying S1#1 Retrying
		1s Retrying S2#1 Retrying
		1.5s Stopped S1#1 Planned
		1.5s Stopped S2#1 Planned
	`)
	w.expectOutcome(t, out, "2 started, 0 complete, 2 retried, left S1 S2, drained: "+errUser.Error())
}

// A retry whose time has come, but which no worker was free for.
func TestDrainOfADueRetry(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3"), Options{Parallelism: 1, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Transient}}
		w.lasts = map[string]time.Duration{"S2": 10 * time.Second}
		w.at(5*time.Second, func() { w.e.Drain(errUser) })
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		1s Retrying S1#1 Retrying
		1s Started S2#1 Implementing
		5s Stopped S1#1 Planned
		11s Finished S2#1 Complete
	`)
	w.expectOutcome(t, out, "2 started, 1 complete, 1 retried, left S1 S3, drained: "+errUser.Error())
}

// Drain called from within Record, as a session does whose disk fails.
func TestDrainFromTheRecorder(t *testing.T) {
	for _, on := range []engine.EventType{engine.SubtaskStarted, engine.SubtaskRetrying, engine.SubtaskFinished, engine.SubtaskSkipped} {
		w, out := run(t, subtasks(t, "S1", "S2", "S3", "S4"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
			w.classes = map[string][]agent.Class{"S1": {agent.Transient}, "S2": {agent.Transient}}
			w.statuses = map[string]backlog.Status{"S3": backlog.Complete}
			w.hook = func(ev engine.Event) {
				if ev.Type == on {
					w.e.Drain(errDisk)
				}
			}
		})
		if !errors.Is(out.Drained, errDisk) || len(out.Left) == 0 {
			t.Errorf("drained when %s: %s", on, w.summary(out))
		}
		for _, id := range []string{"S1", "S2"} {
			if evs := w.of(id); len(evs) > 0 && evs[len(evs)-1].Type != engine.SubtaskStopped {
				t.Errorf("drained when %s: the last of %s is %s", on, id, evs[len(evs)-1].Type)
			}
		}
	}
}

func TestEndOfTheContextStops(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2", "S3", "S4"), Options{Parallelism: 2, Retry: policy}, func(w *world, stop context.CancelCauseFunc) {
		w.lasts = map[string]time.Duration{"S1": time.Hour, "S2": 2 * time.Second}
		w.classes = map[string][]agent.Class{"S2": {agent.Transient}}
		w.at(2500*time.Millisecond, func() { stop(errUser) })
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		0s Started S2#1 Implementing
		2s Retrying S2#1 Retrying
		2s Started S3#1 Implementing
		2.5s Stopped S1#1 Planned
		2.5s Stopped S2#1 Planned
		2.5s Stopped S3#1 Planned
	`)
	w.expectOutcome(t, out, "3 started, 0 complete, 1 retried, left S1 S2 S3 S4, drained: "+errUser.Error())
	for _, ev := range w.of("S1") {
		if ev.Type == engine.SubtaskStopped && (ev.Result == nil || ev.Result.Class != agent.Interrupted) {
			t.Errorf("the stopped attempt has the result %+v", ev.Result)
		}
	}
}

func TestContextThatHasEndedAlready(t *testing.T) {
	w, out := run(t, subtasks(t, "S1"), Options{Parallelism: 2}, func(_ *world, stop context.CancelCauseFunc) { stop(errUser) })
	if len(out.Left) != 1 || !errors.Is(out.Drained, errUser) {
		t.Errorf("%s", w.summary(out))
	}
}

// An executor may be stopped by other means than the context.
func TestInterruptedWithoutTheContext(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Interrupted}}
	})
	w.expectOutcome(t, out, "1 started, 0 complete, 0 retried, left S1 S2, drained: interrupted")
}

// A signal handler may call Drain at any time, also after the end.
func TestDrainAfterTheEnd(t *testing.T) {
	w, out := run(t, subtasks(t, "S1"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.at(time.Second, func() { w.e.Drain(errUser) }) // in the instant of the end
		w.at(2*time.Second, func() { w.e.Drain(errUser) })
	})
	if out.Completed != 1 {
		t.Errorf("%s", w.summary(out))
	}
}
