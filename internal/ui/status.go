package ui

import (
	"bufio"
	"encoding/json"
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

// Part is a phase, or an item of --scope, and how far it is.
type Part struct {
	ID       string `json:"id" yaml:"id"`
	Title    string `json:"title" yaml:"title"`
	Status   string `json:"status" yaml:"status"`
	Done     int    `json:"done" yaml:"done"` // subtasks, Complete or Obsolete
	Subtasks int    `json:"subtasks" yaml:"subtasks"`
}

// BlockedBy is a subtask that waits for one that failed.
type BlockedBy struct {
	ID    string `json:"id" yaml:"id"`
	Title string `json:"title" yaml:"title"`
	By    string `json:"by" yaml:"by"`
}

// Run is the run that has a session.
type Run struct {
	Holder string    `json:"holder" yaml:"holder"`
	Since  time.Time `json:"since" yaml:"since"`
}

// Status is where a session stands: the document of `status -o json`. The lists
// of people are cut by who prints them.
type Status struct {
	Session         string         `json:"session" yaml:"session"`
	Subtasks        int            `json:"subtasks" yaml:"subtasks"`
	Counts          map[string]int `json:"counts" yaml:"counts"` // subtasks by status
	RecoveryWaiting bool           `json:"recoveryWaiting" yaml:"recoveryWaiting"`
	Run             *Run           `json:"run,omitempty" yaml:"run,omitempty"`
	Held            []Hold         `json:"held,omitempty" yaml:"held,omitempty"`
	Phases          []Part         `json:"phases" yaml:"phases"`
	Running         []*Listed      `json:"running" yaml:"running"`
	Interrupted     []*Listed      `json:"interrupted" yaml:"interrupted"`
	Failed          []*Listed      `json:"failed" yaml:"failed"`
	Blocked         []BlockedBy    `json:"blocked" yaml:"blocked"`
	Items           []ItemStatus   `json:"items" yaml:"items"`

	Backlog  *backlog.Backlog `json:"-" yaml:"-"`
	Statuses []backlog.Status `json:"-" yaml:"-"`
	Chosen   []bool           `json:"-" yaml:"-"` // items to list, by number
	Filtered bool             `json:"-" yaml:"-"` // they are those that were asked for
	Matches  []*Listed        `json:"-" yaml:"-"` // of these the subtasks, when filtered
	HeldBack int              `json:"-" yaml:"-"` // subtasks that wait for a quota
	Unicode  bool             `json:"-" yaml:"-"` // the terminal shows more than ASCII
}

// JSON prints the document, as if List had been called. Its last two lists,
// which may be very long, are encoded element by element, and not as a whole
// that is then indented: that takes as long as reading the session.
func (s *Status) JSON(w io.Writer) error {
	short := *s
	short.Blocked, short.Items = []BlockedBy{}, []ItemStatus{}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&short); err != nil {
		return err
	}
	l := listWriter{w: w}
	l.text(strings.TrimSuffix(text.String(), "[],\n  \"items\": []\n}\n"))
	for _, bl := range s.Blocked {
		l.object(&[4]string{"id", "title", "by"}, bl.ID, bl.Title, bl.By)
	}
	l.end()
	l.text(",\n  \"items\": ")
	for i := range s.Backlog.Items {
		if it := &s.Backlog.Items[i]; s.Chosen[i] {
			l.object(&[4]string{"id", "type", "title", "status"}, it.ID, it.Kind.String(), it.Title, s.Statuses[i].String())
		}
	}
	l.end()
	l.text("\n}\n")
	return l.flush()
}

// listWriter prints lists of objects with texts, indented as encoding/json would
// in an object. BenchmarkStatus has it beside parsing what it prints.
type listWriter struct {
	w   io.Writer
	buf []byte
	any bool // object of this list
	err error
}

func (l *listWriter) text(s string) { l.buf = append(l.buf, s...) }

// object prints values by their keys.
func (l *listWriter) object(keys *[4]string, values ...string) {
	b := l.buf
	if l.any {
		b = append(b, ",\n    {\n      \""...)
	} else {
		l.any, b = true, append(b, "[\n    {\n      \""...)
	}
	for k, value := range values {
		if k > 0 {
			b = append(b, ",\n      \""...)
		}
		b = append(append(b, keys[k]...), "\": "...)
		if plainText(value) {
			b = append(append(append(b, '"'), value...), '"')
		} else {
			b = append(b, quoted(value)...)
		}
	}
	b = append(b, "\n    }"...)
	l.buf = b
	if len(l.buf) > 1<<16 {
		_ = l.flush() // tells again at the end
	}
}

