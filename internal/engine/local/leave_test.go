package local

import (
	"context"
	"slices"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// TestLeave: a subtask that is other work now than the plan has is not executed,
// or not credited; neither is what depends on it started. The rest goes on.
func TestLeave(t *testing.T) {
	for _, tt := range []struct {
		key     string
		started int // how often S1 is
	}{{"S1", 0}, {"executed S1", 1}} {
		w, out := run(t, subtasks(t, "S1", "S2 < S1", "S3"), Options{Parallelism: 1}, func(w *world, _ context.CancelCauseFunc) {
			w.edited = map[string]string{tt.key: "it is other work"}
		})
		started, ends := 0, []engine.EventType{}
		for _, ev := range w.events {
			if w.short(ev.Item) != "S1" {
				if w.short(ev.Item) == "S2" {
					t.Errorf("%s: S2 had %v", tt.key, ev.Type)
				}
				continue
			}
			switch ev.Type {
			case engine.SubtaskStarted:
				started++
			case engine.SubtaskFinished, engine.SubtaskStopped:
				if ends = append(ends, ev.Type); ev.Status != backlog.Planned {
					t.Errorf("%s: it is %s", tt.key, ev.Status)
				}
			default:
			}
		}
		if started != tt.started || !slices.Equal(ends, []engine.EventType{engine.SubtaskStopped}) {
			t.Errorf("%s: started %d times, ended as %v", tt.key, started, ends)
		}
		if out.Completed != 1 || len(out.Left) != 2 || len(out.Failed)+len(out.Blocked) != 0 || len(out.Warned) != 1 || out.Warned[0].Text != "it is other work" {
			t.Errorf("%s: %+v", tt.key, out)
		}
	}
}
