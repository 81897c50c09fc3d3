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
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/todo"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) importCmd() *cobra.Command {
	var dryRun bool
	var output string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Add the items of a Markdown list to the backlog",
		Long: `Add the items of nested Markdown lists to the backlog; without a session, make
one here. Headings and indentation are the hierarchy, at most four levels; items
without items below them are subtasks. A checked box is Complete.

A subtask's command is what follows "run:", or inline code behind a colon, or
the whole item if it is inline code; without one, the stages of hacky.yaml are
run. "gate:" is a command that has to succeed afterwards. Each subtask depends on
the one before it, unless it says "after:" with titles; "after: none" depends on
nothing. Importing again adds only items that are new by their titles.

Exit codes: 0 imported, 2 usage error, or a list or backlog that is wrong;
nothing was changed.`,
		Example: `  hacky import todo.md && hacky run
  hacky import todo.md --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("import needs one Markdown file, as in: hacky import todo.md")
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
			source, err := session.ReadInput(args[0])
			if err != nil {
				return notThere("import", args[0], err)
			}
			list, err := todo.Parse(args[0], source)
			if err != nil {
				return err
			}
			return a.importList(c.Context(), cfg, log, list, dryRun, output)
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be added")
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) importList(ctx context.Context, cfg *config.Config, log zerolog.Logger, list *todo.List, dryRun bool, output string) error {
	var placed *todo.Placed
	change := func(b *backlog.Backlog) (text string, err error) {
		if placed, err = list.Place(b); err != nil {
			return "", err
		}
		return b.Insert(placed.Insertions...), nil
	}
	loc, err := a.locate(cfg)
	switch {
	case errors.Is(err, session.ErrNoSession):
		loc = session.Location{Dir: ".", Name: session.TasksFile}
		err = a.importNew(change, dryRun)
	case err != nil:
		return err
	case dryRun:
		var b *backlog.Backlog
		if b, err = session.Read(loc); err == nil {
			err = checkChange(loc.Path(), b, change)
		}
	default:
		err = session.Rewrite(ctx, loc, a.flushOptions(cfg, log), change)
	}
	if err != nil {
		return err
	}
	return a.imported(loc, placed, dryRun, output)
}

// importNew makes a session here with the backlog that change makes of an empty
// one.
func (a *app) importNew(change func(*backlog.Backlog) (string, error), dryRun bool) error {
	b, err := emptyBacklog()
	if err != nil {
		return err
	}
	var text string
	err = checkChange(session.TasksFile, b, func(b *backlog.Backlog) (_ string, err error) {
		text, err = change(b)
		return text, err
	})
	if err != nil || dryRun {
		return err
	}
	_, err = makeSession(fsutil.OS(), ".", text)
	return err
}

// checkChange reports why a change would not leave a valid backlog.
func checkChange(path string, b *backlog.Backlog, change func(*backlog.Backlog) (string, error)) error {
	text, err := change(b)
	if err == nil {
		_, err = backlog.Parse(path, text)
	}
	return err
}

// imported prints what was added.
func (a *app) imported(loc session.Location, p *todo.Placed, dryRun bool, output string) error {
	if output != "table" {
		doc := result.Added{Session: loc.Dir, IDs: []string{}}
		for _, d := range p.New {
			doc.IDs = append(doc.IDs, d.ID)
		}
		return document(a.stdout, output, doc)
	}
	var out strings.Builder
	for _, d := range p.New {
		fmt.Fprintf(&out, "%s  %s\n", d.ID, ui.Clean(d.Title))
	}
	added := "added"
	if dryRun {
		added = "dry run: would add"
	}
	fmt.Fprintf(&out, "%s %s to %s", added, count(len(p.New), "subtask"), loc.Path())
	if p.Known > 0 {
		fmt.Fprintf(&out, "; %d already there", p.Known)
	}
	if len(p.New) > 0 && !dryRun {
		fmt.Fprintf(&out, "\nnext: hacky run%s", a.sessionArg(loc.Path()))
	}
	_, err := fmt.Fprintln(a.stdout, out.String())
	return err
}
