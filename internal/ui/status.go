package ui

import (
	"fmt"
	"io"
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

// Status is where a session stands: the document of `status -o json`.
type Status struct {
	Session         string         `json:"session" yaml:"session"`
	Subtasks        int            `json:"subtasks" yaml:"subtasks"`
	Counts          map[string]int `json:"counts" yaml:"counts"` // subtasks by status
	RecoveryWaiting bool           `json:"recoveryWaiting" yaml:"recoveryWaiting"`
	Held            []Hold         `json:"held,omitempty" yaml:"held,omitempty"`
	Items           []ItemStatus   `json:"items" yaml:"items"`

	b        *backlog.Backlog
	statuses []backlog.Status
}

// NewStatus describes a backlog with these statuses, by item number.
func NewStatus(session string, b *backlog.Backlog, statuses []backlog.Status, recoveryWaiting bool) *Status {
	s := &Status{Session: session, Counts: map[string]int{}, RecoveryWaiting: recoveryWaiting,
		Items: make([]ItemStatus, 0, b.Len()), b: b, statuses: statuses}
	for _, st := range backlog.Statuses() {
		s.Counts[st.String()] = 0
	}
	for i := range b.Items {
		it := &b.Items[i]
		s.Items = append(s.Items, ItemStatus{it.ID, it.Kind.String(), it.Title, statuses[i].String()})
		if it.Kind == backlog.Subtask {
			s.Subtasks++
			s.Counts[statuses[i].String()]++
		}
	}
	return s
}

// Table prints a line per phase and the counts. width is the terminal's; 0 is
// no limit.
func (s *Status) Table(w io.Writer, width int) error {
	rows := [][]string{{"ID", "TITLE", "STATUS", "DONE"}}
	for i := int32(0); int(i) < s.b.Len(); i = s.b.Items[i].End {
		done, all := 0, 0
		for k := i; k < s.b.Items[i].End; k++ {
			if s.b.Items[k].Kind == backlog.Subtask {
				all++
				if s.statuses[k].Satisfied() {
					done++
				}
			}
		}
		it := &s.b.Items[i]
		rows = append(rows, []string{it.ID, Clean(it.Title), s.statuses[i].String(), fmt.Sprintf("%d/%d", done, all)})
	}
	if err := table(w, width, 1, rows); err != nil {
		return err
	}
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
	if _, err := fmt.Fprintln(w, "\n"+line); err != nil {
		return err
	}
	for _, h := range s.Held {
		if _, err := fmt.Fprintf(w, "held: the quota of %s is used up until %s\n", Clean(h.Credential), Until(h.Until, time.Now())); err != nil {
			return err
		}
	}
	return s.failed(w, width)
}

// failed lists the failed subtasks.
func (s *Status) failed(w io.Writer, width int) error {
	var rows [][]string
	for _, it := range s.Items {
		if it.Type == backlog.Subtask.String() && it.Status == backlog.Failed.String() && len(rows) < shown {
			rows = append(rows, []string{"failed", it.ID, Clean(it.Title)})
		}
	}
	if err := table(w, width, 2, rows); err != nil {
		return err
	}
	if more := s.Counts[backlog.Failed.String()] - len(rows); more > 0 {
		_, err := fmt.Fprintf(w, "... and %d more failed; \"hacky status -o tree\" shows them\n", more)
		return err
	}
	return nil
}

// Tree prints every item, indented by its level.
func (s *Status) Tree(w io.Writer, width int) error {
	var b strings.Builder
	for i := range s.b.Items {
		it := &s.b.Items[i]
		line := fmt.Sprintf("%s%-12s  %s  %s", strings.Repeat("  ", int(it.Kind)), s.statuses[i], it.ID, Clean(it.Title))
		b.WriteString(cut(line, width))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
