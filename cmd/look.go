package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// look is a session as commands see it that only read.
type look struct {
	loc      session.Location
	b        *backlog.Backlog
	statuses []backlog.Status
	now      time.Time
	run      *session.Holder // nil: none has the session
	holds    []session.Hold  // the first to end first
	here     string          // how commands for the user name the session

	open        []bool // see schedule.Open
	credentials func(i int32) []string
}

// look reads the session that is meant.
func (a *app) look(cfg *config.Config) (*look, error) {
	loc, err := a.locate(cfg)
	if err != nil {
		return nil, err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return nil, err
	}
	// What parents say in the file may be older than what is below them.
	l := &look{loc: loc, b: b, statuses: b.RollUp(statuses), now: a.now(), here: a.sessionArg(loc.Path()), open: schedule.Open(b, statuses),
		credentials: func(int32) []string { return nil }}
	// What is not known of these is not shown.
	l.run, _ = session.Held(loc)
	l.holds, _ = session.Holds(loc, l.now)
	if len(l.holds) > 0 {
		a.whoIsHeld(cfg, l)
	}
	return l, nil
}

// whoIsHeld finds out which subtasks use which quota. A configuration that is
// not in order says nothing about it; run tells what is wrong.
func (a *app) whoIsHeld(cfg *config.Config, l *look) {
	recipe, err := a.recipe(cfg, zerolog.Nop())
	if err != nil {
		return
	}
	absolute, err := filepath.Abs(l.loc.Dir)
	if err != nil {
		return
	}
	runner, err := agent.NewRunner(l.b, recipe, filepath.Join(absolute, l.loc.Name), ".", "", os.Environ())
	if err != nil {
		return
	}
	_ = runner.Close() // opened for reading; the quotas are in the recipe
	l.credentials = runner.Credentials
}

// hold is the hold that keeps a subtask from starting; nil if none does.
func (l *look) hold(i int32) *session.Hold {
	if len(l.holds) == 0 {
		return nil
	}
	var last *session.Hold // all have to end
	for k := range l.holds {
		if slices.Contains(l.credentials(i), l.holds[k].Credential) {
			last = &l.holds[k]
		}
	}
	return last
}

// standing says in one word how a subtask stands.
func (l *look) standing(i int32) ui.Standing {
	switch st := l.statuses[i]; {
	case st.Satisfied():
		return ui.Done
	case st == backlog.Failed:
		return ui.HasFailed
	case st.Running() && l.run != nil:
		return ui.Runs
	case schedule.Waits(l.b, l.open, i):
		return ui.Waits
	case l.hold(i) != nil:
		return ui.IsHeld
	case st.Running():
		return ui.Interrupted
	}
	return ui.IsReady
}

// believed are the statuses, but that what is said to run does not when no run
// has the session.
func (l *look) believed() []backlog.Status {
	if l.run != nil {
		return l.statuses
	}
	out := slices.Clone(l.statuses)
	for i, st := range out {
		if st.Running() && l.b.Items[i].Kind == backlog.Subtask {
			out[i] = backlog.Planned
		}
	}
	return out
}

// subtaskAt is how a subtask is listed.
func (l *look) subtaskAt(i int32) ui.Listed {
	it := &l.b.Items[i]
	s := ui.Listed{ID: it.ID, Title: it.Title, Status: l.statuses[i].String(), Standing: l.standing(i)}
	if h := l.hold(i); s.Standing == ui.IsHeld && h != nil {
		until := h.Until
		s.Credential, s.Until = h.Credential, &until
	}
	return s
}

// addEvidence says of these subtasks since when they run, or why and when they
// failed, as far as attempts.ndjson and artifacts/ tell.
func (l *look) addEvidence(list []*ui.Listed) {
	var ids []string
	for _, s := range list {
		if s.Standing == ui.HasFailed || s.Standing == ui.Runs || s.Standing == ui.Interrupted {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	past, _ := session.LastAttempts(l.loc, ids) // what cannot be read is not shown
	said, _ := session.Said(l.loc)
	lines := 0
	for _, s := range list {
		p, known := past[s.ID]
		retrying := s.Standing == ui.Runs && s.Status == backlog.Retrying.String()
		switch {
		case s.Standing == ui.HasFailed && known && p.Class != "ok", retrying && known:
			s.Since, s.Reason, s.Attempt, s.Log = timeOf(p.Ended), p.Reason, p.Attempt, p.Log
			if lines++; lines <= lastWords && p.Log != "" {
				s.LastLine = session.LastLine(l.loc, p.Log)
			}
		case s.Standing == ui.Runs || s.Standing == ui.Interrupted:
			l.addBegin(s, p, said)
		}
	}
}

// lastWords bounds of how many subtasks the last line of their output is read.
const lastWords = 200

// addBegin says since when a subtask runs: since its status was given to it, or
// since its attempt left something, whichever is earlier. What is older than the
// run, or than the end of another attempt, tells of something else.
func (l *look) addBegin(s *ui.Listed, last session.Past, said func(string, backlog.Status) time.Time) {
	var begin time.Time
	take := func(t time.Time) {
		if t.After(last.Ended) && (l.run == nil || !t.Before(l.run.Since)) && (begin.IsZero() || t.Before(begin)) {
			begin = t
		}
	}
	if n, t := session.Traces(l.loc, s.ID); n > last.Attempt && (l.run == nil || !t.Before(l.run.Since)) {
		s.Attempt = n
		take(t)
	}
	if st, err := backlog.ParseStatus(s.Status); err == nil {
		take(said(s.ID, st))
	}
	s.Since = timeOf(begin)
}

// timeOf is nil for a time that is not known.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
