package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/session"
)

func (a *app) resetCmd() *cobra.Command {
	e := edit{to: backlog.Planned}
	var downstream bool
	c := &cobra.Command{
		Use:   "reset [ID...]",
		Short: "Put failed and interrupted subtasks back to Planned",
		Long: `Put subtasks that are Failed, or that a run left as if they were running, back
to Planned; without ids all of them. A run that goes on takes up what failed in
it, the next run the rest. Ids and patterns are as in "hacky set"; what is below or fits
them and is left alone is counted. With --downstream also what depends on them,
directly or not, Complete ones included, as what they were made from is made
anew. What a run executes just now is left alone, and so is what is Obsolete. On
a terminal it asks before it changes more than 20.

Exit codes: 0 written, 1 you said no, 2 mistake in the call, 3 tasks.json cannot
be written and the updates wait in the recovery file.`,
		Example: `  hacky reset
  hacky reset 'P1.M2.*' --downstream --dry-run`,
		RunE: func(c *cobra.Command, ids []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			e.choose = func(loc session.Location, b *backlog.Backlog, statuses []backlog.Status) ([]int32, []string, error) {
				held, err := session.Held(loc)
				if err != nil {
					return nil, nil, err
				}
				r := resetting{b: b, statuses: statuses, held: held, here: a.sessionArg(loc.Path()), named: map[int32]bool{}}
				return r.choose(ids, downstream)
			}
			return a.edit(c.Context(), cfg, log, e)
		},
	}
	config.Register(c.Flags(), "flush-retries", "retry-backoff")
	c.Flags().BoolVar(&downstream, "downstream", false, "also what depends on them, Complete or not")
	e.flags(c)
	return c
}

// resetting finds what goes back to Planned.
type resetting struct {
	b        *backlog.Backlog
	statuses []backlog.Status
	held     *session.Holder
	here     string         // how a command for the user names the session
	named    map[int32]bool // by an id of their own
	left     []string
	others   []int32 // left alone without being named
}

func (r *resetting) choose(ids []string, downstream bool) ([]int32, []string, error) {
	candidates, err := r.candidates(ids)
	if err != nil {
		return nil, nil, err
	}
	var chosen []int32
	for _, i := range candidates {
		switch st := r.statuses[i]; {
		case st == backlog.Failed, st.Running() && r.held == nil:
			chosen = append(chosen, i)
		case st == backlog.Planned && r.named[i]:
			chosen = append(chosen, i) // told as one that is that already
		default:
			r.leave(i, r.named[i])
		}
	}
	if downstream {
		for _, i := range r.downstream(chosen) {
			switch st := r.statuses[i]; {
			case st == backlog.Planned, st == backlog.Obsolete:
			case st.Running() && r.held != nil:
				r.leave(i, true)
			default:
				chosen = append(chosen, i)
			}
		}
	}
	return chosen, append(r.left, r.counted(chosen)...), nil
}

// counted says how many were left alone that were not named, and not chosen for
// another reason.
func (r *resetting) counted(chosen []int32) []string {
	taken := make([]bool, r.b.Len())
	for _, i := range chosen {
		taken[i] = true
	}
	counts := make([]int, len(backlog.Statuses()))
	for _, i := range r.others {
		if !taken[i] {
			counts[r.statuses[i]]++
		}
	}
	var parts []string
	for _, st := range backlog.Statuses() {
		n := counts[st]
		switch {
		case n == 0:
		case st == backlog.Planned:
			parts = append(parts, fmt.Sprintf("%d %s already", n, st))
		case st.Running():
			parts = append(parts, fmt.Sprintf("%d %s in a run", n, st))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, st))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"left alone: " + strings.Join(parts, ", ")}
}

func (r *resetting) candidates(ids []string) ([]int32, error) {
	if len(ids) > 0 {
		for _, id := range ids {
			if i, ok := r.b.Lookup(id); ok {
				r.named[i] = true
			}
		}
		return choose(r.b, ids)
	}
	var out []int32
	for i := range r.b.Items {
		if st := r.statuses[i]; r.b.Items[i].Kind == backlog.Subtask && (st == backlog.Failed || st.Running() && r.held == nil) {
			out = append(out, int32(i))
		}
	}
	return out, nil
}

// leave notes why a subtask stays as it is.
func (r *resetting) leave(i int32, say bool) {
	id, st := r.b.Items[i].ID, r.statuses[i]
	switch {
	case !say:
		r.others = append(r.others, i)
	case st.Running():
		r.left = append(r.left, fmt.Sprintf("%s: %s, left alone: a run executes it (%s)", id, st, r.held.Says))
	default:
		r.left = append(r.left, fmt.Sprintf("%s: %s, left alone; if it is to be done again, type: hacky set%[3]s %[1]s Planned", id, st, r.here))
	}
}

// downstream are the subtasks that wait for some of these, directly or not, in
// document order, but for these themselves. Who waits for a parent waits for
// all below it.
func (r *resetting) downstream(of []int32) []int32 {
	seen := make([]bool, r.b.Len())
	for _, i := range of {
		seen[i] = true
	}
	var out []int32
	asked := make([]bool, r.b.Len()) // whose dependents are known
	queue := slices.Clone(of)
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for ; i >= 0 && !asked[i]; i = r.b.Items[i].Parent {
			asked[i] = true
			for _, d := range r.b.Dependents(i) {
				if !seen[d] {
					seen[d] = true
					out = append(out, d)
					queue = append(queue, d)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
