package cmd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/doctor"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/ui"
)

type doctorOptions struct {
	torture bool
	time    time.Duration
	seed    uint64
	output  string
}

func (a *app) doctorCmd() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [--torture [DIR]]",
		Short: "Check this machine, its file system and the session",
		Long: `Check what could cost updates: the file system of the session (else of the
current directory) and what its fsync, locks and renames are worth, free space,
permissions, the clock, what a crash has left, and the programs around.
Nothing stays behind of what is tried out.

With --torture no question is asked, it is proved: for the given time hacky runs
scratch sessions below DIR (new or empty; default: a new directory here), is
killed at random moments, gets its disk filled up, and after each time
everything that was acknowledged has to be there. Nothing outside DIR is
touched, and DIR is left as it was found unless there is a loss to look at.

Exit codes: 0 all is well, or there are only warnings; 1 a check failed, or
something was lost; 2 mistake in the call; 130/143 a torture was interrupted.`,
		Example: `  hacky doctor
  hacky doctor --session plan/003_b3d3efdaf0ed -o json
  hacky doctor --torture --time 5m
  hacky doctor --torture /mnt/disk/scratch --seed 42`,
		Args: func(c *cobra.Command, args []string) error {
			if !o.torture {
				return noArgs(c, args)
			}
			if len(args) > 1 {
				return fmt.Errorf("doctor --torture takes one directory, but got %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := o.check(c); err != nil {
				return err
			}
			if o.torture {
				return a.torture(c.Context(), o, args)
			}
			return a.doctor(c.Context(), cfg, o.output)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.torture, "torture", false, "kill hacky and fill its disk on scratch sessions, and look whether anything is lost")
	f.DurationVar(&o.time, "time", 30*time.Second, "how long to torture; the round that is under way is finished")
	f.Uint64Var(&o.seed, "seed", 0, "makes the rounds of a torture (default: random)")
	f.StringVarP(&o.output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (o *doctorOptions) check(c *cobra.Command) error {
	if err := checkOutput(o.output, "table", "json", "yaml"); err != nil {
		return err
	}
	for _, name := range []string{"time", "seed"} {
		if c.Flags().Changed(name) && !o.torture {
			return fmt.Errorf("--%s is for --torture only", name)
		}
	}
	if o.time <= 0 {
		return fmt.Errorf("--time: \"%v\" is not a duration above 0, like 30s or 5m", o.time)
	}
	if !c.Flags().Changed("seed") {
		o.seed = rand.Uint64N(1 << 31) // short enough to be typed
	}
	return nil
}

func (a *app) doctor(ctx context.Context, cfg *config.Config, output string) error {
	target := doctor.Target{Dir: ".", Shelters: a.shelters(), Hint: func(command, session string) string { return "hacky " + command + a.sessionArg(session) }}
	loc, err := a.find(cfg)
	switch {
	case err == nil:
		target.Session = loc
	case cfg.Session != "":
		return err
	}
	checks := doctor.Examine(ctx, target)
	if output != "table" {
		err = document(a.stdout, output, result.Doctor{Checks: checks})
	} else {
		err = a.printChecks(checks, target)
	}
	if err == nil && doctor.Worst(checks) == doctor.Failed {
		return &exitError{code: exitFailed}
	}
	return err
}

func (a *app) printChecks(checks []doctor.Check, target doctor.Target) error {
	what := "no session here: the current directory was checked"
	if target.Session.Dir != "" {
		what = "session " + target.Session.Path()
	}
	n := map[doctor.Status]int{}
	rows := [][]string{{"CHECK", "STATUS", "DETAIL"}}
	for _, c := range checks {
		n[c.Status]++
		rows = append(rows, []string{c.Name, string(c.Status), ui.Clean(c.Detail)})
	}
	// What to do stands at the end of a sentence, so nothing is cut off.
	if err := ui.Table(a.stdout, ui.Screen{Style: a.screen().Style}, 2, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s: %d ok, %s, %d failed\n", ui.Clean(what), n[doctor.OK], count(n[doctor.Warning], "warning"), n[doctor.Failed])
	return err
}

func (a *app) torture(ctx context.Context, o doctorOptions, args []string) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("torture: %w", err)
	}
	opts := doctor.TortureOptions{Time: o.time, Seed: o.seed, Binary: binary, Started: func(dir string) {
		fmt.Fprintf(a.stderr, "hacky: torture in %s for %v, seed %d; Ctrl+C ends it\n", dir, o.time, o.seed)
	}}
	if len(args) == 1 {
		if opts.Dir = args[0]; opts.Dir == "" {
			return errors.New("torture: the name of the directory is empty")
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	a.guard()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	interrupted := make(chan os.Signal, 1)
	go func() {
		select {
		case sig := <-signals:
			interrupted <- sig
			a.hurry()
			stop(errors.New("interrupted"))
		case <-ctx.Done():
		}
	}()
	tally, err := doctor.Torture(ctx, opts)
	if tally.Dir == "" {
		return err // it could not begin
	}
	if o.output != "table" {
		err = errors.Join(err, document(a.stdout, o.output, tally))
	} else {
		err = errors.Join(err, a.printTally(tally))
	}
	switch {
	case err != nil || len(tally.Losses) > 0:
		return &exitError{exitFailed, err}
	case tally.Interrupted:
		return &exitError{code: codeOf(<-interrupted)}
	}
	return nil
}

// mostLosses bounds the table of losses.
const mostLosses = 20

func (a *app) printTally(t doctor.Tally) error {
	if len(t.Losses) > 0 {
		rows := [][]string{{"SEED", "ROUND", "ID", "EXPECTED", "FOUND"}}
		for k, l := range t.Losses {
			if k == mostLosses {
				break
			}
			rows = append(rows, []string{strconv.FormatUint(l.Seed, 10), strconv.Itoa(l.Round), l.ID, ui.Clean(l.Expected), ui.Clean(l.Found)})
		}
		if err := ui.Table(a.stdout, ui.Screen{Style: a.screen().Style}, 4, rows); err != nil {
			return err
		}
		if more := len(t.Losses) - mostLosses; more > 0 {
			fmt.Fprintf(a.stdout, "... and %d more; -o json lists all\n", more)
		}
		fmt.Fprintln(a.stdout)
	}
	for _, note := range t.Notes {
		if _, err := fmt.Fprintf(a.stdout, "note: %s\n", ui.Clean(note)); err != nil {
			return err
		}
	}
	if t.Interrupted {
		if _, err := fmt.Fprintln(a.stdout, "interrupted; the round under way was not finished"); err != nil {
			return err
		}
	}
	losses := "nothing was lost"
	if n := len(t.Losses); n == 1 {
		losses = "1 loss"
	} else if n > 1 {
		losses = fmt.Sprintf("%d losses", n)
	}
	_, err := fmt.Fprintf(a.stdout, "seed %d: %s, %s, %s, %s acknowledged: %s\n", t.Seed, count(t.Rounds, "round"), count(t.Kills, "kill"),
		count(t.FullDisks, "full disk"), count(t.Acknowledged, "update"), losses)
	if err == nil && t.Kept {
		_, err = fmt.Fprintf(a.stdout, "everything was kept in %s\n", t.Dir)
	}
	return err
}
