package local

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// numbered is S1 to Sn, independent.
func numbered(n int) []string {
	var lines []string
	for k := range n {
		lines = append(lines, fmt.Sprintf("S%d", k+1))
	}
	return lines
}

func TestParallelism(t *testing.T) {
	for n, lasts := range map[int]time.Duration{1: 10, 2: 5, 3: 4, 8: 2, 10: 1, 1024: 1} {
		w, out := run(t, subtasks(t, numbered(10)...), Options{Parallelism: n}, nil)
		if out.Duration != lasts*time.Second || w.peak != min(n, 10) {
			t.Errorf("parallelism %d: %v with at most %d at once, want %v", n, out.Duration, w.peak, lasts*time.Second)
		}
		w.expectOutcome(t, out, "10 started, 10 complete, 0 retried")
	}
}

func TestOrderOfEvents(t *testing.T) {
	w, out := run(t, subtasks(t, "S1 < S3", "S2", "S3", "S4 < S1"), Options{Parallelism: 2}, func(w *world, _ context.CancelCauseFunc) {
		w.lasts = map[string]time.Duration{"S2": 3 * time.Second}
	})
	w.expect(t, `
		0s Started S2#1 Implementing
		0s Started S3#1 Implementing
		1s Finished S3#1 Complete
		1s Started S1#1 Implementing
		2s Finished S1#1 Complete
		2s Started S4#1 Implementing
		3s Finished S2#1 Complete
		3s Finished S4#1 Complete
	`)
	w.expectOutcome(t, out, "4 started, 4 complete, 0 retried")
}

func TestStagesAreAnnounced(t *testing.T) {
	w, _ := run(t, subtasks(t, "S1"), Options{Parallelism: 2}, func(w *world, _ context.CancelCauseFunc) {
		w.stages = []string{"research", "plan", "implement"}
	})
	w.expect(t, `
		0s Stage S1#1 Implementing implement
		0s Stage S1#1 Implementing plan
		0s Started S1#1 Researching
		1s Finished S1#1 Complete
	`)
	if first := w.events[0]; first.Type != engine.SubtaskStarted || first.Stage != "research" || first.ID != "P1.M1.T1.S1" {
		t.Errorf("the first event is %+v", first)
	}
	if last := w.events[len(w.events)-1]; last.Result == nil || last.Result.Ended.Sub(last.Result.Started) != time.Second {
		t.Errorf("the last event has the result %+v", last.Result)
	}
}

// Attempts go on counting where earlier runs have stopped.
func TestAttemptsGoOn(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2"), Options{Parallelism: 1, Retry: policy, Attempts: func(id string) int {
		return map[string]int{"P1.M1.T1.S1": 4}[id]
	}}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Transient, agent.Permanent}}
	})
	w.expectOutcome(t, out, "2 started, 1 complete, 1 retried, failed S1#6")
	if n := w.of("S1")[0].Attempt; n != 5 {
		t.Errorf("the first attempt of this run is %d, want 5", n)
	}
}

func TestDependentsWaitForTheAcknowledgement(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3", "S4"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.acks = map[string]time.Duration{"S1": 1500 * time.Millisecond, "S4": time.Minute}
	})
	w.expect(t, `
		0s Started S1#1 Implementing
		1s Finished S1#1 Complete
		1s Started S3#1 Implementing
		2s Finished S3#1 Complete
		2s Started S4#1 Implementing
		3s Finished S4#1 Complete
		3s Started S2#1 Implementing
		4s Finished S2#1 Complete
	`)
	w.expectOutcome(t, out, "4 started, 4 complete, 0 retried")
	if out.Duration != 63*time.Second {
		t.Errorf("it returned after %v, before the last acknowledgement", out.Duration)
	}
}

// An idle worker is woken by an acknowledgement, and all of them when many
// subtasks become ready at once.
func TestAcknowledgementWakesIdleWorkers(t *testing.T) {
	for _, delay := range []time.Duration{0, 10 * time.Second} {
		lines := []string{"S1"}
		for k := range 8 {
			lines = append(lines, fmt.Sprintf("S%d < S1", k+2))
		}
		w, out := run(t, subtasks(t, lines...), Options{Parallelism: 4}, func(w *world, _ context.CancelCauseFunc) {
			w.acks = map[string]time.Duration{"S1": delay}
		})
		if out.Duration != delay+3*time.Second || w.peak != 4 {
			t.Errorf("with %v until the acknowledgement: %v, %d at once", delay, out.Duration, w.peak)
		}
	}
}

func TestAcknowledgementWakesOneWorkerForOne(t *testing.T) {
	w, _ := run(t, subtasks(t, "S1", "S2 < S1", "S3"), Options{Parallelism: 2}, func(w *world, _ context.CancelCauseFunc) {
		w.acks = map[string]time.Duration{"S1": 2 * time.Second}
		w.lasts = map[string]time.Duration{"S3": 10 * time.Second}
	})
	if at := w.of("S2")[0].Time.Sub(w.begin); at != 3*time.Second {
		t.Errorf("S2 is started at %v, want it with the acknowledgement at 3s", at)
	}
}

