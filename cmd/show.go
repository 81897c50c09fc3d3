package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// shownAttempts bounds the evidence that show prints.
const shownAttempts = 20

func (a *app) showCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show everything about an item",
		Long: `Show an item of the backlog: its status, what is above it, what it waits for and
what waits for it; of a subtask also its attempts, as artifacts/attempts.ndjson
has them, the last 20: class, stages and gates, tokens, what changed in git; and
the last 20 notes of "hacky set --note".

Exit codes: 0, 2 there is no such item.`,
		Example: `  hacky show P1.M1.T1.S1
  hacky show P1.M1.T1.S1 -o json`,
		Args: exactArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.show(cfg, args[0], output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) show(cfg *config.Config, id, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	i, err := lookup(b, id)
	if err != nil {
		return err
	}
	it := &b.Items[i]
	s := result.Show{ID: it.ID, Type: it.Kind.String(), Title: it.Title, Status: statuses[i].String(),
		Parents: []result.Item{}, Dependencies: []result.Item{}, Dependents: []result.Item{}, Attempts: []result.Attempt{}}
	s.Description, _ = b.Field(i, "description")
	s.Context, _ = b.Field(i, "context_scope")
	if run := b.Spec(i).Run; !run.IsZero() {
		s.Run = run.String()
	}
	item := func(k int32) result.Item {
		return result.Item{ID: b.Items[k].ID, Title: b.Items[k].Title, Status: statuses[k].String()}
	}
	for p := it.Parent; p >= 0; p = b.Items[p].Parent {
		s.Parents = append([]result.Item{item(p)}, s.Parents...)
	}
	for _, d := range b.Dependencies(i) {
		s.Dependencies = append(s.Dependencies, item(d))
	}
	for _, d := range b.Dependents(i) {
		s.Dependents = append(s.Dependents, item(d))
	}
	if it.Kind == backlog.Subtask {
		lines, err := session.Evidence(loc, id, shownAttempts)
		if err != nil {
			return err
		}
		for _, line := range lines {
			var r result.Attempt
			if json.Unmarshal(line, &r) == nil {
				s.Attempts = append(s.Attempts, r)
			}
		}
	}
	comments, err := session.Comments(loc, id, shownAttempts)
	if err != nil {
		return err
	}
	for _, c := range comments {
		s.Notes = append(s.Notes, result.Note{At: c.At, Status: c.To.String(), Note: c.Text})
	}
	if output != "table" {
		return document(a.stdout, output, s)
	}
	return printShow(a.stdout, s, loc.Dir, time.Now())
}

func printShow(w io.Writer, s result.Show, dir string, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s, %s\n", s.ID, ui.Clean(s.Title), s.Type, s.Status)
	paragraph := func(title, text string) {
		if text = strings.TrimSpace(text); text != "" {
			fmt.Fprintf(&b, "\n%s\n", title)
			for line := range strings.Lines(text) {
				fmt.Fprintf(&b, "  %s\n", ui.Clean(strings.TrimRight(line, "\r\n")))
			}
		}
	}
	items := func(title string, list []result.Item) {
		if len(list) > 0 {
			fmt.Fprintf(&b, "\n%s\n", title)
		}
		for _, x := range list {
			fmt.Fprintf(&b, "  %-12s  %s  %s\n", x.Status, x.ID, ui.Clean(x.Title))
		}
	}
	items("part of", s.Parents)
	paragraph("description", s.Description)
	paragraph("context", s.Context)
	paragraph("runs", s.Run)
	items("waits for", s.Dependencies)
	items("is waited for by", s.Dependents)
	if len(s.Notes) > 0 {
		b.WriteString("\nnotes\n")
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "  %s  %s: %s\n", ui.Ago(n.At, now), n.Status, ui.Clean(n.Note))
	}
	if len(s.Attempts) > 0 {
		b.WriteString("\nattempts\n")
	}
	for _, r := range s.Attempts {
		printAttempt(&b, r, dir, now)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printAttempt(b *strings.Builder, r result.Attempt, dir string, now time.Time) {
	fmt.Fprintf(b, "  #%d  %s  %s", r.Attempt, ui.Ago(r.Started, now), r.Class)
	if r.Reason != "" {
		fmt.Fprintf(b, ": %s", ui.Clean(r.Reason))
	}
	fmt.Fprintf(b, " (%s)\n", ui.Duration(r.Ended.Sub(r.Started)))
	if r.Skipped > 0 {
		fmt.Fprintf(b, "      %s had passed before\n", count(r.Skipped, "stage or gate"))
	}
	for _, c := range r.Commands {
		fmt.Fprintf(b, "      %-12s  exit %d  %s", c.Stage, c.Exit, ui.Duration(time.Duration(c.DurationMs)*time.Millisecond))
		if c.Agent != "" {
			fmt.Fprintf(b, "  %s", c.Agent)
			if c.TokensIn+c.TokensOut > 0 {
				fmt.Fprintf(b, ", %d tokens in, %d out", c.TokensIn, c.TokensOut)
			}
			if c.CostUSD > 0 {
				fmt.Fprintf(b, ", %.2f USD", c.CostUSD)
			}
		}
		if c.Log != "" {
			fmt.Fprintf(b, "  %s/%s", dir, c.Log)
		}
		b.WriteByte('\n')
	}
	if g := r.Git; g != nil && g.Before != "" {
		fmt.Fprintf(b, "      git           %.10s", g.Before)
		if g.After != g.Before {
			fmt.Fprintf(b, " to %.10s", g.After)
		}
		if g.Files != nil {
			fmt.Fprintf(b, ", %s changed, +%d -%d", count(*g.Files, "file"), g.Insertions, g.Deletions)
		}
		if g.Commit != "" {
			fmt.Fprintf(b, ", committed as %.10s", g.Commit)
		}
		b.WriteByte('\n')
	}
}
