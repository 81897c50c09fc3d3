package cmd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/nearest"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) setCmd() *cobra.Command {
	var e edit
	var from []string
	c := &cobra.Command{
		Use:   "set ID... STATUS",
		Short: "Set the status of items",
		Long: `Set the status of subtasks; of a phase, milestone or task: of all subtasks
below it; of a pattern such as 'P1.M2.*' (* any text, ? one character, [12] one
of these; quote it): of all subtasks whose ids it fits. The parents' statuses
follow. It works while a run is going on. On a terminal it asks before it
changes more than 20; of more than 20 it names the first, and counts all.

Statuses: Planned, Researching, Implementing, Retrying, Complete, Failed,
Obsolete. Exit codes: 0 written, 1 you said no, or another program has set
something else in the same instant, 2 mistake in the call, 3
tasks.json cannot be written and the updates wait in the recovery file.`,
		Example: `  hacky set P1.M1.T1.S1 Complete --note 'done by hand, see the wiki'
  hacky set 'P2.*' P1.M3.T2 Obsolete --from-status Planned,Failed --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("set needs one id or more and a status, as in: hacky set P1.M1.T1.S1 Complete")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			to, err := typedStatus(args[len(args)-1])
			if err != nil {
				return err
			}
			among, err := statusSet(from)
			if err != nil {
				return fmt.Errorf("--from-status: %w", err)
			}
			if c.Flags().Changed("note") {
				if err := session.CheckComment(e.note); err != nil {
					return fmt.Errorf("--note: %w", err)
				}
			}
			ids := args[:len(args)-1]
			e.to = to
			e.choose = func(_ session.Location, b *backlog.Backlog, statuses []backlog.Status) ([]int32, []string, error) {
				chosen, err := choose(b, ids)
				if among == nil || err != nil {
					return chosen, nil, err
				}
				var kept []int32
				for _, i := range chosen {
					if among[statuses[i]] {
						kept = append(kept, i)
					}
				}
				return kept, nil, nil
			}
			return a.edit(c.Context(), cfg, log, e)
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	c.Flags().StringSliceVar(&from, "from-status", nil, "only subtasks that have one of these statuses")
	c.Flags().StringVar(&e.note, "note", "", "why, for hacky show")
	e.flags(c)
	return c
}

// typedStatus is the status that a word names, whatever its case. The error
// names the nearest.
func typedStatus(word string) (backlog.Status, error) {
	if s, ok := backlog.StatusTyped(word); ok {
		return s, nil
	}
	var words []string
	for _, s := range backlog.Statuses() {
		words = append(words, s.String())
	}
	if near := nearest.Near(word, words); near != "" {
		return 0, fmt.Errorf("unknown status %q; %s", word, near)
	}
	return 0, fmt.Errorf("unknown status %q; allowed: %s", word, strings.Join(words, ", "))
}

// statusSet reads a list of statuses; nil is none given.
func statusSet(words []string) (map[backlog.Status]bool, error) {
	if words == nil {
		return nil, nil
	}
	set := map[backlog.Status]bool{}
	for _, w := range words {
		s, err := typedStatus(w)
		if err != nil {
			return nil, err
		}
		set[s] = true
	}
	return set, nil
}

// askAbove is how many subtasks are changed on a terminal without a question.
const askAbove = 20

// edit is a change of statuses that somebody asks for.
type edit struct {
	to          backlog.Status
	note        string // kept beside the changes; "": none
	dryRun, yes bool

	// choose finds the subtasks to set, in the order in which they are told, and
	// what to say of others. It is called again when the backlog has changed.
	choose func(loc session.Location, b *backlog.Backlog, statuses []backlog.Status) (chosen []int32, left []string, err error)
}

func (e *edit) flags(c *cobra.Command) {
	c.Flags().BoolVar(&e.dryRun, "dry-run", false, "only say what would change")
	c.Flags().BoolVarP(&e.yes, "yes", "y", false, "do not ask")
}

// chosen is what an edit is about in one reading of the backlog.
type chosen struct {
	ids  []string
	from []backlog.Status
	left []string
}

// changed is how many of them get another status.
func (c *chosen) changed(to backlog.Status) int {
	n := 0
	for _, from := range c.from {
		if from != to {
			n++
		}
	}
	return n
}

func (a *app) choice(e edit, loc session.Location, b *backlog.Backlog, statuses []backlog.Status) (*chosen, error) {
	items, left, err := e.choose(loc, b, statuses)
	if err != nil {
		return nil, err
	}
	c := &chosen{left: left}
	for _, i := range items {
		c.ids = append(c.ids, b.Items[i].ID)
		c.from = append(c.from, statuses[i])
	}
	return c, a.refuseOwn(loc, c.ids)
}

// edit changes statuses through a session of its own, as a run does.
func (a *app) edit(ctx context.Context, cfg *config.Config, log zerolog.Logger, e edit) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	var confirmed map[string]bool // nil: nothing was asked
	ask := !e.yes && !e.dryRun && a.canAsk()
	if e.dryRun || ask {
		b, statuses, err := session.View(loc)
		if err != nil {
			return err
		}
		c, err := a.choice(e, loc, b, statuses)
		if err != nil {
			return err
		}
		if e.dryRun {
			return a.tell(e, c)
		}
		if n := c.changed(e.to); n > askAbove {
			if err := a.confirm(fmt.Sprintf("Set %d subtasks to %s (%s)?", n, e.to, c.breakdown(e.to, ""))); err != nil {
				return err
			}
			confirmed = map[string]bool{}
			for _, id := range c.ids {
				confirmed[id] = true
			}
		}
	}
	var c *chosen
	opts := a.flushOptions(cfg, log)
	opts.Check = func(b *backlog.Backlog, statuses []backlog.Status) error {
		c, err = a.choice(e, loc, b, statuses)
		if err == nil && confirmed != nil {
			c.only(confirmed)
		}
		return err
	}
	s, err := session.Open(loc, opts)
	if err != nil {
		return err
	}
	if len(c.ids) > 0 {
		if e.note != "" {
			err = s.Comment(e.note, e.to, c.ids)
		}
		if err == nil {
			err = s.Apply(nil, c.changes(e.to)...)
		}
	}
	if err = errors.Join(err, s.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return errors.Join(a.tell(e, c), c.gaveWay(s, e.to))
}

// gaveWay names what was changed to another status in the same instant.
func (c *chosen) gaveWay(s *session.Session, to backlog.Status) error {
	var errs []error
	for _, id := range c.ids {
		if now, ok := s.Status(id); ok && now != to {
			errs = append(errs, fmt.Errorf("%s is %s: another program has set that at the same time; look at it, then do this again", id, now))
		} else if !ok {
			errs = append(errs, fmt.Errorf("%s is no longer in the backlog: another program has removed it", id))
		}
	}
	if errs == nil {
		return nil
	}
	return &exitError{exitFailed, errors.Join(errs...)}
}

// only leaves out what was not there when the user was asked.
func (c *chosen) only(confirmed map[string]bool) {
	k := 0
	for n, id := range c.ids {
		if confirmed[id] {
			c.ids[k], c.from[k] = id, c.from[n]
			k++
		}
	}
	c.ids, c.from = c.ids[:k], c.from[:k]
}

func (c *chosen) changes(to backlog.Status) []session.Change {
	out := make([]session.Change, len(c.ids))
	for k, id := range c.ids {
		out[k] = session.Change{ID: id, To: to, Reopens: c.from[k] == backlog.Complete}
	}
	return out
}

// breakdown counts by status what is not what it is to be. then stands behind
// each.
func (c *chosen) breakdown(to backlog.Status, then string) string {
	counts := make([]int, len(backlog.Statuses()))
	for _, from := range c.from {
		counts[from]++
	}
	var parts []string
	for _, st := range backlog.Statuses() {
		if n := counts[st]; n > 0 && st != to {
			parts = append(parts, fmt.Sprintf("%d %s%s", n, st, then))
		}
	}
	return strings.Join(parts, ", ")
}

// tell prints what has changed, or would: of many the first ones, and a summary.
func (a *app) tell(e edit, c *chosen) error {
	var text strings.Builder
	prose := func(line string) { text.WriteString(ui.Wrap(line, a.width(), "  ") + "\n") }
	for k, id := range c.ids[:min(len(c.ids), askAbove)] {
		if c.from[k] == e.to {
			prose(fmt.Sprintf("%s: %s already", id, e.to))
		} else {
			prose(fmt.Sprintf("%s: %s -> %s", id, c.from[k], e.to))
		}
	}
	if n := len(c.ids) - askAbove; n > 0 {
		all := c.breakdown(e.to, " -> "+e.to.String())
		if same := len(c.ids) - c.changed(e.to); same > 0 {
			all = strings.TrimPrefix(fmt.Sprintf("%s, %d %s already", all, same, e.to), ", ")
		}
		prose(fmt.Sprintf("... and %d more; all %d: %s", n, len(c.ids), all))
	}
	for _, line := range c.left[:min(len(c.left), askAbove)] {
		prose(line)
	}
	if n := len(c.left) - askAbove; n > 0 {
		prose(fmt.Sprintf("... and %d more like these", n))
	}
	switch {
	case e.dryRun:
		prose(fmt.Sprintf("dry run: %s would change", count(c.changed(e.to), "subtask")))
	case text.Len() == 0:
		prose("nothing to do: no subtask has such a status")
	}
	_, err := fmt.Fprint(a.stdout, text.String())
	return err
}

// choose finds the subtasks that ids and patterns name, or that are below what
// they name, each once.
func choose(b *backlog.Backlog, ids []string) ([]int32, error) {
	var errs []error
	var out []int32
	taken := map[int32]bool{}
	take := func(i int32) {
		if b.Items[i].Kind == backlog.Subtask && !taken[i] {
			taken[i] = true
			out = append(out, i)
		}
	}
	unknown := 0
	for _, id := range ids {
		if strings.ContainsAny(id, `*?[`) {
			errs = append(errs, each(b, id, take))
			continue
		}
		top, ok := b.Lookup(id)
		if !ok {
			unknown++
			errs = append(errs, unknownID(b, id, unknown))
			continue
		}
		for i := top; i < b.Items[top].End; i++ {
			take(i)
		}
		if b.Items[top].Kind != backlog.Subtask && b.Items[top].End == top+1 {
			errs = append(errs, fmt.Errorf("%s has no subtasks; the status of a %s follows from them", id, b.Items[top].Kind))
		}
	}
	return out, errors.Join(errs...)
}

// each calls take for the subtasks whose ids fit a pattern.
func each(b *backlog.Backlog, pattern string, take func(int32)) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%q is not a pattern: a [ has no ]; quote what is meant as it stands", pattern)
	}
	found := false
	for i := range b.Items {
		if b.Items[i].Kind != backlog.Subtask {
			continue
		}
		if ok, _ := path.Match(pattern, b.Items[i].ID); ok { // the pattern is none that fails
			found = true
			take(int32(i))
		}
	}
	if !found {
		return fmt.Errorf("%q fits no subtask; \"hacky status -o tree\" shows what is in the backlog", pattern)
	}
	return nil
}