func TestRefusedAcknowledgementDrains(t *testing.T) {
	for _, delay := range []time.Duration{0, 500 * time.Millisecond} {
		w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3", "S4 retries=5", "S5", "S6 < S2"),
			Options{Parallelism: 3, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
				w.refused = map[string]error{"S1": errDisk}
				w.acks = map[string]time.Duration{"S1": delay}
				w.lasts = map[string]time.Duration{"S1": 3 * time.Second, "S3": 9 * time.Second, "S4": 2900 * time.Millisecond, "S5": 10 * time.Second}
				w.classes = map[string][]agent.Class{"S4": {agent.Transient}}
			})
		w.expectOutcome(t, out, "4 started, 2 complete, 1 retried, left S1 S2 S4 S6, drained: "+errDisk.Error())
		if out.Duration != 12900*time.Millisecond {
			t.Errorf("it took %v, want the time of what was running", out.Duration)
		}
		last := w.of("S4")[len(w.of("S4"))-1]
		if at := last.Time.Sub(w.begin); last.Type != engine.SubtaskStopped || last.Status != backlog.Planned || at > 4*time.Second {
			t.Errorf("what waited for a retry ends as %s %s at %v, want it Planned at once", last.Type, last.Status, at)
		}
	}
}

func TestFailureBlocks(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3 < S2", "S4", "S5"), Options{Parallelism: 2, Retry: policy}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{"S1": {agent.Permanent}, "S5": {agent.Permanent}}
		w.lasts = map[string]time.Duration{"S1": 5 * time.Second}
	})
	w.expectOutcome(t, out, "3 started, 1 complete, 0 retried, failed S5#1 S1#1, blocked S2<S1 S3<S1")
	f := out.Failed[0]
	if f.Result.Class != agent.Permanent || string(f.Result.Tail) != "said S5" {
		t.Errorf("the failure's result is %+v", f.Result)
	}
}

// A hundred thousand failures must not keep a hundred thousand tails.
func TestOnlyTheFirstFailuresKeepTheirOutput(t *testing.T) {
	w, out := run(t, subtasks(t, numbered(keptTails+10)...), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.classes = map[string][]agent.Class{}
		for _, id := range numbered(keptTails + 10) {
			w.classes[id] = []agent.Class{agent.Permanent}
		}
	})
	kept := 0
	for _, f := range out.Failed {
		if f.Result.Tail != nil {
			kept++
		}
	}
	if len(out.Failed) != keptTails+10 || kept != keptTails {
		t.Errorf("%d failed, %d tails are kept", len(out.Failed), kept)
	}
	for _, ev := range w.events {
		if ev.Type == engine.SubtaskFinished && ev.Result.Tail == nil {
			t.Errorf("the event of %s has no tail", ev.ID)
		}
	}
}

func TestSkip(t *testing.T) {
	for _, s := range []backlog.Status{backlog.Complete, backlog.Obsolete} {
		w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3", "S4 < S3"), Options{Parallelism: 1, MaxTasks: 2}, func(w *world, _ context.CancelCauseFunc) {
			w.statuses = map[string]backlog.Status{"S1": s, "S4": s}
		})
		w.expect(t, fmt.Sprintf(`
			0s Skipped S1#0 %s
			0s Started S2#1 Implementing
			1s Finished S2#1 Complete
			1s Started S3#1 Implementing
			2s Finished S3#1 Complete
		`, s))
		w.expectOutcome(t, out, "2 started, 2 complete, 0 retried, left S4, limit max-tasks")
	}
	// Other statuses are no reason: somebody's retry of the file's Failed, say.
	w, out := run(t, subtasks(t, "S1"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
		w.statuses = map[string]backlog.Status{"S1": backlog.Failed}
	})
	w.expectOutcome(t, out, "1 started, 1 complete, 0 retried")
}

func TestSkippedWakesIdleWorkers(t *testing.T) {
	w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3 < S2", "S4 < S2", "S5 < S2"), Options{Parallelism: 4}, func(w *world, _ context.CancelCauseFunc) {
		w.statuses = map[string]backlog.Status{"S2": backlog.Complete}
	})
	w.expectOutcome(t, out, "4 started, 4 complete, 0 retried")
	if out.Duration != 2*time.Second {
		t.Errorf("it took %v, want S3 to S5 at once", out.Duration)
	}
}

func TestNothingToDo(t *testing.T) {
	w, out := run(t, subtasks(t), Options{Parallelism: 4}, nil)
	w.expect(t, "")
	w.expectOutcome(t, out, "0 started, 0 complete, 0 retried")
}
