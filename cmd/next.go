package cmd

import (
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/ui"
)

// nextShown is how many subtasks next lists unless told otherwise.
const nextShown = 10

func (a *app) nextCmd() *cobra.Command {
	var output string
	var most uint64
	c := &cobra.Command{
		Use:   "next",
		Short: "Show what is ready to run now",
		Long: `Show the subtasks that wait for nothing any more, in the order in which a run
takes them; what runs now, and what is held because a quota is used up. When
nothing is ready it says why. It takes no lock and writes nothing.

Exit codes: 0, also when nothing is ready, 2 the backlog cannot be read.`,
		Example: `  hacky next
  hacky next -n 1 -o json | jq -r '.ready[].id'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.next(cfg, output, int(min(most, 1<<30)))
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	c.Flags().Uint64VarP(&most, "number", "n", nextShown, "list at most so many; 0 is all")
	return c
}

func (a *app) next(cfg *config.Config, output string, most int) error {
	l, err := a.look(cfg)
	if err != nil {
		return err
	}
	n := &ui.Next{Session: l.loc.Dir, Ready: []*ui.Listed{}, Running: []*ui.Listed{}, Held: []*ui.Listed{}, RunGoesOn: l.run != nil, Here: l.here}
	failed := ""
	list := func(into *[]*ui.Listed, count int, i int32) {
		if most == 0 || count <= most {
			s := l.subtaskAt(i)
			*into = append(*into, &s)
		}
	}
	for k := range l.b.Items {
		if l.b.Items[k].Kind != backlog.Subtask {
			continue
		}
		i := int32(k)
		n.Subtasks++
		switch l.standing(i) {
		case ui.Done:
			n.Done++
		case ui.IsReady, ui.Interrupted:
			n.ReadyCount++
			list(&n.Ready, n.ReadyCount, i)
		case ui.Runs:
			s := l.subtaskAt(i)
			n.Running = append(n.Running, &s)
		case ui.IsHeld:
			n.HeldCount++
			list(&n.Held, n.HeldCount, i)
		case ui.HasFailed:
			if n.Failed++; failed == "" {
				failed = l.b.Items[i].ID
			}
		case ui.Waits:
			n.Waiting++
		}
	}
	n.Explain(failed)
	l.addEvidence(n.Running)
	if output != "table" {
		return document(a.stdout, output, n)
	}
	return n.Table(a.stdout, a.screen(), l.now)
}
