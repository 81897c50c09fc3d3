package cmd

import (
	"slices"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/schedule"
)

// settle corrects what a run came to by what others have made of it meanwhile:
// what is done is neither failed, blocked nor left, and what they have put back
// is left. It returns how many of the selected subtasks failed, in this run or by
// their word.
func settle(out *engine.Outcome, selected []bool, final []backlog.Status) (failures int) {
	done := func(i int32) bool { return final[i].Satisfied() }
	out.Failed = slices.DeleteFunc(out.Failed, func(f engine.Failure) bool { return done(f.Item) })
	out.Blocked = slices.DeleteFunc(out.Blocked, func(bl schedule.Blocked) bool { return done(bl.Item) })
	out.Left = slices.DeleteFunc(out.Left, done)
	failed, told := make([]bool, len(final)), make([]bool, len(final))
	for _, f := range out.Failed {
		failed[f.Item] = true
	}
	for _, bl := range out.Blocked {
		told[bl.Item] = true
	}
	for _, i := range out.Left {
		told[i] = true
	}
	for i, in := range selected {
		switch {
		case !in || done(int32(i)):
		case failed[i] || final[i] == backlog.Failed:
			failures++
		case !told[i]:
			out.Left = append(out.Left, int32(i))
		}
	}
	slices.Sort(out.Left)
	return failures
}
