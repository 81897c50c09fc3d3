package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/ui"
)

// statusCall is what hacky status was asked for.
type statusCall struct {
	output   string
	all      bool
	watch    bool
	statuses []string
	scope    []string
	stale    time.Duration
}

func (a *app) statusCmd() *cobra.Command {
	var call statusCall
	c := &cobra.Command{
		Use:   "status",
		Short: "Show where a session stands",
		Long: `Show the progress of a session: a bar per phase, what runs, what failed and why,
what is held; with -o tree the items, finished branches folded. --status, --scope
and --stale choose subtasks. It takes no lock, writes nothing, and sees what a
run has acknowledged.

Exit codes: 0, or 2 if the call is wrong or the backlog cannot be read.`,
		Example: `  hacky status --watch
  hacky status -o tree --scope P1.M2
  hacky status --status Failed
  hacky status -o json | jq '.counts'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(call.output, "table", "tree", "json", "yaml"); err != nil {
				return err
			}
			if call.stale < 0 {
				return fmt.Errorf("--stale: %q is not a duration of at least 0", call.stale)
			}
			if c.Flags().Changed("scope") { // of the variable and the file only run makes anything
				call.scope = cfg.Scope
			}
			if call.watch {
				return a.watch(c.Context(), cfg, call)
			}
			return a.status(cfg, call)
		},
	}
	c.Flags().StringVarP(&call.output, "output", "o", "table", "output: table, tree, json, yaml")
	c.Flags().BoolVar(&call.all, "all", false, "of a tree: also what is below finished branches")
	c.Flags().BoolVarP(&call.watch, "watch", "w", false, "show it again and again, on a terminal; Ctrl+C ends it")
	c.Flags().StringSliceVar(&call.statuses, "status", nil, "only subtasks that have one of these statuses")
	config.Register(c.Flags(), "scope")
	c.Flags().DurationVar(&call.stale, "stale", 0, "only what runs for longer than that, is retried, or was interrupted")
	return c
}

// status prints a session's status once.
func (a *app) status(cfg *config.Config, call statusCall) error {
	st, waiting, err := a.statusNow(cfg, call)
	if err != nil {
		return err
	}
	view := ui.View{Width: a.width(), ASCII: !a.utf8(), All: call.all, Now: time.Now()}
	switch call.output {
	case "json", "yaml":
		return document(a.stdout, call.output, st)
	case "tree":
		err = st.Tree(a.stdout, view)
	default:
		err = st.Table(a.stdout, view)
	}
	if err == nil && waiting != "" {
		_, err = fmt.Fprintf(a.stdout, "\n%s\n", waiting)
	}
	return err
}

// statusNow looks at a session; waiting is what to do about a recovery file, if
// there is one.
func (a *app) statusNow(cfg *config.Config, call statusCall) (st *ui.Status, waiting string, err error) {
	l, err := a.look(cfg)
	if err != nil {
		return nil, "", err
	}
	chosen, list, err := l.choose(call)
	if err != nil {
		return nil, "", err
	}
	st = ui.NewStatus(l.loc.Dir, l.b, l.statuses, chosen)
	st.Blocked = blockedIn(l)
	if path := a.waitingIn(l.loc); path != "" {
		st.RecoveryWaiting = true
		waiting = fmt.Sprintf("updates wait in %s; type: hacky recover%s", path, sessionArg(l.loc.Path()))
	}
	if l.run != nil {
		st.Run = &ui.Run{Holder: l.run.Says, Since: l.run.Since}
	}
	for _, h := range l.holds {
		st.Held = append(st.Held, ui.Hold(h))
	}
	st.List(list)
	return st, waiting, nil
}

// choose finds the items to show, nil for all, and the subtasks to tell of.
func (l *look) choose(call statusCall) (chosen []bool, list []*ui.Listed, err error) {
	among, err := statusSet(call.statuses)
	if err != nil {
		return nil, nil, fmt.Errorf("--status: %w", err)
	}
	scope, err := resolveScope(l.b, call.scope, "--scope")
	if err != nil {
		return nil, nil, err
	}
	inScope := schedule.Select(l.b, scope)
	all := len(call.statuses) == 0 && call.scope == nil && call.stale == 0
	var items []int32
	for i := range l.b.Items {
		st := l.statuses[i]
		switch {
		case l.b.Items[i].Kind != backlog.Subtask || !inScope[i]:
		case all && !st.Running() && st != backlog.Failed:
		case len(call.statuses) > 0 && !among[st]:
		case call.stale > 0 && !st.Running():
		default:
			items = append(items, int32(i))
		}
	}
	for _, i := range items {
		s := l.subtaskAt(i)
		list = append(list, &s)
	}
	l.addEvidence(list)
	if call.stale > 0 {
		keep := func(s *ui.Listed) bool {
			return s.Standing == ui.Interrupted || s.Status == backlog.Retrying.String() || s.Since != nil && l.now.Sub(*s.Since) > call.stale
		}
		list = slices.DeleteFunc(list, func(s *ui.Listed) bool { return !keep(s) })
	}
	if all {
		return nil, list, nil
	}
	chosen = make([]bool, l.b.Len())
	for _, s := range list {
		i, _ := l.b.Lookup(s.ID)
		for ; i >= 0 && !chosen[i]; i = l.b.Items[i].Parent {
			chosen[i] = true
		}
	}
	return chosen, list, nil
}

// blockedIn counts the subtasks that wait for one that failed.
func blockedIn(l *look) int {
	if !slices.Contains(l.statuses, backlog.Failed) {
		return 0
	}
	plan := schedule.New(l.b, l.statuses, schedule.Select(l.b, nil))
	for i, st := range l.statuses {
		if st == backlog.Failed && l.b.Items[i].Kind == backlog.Subtask {
			plan.Fail(int32(i))
		}
	}
	blocked := 0
	for _, b := range plan.Blocked() {
		if l.statuses[b.Item] != backlog.Failed {
			blocked++
		}
	}
	return blocked
}

// watchPause is between two frames.
const watchPause = time.Second

// Terminal control sequences (ECMA-48, and DEC's for the cursor).
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	home       = "\x1b[H"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
	clearAll   = "\x1b[2J"
)

// watch shows the status until Ctrl+C.
func (a *app) watch(ctx context.Context, cfg *config.Config, call statusCall) error {
	terminal, ok := a.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return errors.New("--watch shows it again and again on a terminal, and standard output is none; call \"hacky status -o json\" from time to time instead")
	}
	if call.output != "table" && call.output != "tree" {
		return fmt.Errorf("--watch: %q is not one of table, tree", call.output)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if _, err := terminal.WriteString(hideCursor + clearAll); err != nil {
		return err
	}
	defer terminal.WriteString(showCursor) //nolint:errcheck // it may be gone
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for {
		if err := a.frame(terminal, cfg, call); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame draws the status over what was there before, as much as fits.
func (a *app) frame(terminal *os.File, cfg *config.Config, call statusCall) error {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if st, waiting, err := a.statusNow(cfg, call); err != nil { // an editor may be just saving
		text.WriteString(err.Error() + "\n")
	} else {
		view := ui.View{Width: width, ASCII: !a.utf8(), All: call.all, Now: time.Now()}
		show := st.Table
		if call.output == "tree" {
			show = st.Tree
		}
		if err := show(&text, view); err != nil {
			return err
		}
		if waiting != "" {
			text.WriteString("\n" + waiting + "\n")
		}
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(lines) >= height {
		lines = append(lines[:max(0, height-2)], "...")
	}
	_, err = terminal.WriteString(home + strings.Join(lines, clearLine+"\r\n") + clearLine + clearBelow)
	return err
}
