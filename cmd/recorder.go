package cmd

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// recorder writes an engine's events down: the status into the session, the
// attempt into its log, and then, when that is acknowledged, onto the screen.
type recorder struct {
	s        *session.Session
	b        *backlog.Backlog // as the engine knows it
	progress ui.Progress
	log      zerolog.Logger
	runID    string
}

func (r *recorder) Status(item int32) backlog.Status {
	r.s.Refresh()
	st, ok := r.s.Status(r.b.Items[item].ID)
	if !ok { // removed from the file meanwhile: nobody wants it run any more
		return backlog.Obsolete
	}
	return st
}

// work is what the engine executes of a subtask.
func (r *recorder) work(item int32) backlog.Work { return r.b.Work(item) }

func (r *recorder) OtherWork(item int32, executed bool) (how string) {
	if executed {
		r.s.RefreshFully()
	} else {
		r.s.Refresh()
	}
	b := r.s.Backlog()
	if b == r.b {
		return ""
	}
	was := r.work(item)
	is, ok := b.WorkOf(r.b.Items[item].ID)
	if !ok || was.Same(is) { // one that was removed is Obsolete to the engine
		return ""
	}
	if was.Title != is.Title {
		return fmt.Sprintf("another program has given the id to other work while the run was on: it was %q, and is %q now; nothing is credited to it, and the next run executes it", was.Title, is.Title)
	}
	return fmt.Sprintf("another program has changed what %q executes while the run was on; nothing is credited to it, and the next run executes it", is.Title)
}

// stopped puts an item back that is other work now: only what this run has made
// of it is undone.
func (r *recorder) stopped(ev engine.Event) {
	r.progress.Event(ev)
	if now, ok := r.s.Status(ev.ID); ok && now.Running() {
		if err := r.s.Apply(nil, session.Change{ID: ev.ID, To: backlog.Planned}); err != nil {
			r.log.Warn().Err(err).Str("id", ev.ID).Msg("cannot note a status")
		}
	}
}

func (r *recorder) Record(ev engine.Event, acked func(error)) {
	if ev.Type == engine.QuotaHeld || ev.Type == engine.QuotaReleased {
		r.progress.Event(ev)
		if err := r.s.SetHold(ev.Credential, ev.Until); err != nil {
			r.log.Warn().Err(err).Str("credential", ev.Credential).Msg("a hold cannot be kept for later runs")
		}
		return
	}
	if ev.Result != nil {
		r.s.RefreshFully() // a status that the attempt awarded itself is told by being saved before its end
		r.attempt(ev)
	}
	if ev.Type == engine.SubtaskSkipped || ev.Type == engine.SubtaskRevived { // the session says so already
		r.progress.Event(ev)
		return
	}
	if ev.Type == engine.SubtaskStopped && acked == nil {
		if how := r.OtherWork(ev.Item, ev.Result != nil); how != "" {
			r.log.Warn().Str("id", ev.ID).Msg(how)
			r.stopped(ev)
			return
		}
	}
	if now, ok := r.s.Status(ev.ID); ok && now.Satisfied() && !ev.Status.Satisfied() {
		// Somebody else has completed it meanwhile, and that is not turned back.
		r.log.Warn().Str("id", ev.ID).Stringer("ours", ev.Status).Stringer("theirs", now).Msg("another program has completed this while it was executed; theirs is kept")
		if ev.Type != engine.SubtaskFinished { // then the engine says what has become of it
			r.progress.Event(ev)
		}
		if acked != nil {
			acked(nil)
		}
		return
	}
	if acked == nil { // nobody waits, and losing it costs nothing: no journal
		r.progress.Event(ev)
		if err := r.s.Apply(nil, session.Change{ID: ev.ID, To: ev.Status, Work: r.work(ev.Item)}); err != nil {
			r.log.Warn().Err(err).Str("id", ev.ID).Stringer("status", ev.Status).Msg("cannot note a status")
		}
		return
	}
	shown := func(err error) {
		if err == nil {
			r.progress.Event(ev)
		}
		acked(err)
	}
	if err := r.s.Apply(shown, session.Change{ID: ev.ID, To: ev.Status, Urgent: ev.Alone, Work: r.work(ev.Item)}); err != nil {
		if session.IsOtherWork(err) { // in the last instant: its dependents do not start
			acked(err)
			return
		}
		// The item is no longer in tasks.json; there is no place for its status.
		r.log.Warn().Err(err).Str("id", ev.ID).Stringer("status", ev.Status).Msg("cannot note a status")
		shown(nil)
	}
}

func (r *recorder) attempt(ev engine.Event) {
	res := ev.Result
	commands := make([]session.CommandRecord, len(res.Commands))
	for k, c := range res.Commands {
		commands[k] = session.CommandRecord{Stage: c.Stage, Gate: c.Gate, Exit: c.Exit, Log: c.Log, Digest: c.Digest, Duration: c.Duration}
		if s := c.Said; s != nil {
			k := &commands[k]
			k.Agent, k.AgentSession, k.TokensIn, k.TokensOut, k.CostUSD = s.Agent, s.Session, s.TokensIn, s.TokensOut, s.CostUSD
		}
	}
	err := r.s.RecordAttempt(session.AttemptRecord{
		ID: ev.ID, Attempt: ev.Attempt, Class: res.Class.String(), Exit: res.Exit, Reason: res.Reason,
		Started: res.Started, Ended: res.Ended, Commands: commands, Log: res.Log, RunID: r.runID,
		Skipped: res.Skipped, Credential: res.Credential, Until: res.Until, Head: session.HeadRecord(res.Head),
		Warnings: res.Warnings,
	})
	if err != nil {
		r.log.Warn().Err(err).Str("id", ev.ID).Msg("cannot write artifacts/attempts.ndjson")
	}
	for _, text := range res.Warnings {
		r.log.Warn().Str("id", ev.ID).Msg(text)
	}
	if res.LogError != "" {
		r.log.Warn().Str("id", ev.ID).Str("error", res.LogError).Msg("cannot keep a subtask's output")
	}
	if res.Leftover > 0 {
		r.log.Info().Str("id", ev.ID).Int("groups", res.Leftover).Msg("ended processes that a subtask left running")
	}
}
