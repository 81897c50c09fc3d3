package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) agentsCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "agents",
		Short: "List the agents that stages may name, and whether they are there",
		Long: `List the agent profiles: those built in, and those of hacky.yaml, which add to
them or override them (agents: {name: {argv: ..., ...}}).

Exit codes: 0, 2 a profile in hacky.yaml is wrong.`,
		Example: `  hacky agents
  hacky agents -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.agents(cfg, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) agents(cfg *config.Config, output string) error {
	profiles, err := a.profiles(cfg)
	if err != nil {
		return err
	}
	list := []result.Agent{}
	rows := [][]string{{"AGENT", "PROGRAM", "PROMPT BY", "RESUMES", "CREDENTIAL", "THERE"}}
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		p := profiles[name]
		e := result.Agent{Name: name, Program: p.Program(), Argv: p.Argv, Prompt: string(p.Prompt), Resumes: p.CanResume(), Credential: p.Credential}
		if e.Argv == nil {
			e.Argv = []string{}
		}
		there, resumes := "yes", "no"
		if e.Resumes {
			resumes = "yes"
		}
		switch path, err := exec.LookPath(e.Program); {
		case e.Program == "":
			there = "needs an argv in hacky.yaml"
		case err == nil:
			e.Path = path
		default:
			there, e.Install = "no: "+p.Install, p.Install
		}
		list = append(list, e)
		rows = append(rows, []string{name, e.Program, e.Prompt, resumes, e.Credential, there})
	}
	if output != "table" {
		return document(a.stdout, output, result.Agents{Agents: list})
	}
	return ui.Table(a.stdout, a.screen(), 5, rows)
}

func (a *app) promptCmd() *cobra.Command {
	var stage string
	c := &cobra.Command{
		Use:   "prompt ID",
		Short: "Show what the agent of a subtask would be told",
		Long: `Render the prompt of a subtask's first stage, or of --stage, as its agent would
get it in a first attempt. Values of secret variables are masked.

Templates are searched for in this order: the stage's "prompt" in hacky.yaml
(text, or the name of a file that ends in .md), prompts/STAGE.md, the default.

Exit codes: 0, 2 there is no such item, stage or prompt.`,
		Example: `  hacky prompt P1.M1.T1.S1
  hacky prompt P1.M1.T1.S1 --stage implement --agent claude`,
		Args: exactArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			return a.prompt(cfg, log, args[0], stage)
		},
	}
	config.Register(c.Flags(), "agent")
	c.Flags().StringVar(&stage, "stage", "", "the stage (default: the first with a prompt)")
	return c
}

// exactArgs is cobra.ExactArgs in words that say what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("\"%s\" takes %s; see \"%[1]s --help\"", c.CommandPath(), strings.Join(names, " and "))
		}
		return nil
	}
}

// runnerOf prepares what would execute a session's subtasks.
func (a *app) runnerOf(cfg *config.Config, loc session.Location, b *backlog.Backlog, runID string, log zerolog.Logger) (*agent.Runner, error) {
	recipe, err := a.recipe(cfg, log)
	if err != nil {
		return nil, err
	}
	recipe.Note = func(id, text string) { log.Info().Str("id", id).Msg(text) }
	absolute, err := filepath.Abs(loc.Path())
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return agent.NewRunner(b, recipe, absolute, dir, runID, os.Environ())
}

// subtask finds a subtask by its id.
func subtask(b *backlog.Backlog, id string) (int32, error) {
	i, err := lookup(b, id)
	if err != nil || b.Items[i].Kind == backlog.Subtask {
		return i, err
	}
	kind := strings.ToLower(b.Items[i].Kind.String())
	for k := i + 1; k < b.Items[i].End; k++ {
		if b.Items[k].Kind == backlog.Subtask {
			return 0, fmt.Errorf("%s is a %s; name a subtask of it, such as %s", id, kind, b.Items[k].ID)
		}
	}
	return 0, fmt.Errorf("%s is a %s without subtasks; name a subtask, \"hacky status -o tree\" shows them", id, kind)
}

func (a *app) prompt(cfg *config.Config, log zerolog.Logger, id, stage string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, err := session.Read(loc)
	if err != nil {
		return err
	}
	i, err := subtask(b, id)
	if err != nil {
		return err
	}
	r, err := a.runnerOf(cfg, loc, b, newRunID(), log)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // opened for reading
	text, err := r.Prompt(i, stage)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, strings.TrimRight(text, "\n")+"\n")
	return err
}

func (a *app) checkpointsCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "checkpoints ID",
		Short: "Show how far the attempts of a subtask got",
		Long: `Show the last checkpoints of a subtask, oldest first: what a run that was
interrupted goes on from. A subtask that is one command has none.

