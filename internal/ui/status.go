package ui

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
)

// ItemStatus is an item in `status -o json`.
type ItemStatus struct {
	ID     string `json:"id" yaml:"id"`
	Type   string `json:"type" yaml:"type"`
	Title  string `json:"title" yaml:"title"`
	Status string `json:"status" yaml:"status"`
}

// Hold is a credential whose quota is used up, and what waits for it.
type Hold struct {
	Credential string    `json:"credential" yaml:"credential"`
	Until      time.Time `json:"until" yaml:"until"`
	Subtasks   int       `json:"subtasks" yaml:"subtasks"` // status: that could run but for this, of several holds the last to end; plan: that use it
	IDs        []string  `json:"ids" yaml:"ids"`           // the first 20 of them
}

// MaxHeldIDs bounds Hold.IDs.
const MaxHeldIDs = 20

// Add counts a subtask that waits for it.
func (h *Hold) Add(id string) {
	if h.Subtasks++; len(h.IDs) < MaxHeldIDs {
		h.IDs = append(h.IDs, id)
	}
}

// Matches are the subtasks that a filter leaves; nil without one.
type Matches []*Listed

// IsZero tells encoders to leave it out.
func (m Matches) IsZero() bool { return m == nil }

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
	Held            []Hold         `json:"held" yaml:"held"`
	Phases          []Part         `json:"phases" yaml:"phases"`
	Running         []*Listed      `json:"running" yaml:"running"`
	Interrupted     []*Listed      `json:"interrupted" yaml:"interrupted"`
	Failed          []*Listed      `json:"failed" yaml:"failed"`
	Matches         Matches        `json:"matches,omitzero" yaml:"matches,omitempty"` // what --status and --stale left; absent without them
	Blocked         []BlockedBy    `json:"blocked" yaml:"blocked"`
	Items           []ItemStatus   `json:"items" yaml:"items"` // filled in by nobody: JSON and YAML print Chosen

	Backlog  *backlog.Backlog `json:"-" yaml:"-"`
	Statuses []backlog.Status `json:"-" yaml:"-"`
	Chosen   []bool           `json:"-" yaml:"-"` // items to list, by number
	Here     string           `json:"-" yaml:"-"` // how commands for the user name the session
	Unicode  bool             `json:"-" yaml:"-"` // the terminal shows more than ASCII
}

// Filtered tells whether only some subtasks were asked for.
func (s *Status) Filtered() bool { return s.Matches != nil }

// JSON prints the document. Its last lists, which are made from Matches, Blocked
// and the chosen items, and may be very long, are encoded element by element, and not as a whole that is then
// indented: that takes as long as reading the session.
func (s *Status) JSON(w io.Writer) error {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s.short()); err != nil {
		return err
	}
	l := listWriter{w: w}
	l.text(strings.TrimSuffix(text.String(), "\"blocked\": [],\n  \"items\": []\n}\n"))
	s.long(&l)
	l.text("\n}\n")
	return l.flush()
}

// YAML is JSON in the other form.
func (s *Status) YAML(w io.Writer) error {
	var text strings.Builder
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(s.short()), enc.Close()); err != nil {
		return err
	}
	l := listWriter{w: w, yaml: true}
	l.text(strings.TrimSuffix(text.String(), "blocked: []\nitems: []\n"))
	s.long(&l)
	return l.flush()
}

// short is the document without the lists that long prints.
func (s *Status) short() *Status {
	short := *s
	short.Matches, short.Blocked, short.Items = nil, []BlockedBy{}, []ItemStatus{}
	return &short
}

func (s *Status) long(l *listWriter) {
	if s.Filtered() {
		l.begin("matches")
		for _, m := range s.Matches {
			l.listed(m)
		}
		l.end()
	}
	l.begin("blocked")
	for _, bl := range s.Blocked {
		l.object(&[4]string{"id", "title", "by"}, bl.ID, bl.Title, bl.By)
	}
	l.end()
	l.begin("items")
	for i := range s.Backlog.Items {
		if it := &s.Backlog.Items[i]; s.Chosen[i] {
			l.object(&[4]string{"id", "type", "title", "status"}, it.ID, it.Kind.String(), it.Title, s.Statuses[i].String())
		}
	}
	l.end()
}

// Table prints a bar for each phase, the counts, and what runs, failed, is held
// or blocked; filtered, the subtasks that were asked for.
func (s *Status) Table(w io.Writer, on Screen, now time.Time) error {
	b := bufio.NewWriterSize(w, 1<<16) // Flush tells of errors
	print := s.all
	if s.Filtered() {
		print = s.matches
	}
	if err := print(b, on, now); err != nil {
		return err
	}
	return b.Flush()
}

func (s *Status) all(b *bufio.Writer, on Screen, now time.Time) error {
	long := 20
	if on.Width > 0 && on.Width < 70 {
		long = 10
	}
	g := NewGrid(Column{Head: "ID"}, Column{Head: "TITLE", Least: 10, Drop: 1, Words: true}, Column{Head: "STATUS", Drop: 2}, Column{Head: "DONE"}, Column{Head: "PROGRESS"})
	for _, p := range s.Phases {
		g.Row(p.ID, Clean(p.Title), p.Status, fmt.Sprintf("%d/%d", p.Done, p.Subtasks), bar(p.Done, p.Subtasks, long, s.Unicode))
	}
	if err := g.Print(b, on); err != nil {
		return err
	}
	words := []string{subtasks(s.Subtasks)}
	for _, st := range backlog.Statuses() {
		if n := s.Counts[st.String()]; n > 0 {
			words[len(words)-1] += []string{":", ","}[min(len(words)-1, 1)]
			words = append(words, on.Style.Line(st.String(), fmt.Sprintf("%d %s", n, st)))
		}
	}
	_, _ = b.WriteString("\n" + wrap(words, on.Width, "  ") + "\n")
	if s.Run != nil {
		_, _ = b.WriteString(Wrap("a run goes on since "+Ago(s.Run.Since, now), on.Width, "  ") + "\n")
	}
	for _, h := range s.Held {
		_, _ = b.WriteString(Wrap(h.says(now), on.Width, "  ") + "\n")
	}
	return s.lists(b, on, now)
}

