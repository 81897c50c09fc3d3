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
		changes, err = changesTo(b, ids, to)
		return err
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

func (a *app) validateCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "validate",
		Short: "Report everything that is wrong with a backlog",
		Long: `Check tasks.json and print every problem with its line and column, and what
looks odd but does not keep it from being run. Nothing is changed.

Exit codes: 0 in order, 2 there are problems.`,
		Example: `  hacky validate
  hacky validate --session plan/003_b3d3efdaf0ed/tasks.json -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.validate(cfg, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

// report of `hacky validate`.
type report struct {
	File     string            `json:"file" yaml:"file"`
	Problems []backlog.Problem `json:"problems" yaml:"problems"`
	Warnings []string          `json:"warnings" yaml:"warnings"`
}

func (a *app) validate(cfg *config.Config, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	r := report{File: loc.Path(), Problems: []backlog.Problem{}, Warnings: []string{}}
	b, err := session.Read(loc)
	var invalid *backlog.InvalidError
	switch {
	case errors.As(err, &invalid):
		r.Problems = invalid.Problems
		if invalid.More > 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("there are %d problems more; mend these first", invalid.More))
		}
	case err != nil:
		return err
	default:
		r.Warnings = append(r.Warnings, a.oddities(loc, b)...)
	}
	if output != "table" {
		if err := document(a.stdout, output, r); err != nil {
			return err
		}
	} else if err := a.printReport(r, b); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return &exitError{exitUsage, fmt.Errorf("%s in %s", count(len(r.Problems)+invalid.More, "problem"), r.File)}
	}
	return nil
}

// oddities are no problems, but worth knowing.
func (a *app) oddities(loc session.Location, b *backlog.Backlog) []string {
	var out []string
	statuses := b.Statuses()
	for i, st := range b.RollUp(statuses) {
		if st != statuses[i] {
			out = append(out, fmt.Sprintf("%s is %s, but its subtasks make it %s; the next change below it sets that", b.Items[i].ID, statuses[i], st))
		}
	}
	if waiting := a.waitingIn(loc); waiting != "" {
		out = append(out, fmt.Sprintf("updates wait in %s; type: hacky recover%s", waiting, sessionArg(loc.Path())))
	}
	return out
}

func (a *app) printReport(r report, b *backlog.Backlog) error {
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(a.stdout, p.Text(r.File)); err != nil {
			return err
		}
	}
	for _, w := range r.Warnings {
		if _, err := fmt.Fprintf(a.stdout, "warning: %s\n", w); err != nil {
			return err
		}
	}
	if b == nil {
		return nil
	}
	subtasks := 0
	for i := range b.Items {
		if b.Items[i].Kind == backlog.Subtask {
			subtasks++
		}
	}
	_, err := fmt.Fprintf(a.stdout, "%s is in order: %s, %s\n", r.File, count(b.Len(), "item"), count(subtasks, "subtask"))
	return err
}