Exit codes: 0, 2 there is no such subtask, or its checkpoints cannot be read.`,
		Example: `  hacky checkpoints P1.M1.T1.S1
  hacky checkpoints P1.M1.T1.S1 -o json`,
		Args: exactArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.checkpoints(cfg, args[0], output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) checkpoints(cfg *config.Config, id, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, err := session.Read(loc)
	if err != nil {
		return err
	}
	if _, err := subtask(b, id); err != nil {
		return err
	}
	list, err := checkpoint.Read(loc.Files(), loc.Dir, id)
	if err != nil {
		return err
	}
	if output != "table" {
		if list == nil {
			list = []checkpoint.Checkpoint{}
		}
		return document(a.stdout, output, result.Checkpoints{ID: id, Checkpoints: list})
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(a.stdout, "%s has no checkpoints\n", id)
		return err
	}
	rows := [][]string{{"TIME", "LABEL", "STAGE", "FIX", "PASSED", "ERROR"}}
	now := time.Now()
	for _, c := range list {
		var passed []string
		for _, p := range c.State.Passed {
			passed = append(passed, p.Step)
		}
		failure := ""
		if c.Error != nil {
			failure = *c.Error
		}
		rows = append(rows, []string{ui.Ago(c.CreatedAt, now), c.Label, c.State.Stage, fmt.Sprint(c.State.FixAttempt), strings.Join(passed, ", "), failure})
	}
	return ui.Table(a.stdout, a.screen(), 5, rows)
}

func (a *app) verifyCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "verify [ID...]",
		Short: "Run the gates of completed subtasks again, and report which no longer hold",
		Long: `Run the gates of every completed subtask, or of those named, once more, one
subtask after the other. No status is changed.

Exit codes: 0 all hold, 1 some do not, 2 mistake in the call, 130/143
interrupted.`,
		Example: `  hacky verify
  hacky verify P1.M1.T1.S1 P1.M1.T1.S2 -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.verify(c.Context(), cfg, log, args, output)
		},
	}
	config.Register(c.Flags(), "timeout", "idle-timeout")
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

// interruptible is a context that a signal ends; the function returned is the
// exit code for the signal that did. It is for commands that end with it, also
// if nobody reads what they print.
func (a *app) interruptible(ctx context.Context) (_ context.Context, code func() int) {
	ctx, stop := context.WithCancelCause(ctx)
	caught := make(chan os.Signal, 1)
	a.guard()
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	var first atomic.Int32
	go func() {
		first.Store(int32(codeOf(<-caught)))
		a.hurry()
		stop(errors.New("interrupted"))
	}()
	return ctx, func() int { return int(first.Load()) }
}

func (a *app) verify(ctx context.Context, cfg *config.Config, log zerolog.Logger, ids []string, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	var items []int32
	for _, id := range ids {
		i, err := subtask(b, id)
		if err != nil {
			return err
		}
		if statuses[i] != backlog.Complete {
			return fmt.Errorf("%s is %s; only what is Complete can be verified", id, statuses[i])
		}
		items = append(items, i)
	}
	if len(ids) == 0 {
		for i := range b.Items {
			if b.Items[i].Kind == backlog.Subtask && statuses[i] == backlog.Complete {
				items = append(items, int32(i))
			}
		}
	}
	runID := newRunID()
	runner, err := a.runnerOf(cfg, loc, b, runID, log)
	if err != nil {
		return err
	}
	defer runner.Close() //nolint:errcheck // opened for reading
	ctx, interrupted := a.interruptible(ctx)
	supervisor := supervised(runner, runID, log)
	defer unsupervised(runner, supervisor, log)

	results := []result.Verified{}
	rows := [][]string{{"ID", "GATES", "RESULT"}}
	broken := 0
	for _, i := range items {
		res := runner.Verify(ctx, i)
		if res.Class == agent.Interrupted {
			return &exitError{interrupted(), errors.New("interrupted; nothing was changed")}
		}
		r := result.Verified{ID: b.Items[i].ID, Gates: len(res.Commands), Holds: res.Class == agent.OK}
		said := "holds"
		if len(res.Commands) == 0 {
			said = "has no gates"
		}
		if !r.Holds {
			broken++
			r.Gate, r.Reason, r.Log = res.Stage, res.Reason, res.Log
			said = fmt.Sprintf("no longer holds: %s: %s", res.Stage, res.Reason)
			if res.Log != "" {
				said += "; " + filepath.Join(loc.Dir, res.Log)
			}
		}
		results = append(results, r)
		rows = append(rows, []string{r.ID, fmt.Sprint(r.Gates), said})
	}
	if output != "table" {
		err = document(a.stdout, output, result.Verify{Session: loc.Dir, Results: results})
	} else if err = ui.Table(a.stdout, a.screen(), 2, rows); err == nil {
		_, err = fmt.Fprintf(a.stdout, "\n%s verified, %d no longer hold\n", count(len(results), "subtask"), broken)
	}
	if err == nil && broken > 0 {
		return &exitError{code: exitFailed}
	}
	return err
}
