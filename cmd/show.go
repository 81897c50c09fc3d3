package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/secret"
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
		Long: `Show an item of the backlog: how it stands, what is above it, what it waits for
and what waits for it, the last 20 notes of "hacky set --note" about it or what
is below it. Of a subtask also what it is executed with (of env the names: values
may be secrets), the last 20 attempts, as artifacts/attempts.ndjson has them
(class, stages and gates, tokens, what changed in git), the last checkpoint, and
which logs the last "hacky verify" left; how that ended is on no record.

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
	l, err := a.look(cfg)
	if err != nil {
		return err
	}
	i, err := lookup(l.b, id)
	if err != nil {
		return err
	}
	it := &l.b.Items[i]
	s := result.Show{ID: it.ID, Type: it.Kind.String(), Title: it.Title, Status: l.statuses[i].String(),
		Parents: []result.Item{}, Dependencies: []result.Item{}, Dependents: []result.Item{}, Attempts: []result.Attempt{}}
	s.Description, _ = l.b.Field(i, "description")
	s.Context, _ = l.b.Field(i, "context_scope")
	item := func(k int32) result.Item {
		return result.Item{ID: l.b.Items[k].ID, Title: l.b.Items[k].Title, Status: l.statuses[k].String()}
	}
	for p := it.Parent; p >= 0; p = l.b.Items[p].Parent {
		s.Parents = append([]result.Item{item(p)}, s.Parents...)
	}
	for _, d := range l.b.Dependencies(i) {
		s.Dependencies = append(s.Dependencies, item(d))
	}
	for _, d := range l.b.Dependents(i) {
		s.Dependents = append(s.Dependents, item(d))
	}
	l.showSpec(&s, i, cfg)
	if it.Kind == backlog.Subtask {
		if err := l.showSubtask(&s, i); err != nil {
			return err
		}
	} else {
		l.showParent(&s, i)
	}
	comments, err := session.Comments(l.loc, id, shownNotes)
	if err != nil {
		return err
	}
	if s.Notes = notesOf(comments); it.Kind == backlog.Subtask {
		for k := range s.Notes {
			s.Notes[k].Subtasks, s.Notes[k].IDs = 0, nil
		}
	}
	if output != "table" {
		return document(a.stdout, output, s)
	}
	return printShow(a.stdout, a.screen(), s, l)
}

// showSpec says what an item is executed with. Secrets in its own variables are
// masked in commands, as they are in logs.
func (l *look) showSpec(s *result.Show, i int32, cfg *config.Config) {
	spec := l.b.Effective(i)
	var environ []string
	for _, v := range spec.Env {
		environ = append(environ, v.Name+"="+v.Value)
		if !slices.Contains(s.Env, v.Name) {
			s.Env = append(s.Env, v.Name)
		}
	}
	masker := secret.New(environ, os.Environ())
	s.TimeoutMs, s.Workdir = spec.Timeout.Milliseconds(), spec.Workdir
	if l.b.Items[i].Kind != backlog.Subtask {
		return
	}
	if !spec.Run.IsZero() {
		s.Run = masker.MaskString(spec.Run.String())
	}
	if spec.Retries >= 0 {
		s.Retries = &spec.Retries
	}
	gates := spec.Gates
	if !spec.HasGates {
		gates = cfg.Gates
	}
	for _, g := range gates {
		s.Gates = append(s.Gates, result.Gate{Level: g.Level, Name: g.Name, Run: masker.MaskString(g.Run.String()), TimeoutMs: g.Timeout.Milliseconds()})
	}
	slices.SortStableFunc(s.Gates, func(x, y result.Gate) int { return x.Level - y.Level })
}

// showSubtask adds how a subtask stands, and what its attempts have left.
func (l *look) showSubtask(s *result.Show, i int32) error {
	points := l.b.Points(i)
	s.StoryPoints = &points
	listed := l.subtaskAt(i)
	l.addEvidence([]*ui.Listed{&listed})
	s.Standing, s.Since, s.HeldUntil = string(listed.Standing), listed.Since, listed.Until
	lines, err := session.Evidence(l.loc, s.ID, shownAttempts)
	if err != nil {
		return err
	}
	for _, line := range lines {
		var r result.Attempt
		if json.Unmarshal(line, &r) == nil {
			s.Attempts = append(s.Attempts, r)
		}
	}
	// One that cannot be read is for "hacky validate" to tell.
	if list, err := checkpoint.Read(l.loc.Files(), l.loc.Dir, s.ID); err == nil && len(list) > 0 {
		s.Checkpoint = &list[len(list)-1]
	}
	root, err := os.OpenRoot(l.loc.Dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only read from
	s.Verify = (&logReader{loc: l.loc, root: root, id: s.ID}).files(verified, nil)
	return nil
}

// showParent adds up what is below an item.
func (l *look) showParent(s *result.Show, i int32) {
	points, done, subtasks := 0.0, 0, 0
	for k := i; k < l.b.Items[i].End; k++ {
		if l.b.Items[k].Kind != backlog.Subtask {
			continue
		}
		points += l.b.Points(k)
		subtasks++
		if l.statuses[k].Satisfied() {
			done++
		}
	}
	s.StoryPoints, s.Done, s.Subtasks = &points, &done, &subtasks
}

// printer writes text that is to fit a screen.
type printer struct {
	strings.Builder
	on ui.Screen
}

// line prints a line, which is wrapped where it is too wide, and goes on so far
// to the right.
func (p *printer) line(indent int, format string, args ...any) {
	p.WriteString(ui.Wrap(fmt.Sprintf(format, args...), p.on.Width, strings.Repeat(" ", indent)) + "\n")
}

func printShow(w io.Writer, on ui.Screen, s result.Show, l *look) error {
	p := &printer{on: on}
	p.line(2, "%s  %s", s.ID, ui.Clean(s.Title))
	p.line(2, "%s", s.Type+", "+standsAs(&s, l.now))
	paragraph := func(title, text string) {
		if text = strings.TrimSpace(text); text != "" {
			p.line(0, "\n%s", title)
			for line := range strings.Lines(text) {
				p.line(2, "  %s", ui.Clean(strings.TrimRight(line, "\r\n")))
			}
		}
	}
	items := func(title string, list []result.Item) error {
		if len(list) == 0 {
			return nil
		}
		p.line(0, "\n%s", title)
		g := ui.NewGrid(ui.Column{}, ui.Column{}, ui.Column{Least: 8, Words: true})
		for _, x := range list {
			g.Row(fmt.Sprintf("  %-12s", x.Status), x.ID, ui.Clean(x.Title))
		}
		return g.Print(p, on)
	}
	if err := items("part of", s.Parents); err != nil {
		return err
	}
	paragraph("description", s.Description)
	paragraph("context", s.Context)
	paragraph("runs", s.Run)
	printSpec(p, &s)
	if err := errors.Join(items("waits for", s.Dependencies), items("is waited for by", s.Dependents)); err != nil {
		return err
	}
	printNotes(&p.Builder, on, s.Notes, l.now)
	if len(s.Attempts) > 0 {
		p.line(0, "\nattempts")
	}
	for _, r := range s.Attempts {
		printAttempt(p, r, l.loc.Dir, l.now)
	}
	if c := s.Checkpoint; c != nil {
		p.line(0, "\nlast checkpoint")
		text := fmt.Sprintf("  %s  %s", ui.Ago(c.CreatedAt, l.now), ui.Clean(c.Label))
		if c.Error != nil {
			text += ": " + ui.Clean(*c.Error)
		}
		p.line(6, "%s; \"hacky checkpoints%s %s\" shows all", text, l.here, s.ID)
	}
	if len(s.Verify) > 0 {
		p.line(0, "\nlast verified")
	}
	for _, v := range s.Verify {
		p.line(6, "  %s  %s printed %s  %s", ui.Ago(v.At, l.now), ui.Clean(v.Stage), count(int(v.Bytes), "byte"), ui.Clean(filepath.Join(l.loc.Dir, v.File)))
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// standsAs says how an item stands, and how large it is.
func standsAs(s *result.Show, now time.Time) string {
	text := s.Status
	switch standing := ui.Standing(s.Standing); {
	case standing == ui.IsHeld && s.HeldUntil != nil:
		text += ", held until " + ui.Until(*s.HeldUntil, now)
	case standing == ui.HasFailed && s.Since != nil:
		text += " " + ui.Ago(*s.Since, now)
	case standing == ui.Runs && s.Since != nil:
		text += ", running since " + ui.Ago(*s.Since, now)
	case standing == ui.Interrupted && s.Since != nil:
		text += ", interrupted, since " + ui.Ago(*s.Since, now)
	case standing != "" && standing != ui.Done && standing != ui.HasFailed:
		text += ", " + s.Standing
	}
	if s.Subtasks != nil {
		text += fmt.Sprintf(", %d of %s done", *s.Done, count(*s.Subtasks, "subtask"))
	}
	if s.StoryPoints != nil && *s.StoryPoints > 0 {
		text += ", " + ui.StoryPoints(*s.StoryPoints)
	}
	return text
}

// printSpec says what an item is executed with.
func printSpec(p *printer, s *result.Show) {
	var lines []string
	if s.Workdir != "" {
		lines = append(lines, "in "+s.Workdir)
	}
	if s.TimeoutMs > 0 {
		lines = append(lines, "timeout "+ui.Duration(time.Duration(s.TimeoutMs)*time.Millisecond))
	}
	if s.Retries != nil {
		lines = append(lines, fmt.Sprintf("retries %d", *s.Retries))
	}
	if len(s.Env) > 0 {
		lines = append(lines, "env "+strings.Join(s.Env, ", "))
	}
	for _, g := range s.Gates {
		text := fmt.Sprintf("gate %d", g.Level)
		if g.Name != "" {
			text += " " + g.Name
		}
		if text += ": " + g.Run; g.TimeoutMs > 0 {
			text += fmt.Sprintf(" (timeout %s)", ui.Duration(time.Duration(g.TimeoutMs)*time.Millisecond))
		}
		lines = append(lines, text)
	}
	if len(lines) > 0 {
		p.line(0, "\nis executed")
	}
	for _, line := range lines {
		p.line(4, "  %s", ui.Clean(line))
	}
}

func printAttempt(p *printer, r result.Attempt, dir string, now time.Time) {
	text := fmt.Sprintf("  #%d  %s  %s", r.Attempt, ui.Ago(r.Started, now), ui.Clean(r.Class))
	if r.Reason != "" {
		text += ": " + ui.Clean(r.Reason)
	}
	p.line(6, "%s (%s)", text, ui.Duration(r.Ended.Sub(r.Started)))
	if r.Skipped > 0 {
		p.line(6, "      %s had passed before", count(r.Skipped, "stage or gate"))
	}
	for _, c := range r.Commands {
		text := fmt.Sprintf("      %-12s  exit %d  %s", ui.Clean(c.Stage), c.Exit, ui.Duration(time.Duration(c.DurationMs)*time.Millisecond))
		if c.Agent != "" {
			text += "  " + ui.Clean(c.Agent)
			if c.TokensIn+c.TokensOut > 0 {
				text += fmt.Sprintf(", %d tokens in, %d out", c.TokensIn, c.TokensOut)
			}
			if c.CostUSD > 0 {
				text += fmt.Sprintf(", %.2f USD", c.CostUSD)
			}
		}
		if c.Log != "" {
			text += "  " + ui.Clean(filepath.Join(dir, c.Log))
		}
		p.line(8, "%s", text)
	}
	if g := r.Git; g != nil && g.Before != "" {
		text := fmt.Sprintf("      git           %.10s", g.Before)
		if g.After != g.Before {
			text += fmt.Sprintf(" to %.10s", g.After)
		}
		if g.Files != nil {
			text += fmt.Sprintf(", %s changed, +%d -%d", count(*g.Files, "file"), g.Insertions, g.Deletions)
		}
		if g.Commit != "" {
			text += fmt.Sprintf(", committed as %.10s", g.Commit)
		}
		p.line(8, "%s", ui.Clean(text))
	}
	for _, text := range r.Warnings {
		p.line(8, "      warning       %s", ui.Clean(text))
	}
}
