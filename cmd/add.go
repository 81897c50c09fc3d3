package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
)

func (a *app) addCmd() *cobra.Command {
	var d backlog.Draft
	var under, output string
	c := &cobra.Command{
		Use:   "add TITLE",
		Short: "Add a subtask to the backlog",
		Long: `Add a subtask to the backlog, and print its id. It becomes the last subtask of
the last task, or of the last task below --under; parents that are missing are
made. Only the bytes of the new item are inserted into tasks.json. It works
while a run is in progress.

Exit codes: 0 added, 2 usage error or invalid backlog; nothing was changed.`,
		Example: `  hacky add "Write the changelog" --run 'make changelog'
  hacky add Release --after P1.M1.T1.S1 --under P1 --gate 'make check'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || strings.TrimSpace(args[0]) == "" {
				return errors.New("add needs one title, as in: hacky add \"Write the changelog\" --run 'make changelog'")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			d.Title = args[0]
			return a.add(c.Context(), cfg, log, d, under, output)
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	c.Flags().StringVar(&d.Run, "run", "", "shell line to run; without it, the stages of hacky.yaml")
	c.Flags().StringArrayVar(&d.Gates, "gate", nil, "shell line that has to succeed afterwards; may be repeated")
	c.Flags().StringSliceVar(&d.After, "after", nil, "ids that it depends on")
	c.Flags().StringVar(&d.Description, "description", "", "what is to be done, in more words")
	c.Flags().StringVar(&d.Timeout, "timeout", "", "time limit of an attempt, such as 30m")
	c.Flags().StringVar(&under, "under", "", "id of the phase, milestone or task to add it to")
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) add(ctx context.Context, cfg *config.Config, log zerolog.Logger, d backlog.Draft, under, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	leaf := &d
	err = session.Rewrite(ctx, loc, a.flushOptions(cfg, log), func(b *backlog.Backlog) (string, error) {
		for n, id := range leaf.After {
			if _, ok := b.Lookup(id); !ok {
				return "", fmt.Errorf("--after: %w", unknownID(b, id, n+1))
			}
		}
		parent, err := placeFor(b, under)
		if err != nil {
			return "", err
		}
		top := wrapped(leaf, kindBelow(b, parent), "Work")
		top.ID = b.NextID(parent, 0)
		top.Number()
		return b.Insert(backlog.Insertion{Parent: parent, Drafts: []*backlog.Draft{top}}), nil
	})
	if err != nil {
		return err
	}
	if output != "table" {
		return document(a.stdout, output, result.Added{Session: loc.Dir, IDs: []string{leaf.ID}})
	}
	_, err = fmt.Fprintln(a.stdout, leaf.ID)
	return err
}

// placeFor is the item to insert a new subtask below: the last task below an
// item, or of the backlog; else the last milestone or phase; -1 in an empty one.
func placeFor(b *backlog.Backlog, under string) (int32, error) {
	at := int32(-1)
	if under != "" {
		i, ok := b.Lookup(under)
		if !ok {
			return 0, fmt.Errorf("--under: %w", unknownID(b, under, 1))
		}
		if b.Items[i].Kind == backlog.Subtask {
			return 0, fmt.Errorf("--under: %s is a subtask; name its task %s, or use --after", under, b.Items[b.Items[i].Parent].ID)
		}
		at = i
	}
	for at < 0 || b.Items[at].Kind != backlog.Task {
		last := int32(-1)
		first, end := int32(0), int32(len(b.Items))
		if at >= 0 {
			first, end = at+1, b.Items[at].End
		}
		for i := first; i < end; i = b.Items[i].End {
			last = i
		}
		if last < 0 {
			break
		}
		at = last
	}
	return at, nil
}

// kindBelow is the kind of an item's children; -1 has phases.
func kindBelow(b *backlog.Backlog, parent int32) backlog.Kind {
	if parent < 0 {
		return backlog.Phase
	}
	return b.Items[parent].Kind + 1
}

// wrapped is a draft of a subtask in the parents that are missing above it, from
// a kind downwards.
func wrapped(leaf *backlog.Draft, kind backlog.Kind, title string) *backlog.Draft {
	leaf.Kind = backlog.Subtask
	top := leaf
	for k := backlog.Task; k >= kind; k-- {
		top = &backlog.Draft{Kind: k, Title: title, Children: []*backlog.Draft{top}}
		if k == backlog.Phase {
			break
		}
	}
	return top
}
