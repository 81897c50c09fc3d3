package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// historyShown is how many runs history lists unless told otherwise.
const historyShown = 20

func (a *app) historyCmd() *cobra.Command {
	var output string
	var most uint64
	c := &cobra.Command{
		Use:   "history",
		Short: "List the runs of a session",
		Long: `List the runs of a session that executed something, the latest first: when, how
long, and how many subtasks were completed and failed in them, how often one was
retried, and what it cost where agents told. It is taken from the attempts in
artifacts/attempts.ndjson, so of a run that goes on the last moments are missing.

Exit codes: 0, 2 there is no session or its attempts cannot be read.`,
		Example: `  hacky history
  hacky history -n 0 -o json | jq '.runs[0].failedIds'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			loc, err := a.locate(cfg)
			if err != nil {
				return err
			}
			return a.history(loc, int(min(most, 1<<30)), output)
		},
	}
	c.Flags().Uint64VarP(&most, "number", "n", historyShown, "list at most so many; 0 is all")
	c.Flags().Uint64Var(&most, "limit", historyShown, "as --number")
	_ = c.Flags().MarkHidden("limit") // its name in earlier versions; it is there
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) history(loc session.Location, limit int, output string) error {
	runs, err := session.History(loc, limit)
	if err != nil {
		return err
	}
	held, err := session.Held(loc)
	if err != nil {
		return err
	}
	slices.Reverse(runs)
	out := make([]result.Run, len(runs))
	for k, r := range runs {
		out[k] = result.Run{RunID: r.ID, Started: r.Started, Ended: r.Ended, DurationMs: r.Ended.Sub(r.Started).Milliseconds(), BusyMs: r.Busy.Milliseconds(),
			Attempts: r.Attempts, Completed: r.Completed, Failed: r.Failed, Interrupted: r.Interrupted, Retried: r.Retried,
			TokensIn: r.TokensIn, TokensOut: r.TokensOut, CostUSD: r.CostUSD, FailedIDs: r.FailedIDs}
		out[k].Running = k == 0 && held != nil && !r.Ended.Before(held.Since)
	}
	if output != "table" {
		return document(a.stdout, output, result.History{Session: loc.Dir, Runs: out})
	}
	if len(out) == 0 {
		_, err := fmt.Fprintf(a.stdout, "%s has not been run yet\n", loc.Path())
		return err
	}
	rows := [][]string{{"STARTED", "TOOK", "COMPLETED", "FAILED", "RETRIED", "RUN", ""}}
	now := time.Now()
	for _, r := range out {
		rows = append(rows, []string{ui.Ago(r.Started, now), ui.Duration(r.Ended.Sub(r.Started)),
			strconv.Itoa(r.Completed), strconv.Itoa(r.Failed), strconv.Itoa(r.Retried), ui.Clean(r.RunID), runRemark(r)})
	}
	return ui.Table(a.stdout, a.screen(), len(rows[0])-1, rows)
}

// runRemark is what else there is to say of a run.
func runRemark(r result.Run) string {
	var parts []string
	if r.Running {
		parts = append(parts, "running")
	}
	if r.Interrupted > 0 {
		parts = append(parts, count(r.Interrupted, "subtask")+" stopped")
	}
	if r.TokensIn+r.TokensOut > 0 {
		parts = append(parts, fmt.Sprintf("%d tokens in, %d out", r.TokensIn, r.TokensOut))
	}
	if r.CostUSD > 0 {
		parts = append(parts, fmt.Sprintf("%.2f USD", r.CostUSD))
	}
	return strings.Join(parts, "; ")
}
