package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) statusCmd() *cobra.Command {
	var output string
	forms := []string{"table", "tree", "json", "yaml"}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show where a session stands",
		Long: `Show the progress of a session: a line per phase, or with -o tree every item.
It takes no lock and writes nothing.

Exit codes: 0, or 2 if the backlog cannot be read.`,
		Example: `  hacky status
  hacky status -o json | jq '.counts'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, forms...); err != nil {
				return err
			}
			return a.status(cfg, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, tree, json, yaml")
	return c
}

func (a *app) status(cfg *config.Config, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	waiting := a.waitingIn(loc)
	st := ui.NewStatus(loc.Dir, b, statuses, waiting != "")
	holds, err := session.Holds(loc, time.Now())
	if err != nil { // what is not known is not shown; the next run mends it
		holds = nil
	}
	for _, h := range holds {
		st.Held = append(st.Held, ui.Hold(h))
	}
	switch output {
	case "json", "yaml":
		return document(a.stdout, output, st)
	case "tree":
		err = st.Tree(a.stdout, a.width())
	default:
		err = st.Table(a.stdout, a.width())
	}
	if err == nil && waiting != "" {
		_, err = fmt.Fprintf(a.stdout, "\nupdates wait in %s; type: hacky recover%s\n", waiting, sessionArg(loc.Path()))
	}
	return err
}

func (a *app) setCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "set ID... STATUS",
		Short: "Set the status of items",
		Long: `Set the status of subtasks; of a phase, milestone or task: of all subtasks
below it. The parents' statuses follow. It works while a run is going on.

Statuses: Planned, Researching, Implementing, Retrying, Complete, Failed,
Obsolete. Exit codes: 0 written, 2 mistake in the call, 3 tasks.json cannot be
written and the updates wait in the recovery file.`,
		Example: `  hacky set P1.M1.T1.S1 Complete
  hacky set P2 P1.M3.T2 Obsolete`,
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
			return a.set(c.Context(), cfg, log, args[:len(args)-1], args[len(args)-1])
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	return c
}

func (a *app) set(ctx context.Context, cfg *config.Config, log zerolog.Logger, ids []string, status string) error {
	to, err := backlog.ParseStatus(status)
	if err != nil {
		return err
	}
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	var changes []session.Change
	opts := a.flushOptions(cfg, log)
	opts.Check = func(b *backlog.Backlog, _ []backlog.Status) error {
		if changes, err = changesTo(b, ids, to); err != nil {
			return err
		}
		return a.refuseOwn(loc, changes)
	}
	s, err := session.Open(loc, opts)
	if err != nil {
		return err
	}
	before := s.Statuses()
	b := s.Backlog()
	err = s.Apply(nil, changes...)
	if err = errors.Join(err, s.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	for _, c := range changes {
		i, _ := b.Lookup(c.ID)
		line := fmt.Sprintf("%s: %s -> %s", c.ID, before[i], c.To)
		if before[i] == c.To {
			line = fmt.Sprintf("%s: %s already", c.ID, c.To)
		}
		if _, err := fmt.Fprintln(a.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// changesTo sets the subtasks that are named, or are below what is named.
func changesTo(b *backlog.Backlog, ids []string, to backlog.Status) ([]session.Change, error) {
	var errs []error
	var changes []session.Change
	chosen := map[int32]bool{}
	for _, id := range ids {
		top, ok := b.Lookup(id)
		if !ok {
			errs = append(errs, fmt.Errorf("%q is not in the backlog; \"hacky status -o tree\" shows what is", id))
			continue
		}
		for i := top; i < b.Items[top].End; i++ {
			if b.Items[i].Kind == backlog.Subtask && !chosen[i] {
				chosen[i] = true
				changes = append(changes, session.Change{ID: b.Items[i].ID, To: to})
			}
		}
		if b.Items[top].Kind != backlog.Subtask && b.Items[top].End == top+1 {
			errs = append(errs, fmt.Errorf("%s has no subtasks; the status of a %s follows from them", id, b.Items[top].Kind))
		}
	}
	return changes, errors.Join(errs...)
}
