package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

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
