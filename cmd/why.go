package cmd

import (
	"cmp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// whyShown is how many reasons why tells unless told otherwise.
const whyShown = 3

func (a *app) whyCmd() *cobra.Command {
	var output string
	var most uint64
	c := &cobra.Command{
		Use:   "why ID",
		Short: "Show what an item waits for, down to the root cause",
		Long: `Show why a subtask does not run, or why a phase, milestone or task is not done:
the chain of dependencies down to what failed, is held, runs or could run, since
when, and the command that gets it going. Failures come first, then what is
near. It takes no lock and writes nothing.

Exit codes: 0, also when it waits for nothing, 2 there is no such item.`,
		Example: `  hacky why P1.M1.T1.S3
  hacky why P2 -n 0 -o json | jq -r '.roots[].id'`,
		Args: exactArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.why(cfg, args[0], output, int(min(most, 1<<30)))
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	c.Flags().Uint64VarP(&most, "number", "n", whyShown, "tell at most so many reasons; 0 is all")
	return c
}

// telling orders what keeps others waiting: what somebody has to look at first.
func telling(s ui.Standing) int {
	return slices.Index([]ui.Standing{ui.HasFailed, ui.IsHeld, ui.Interrupted, ui.Runs, ui.IsReady}, s)
}

func (a *app) why(cfg *config.Config, id, output string, most int) error {
	l, err := a.look(cfg)
	if err != nil {
		return err
	}
	top, err := lookup(l.b, id)
	if err != nil {
		return err
	}
	it := &l.b.Items[top]
	y := &ui.Why{Session: l.loc.Dir, ID: it.ID, Type: it.Kind.String(), Title: it.Title, Status: l.statuses[top].String(),
		Standing: ui.Waits, Standings: map[ui.Standing]int{}, Roots: []*ui.Root{}, Here: l.here}
	for i := top; i < it.End; i++ {
		if l.b.Items[i].Kind == backlog.Subtask {
			y.Subtasks++
			s := l.standing(i)
			y.Standings[s]++
			if s != ui.Done {
				y.Open++
			}
		}
	}
	switch {
	case it.Kind == backlog.Subtask:
		y.Standing = l.standing(top)
	case y.Open == 0:
		y.Standing = ui.Done
	}
	trail := schedule.Why(l.b, l.believed(), top)
	y.RootCount = len(trail.Roots)
	// Stable: among equals the nearest stays first.
	slices.SortStableFunc(trail.Roots, func(x, y int32) int { return cmp.Compare(telling(l.standing(x)), telling(l.standing(y))) })
	roots := trail.Roots
	if most > 0 && len(roots) > most {
		roots = roots[:most]
	}
	var listed []*ui.Listed
	for _, i := range roots {
		r := &ui.Root{Listed: l.subtaskAt(i), From: l.b.Items[i].ID, FromTitle: l.b.Items[i].Title, Chain: []ui.WhyLink{}}
		for k, link := range trail.Way(i) {
			if k == 0 {
				r.From, r.FromTitle = l.b.Items[link.From].ID, l.b.Items[link.From].Title
			}
			to := &l.b.Items[link.Item]
			r.Chain = append(r.Chain, ui.WhyLink{ID: to.ID, Title: to.Title, Status: l.statuses[link.Item].String(), Named: l.b.Items[link.Named].ID})
		}
		if len(roots) <= countedRoots {
			r.Waiting = schedule.Waiting(l.b, l.statuses, i)
		}
		l.advise(r)
		y.Roots = append(y.Roots, r)
		listed = append(listed, &r.Listed)
	}
	l.addEvidence(listed)
	l.addReady(listed)
	if output != "table" {
		return document(a.stdout, output, y)
	}
	return y.Text(a.stdout, a.screen(), l.now)
}

// countedRoots bounds of how many roots it is counted what waits for them: each
// is a walk through the backlog.
const countedRoots = 200

// advise says what gets a root going.
func (l *look) advise(r *ui.Root) {
	here := l.here
	switch r.Standing {
	case ui.HasFailed:
		r.Command = "hacky reset" + here + " " + r.ID
		r.Advice = "mend it, then type: " + r.Command
		if l.run == nil {
			r.Command += " && hacky run" + here
			r.Advice = "mend it, then type: " + r.Command
		}
	case ui.IsHeld:
		r.Advice = "a run goes on with it by itself then"
		if l.run == nil {
			r.Command = "hacky run" + here + " --scope " + r.ID
			r.Advice = "then type: " + r.Command
		}
	case ui.Runs:
		r.Advice = "wait for it; \"hacky logs" + here + " " + r.ID + " -f\" shows what it says"
	default:
		if l.run != nil {
			r.Advice = "the run that goes on (" + ui.Clean(l.run.Says) + ") takes it when its turn comes, if it is in its scope"
			break
		}
		r.Command = "hacky run" + here + " --scope " + r.ID
		r.Advice = "nothing keeps it; type: " + r.Command
	}
}

// manyDependencies bounds of how many it is looked up when they ended.
const manyDependencies = 1000

// addReady says of ready subtasks since when they are: since the last of what
// they waited for ended.
func (l *look) addReady(list []*ui.Listed) {
	below := map[string][]string{}
	var all []string
	for _, s := range list {
		if s.Standing != ui.IsReady {
			continue
		}
		i, _ := l.b.Lookup(s.ID)
		var ids []string
		for _, d := range l.b.Dependencies(i) {
			for k := d; k < l.b.Items[d].End; k++ {
				if l.b.Items[k].Kind == backlog.Subtask && len(ids) <= manyDependencies {
					ids = append(ids, l.b.Items[k].ID)
				}
			}
		}
		if len(ids) <= manyDependencies && len(all) <= 10*manyDependencies {
			below[s.ID] = ids
			all = append(all, ids...)
		}
	}
	ended, _ := session.LastAttempts(l.loc, all) // what cannot be read is not shown
	for _, s := range list {
		var last time.Time
		for _, id := range below[s.ID] {
			if p, ok := ended[id]; ok && p.Class == "ok" && p.Ended.After(last) {
				last = p.Ended
			}
		}
		if !last.IsZero() {
			s.Since = &last
		}
	}
}
