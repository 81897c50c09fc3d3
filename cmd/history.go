package cmd

import (
	"fmt"
	"io"
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
		Use:   "history [RUN]",
		Short: "List the runs of a session, or show what one of them did",
		Long: `List the runs of a session that executed something, the latest first: when, how
long, and how many subtasks were completed and failed in them, how often one was
retried, and what it cost where agents told. With the id of a run, or its
beginning: what became of each subtask, what changed in git, and the notes of
"hacky set --note" that were given while it went on. It is taken from the
attempts in artifacts/attempts.ndjson, so of a run that goes on the last moments
are missing.

Exit codes: 0, 2 there is no such session or run, or its attempts cannot be read.`,
		Example: `  hacky history
  hacky history 20260124T1530
  hacky history -n 0 -o json | jq '.runs[0].failedIds'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("\"hacky history\" takes one RUN at most, but got %q too; see \"hacky history --help\"", args[1])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
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
			if len(args) == 1 {
				return a.historyOf(loc, args[0], output)
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
	for k := range runs {
		out[k] = describeRun(&runs[k])
		out[k].Running = k == 0 && held != nil && !runs[k].Ended.Before(held.Since)
	}
	if output != "table" {
		return document(a.stdout, output, result.History{Session: loc.Dir, Runs: out})
	}
	if len(out) == 0 {
		_, err := fmt.Fprintf(a.stdout, "%s has not been run yet\n", loc.Path())
		return err
	}
	g := ui.NewGrid(ui.Column{Head: "STARTED", Short: ui.WithoutAgo}, ui.Column{Head: "TOOK", Drop: 1}, ui.Column{Head: "DONE"}, ui.Column{Head: "FAILED"},
		ui.Column{Head: "RETRIED", Drop: 2}, ui.Column{Head: "RUN", Drop: 3})
	now := a.now()
	for k := range out {
		r := &out[k]
		g.Row(ui.Ago(r.Started, now), ui.Duration(r.Ended.Sub(r.Started)), strconv.Itoa(r.Completed), strconv.Itoa(r.Failed), strconv.Itoa(r.Retried), ui.Clean(r.RunID))
		g.Note(runRemark(r))
	}
	return g.Print(a.stdout, a.screen())
}

func describeRun(r *session.Run) result.Run {
	out := result.Run{RunID: r.ID, Started: r.Started, Ended: r.Ended, DurationMs: r.Ended.Sub(r.Started).Milliseconds(), BusyMs: r.Busy.Milliseconds(),
		Attempts: r.Attempts, Completed: r.Completed, Failed: r.Failed, Interrupted: r.Interrupted, Retried: r.Retried,
		TokensIn: r.TokensIn, TokensOut: r.TokensOut, CostUSD: r.CostUSD, CompletedIDs: r.CompletedIDs, FailedIDs: r.FailedIDs}
	if r.Git != (session.RunGit{}) {
		git := result.RunGit(r.Git)
		out.Git = &git
	}
	return out
}

// runRemark is what else there is to say of a run.
func runRemark(r *result.Run) string {
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
	if g := r.Git; g != nil {
		if g.Commits > 0 {
			parts = append(parts, count(g.Commits, "commit"))
		}
		parts = append(parts, fmt.Sprintf("%s changed, +%d -%d", count(g.Files, "file"), g.Insertions, g.Deletions))
	}
	return strings.Join(parts, "; ")
}

// historyOf shows one run.
func (a *app) historyOf(loc session.Location, id, output string) error {
	run, err := session.FindRun(loc, id)
	if err != nil {
		return fmt.Errorf("%w; \"hacky history%s\" lists them", err, a.sessionArg(loc.Path()))
	}
	held, err := session.Held(loc)
	if err != nil {
		return err
	}
	now := a.now()
	r := describeRun(run)
	until := r.Ended
	if r.Running = held != nil && !r.Ended.Before(held.Since); r.Running {
		until = now
	}
	title := func(string) string { return "" }
	if b, _, err := session.View(loc); err == nil { // without it there is a history still
		title = func(id string) string {
			i, ok := b.Lookup(id)
			if !ok {
				return ""
			}
			return b.Items[i].Title
		}
	}
	for k := range run.Subtasks {
		s := &run.Subtasks[k]
		out := result.RunSubtask{ID: s.ID, Title: title(s.ID), Outcome: s.Outcome(), Attempts: s.Attempts, DurationMs: s.Took.Milliseconds()}
		if s.Class != "ok" {
			out.Reason = s.Reason
		}
		r.Subtasks = append(r.Subtasks, out)
	}
	comments, err := session.CommentsBetween(loc, r.Started, until, shownNotes)
	if err != nil {
		return err
	}
	r.Notes = notesOf(comments)
	if output != "table" {
		return document(a.stdout, output, result.History{Session: loc.Dir, Runs: []result.Run{r}})
	}
	return printRun(a.stdout, a.screen(), &r, now)
}

// shownNotes bounds the notes that are printed.
const shownNotes = 20

// notesOf are notes with what they were said of.
func notesOf(comments []session.Comment) []result.Note {
	var out []result.Note
	for _, c := range comments {
		out = append(out, result.Note{At: c.At, Status: c.To.String(), Note: c.Text, Subtasks: len(c.IDs), IDs: c.IDs[:min(len(c.IDs), session.MaxRunIDs)]})
	}
	return out
}

func printRun(w io.Writer, on ui.Screen, r *result.Run, now time.Time) error {
	var b strings.Builder
	prose := func(text string) { b.WriteString(ui.Wrap(text, on.Width, "  ") + "\n") }
	prose("run " + ui.Clean(r.RunID))
	prose(fmt.Sprintf("begun %s, took %s: %d completed, %d failed, %s, %d of them again", ui.Ago(r.Started, now), ui.Duration(r.Ended.Sub(r.Started)),
		r.Completed, r.Failed, count(r.Attempts, "attempt"), r.Retried))
	if remark := runRemark(r); remark != "" {
		prose(remark)
	}
	b.WriteByte('\n')
	g := ui.NewGrid(ui.Column{}, ui.Column{}, ui.Column{Least: 10, Drop: 1, Words: true}, ui.Column{}, ui.Column{Least: 10, Below: true, Words: true})
	g.Grow(len(r.Subtasks))
	for k := range r.Subtasks {
		s := &r.Subtasks[k]
		said := ui.Clean(s.Reason)
		if s.Attempts > 1 {
			said = strings.TrimSuffix(fmt.Sprintf("%d attempts: %s", s.Attempts, said), ": ")
		}
		g.Row(s.Outcome, ui.Clean(s.ID), ui.Clean(s.Title), ui.Duration(time.Duration(s.DurationMs)*time.Millisecond), said)
	}
	if err := g.Print(&b, on); err != nil {
		return err
	}
	printNotes(&b, on, r.Notes, now)
	_, err := io.WriteString(w, b.String())
	return err
}

// printNotes prints notes, with what they were said of unless that is plain.
func printNotes(b *strings.Builder, on ui.Screen, notes []result.Note, now time.Time) {
	if len(notes) > 0 {
		b.WriteString("\nnotes\n")
	}
	for _, n := range notes {
		of := ""
		switch {
		case n.Subtasks == 1:
			of = " (" + ui.Clean(n.IDs[0]) + ")"
		case n.Subtasks > 1:
			of = " (" + count(n.Subtasks, "subtask") + ")"
		}
		b.WriteString(ui.Wrap(fmt.Sprintf("  %s  %s%s: %s", ui.Ago(n.At, now), n.Status, of, ui.Clean(n.Note)), on.Width, "      ") + "\n")
	}
}