// says is a hold in a line.
func (h *Hold) says(now time.Time) string {
	text := fmt.Sprintf("held: the quota of %s is used up until %s", Clean(h.Credential), Until(h.Until, now))
	if h.Subtasks > 0 {
		text += "; " + subtasksWait(h.Subtasks)
	}
	return text
}

// detailed is a list whose rows begin with a word, and end in a detail that is
// worth more than the title.
func detailed() *Grid {
	return NewGrid(Column{}, Column{}, Column{Least: 10, Drop: 1, Words: true}, Column{Least: 14, Below: true, Short: WithoutAgo, Words: true})
}

// lists tells what runs, was interrupted, failed and is blocked, a line each.
func (s *Status) lists(b *bufio.Writer, on Screen, now time.Time) error {
	if len(s.Running)+len(s.Interrupted)+len(s.Failed)+len(s.Blocked) > 0 {
		_, _ = b.WriteString("\n")
	}
	print := func(g *Grid, more int, word, then string) error {
		if err := g.Print(b, on); err != nil || more <= 0 {
			return err
		}
		_, _ = b.WriteString(Wrap(fmt.Sprintf("... and %d more %s; \"hacky %s", more, word, then), on.Width, "  ") + "\n")
		return nil
	}
	for _, list := range []struct {
		word   string
		of     []*Listed
		filter string
	}{{"running", s.Running, "Researching,Implementing,Retrying"}, {"interrupted", s.Interrupted, "Researching,Implementing,Retrying"}, {"failed", s.Failed, "Failed"}} {
		g := detailed()
		for _, l := range list.of[:min(len(list.of), shown)] {
			g.Row(list.word, l.ID, Clean(l.Title), l.detail(now))
		}
		if err := print(g, len(list.of)-shown, list.word, "status"+s.Here+" --status "+list.filter+"\" lists them"); err != nil {
			return err
		}
	}
	g := NewGrid(Column{}, Column{Short: func(text string) string { return strings.NewReplacer(" subtasks", "", " subtask", "").Replace(text) }}, Column{},
		Column{Least: 10, Drop: 1, Words: true}, Column{Drop: 2, Words: true})
	by := s.blockers()
	for _, bl := range by[:min(len(by), shown)] {
		title := ""
		if i, ok := s.Backlog.Lookup(bl.by); ok {
			title = Clean(s.Backlog.Items[i].Title)
		}
		g.Row("blocked", subtasksWait(bl.subtasks)+" for", bl.by, title, "which failed")
	}
	return print(g, len(by)-shown, "that keep others waiting", "status"+s.Here+" -o json\" lists all that is blocked")
}

// blocker is a subtask that failed, and how many wait for it.
type blocker struct {
	by       string
	subtasks int
}

// blockers are in the order in which what waits for them stands in the backlog.
func (s *Status) blockers() []blocker {
	var out []blocker
	at := map[string]int{}
	for k := range s.Blocked {
		by := s.Blocked[k].By
		n, ok := at[by]
		if !ok {
			n = len(out)
			at[by] = n
			out = append(out, blocker{by: by})
		}
		out[n].subtasks++
	}
	return out
}

// matches lists the subtasks that were asked for.
func (s *Status) matches(b *bufio.Writer, on Screen, now time.Time) error {
	if len(s.Matches) == 0 {
		_, _ = b.WriteString("no subtask is like that\n")
		return nil
	}
	g := NewGrid(Column{Head: "STATUS", Drop: 2}, Column{Head: "ID"}, Column{Head: "TITLE", Least: 10, Drop: 1, Words: true},
		Column{Least: 14, Below: true, Short: WithoutAgo, Words: true})
	g.Grow(len(s.Matches))
	for _, l := range s.Matches {
		g.Row(l.Status, l.ID, Clean(l.Title), l.detail(now))
	}
	if err := g.Print(b, on); err != nil {
		return err
	}
	_, _ = b.WriteString("\n" + subtasks(len(s.Matches)) + "\n")
	return nil
}

// detail is what is told about a subtask whose standing is named before it.
func (l *Listed) detail(now time.Time) string {
	switch l.Standing {
	case HasFailed:
		text := l.because()
		switch {
		case l.Since == nil:
			return text
		case l.LastLine != "":
			text += ","
		}
		return strings.TrimSpace(text + " at " + Ago(*l.Since, now))
	case Runs, IsHeld:
		return l.stands(now)
	case Interrupted:
		if text := strings.ToLower(l.Status); l.Since != nil {
			return text + " since " + Ago(*l.Since, now)
		}
		return strings.ToLower(l.Status)
	case Waits:
		if l.Status != backlog.Planned.String() { // a run has left it so
			return "interrupted, and waits for others"
		}
	}
	return ""
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

// Frame cuts a text to the lines that a terminal has.
func Frame(text string, height int) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		more := len(lines) - (height - 2)
		lines = append(slices.Clone(lines[:height-2]), fmt.Sprintf("... %d more lines", more))
	}
	return lines
}
