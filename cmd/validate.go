package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/validate"
)

func (a *app) validateCmd() *cobra.Command {
	var output string
	var repair, strict bool
	c := &cobra.Command{
		Use:   "validate",
		Short: "Report everything that is wrong with a session, and mend what is safe",
		Long: `Check tasks.json, the journal, recovery files, checkpoints and what a crash has
left behind; print every problem with its place, and what looks odd but does not
keep the backlog from being run. Nothing is changed without --repair.

--repair copies what it changes into .hacky/backup-TIME/ first, and keeps the
last 5 of these. It corrects statuses that are only misspelt in case, drops
dependencies on items that do not exist, never on others, derives the statuses
of parents, replays what can be read of a damaged journal, and puts temporary
files and damaged checkpoints away.

A key that looks like a misspelling or a synonym of a known one is a warning, and
with --strict a problem.

Exit codes: 0 in order, 2 there are problems, 4 a run has the session.`,
		Example: `  hacky validate
  hacky validate --repair
  hacky validate --session plan/003_b3d3efdaf0ed/tasks.json -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.validate(c.Context(), cfg, log, output, repair, strict)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	c.Flags().BoolVar(&repair, "repair", false, "mend what is safe, after a backup")
	c.Flags().BoolVar(&strict, "strict", false, "a key that looks misspelt is a problem, not a warning")
	return c
}

func (a *app) validate(ctx context.Context, cfg *config.Config, log zerolog.Logger, output string, repair, strict bool) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	target := validate.Target{Session: loc, Shelters: a.shelters(), Log: log, Strict: strict,
		Hint: func(command string) string { return "hacky " + command + a.sessionArg(loc.Path()) }}
	var found validate.Report
	if repair {
		found, err = validate.Repair(ctx, target, a.flushOptions(cfg, log))
	} else {
		found, err = validate.Examine(target)
	}
	if err != nil {
		return err
	}
	r := result.Validate{File: loc.Path(), Problems: found.Problems, Warnings: []string{}, Repaired: found.Repaired, Backup: found.Backup}
	if r.Problems == nil {
		r.Problems = []validate.Problem{}
	}
	if found.More > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("there are %d problems more; mend these first", found.More))
	}
	for _, n := range found.Notes {
		text := n.Message
		if n.Line > 0 {
			text = n.Text()
		} else if n.File != loc.Path() && !strings.Contains(text, n.File) {
			text = n.File + ": " + text
		}
		r.Warnings = append(r.Warnings, text)
	}
	if output != "table" {
		err = document(a.stdout, output, r)
	} else {
		err = a.printReport(r, found)
	}
	if err != nil {
		return err
	}
	if len(r.Problems) == 0 {
		return nil
	}
	next := ""
	for _, p := range r.Problems {
		if p.Mend != "" {
			next = "; to mend what is safe, type: " + target.Hint("validate --repair")
		}
	}
	return &exitError{exitUsage, fmt.Errorf("%s in %s%s", count(len(r.Problems)+found.More, "problem"), r.File, next)}
}

func (a *app) printReport(r result.Validate, found validate.Report) error {
	for _, p := range r.Repaired {
		if _, err := fmt.Fprintf(a.stdout, "mended %s\n", p.Text()); err != nil {
			return err
		}
	}
	if r.Backup != "" {
		if _, err := fmt.Fprintf(a.stdout, "the files from before are in %s\n", r.Backup); err != nil {
			return err
		}
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(a.stdout, p.Text()); err != nil {
			return err
		}
	}
	for _, w := range r.Warnings {
		if _, err := fmt.Fprintf(a.stdout, "warning: %s\n", w); err != nil {
			return err
		}
	}
	if len(r.Problems) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "%s is in order: %s, %s\n", r.File, count(found.Items, "item"), count(found.Subtasks, "subtask"))
	return err
}