func (l *listWriter) end() {
	if l.any {
		l.text("\n  ]")
	} else {
		l.text("[]")
	}
	l.any = false
}

func (l *listWriter) flush() error {
	if l.err == nil {
		_, l.err = l.w.Write(l.buf)
	}
	l.buf = l.buf[:0]
	return l.err
}

// plainText tells whether JSON has a string as it is.
func plainText(s string) bool {
	return printable(s) && strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '\\') < 0
}

// quoted is a string as JSON has it.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// Table prints a bar for each phase, the counts, and what runs, failed, is held
// or blocked; filtered, the subtasks that were asked for.
func (s *Status) Table(w io.Writer, on Screen, now time.Time) error {
	var b strings.Builder
	if s.Filtered {
		if err := s.matches(&b, on, now); err != nil {
			return err
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	long := 20
	if on.Width > 0 && on.Width < 70 {
		long = 10
	}
	rows := [][]string{{"ID", "TITLE", "STATUS", "DONE", "PROGRESS"}}
	for _, p := range s.Phases {
		rows = append(rows, []string{p.ID, Clean(p.Title), p.Status, fmt.Sprintf("%d/%d", p.Done, p.Subtasks), bar(p.Done, p.Subtasks, long, s.Unicode)})
	}
	if err := Table(&b, on, 1, rows); err != nil {
		return err
	}
	var counts []string
	for _, st := range backlog.Statuses() {
		if n := s.Counts[st.String()]; n > 0 {
			counts = append(counts, on.Style.Line(st.String(), fmt.Sprintf("%d %s", n, st)))
		}
	}
	b.WriteString("\n" + subtasks(s.Subtasks))
	if len(counts) > 0 {
		b.WriteString(": " + strings.Join(counts, ", "))
	}
	b.WriteByte('\n')
	if s.Run != nil {
		b.WriteString("a run goes on since " + Ago(s.Run.Since, now) + "\n")
	}
	for _, h := range s.Held {
		waits := ""
		if s.HeldBack > 0 {
			waits = "; " + subtasksWait(s.HeldBack)
		}
		fmt.Fprintf(&b, "held: the quota of %s is used up until %s%s\n", Clean(h.Credential), Until(h.Until, now), waits)
	}
	if err := s.lists(&b, on, now); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lists tells what runs, was interrupted, failed and is blocked, a line each.
func (s *Status) lists(b *strings.Builder, on Screen, now time.Time) error {
	var rows [][]string
	var more []string
	add := func(word string, list []*Listed, filter string) {
		for k, l := range list {
			if k == shown {
				more = append(more, fmt.Sprintf("... and %d more %s; \"hacky status --status %s\" lists them", len(list)-k, word, filter))
				return
			}
			rows = append(rows, []string{word, l.ID, Clean(l.Title), l.detail(now)})
		}
	}
	add("running", s.Running, "Researching,Implementing,Retrying")
	add("interrupted", s.Interrupted, "Researching,Implementing,Retrying")
	add("failed", s.Failed, "Failed")
	for k, bl := range s.Blocked {
		if k == shown {
			more = append(more, fmt.Sprintf("... and %d more blocked; \"hacky why ID\" tells by what", len(s.Blocked)-k))
			break
		}
		rows = append(rows, []string{"blocked", bl.ID, Clean(bl.Title), "by " + bl.By})
	}
	if len(rows) > 0 {
		b.WriteByte('\n')
	}
	if err := Table(b, on, 2, rows); err != nil {
		return err
	}
	for _, line := range more {
		b.WriteString(cut(line, on.Width) + "\n")
	}
	return nil
}

// matches lists the subtasks that were asked for.
func (s *Status) matches(b *strings.Builder, on Screen, now time.Time) error {
	if len(s.Matches) == 0 {
		b.WriteString("no subtask is like that\n")
		return nil
	}
	rows := [][]string{{"STATUS", "ID", "TITLE", ""}}
	for _, l := range s.Matches {
		rows = append(rows, []string{l.Status, l.ID, Clean(l.Title), l.detail(now)})
	}
	if err := Table(b, on, 2, rows); err != nil {
		return err
	}
	b.WriteString("\n" + subtasks(len(s.Matches)) + "\n")
	return nil
}

// detail is what is told about a subtask whose standing is named before it.
func (l *Listed) detail(now time.Time) string {
	text := ""
	switch l.Standing {
	case HasFailed:
		if text = Clean(l.Reason); l.Since != nil {
			text = strings.TrimSpace(text + " at " + Ago(*l.Since, now))
		}
	case Runs:
		text = l.stands(now)
	case Interrupted:
		text = strings.ToLower(l.Status)
		if l.Since != nil {
			text += " since " + Ago(*l.Since, now)
		}
	case IsHeld:
		text = l.stands(now)
	}
	return text
}

// bar is how much is done, so many columns long, with the share. Only what is
// done altogether fills it.
func bar(done, all, long int, unicode bool) string {
	full, rest := "#", "."
	if unicode {
		full, rest = "█", "░"
	}
	n, percent := 0, 0
	if all > 0 {
		n, percent = done*long/all, done*100/all
	}
	return fmt.Sprintf("%s%s %3d%%", strings.Repeat(full, n), strings.Repeat(rest, long-n), percent)
}

// Tree prints the chosen items, indented by their level. Unless all are wanted,
// branches that are finished are folded into one line.
func (s *Status) Tree(w io.Writer, on Screen, all bool) error {
	b := bufio.NewWriterSize(w, 1<<16) // Flush tells of errors
	var finished []int
	if !all {
		finished = s.finished()
	}
	for i := 0; i < len(s.Backlog.Items); i++ {
		if !s.Chosen[i] {
			continue
		}
		it := &s.Backlog.Items[i]
		status, fold := s.Statuses[i].String(), ""
		if !all && finished[i] > 0 && it.Kind != backlog.Subtask {
			fold = folded(finished[i])
			i = int(it.End) - 1
		}
		indent, pad := "            "[:2*it.Kind], "              "[len(status):]
		if on.Width <= 0 {
			for _, part := range [...]string{indent, on.Style.Word(status), pad, it.ID, "  ", Clean(it.Title), fold, "\n"} {
				_, _ = b.WriteString(part)
			}
			continue
		}
		line := indent + status + pad + it.ID + "  " + Clean(it.Title)
		line = cut(cut(line, max(1, on.Width-len(fold)))+fold, on.Width)
		if on.Style.On {
			line = strings.Replace(line, status, on.Style.Word(status), 1) // the first in the line; none if it was cut
		}
		_, _ = b.WriteString(line)
		_ = b.WriteByte('\n')
	}
	return b.Flush()
}

func folded(n int) string { return " (" + subtasks(n) + ")" }

// finished counts the chosen subtasks at or below each item if all of them are
// Complete or Obsolete; else it is 0.
func (s *Status) finished() []int {
	items := s.Backlog.Items
	count, open := make([]int, len(items)), make([]bool, len(items))
	for i := len(items) - 1; i >= 0; i-- {
		if items[i].Kind == backlog.Subtask && s.Chosen[i] {
			count[i], open[i] = 1, !s.Statuses[i].Satisfied()
		}
		if up := items[i].Parent; up >= 0 {
			count[up] += count[i]
			open[up] = open[up] || open[i]
		}
	}
	for i := range count {
		if open[i] {
			count[i] = 0
		}
	}
	return count
}

// List makes the items of the document from those that are chosen.
func (s *Status) List() {
	s.Items = make([]ItemStatus, 0, s.Backlog.Len())
	for i := range s.Backlog.Items {
		if it := &s.Backlog.Items[i]; s.Chosen[i] {
			s.Items = append(s.Items, ItemStatus{it.ID, it.Kind.String(), it.Title, s.Statuses[i].String()})
		}
	}
}

// Frame cuts a text to the lines that a terminal has.
func Frame(text string, height int) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		more := len(lines) - (height - 2)
		lines = append(slices.Clone(lines[:height-2]), fmt.Sprintf("... %d more lines", more))
	}
	return lines
}
