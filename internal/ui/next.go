package ui

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Next is what is ready in a session: the document of `next -o json`.
type Next struct {
	Session    string    `json:"session" yaml:"session"`
	Subtasks   int       `json:"subtasks" yaml:"subtasks"`
	Done       int       `json:"done" yaml:"done"`
	ReadyCount int       `json:"readyCount" yaml:"readyCount"`
	Ready      []*Listed `json:"ready" yaml:"ready"` // the first of them, in document order
	Running    []*Listed `json:"running" yaml:"running"`
	HeldCount  int       `json:"heldCount" yaml:"heldCount"`
	Held       []*Listed `json:"held" yaml:"held"`
	Failed     int       `json:"failed" yaml:"failed"`
	Waiting    int       `json:"waiting" yaml:"waiting"`
	RunGoesOn  bool      `json:"runGoesOn" yaml:"runGoesOn"`
	Why        string    `json:"why,omitempty" yaml:"why,omitempty"` // nothing is ready

	Here string `json:"-" yaml:"-"` // how commands for the user name the session
}

// Explain fills in why nothing is ready; failed is one that failed.
func (n *Next) Explain(failed string) {
	if n.ReadyCount > 0 {
		return
	}
	switch {
	case n.Subtasks == 0:
		n.Why = "nothing is ready: the backlog has no subtasks"
		return
	case n.Done == n.Subtasks:
		n.Why = "nothing is ready: all of " + subtasks(n.Subtasks) + " are Complete or Obsolete"
		if n.Subtasks == 1 {
			n.Why = "nothing is ready: the only subtask is Complete or Obsolete"
		}
		return
	}
	var parts []string
	add := func(k int, one, many string) {
		if k == 1 {
			parts = append(parts, "1 "+one)
		} else if k > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", k, many))
		}
	}
	add(len(n.Running), "runs", "run")
	add(n.HeldCount, "is held", "are held")
	add(n.Failed, "failed", "failed")
	add(n.Waiting, "waits for these", "wait for these")
	n.Why = "nothing is ready: " + strings.Join(parts, ", ")
	if n.Failed > 0 && !n.RunGoesOn {
		n.Why += "; \"hacky run" + n.Here + "\" tries what failed again, \"hacky why" + n.Here + " " + failed + "\" tells of it"
	}
}

// lastOf is what stands behind the last comma.
func lastOf(text string) string {
	if at := strings.LastIndex(text, ", "); at >= 0 {
		return text[at+2:]
	}
	return text
}

// Table prints it for people.
func (n *Next) Table(w io.Writer, on Screen, now time.Time) error {
	var b strings.Builder
	g := NewGrid(Column{Head: "ID"}, Column{Head: "TITLE", Least: 10, Words: true},
		Column{Head: "STATUS", Short: lastOf})
	g.Grow(len(n.Ready))
	for _, s := range n.Ready {
		status := s.Status
		if s.Standing == Interrupted {
			status += ", interrupted"
		}
		g.Row(s.ID, Clean(s.Title), status)
	}
	if len(n.Ready) > 0 {
		if err := g.Print(&b, on); err != nil {
			return err
		}
	}
	if more := n.ReadyCount - len(n.Ready); more > 0 {
		b.WriteString(Wrap(fmt.Sprintf("... and %d more; \"hacky next%s -n 0\" lists all", more, n.Here), on.Width, "  ") + "\n")
	}
	if n.Why != "" {
		b.WriteString(Wrap(n.Why, on.Width, "  ") + "\n")
	}
	if len(n.Running)+n.HeldCount > 0 {
		b.WriteByte('\n')
	}
	if err := standings(&b, on, now, n.Running, len(n.Running), n.Held, n.HeldCount); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// standings lists running and held subtasks, a line each.
func standings(w io.Writer, on Screen, now time.Time, running []*Listed, runs int, held []*Listed, holds int) error {
	for _, list := range []struct {
		word, more string
		of         []*Listed
		all        int
	}{{"runs", "run", running, runs}, {"held", "are held", held, holds}} {
		g := detailed()
		for _, s := range list.of[:min(len(list.of), shown)] {
			g.Row(list.word, s.ID, Clean(s.Title), strings.TrimPrefix(s.stands(now), "held: "))
		}
		if err := g.Print(w, on); err != nil {
			return err
		}
		if more := list.all - g.Rows(); more > 0 {
			if _, err := fmt.Fprintf(w, "... and %d more %s\n", more, list.more); err != nil {
				return err
			}
		}
	}
	return nil
}
