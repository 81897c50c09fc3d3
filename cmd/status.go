package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// statusOptions are the flags of status.
type statusOptions struct {
	output   string
	all      bool
	statuses []string
	among    map[backlog.Status]bool // what statuses names; nil: all
	stale    time.Duration
	isStale  bool // --stale was given
	watch    bool
}

func (a *app) statusCmd() *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status",
		Short: "Show where a session stands",
		Long: `Show how far each phase is, and what runs, failed, is held or blocked; with -o tree
the items, finished branches folded. --status and --stale list the subtasks that
are like that, --scope looks at a part. It takes no lock and writes nothing.

Exit codes: 0, 2 if the backlog cannot be read, 130/143 when Ctrl+C or SIGTERM
ended --watch.`,
		Example: `  hacky status --watch
  hacky status --stale 30m
  hacky status -o json | jq '.counts'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			o.isStale = c.Flags().Changed("stale")
			if err := o.check(); err != nil {
				return err
			}
			if o.watch {
				return a.watch(c.Context(), cfg, o)
			}
			return a.status(cfg, o)
		},
	}
	config.Register(c.Flags(), "scope")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "output: table, tree, json, yaml")
	c.Flags().BoolVar(&o.all, "all", false, "show finished branches of the tree too")
	c.Flags().StringSliceVar(&o.statuses, "status", nil, "list the subtasks with one of these statuses: a comma list")
	c.Flags().DurationVar(&o.stale, "stale", 0, "list the subtasks that run for longer than this, or wait to be tried again")
	c.Flags().BoolVar(&o.watch, "watch", false, "show it again and again, until Ctrl+C")
	return c
}

// check refuses what does not go together.
func (o *statusOptions) check() error {
	if err := checkOutput(o.output, "table", "tree", "json", "yaml"); err != nil {
		return err
	}
	var err error
	if o.among, err = statusSet(o.statuses); err != nil {
		return fmt.Errorf("--status: %w", err)
	}
	if o.stale < 0 {
		return fmt.Errorf("--stale: %q is not a duration of at least 0", o.stale)
	}
	if o.watch && o.output != "table" && o.output != "tree" {
		return errors.New("--watch is for people; it goes with -o table and -o tree")
	}
	return nil
}

func (a *app) status(cfg *config.Config, o statusOptions) error {
	st, l, err := a.statusOf(cfg, o)
	if err != nil {
		return err
	}
	switch o.output {
	case "json":
		return st.JSON(a.stdout)
	case "yaml":
		return st.YAML(a.stdout)
	}
	return a.statusText(a.stdout, st, l, o, a.screen())
}

// statusText is the table or the tree.
func (a *app) statusText(w io.Writer, st *ui.Status, l *look, o statusOptions, on ui.Screen) error {
	if o.output == "tree" {
		return st.Tree(w, on, o.all || st.Filtered())
	}
	if err := st.Table(w, on, l.now); err != nil {
		return err
	}
	if waiting := a.waitingIn(l.loc); waiting != "" {
		_, err := io.WriteString(w, "\n"+ui.Wrap(fmt.Sprintf("updates wait in %s; type: hacky recover%s", waiting, l.here), on.Width, "")+"\n")
		return err
	}
	return nil
}

// statusOf looks at a session.
func (a *app) statusOf(cfg *config.Config, o statusOptions) (*ui.Status, *look, error) {
	l, err := a.look(cfg)
	if err != nil {
		return nil, nil, err
	}
	scope, err := resolveScope(l.b, cfg.Scope, a.origin("scope"))
	if err != nil {
		return nil, nil, err
	}
	st := &ui.Status{Session: l.loc.Dir, Counts: map[string]int{}, RecoveryWaiting: a.waitingIn(l.loc) != "",
		Phases: []ui.Part{}, Held: []ui.Hold{}, Running: []*ui.Listed{}, Interrupted: []*ui.Listed{}, Failed: []*ui.Listed{}, Blocked: []ui.BlockedBy{}, Items: []ui.ItemStatus{},
		Backlog: l.b, Statuses: l.statuses, Here: l.here, Unicode: a.utf8Locale()}
	for _, s := range backlog.Statuses() {
		st.Counts[s.String()] = 0
	}
	for _, h := range l.holds {
		st.Held = append(st.Held, ui.Hold{Credential: h.Credential, Until: h.Until, IDs: []string{}})
	}
	if l.run != nil {
		st.Run = &ui.Run{Holder: l.run.Says, Since: l.run.Since}
	}
	st.Chosen = make([]bool, l.b.Len())
	for _, top := range tops(l.b, scope) {
		st.Phases = append(st.Phases, l.count(st, top))
	}
	for _, bl := range schedule.Stuck(l.b, l.believed()) {
		if st.Chosen[bl.Item] {
			it := &l.b.Items[bl.Item]
			st.Blocked = append(st.Blocked, ui.BlockedBy{ID: it.ID, Title: it.Title, By: l.b.Items[bl.By].ID})
		}
	}
	if len(o.statuses) > 0 || o.isStale {
		l.filter(st, o)
	}
	switch {
	case o.output == "tree":
		return st, l, nil
	case o.output != "table":
		l.addEvidence(slices.Concat(st.Running, st.Interrupted, st.Failed))
	case !st.Filtered():
		l.addEvidence(slices.Concat(first(st.Running), first(st.Interrupted), first(st.Failed)))
	}
	if !o.isStale { // else it is there
		l.addEvidence(st.Matches)
	}
	return st, l, nil
}

// tops are the phases, or the items of a scope that are not below another of
// them, in document order.
func tops(b *backlog.Backlog, scope []int32) []int32 {
	var out []int32
	if scope == nil {
		for i := int32(0); int(i) < b.Len(); i = b.Items[i].End {
			out = append(out, i)
		}
		return out
	}
	scope = slices.Sorted(slices.Values(scope))
	end := int32(0)
	for _, i := range scope {
		if i >= end {
			out = append(out, i)
			end = b.Items[i].End
		}
	}
	return out
}

// count goes through an item and all below it.
func (l *look) count(st *ui.Status, top int32) ui.Part {
	it := &l.b.Items[top]
	p := ui.Part{ID: it.ID, Title: it.Title, Status: l.statuses[top].String()}
	counts := make([]int, len(backlog.Statuses()))
	for i := top; i < it.End; i++ {
		st.Chosen[i] = true
		if l.b.Items[i].Kind != backlog.Subtask {
			continue
		}
		p.Subtasks++
		counts[l.statuses[i]]++
		var list *[]*ui.Listed
		switch l.standing(i) {
		case ui.Done:
			p.Done++
		case ui.Runs:
			list = &st.Running
		case ui.HasFailed:
			list = &st.Failed
		case ui.Interrupted:
			list = &st.Interrupted
		case ui.IsHeld:
			h := l.hold(i)
			st.Held[slices.IndexFunc(l.holds, func(o session.Hold) bool { return o == *h })].Add(l.b.Items[i].ID)
		}
		if list != nil {
			s := l.subtaskAt(i)
			*list = append(*list, &s)
		}
	}
	for k, n := range counts {
		st.Counts[backlog.Status(k).String()] += n
	}
	st.Subtasks += p.Subtasks
	return p
}

// statusShown is how many of each list people are shown at most.
const statusShown = 20

func first(list []*ui.Listed) []*ui.Listed { return list[:min(len(list), statusShown)] }

// filter leaves only the subtasks that were asked for, and in a tree what is above
// them.
func (l *look) filter(st *ui.Status, o statusOptions) {
	wanted := make([]bool, len(backlog.Statuses()))
	for _, s := range backlog.Statuses() {
		wanted[s] = (o.among == nil || o.among[s]) && (!o.isStale || s.Running())
	}
	var items []int32
	for i := range l.b.Items {
		if st.Chosen[i] && l.b.Items[i].Kind == backlog.Subtask && wanted[l.statuses[i]] {
			items = append(items, int32(i))
		}
		st.Chosen[i] = false
	}
	listed := make([]ui.Listed, len(items))
	st.Matches = make([]*ui.Listed, len(items))
	for k, i := range items {
		listed[k] = l.subtaskAt(i)
		st.Matches[k] = &listed[k]
	}
	if o.isStale {
		l.addEvidence(st.Matches)
	}
	kept := st.Matches[:0]
	for k, s := range st.Matches {
		if o.isStale && !l.stale(s, o.stale) {
			continue
		}
		kept = append(kept, s)
		st.Chosen[items[k]] = true
		if o.output != "tree" {
			continue
		}
		for i := l.b.Items[items[k]].Parent; i >= 0 && !st.Chosen[i]; i = l.b.Items[i].Parent {
			st.Chosen[i] = true
		}
	}
	st.Matches = kept
}

// stale tells whether a subtask runs for longer than d, waits to be tried
// again, or does not run at all any more. What began at an unknown time may have
// begun just now.
func (l *look) stale(s *ui.Listed, d time.Duration) bool {
	if l.run == nil || s.Status == backlog.Retrying.String() {
		return true
	}
	return s.Since != nil && l.now.Sub(*s.Since) > d
}

// utf8Locale tells whether the user's terminal shows more than ASCII, as the C
// library finds out.
func (a *app) utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, ok := a.env.Lookup(name); ok && v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
