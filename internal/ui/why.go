package ui

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Why is what an item waits for: the document of `why -o json`.
type Why struct {
	Session   string           `json:"session" yaml:"session"`
	ID        string           `json:"id" yaml:"id"`
	Type      string           `json:"type" yaml:"type"`
	Title     string           `json:"title" yaml:"title"`
	Status    string           `json:"status" yaml:"status"`
	Standing  Standing         `json:"standing" yaml:"standing"` // of a parent: done, or waiting
	Subtasks  int              `json:"subtasks" yaml:"subtasks"` // at or below it
	Open      int              `json:"open" yaml:"open"`         // of these neither Complete nor Obsolete
	Standings map[Standing]int `json:"standings" yaml:"standings"`
	RootCount int              `json:"rootCount" yaml:"rootCount"`
	Roots     []*Root          `json:"roots" yaml:"roots"` // the most telling ones

	Here string `json:"-" yaml:"-"` // how commands for the user name the session
}

// Root is a subtask that is itself the reason why others wait.
type Root struct {
	Listed  `yaml:",inline"`
	Waiting int       `json:"waiting" yaml:"waiting"` // subtasks that wait for it, directly or through others
	Chain   []WhyLink `json:"chain" yaml:"chain"`     // the way to it, without where it begins
	From    string    `json:"from" yaml:"from"`       // where it begins: the item itself, or a subtask below it
	Command string    `json:"command,omitempty" yaml:"command,omitempty"`
	Advice  string    `json:"advice" yaml:"advice"`

	FromTitle string `json:"-" yaml:"-"`
}

// WhyLink is what the one before it waits for.
type WhyLink struct {
	ID     string `json:"id" yaml:"id"`
	Title  string `json:"title" yaml:"title"`
	Status string `json:"status" yaml:"status"`
	Named  string `json:"named" yaml:"named"` // the dependency: the subtask itself or a parent of it
}

// longChain is how many links of a chain people are shown: the first ones and
// the last ones.
const longChain = 12

// Text prints it for people.
func (y *Why) Text(w io.Writer, on Screen, now time.Time) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(cut(fmt.Sprintf(format, args...), on.Width) + "\n") }
	prose := func(indent, text string) { b.WriteString(Wrap(indent+text, on.Width, indent+"  ") + "\n") }
	line("%s  %s", y.ID, Clean(y.Title))
	if !y.itself() {
		prose("", y.sentence())
	}
	for k, r := range y.Roots {
		if y.itself() {
			prose("", "it is itself the reason: "+on.Style.Line(string(r.Standing), r.stands(now)))
		} else {
			b.WriteByte('\n')
			line("%d. %s  %s", k+1, r.ID, Clean(r.Title))
			prose("   ", on.Style.Line(string(r.Standing), r.stands(now)))
			r.chain(line)
		}
		indent := "   "
		if y.itself() {
			indent = ""
		}
		if r.Attempt > 1 {
			line("%sattempt %d", indent, r.Attempt)
		}
		if r.Log != "" {
			prose(indent, "log: "+Clean(joinPath(y.Session, r.Log)))
		}
		if r.Waiting > 0 {
			line("%s%s for it", indent, subtasksWait(r.Waiting))
		}
		prose(indent, r.Advice)
	}
	if more := y.RootCount - len(y.Roots); more > 0 {
		b.WriteByte('\n')
		prose("", fmt.Sprintf("... and %d more; \"hacky why%s %s -n 0\" lists all", more, y.Here, y.ID))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// itself tells whether the item that was asked about is the reason.
func (y *Why) itself() bool { return len(y.Roots) == 1 && y.Roots[0].ID == y.ID }

// sentence says how the item stands.
func (y *Why) sentence() string {
	subtask := y.Type == "Subtask"
	switch {
	case y.Subtasks == 0:
		return fmt.Sprintf("it waits for nothing: there are no subtasks below this %s", strings.ToLower(y.Type))
	case y.Open == 0 && subtask:
		return "it waits for nothing: it is " + y.Status
	case y.Open == 0:
		return fmt.Sprintf("it waits for nothing: %s below it, Complete or Obsolete", subtasks(y.Subtasks))
	case subtask:
		return y.Status + "; it waits, for " + reasons(y.RootCount)
	}
	var parts []string
	for _, p := range []struct {
		what Standing
		word string
	}{{HasFailed, "failed"}, {Runs, "running"}, {IsHeld, "held"}, {Interrupted, "interrupted"}, {IsReady, "ready"}, {Waits, "waiting"}} {
		if n := y.Standings[p.what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p.word))
		}
	}
	return fmt.Sprintf("%d of %s below it open (%s), for %s", y.Open, subtasks(y.Subtasks), strings.Join(parts, ", "), reasons(y.RootCount))
}

func reasons(n int) string {
	if n == 1 {
		return "one reason"
	}
	return fmt.Sprintf("%d reasons", n)
}

// chain prints the way to a root; nothing if it has no links.
func (r *Root) chain(line func(format string, args ...any)) {
	if len(r.Chain) == 0 {
		return
	}
	line("   %s  %s", r.From, Clean(r.FromTitle))
	for k, l := range r.Chain {
		if len(r.Chain) > longChain && k >= longChain/2 && k < len(r.Chain)-longChain/2 {
			if k == longChain/2 {
				line("     ... %d more in between", len(r.Chain)-longChain)
			}
			continue
		}
		through := ""
		if l.Named != l.ID {
			through = " of " + l.Named
		}
		line("     waits for %s%s  %s  (%s)", l.ID, through, Clean(l.Title), l.Status)
	}
}
