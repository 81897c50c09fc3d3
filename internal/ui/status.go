package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// ItemStatus is an item in `status -o json`.
type ItemStatus struct {
	ID     string `json:"id" yaml:"id"`
	Type   string `json:"type" yaml:"type"`
	Title  string `json:"title" yaml:"title"`
	Status string `json:"status" yaml:"status"`
}

// Hold is a credential whose quota is used up.
type Hold struct {
	Credential string    `json:"credential" yaml:"credential"`
	Until      time.Time `json:"until" yaml:"until"`
}

// Run is a run that goes on.
type Run struct {
	Holder string    `json:"holder" yaml:"holder"`
	Since  time.Time `json:"since" yaml:"since"`
}

// Status is where a session stands: the document of `status -o json`.
type Status struct {
	Session         string         `json:"session" yaml:"session"`
	Subtasks        int            `json:"subtasks" yaml:"subtasks"`
	Counts          map[string]int `json:"counts" yaml:"counts"` // subtasks by status
	Blocked         int            `json:"blocked" yaml:"blocked"`
	RecoveryWaiting bool           `json:"recoveryWaiting" yaml:"recoveryWaiting"`
	Run             *Run           `json:"run,omitempty" yaml:"run,omitempty"`
	Held            []Hold         `json:"held,omitempty" yaml:"held,omitempty"`
	Running         []*Listed      `json:"running" yaml:"running"`
	Failed          []*Listed      `json:"failed" yaml:"failed"`
	Items           []ItemStatus   `json:"items" yaml:"items"` // all, or those that were chosen

	b        *backlog.Backlog
	statuses []backlog.Status
	chosen   []bool // by item number; nil: all
	listed   []*Listed
}

// NewStatus describes a backlog with these statuses, by item number. chosen are
// the items to show, by item number; nil is all.
func NewStatus(session string, b *backlog.Backlog, statuses []backlog.Status, chosen []bool) *Status {
	s := &Status{Session: session, Counts: map[string]int{}, b: b, statuses: statuses, chosen: chosen,
		Running: []*Listed{}, Failed: []*Listed{}, Items: make([]ItemStatus, 0, b.Len())}
	for _, st := range backlog.Statuses() {
		s.Counts[st.String()] = 0
	}
	for i := range b.Items {
		it := &b.Items[i]
		if chosen == nil || chosen[i] {
			s.Items = append(s.Items, ItemStatus{it.ID, it.Kind.String(), it.Title, statuses[i].String()})
		}
		if it.Kind == backlog.Subtask {
			s.Subtasks++
			s.Counts[statuses[i].String()]++
		}
	}
	return s
}

// List takes the subtasks that are told of one by one: those that run or
// failed, and, where some were chosen, all of these.
func (s *Status) List(list []*Listed) {
	s.listed = list
	for _, l := range list {
		switch l.Standing {
		case Runs, Interrupted:
			s.Running = append(s.Running, l)
		case HasFailed:
			s.Failed = append(s.Failed, l)
		case Done, IsHeld, IsReady, Waits:
		}
	}
}

// View is how a status is printed.
type View struct {
	Width int  // of the terminal; 0 is no limit
	ASCII bool // no block characters
	All   bool // of a tree: also what is below finished branches
	Now   time.Time
}

// done counts the subtasks below an item, and those that are satisfied.
func (s *Status) done(i int32) (done, all int) {
	for k := i; k < s.b.Items[i].End; k++ {
		if s.b.Items[k].Kind == backlog.Subtask {
			all++
			if s.statuses[k].Satisfied() {
				done++
			}
		}
	}
	return done, all
}

// Table prints a line per phase, the counts, and what needs a look; or, where
// some subtasks were chosen, a line for each of these.
func (s *Status) Table(w io.Writer, v View) error {
	if s.chosen != nil {
		return s.chosenTable(w, v)
	}
	rows := [][]string{{"ID", "TITLE", "STATUS", "PROGRESS", "DONE"}}
	for i := int32(0); int(i) < s.b.Len(); i = s.b.Items[i].End {
		done, all := s.done(i)
		it := &s.b.Items[i]
		rows = append(rows, []string{it.ID, Clean(it.Title), s.statuses[i].String(), bar(done, all, 20, v.ASCII), fmt.Sprintf("%d/%d", done, all)})
	}
	if v.Width > 0 && v.Width < 60 { // no room for bars
		for k := range rows {
			rows[k] = slices.Delete(rows[k], 3, 4)
		}
	}
	if err := table(w, v.Width, 1, rows); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "\n"+cut(s.totals(), v.Width)); err != nil {
		return err
	}
	return s.needsALook(w, v)
}

