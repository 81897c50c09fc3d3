package ui

import (
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// outlook is what can be said of the rest of a run.
type outlook struct {
	left    time.Duration // as long as it will take
	known   bool          // left means something
	blocked int           // subtasks in scope that wait for one that failed
}

// situation is a run at a moment, as far as its rest follows from it. It is a
// copy, as working that out may take as long as a few frames.
type situation struct {
	backlog     *backlog.Backlog
	scope       []bool           // by item number
	statuses    []backlog.Status // by item number
	running     map[int32]float64
	pace        *schedule.Pace
	parallelism int
	startable   int           // subtasks that may still be started; negative: any number
	until       time.Duration // until nothing more is started; 0: for ever
}

// leastFinished is from how many subtasks on an estimate means something.
const leastFinished = 5

// outlook plays the rest of the run through, by the durations of what has come
// to its end: by dependencies, with as many workers as there are, without what
// is blocked or beyond a limit, and as if nothing failed any more. What runs for
// longer than it was expected to is taken to last as long again.
func (s *situation) outlook() outlook {
	var out outlook
	selected := make([]bool, len(s.scope))
	for i, in := range s.scope {
		selected[i] = in && s.statuses[i] != backlog.Failed
	}
	for _, bl := range schedule.Stuck(s.backlog, s.statuses) {
		if selected[bl.Item] {
			selected[bl.Item] = false
			out.blocked++
		}
	}
	if s.pace.Finished() < leastFinished || s.parallelism < 1 {
		return out
	}
	if s.startable >= 0 {
		s.limit(selected)
	}
	seconds := schedule.Simulate(schedule.New(s.backlog, s.statuses, selected), s.parallelism, func(i int32) float64 {
		takes := s.pace.Takes(i, s.backlog.Points(i))
		since, runs := s.running[i]
		switch {
		case !runs:
			return takes
		case since < takes: // also what waits for its retry, which began less than no time ago
			return takes - since
		}
		return since
	})
	out.left, out.known = time.Duration(min(seconds, 1e9)*float64(time.Second)), seconds > 0
	if s.until > 0 {
		out.left = min(out.left, s.until)
	}
	return out
}

// limit leaves only what runs, and what will be started before the limit is
// reached.
func (s *situation) limit(selected []bool) {
	left := s.startable
	for _, i := range schedule.Order(schedule.New(s.backlog, s.statuses, selected)) {
		if _, runs := s.running[i]; runs {
			continue
		}
		if left--; left < 0 {
			selected[i] = false
		}
	}
}
