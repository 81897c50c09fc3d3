package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

type recoverOptions struct {
	file           string
	keep, dryRun   bool
	force, discard bool
	output         string
}

func (a *app) recoverCmd() *cobra.Command {
	var o recoverOptions
	c := &cobra.Command{
		Use:   "recover",
		Short: "Replay updates that a failed flush left in the recovery file",
		Long: `Merge the updates that wait into tasks.json by id, check that they are there,
and remove the files they waited in: tasks.json.failed and those in .hacky/, in
$XDG_STATE_HOME/hacky/recovery and in $TMPDIR, where hacky keeps updates when
the session's directory cannot be written. An item is never moved backwards, and an update
that was made for other work under the same id is never applied: that is a
conflict, which stays in the file until --force or --discard settles it.

Exit codes: 0 nothing is left to recover, 1 conflicts are left, 2 the recovery
file is damaged or the call is wrong, 3 tasks.json still cannot be written.`,
		Example: `  hacky recover --dry-run
  hacky recover --session plan/003_b3d3efdaf0ed`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			return a.recover(c.Context(), cfg, log, o)
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	f := c.Flags()
	f.StringVar(&o.file, "file", "", "the recovery file; - is standard input (default: all that wait for the session)")
	f.BoolVar(&o.keep, "keep", false, "keep a copy of the recovery file")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would happen; touch nothing")
	f.BoolVar(&o.force, "force", false, "in a conflict, or a damaged file, take the recovery file's side")
	f.BoolVar(&o.discard, "discard", false, "in a conflict keep tasks.json and drop the update")
	f.StringVarP(&o.output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) recover(ctx context.Context, cfg *config.Config, log zerolog.Logger, o recoverOptions) error {
	if err := checkOutput(o.output, "table", "json", "yaml"); err != nil {
		return err
	}
	if o.force && o.discard {
		return errors.New("--force and --discard exclude each other: in a conflict either the recovery file wins, or tasks.json does")
	}
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	files, err := a.recoveries(loc, o.file)
	if err != nil {
		return err
	}
	if len(files) == 0 && !session.JournalWaiting(loc) {
		return a.recovered(o.output, loc, nil, o.dryRun)
	}
	if bad := damagedOne(files); bad != nil && !o.force {
		decisions, err := session.PlanRecovery(loc, files, session.RecoverOptions{})
		if err != nil {
			return err
		}
		if len(decisions) > 0 || o.output != "table" { // else there is nothing to show
			if err := a.recovered(o.output, loc, decisions, true); err != nil {
				return err
			}
		}
		return a.damaged(bad, loc, o.file)
	}
	opts := session.RecoverOptions{Force: o.force, Discard: o.discard}
	var decisions []session.Decision
	if o.dryRun {
		if decisions, err = session.PlanRecovery(loc, files, opts); err != nil {
			return err
		}
	} else {
		s, err := session.Open(loc, a.flushOptions(cfg, log))
		if err != nil {
			return err
		}
		decisions = s.Replayed()
		if aside := s.Aside(); aside != "" {
			other, rerr := session.ReadRecovery(aside)
			if rerr != nil {
				return errors.Join(fmt.Errorf("read recovery file: %w", rerr), s.Close(context.WithoutCancel(ctx)))
			}
			files = append(files, other)
		}
		if len(files) > 0 {
			var more []session.Decision
			more, err = s.Recover(ctx, files, opts, o.keep)
			decisions = append(decisions, more...)
		}
		if err = errors.Join(err, s.Close(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	if err := a.recovered(o.output, loc, decisions, o.dryRun); err != nil {
		return err
	}
	for _, d := range decisions {
		if d.Verdict == session.Conflict {
			stay := "stay in " + paths(files)
			if o.file == "-" {
				stay = "were not applied, and wait nowhere but in what was read"
			}
			file := o.file
			if file == "" && len(files) == 1 && !slices.Contains(a.waitingFiles(loc), files[0].Path) {
				file = files[0].Path // kept aside from the journal
			}
			return &exitError{exitFailed, fmt.Errorf("conflicts %s; to settle them, type: %[2]s --force (they win) or %[2]s --discard (tasks.json wins)", stay, a.recoverCommand(loc, file))}
		}
	}
	return nil
}

// recoveries reads the recovery file that the user named, or all that wait.
func (a *app) recoveries(loc session.Location, file string) ([]*session.Recovery, error) {
	names := []string{file}
	if file == "" {
		names = a.waitingFiles(loc)
	}
	var files []*session.Recovery
	for _, name := range names {
		r, err := session.ReadRecovery(name)
		if errors.Is(err, fs.ErrNotExist) && file == "" {
			continue // another hacky has just replayed it
		}
		if err != nil {
			return nil, fmt.Errorf("read recovery file: %w", err)
		}
		files = append(files, r)
	}
	return files, nil
}

// shelters are where updates are kept when a session's directory cannot be
// written: the user's state directory (XDG base directories), and the
// directory for temporary files.
func (a *app) shelters() []session.Shelter {
	var out []session.Shelter
	state, _ := a.env.Lookup("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		state = ""
		if home, err := os.Stat(a.env.Home); err == nil && home.IsDir() { // a home that is missing is not made
			state = filepath.Join(a.env.Home, ".local", "state")
		}
	}
	if filepath.IsAbs(state) {
		out = append(out, session.Shelter{Dir: filepath.Join(state, "hacky", "recovery")})
	}
	temp := filepath.Join(os.TempDir(), fmt.Sprintf("hacky-recovery-%d", os.Geteuid()))
	return append(out, session.Shelter{Dir: temp, Volatile: true})
}

// waitingIn names the files in which updates of a session wait; "" if there
// are none.
func (a *app) waitingIn(loc session.Location) string {
	return strings.Join(a.waitingFiles(loc), ", ")
}

// waitingFiles are the files in which updates of a session wait.
func (a *app) waitingFiles(loc session.Location) (names []string) {
	for _, p := range session.Waiting(loc, a.shelters()) {
		names = append(names, p.Path)
	}
	return names
}

// damagedOne is the first of the files that could not be read whole.
func damagedOne(files []*session.Recovery) *session.Recovery {
	for _, r := range files {
		if r.Damage != nil {
			return r
		}
	}
	return nil
}

func paths(files []*session.Recovery) string {
	var names []string
	for _, r := range files {
		names = append(names, fileName(r.Path))
	}
	return strings.Join(names, ", ")
}

// fileName is how messages call a recovery file.
func fileName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

func (a *app) damaged(r *session.Recovery, loc session.Location, file string) error {
	return fmt.Errorf("the recovery file %s is damaged (%w); nothing was applied: look at what could be read, then type: %s --force", fileName(r.Path), r.Damage, a.recoverCommand(loc, file))
}

// recoverCommand is what to type to recover this session, from a file that the
// user named if that is not "".
func (a *app) recoverCommand(loc session.Location, file string) string {
	command := "hacky recover" + a.sessionArg(loc.Path())
	if file != "" {
		command += " --file " + shellQuote(file)
	}
	return command
}

// recovered prints what became of the changes.
func (a *app) recovered(form string, loc session.Location, decisions []session.Decision, dry bool) error {
	if form != "table" {
		out := result.Recover{Session: loc.Dir, DryRun: dry, Changes: []result.Change{}}
		for _, d := range decisions {
			out.Changes = append(out.Changes, result.Change{ID: d.ID, From: d.From.String(), To: d.To.String(), Disk: d.Disk, Verdict: string(d.Verdict), Why: d.Why,
				Work: string(d.Digest), Title: d.Title, DiskTitle: d.Is.Title})
		}
		return document(a.stdout, form, out)
	}
	if len(decisions) == 0 {
		_, err := fmt.Fprintf(a.stdout, "nothing to recover: no updates wait beside %s\n", loc.Path())
		return err
	}
	rows := [][]string{{"ID", "TASKS.JSON", "UPDATE", "RESULT"}}
	n := map[session.Verdict]int{}
	var other []string
	for _, d := range decisions {
		n[d.Verdict]++
		became := string(d.Verdict)
		if dry && d.Verdict == session.Applied {
			became = "would be applied"
		}
		switch {
		case d.OtherWork(): // both titles would not fit
			became += ": other work"
			other = append(other, d.ID+" "+d.To.String()+": "+ui.Clean(d.Why))
		case d.Why != "":
			became += ": " + d.Why
		}
		rows = append(rows, []string{d.ID, d.Disk, d.To.String(), became})
	}
	if err := ui.Table(a.stdout, a.screen(), 3, rows); err != nil {
		return err
	}
	if len(other) > 0 {
		if _, err := fmt.Fprintln(a.stdout, "\n"+strings.Join(other, "\n")); err != nil {
			return err
		}
	}
	verb := "applied"
	if dry {
		verb = "would be applied"
	}
	_, err := fmt.Fprintf(a.stdout, "\n%d %s, %d already there, %s\n", n[session.Applied], verb, n[session.AlreadyThere], count(n[session.Conflict], "conflict"))
	return err
}