// totals counts in one line.
func (s *Status) totals() string {
	var counts []string
	for _, st := range backlog.Statuses() {
		if n := s.Counts[st.String()]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, st))
		}
	}
	line := subtasks(s.Subtasks)
	if len(counts) > 0 {
		line += ": " + strings.Join(counts, ", ")
	}
	if s.Blocked > 0 {
		line += fmt.Sprintf("; %d blocked by what failed", s.Blocked)
	}
	return line
}

// needsALook tells of the run, of what runs, is held or failed.
func (s *Status) needsALook(w io.Writer, v View) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(cut(fmt.Sprintf(format, args...), v.Width) + "\n") }
	if s.Run != nil {
		line("a run goes on, since %s: %s", Ago(s.Run.Since, v.Now), Clean(s.Run.Holder))
	}
	for _, h := range s.Held {
		line("held: the quota of %s is used up until %s", Clean(h.Credential), Until(h.Until, v.Now))
	}
	for _, part := range []struct {
		word, more string
		list       []*Listed
	}{{"running", "Researching,Implementing,Retrying", s.Running}, {"failed", "Failed", s.Failed}} {
		var rows [][]string
		for _, l := range part.list[:min(len(part.list), shown)] {
			word := part.word
			if l.Standing == Interrupted {
				word = "interrupted"
			}
			rows = append(rows, []string{word, l.ID, Clean(l.Title), l.detail(v.Now)})
		}
		if err := table(&b, v.Width, 2, rows); err != nil {
			return err
		}
		if more := len(part.list) - shown; more > 0 {
			line("... and %d more; \"hacky status --status %s\" lists all", more, part.more)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// detail is what a table says of a subtask behind its title.
func (l *Listed) detail(now time.Time) string {
	text := Clean(l.Reason)
	if l.Status == backlog.Retrying.String() {
		text = "waits to be tried again: " + text
	}
	if text == "" && l.Until != nil {
		text = "until " + Until(*l.Until, now)
	}
	if text == "" && (l.Standing == Runs || l.Standing == Interrupted) {
		text = strings.ToLower(l.Status)
	}
	if l.Since != nil {
		text = strings.TrimPrefix(text+", "+Ago(*l.Since, now), ", ")
	}
	return text
}

func (s *Status) chosenTable(w io.Writer, v View) error {
	if len(s.listed) == 0 {
		_, err := fmt.Fprintln(w, "no subtask is like that")
		return err
	}
	rows := [][]string{{"ID", "TITLE", "STATUS", "STANDS"}}
	for _, l := range s.listed {
		stands := string(l.Standing)
		if detail := l.detail(v.Now); detail != "" && !strings.EqualFold(detail, l.Status) {
			stands += ": " + detail
		}
		rows = append(rows, []string{l.ID, Clean(l.Title), l.Status, stands})
	}
	if err := table(w, v.Width, 1, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s of %d\n", subtasks(len(s.listed)), s.Subtasks)
	return err
}

// Tree prints the items, indented by their level. What is finished is folded
// into one line.
func (s *Status) Tree(w io.Writer, v View) error {
	var b strings.Builder
	for i := int32(0); int(i) < s.b.Len(); i++ {
		it := &s.b.Items[i]
		if s.chosen != nil && !s.chosen[i] {
			continue
		}
		line := fmt.Sprintf("%s%-12s  %s  %s", strings.Repeat("  ", int(it.Kind)), s.statuses[i], it.ID, Clean(it.Title))
		if it.Kind != backlog.Subtask && s.chosen == nil {
			done, all := s.done(i)
			if done == all && all > 0 && !v.All {
				line += "  (" + subtasks(all) + ")"
				i = it.End - 1
			}
		}
		b.WriteString(cut(line, v.Width) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
