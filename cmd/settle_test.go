package cmd

import (
	"reflect"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/schedule"
)

// TestSettle: whatever a run thinks, what is told at its end is true of the file.
func TestSettle(t *testing.T) {
	const n = 9
	const (
		stillFailed = iota
		failedThenDone
		blocked
		blockedThenDone
		left
		leftThenDone
		donePutBack    // completed here, Planned again
		doneThenFailed // completed here, somebody says Failed
		outOfScope
	)
	final := make([]backlog.Status, n)
	for _, i := range []int{failedThenDone, blockedThenDone, leftThenDone} {
		final[i] = backlog.Complete
	}
	final[stillFailed], final[doneThenFailed] = backlog.Failed, backlog.Failed
	selected := make([]bool, n)
	for i := range outOfScope {
		selected[i] = true
	}
	out := engine.Outcome{
		Failed:  []engine.Failure{{Item: stillFailed}, {Item: failedThenDone}},
		Blocked: []schedule.Blocked{{Item: blocked}, {Item: blockedThenDone}},
		Left:    []int32{left, leftThenDone},
	}
	failures := settle(&out, selected, final)
	if failures != 2 || len(out.Failed) != 1 || out.Failed[0].Item != stillFailed || len(out.Blocked) != 1 || out.Blocked[0].Item != blocked ||
		!reflect.DeepEqual(out.Left, []int32{left, donePutBack}) {
		t.Errorf("%d failures, %+v", failures, out)
	}
}
