package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Mark begins every report, so that one can be told from other files.
const Mark = "<!doctype html>\n<!-- hacky report -->\n"

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// Bounds of the lists, and of the graph.
const (
	maxFailures = 60
	maxPast     = 20
	maxTail     = 4 << 10 // of a log, in bytes
	maxSlow     = 20
	maxRetried  = 25
	maxTries    = 12 // of a subtask that is listed
	maxRows     = 500
	maxShown    = 20 // runs, holds
	maxPhases   = 60
	maxNodes    = 160 // else the graph is merged
	maxMerged   = 600 // else it is left out
)

// page is what the template shows.
type page struct {
	Style    template.CSS
	Session  string
	Made     stamp
	Tiles    []tile
	Phases   []phase
	MoreOf   more
	Curve    curve
	Ticks    []tick
	Lanes    []lane
	Slotted  bool
	Charted  int
	Graph    template.HTML
	Level    string
	Gaps     []string
	Rows     []attemptRow
	Failures []failure
	Past     []failure // not Failed now
	PastAll  int
	Slow     []subtask
	Retried  []subtask
	Runs     []runRow
	Holds    []holdRow
	Now      []holdRow
	Classes  []string
}

// more is how many are left out of lists.
type more struct{ Phases, Failures, Past, Slow, Retried, Runs, Holds, Lanes int }

type stamp struct{ ISO, Text string }

type tile struct{ Name, Value, Note, Class string }

type phase struct {
	ID, Title string
	Done      int
	Total     int
	Parts     []part
}

// part is a status in a phase's bar.
type part struct {
	Class       string
	Count       int
	Left, Width float64
}

type subtask struct {
	ID, Title, Status string
	Took              string
	Width             float64 // of the longest, in percent
	Attempts          int
	Classes, Reason   string
	Logs              []link // of the attempt that the row is about
	Tries             []try
	Earlier           int // tries that are left out
}

// try is one of several attempts at a subtask.
type try struct {
	Number int32
	Class  class
	URL    string // of its log; "" without
}

// failure is a subtask that failed, in an attempt that is its last or not.
type failure struct {
	subtask
	When  stamp
	Tail  string
	Since string // what it is now, if that is not Failed
}

type link struct{ Name, URL string }

// attemptRow is an attempt in the table beside the chart.
type attemptRow struct {
	try
	ID, Title string
	From      stamp
	Took      string
}

type runRow struct {
	ID                            string
	From, To                      stamp
	Took                          string
	Attempts, OK, Failed, Retried int
}

type holdRow struct {
	Credential  string
	Times       int
	First, Last stamp
	Until       stamp
}

// HTML writes the report, and ends it: nothing can be added after it.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	p, err := r.page()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, Mark); err != nil {
		return err
	}
	return t.Execute(w, p)
}

func (r *Report) page() (*page, error) {
	p := &page{Style: template.CSS(pageStyle), Session: r.src.Clean(r.src.Session), Made: r.stamp(r.src.Now)} //nolint:gosec // our own
	p.Tiles = r.tiles()
	r.phases(p)
	if len(r.attempts) > 0 {
		x := newAxis(r.attempts)
		p.Lanes, p.MoreOf.Lanes = r.lanes(x)
		p.Ticks = r.ticks(x)
		p.Gaps = x.gaps()
		p.Curve = r.progress(x)
		p.Classes = r.seen()
		p.Charted, p.Slotted = len(r.attempts), len(r.attempts) > maxBars
		for _, a := range r.attempts[max(0, len(r.attempts)-maxRows):] {
			p.Rows = append(p.Rows, r.attemptRow(a))
		}
	}
	if err := r.graph(p); err != nil {
		return nil, err
	}
	r.lists(p)
	r.runRows(p)
	r.holdRows(p)
	return p, nil
}

// seen are the classes of the attempts.
func (r *Report) seen() []string {
	var seen [unknown + 1]bool
	for _, a := range r.attempts {
		seen[a.class] = true
	}
	var out []string
	for c, is := range seen {
		if is {
			out = append(out, class(c).String())
		}
	}
	return out
}

func (r *Report) stamp(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	t = t.In(r.src.Now.Location())
	return stamp{t.Format(time.RFC3339), t.Format(time.DateTime)}
}

func (r *Report) at(s float64) stamp { return r.stamp(r.moment(s)) }

// doneOf counts the subtasks.
func doneOf(b *backlog.Backlog, statuses []backlog.Status) (done, total int) {
	for i := range b.Items {
		if b.Items[i].Kind == backlog.Subtask {
			total++
			if statuses[i].Satisfied() {
				done++
			}
		}
	}
	return done, total
}

func (r *Report) tiles() []tile {
	b := r.src.Backlog
	counts := make([]int, len(backlog.Statuses()))
	points, pointsDone := 0.0, 0.0
	for i := range b.Items {
		if b.Items[i].Kind != backlog.Subtask {
			continue
		}
		st := r.src.Statuses[i]
		counts[st]++
		n := b.Points(int32(i))
		if points += n; st.Satisfied() {
			pointsDone += n
		}
	}
	blocked := 0
	for i, s := range b.Stuck(r.src.Statuses) {
		if s && b.Items[i].Kind == backlog.Subtask {
			blocked++
		}
	}
	done, total := doneOf(b, r.src.Statuses)
	percent := "nothing to do"
	if total > 0 {
		percent = fmt.Sprintf("%d%%", 100*done/total)
	}
	tiles := []tile{{"done", fmt.Sprintf("%d of %d", done, total), percent, "complete"}}
	add := func(name string, n int, note, class string) {
		if n > 0 {
			tiles = append(tiles, tile{name, fmt.Sprint(n), note, class})
		}
	}
	add("failed", counts[backlog.Failed], "", "failed")
	add("blocked", blocked, "wait for what failed", "blocked")
	add("running", counts[backlog.Researching]+counts[backlog.Implementing]+counts[backlog.Retrying], "or were when their run died", "implementing")
	add("planned", counts[backlog.Planned]-blocked, "", "planned")
	if points > 0 {
		tiles = append(tiles, tile{"story points", fmt.Sprintf("%g of %g", pointsDone, points), fmt.Sprintf("%.0f%%", 100*pointsDone/points), ""})
	}
	all, busy := 0, 0.0
	for _, a := range r.attempts {
		all++
		busy += a.to - a.from
	}
	if all == 0 {
		return tiles
	}
	again := 0
	for _, d := range r.last {
		again += d.attempts - 1
	}
	tiles = append(tiles, tile{"attempts", fmt.Sprint(all), fmt.Sprintf("%d of them again", again), ""})
	ran := 0.0
	for _, s := range newAxis(r.attempts).spans {
		ran += s.to - s.from
	}
	note := ""
	if ran > 0 {
		note = fmt.Sprintf("%.1f at once on average", busy/ran)
	}
	tiles = append(tiles, tile{"time at work", took(busy), note, ""})
	if r.tokensIn+r.tokensOut > 0 {
		note := ""
		if r.cost > 0 {
			note = fmt.Sprintf("%.2f USD", r.cost)
		}
		tiles = append(tiles, tile{"tokens", rounded(r.tokensIn + r.tokensOut), note, ""})
	}
	if r.strange > 0 {
		tiles = append(tiles, tile{"left out", fmt.Sprint(r.strange), "records with impossible times", ""})
	}
	return tiles
}

// rounded is a number for people.
func rounded(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 10_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}

func (r *Report) phases(p *page) {
	b := r.src.Backlog
	for i := int32(0); int(i) < b.Len(); i = b.Items[i].End {
		if len(p.Phases) == maxPhases {
			p.MoreOf.Phases++
			continue
		}
		ph := phase{ID: b.Items[i].ID, Title: r.title(i)}
		counts := make([]int, len(backlog.Statuses()))
		for s := i; s < b.Items[i].End; s++ {
			if b.Items[s].Kind == backlog.Subtask {
				ph.Total++
				counts[r.src.Statuses[s]]++
			}
		}
		ph.Done = counts[backlog.Complete] + counts[backlog.Obsolete]
		left := 0.0
		for _, st := range []backlog.Status{backlog.Complete, backlog.Obsolete, backlog.Failed, backlog.Retrying, backlog.Implementing, backlog.Researching, backlog.Planned} {
			if n := counts[st]; n > 0 {
				wide := 100 * float64(n) / float64(ph.Total)
				ph.Parts = append(ph.Parts, part{strings.ToLower(st.String()), n, left, wide})
				left += wide
			}
		}
		p.Phases = append(p.Phases, ph)
	}
}

func (r *Report) title(i int32) string { return r.short(i, 200) }

// short is a title of at most so many bytes.
func (r *Report) short(i int32, most int) string {
	return r.src.Clean(bounded(r.src.Backlog.Items[i].Title, most))
}

// graph draws the finest graph that can be read.
func (r *Report) graph(p *page) error {
	for level := backlog.Subtask; ; level-- {
		kinds := 0 // a cheap lower bound of the nodes
		for i := range r.src.Backlog.Items {
			if r.src.Backlog.Items[i].Kind == level {
				kinds++
			}
		}
		if kinds == 0 || level == backlog.Phase && kinds > maxMerged {
			return nil
		}
		if kinds > maxNodes && level > backlog.Phase {
			continue
		}
		g := r.src.Graph(level)
		if len(g.Nodes) > maxNodes && level > backlog.Phase || len(g.Nodes) == 0 {
			if level == backlog.Phase {
				return nil
			}
			continue
		}
		var out bytes.Buffer
		if err := g.SVG(&out); err != nil {
			return err
		}
		p.Graph, p.Level = template.HTML(out.String()), strings.ToLower(level.String()) //nolint:gosec // package graph escapes its text
		return nil
	}
}

// lists fills the lists of subtasks.
func (r *Report) lists(p *page) {
	var failed []*detail
	for i := range r.src.Backlog.Items {
		if i := int32(i); r.src.Backlog.Items[i].Kind == backlog.Subtask && r.src.Statuses[i] == backlog.Failed {
			d := r.last[i]
			if d == nil { // set by hand, or its evidence is gone
				d = &detail{item: i, last: attempt{item: i, logs: -1}}
			}
			failed = append(failed, d)
		}
	}
	slices.SortStableFunc(failed, func(a, b *detail) int { return cmp.Compare(b.last.to, a.last.to) })
	past := r.details(func(d *detail) bool {
		_, ever := r.ending(d)
		return ever && r.src.Statuses[d.item] != backlog.Failed
	}, func(a, b *detail) int {
		ofA, _ := r.ending(a)
		ofB, _ := r.ending(b)
		return cmp.Compare(ofB.to, ofA.to)
	})
	slow := r.details(func(d *detail) bool { return d.took > 0 }, func(a, b *detail) int { return cmp.Compare(b.took, a.took) })
	retried := r.details(func(d *detail) bool { return d.attempts > 1 }, func(a, b *detail) int { return cmp.Compare(b.attempts, a.attempts) })

	failed, p.MoreOf.Failures = first(failed, maxFailures)
	p.PastAll = len(past)
	past, p.MoreOf.Past = first(past, maxPast)
	slow, p.MoreOf.Slow = first(slow, maxSlow)
	retried, p.MoreOf.Retried = first(retried, maxRetried)
	tries := r.tries(failed, past, slow, retried)
	for _, d := range failed {
		p.Failures = append(p.Failures, r.failure(d, ending{d.last, d.reason}, tries))
	}
	for _, d := range past {
		how, _ := r.ending(d)
		f := r.failure(d, how, tries)
		f.Since = f.Status
		p.Past = append(p.Past, f)
	}
	for _, d := range slow {
		s := r.row(d, d.last, tries)
		s.Width = 100 * d.took / slow[0].took
		p.Slow = append(p.Slow, s)
	}
	for _, d := range retried {
		s := r.row(d, d.last, tries)
		s.Reason = r.src.Clean(d.trouble)
		p.Retried = append(p.Retried, s)
	}
}

// first are the first few of a list, and how many more there are.
func first(of []*detail, most int) ([]*detail, int) {
	n := min(len(of), most)
	return of[:n], len(of) - n
}

// tries are the attempts at these subtasks, oldest first.
func (r *Report) tries(lists ...[]*detail) map[int32][]attempt {
	out := map[int32][]attempt{}
	for _, d := range slices.Concat(lists...) {
		out[d.item] = nil
	}
	for _, a := range r.attempts {
		if _, listed := out[a.item]; listed {
			out[a.item] = append(out[a.item], a)
		}
	}
	return out
}

// row is a subtask in a list, with the logs of one of its attempts.
func (r *Report) row(d *detail, a attempt, tries map[int32][]attempt) subtask {
	s := subtask{ID: r.src.Backlog.Items[d.item].ID, Title: r.title(d.item), Status: r.src.Statuses[d.item].String(), Took: took(d.took), Attempts: d.attempts}
	var parts []string
	for c, n := range d.counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class(c)))
		}
	}
	s.Classes = strings.Join(parts, ", ")
	for _, l := range r.logNames(a) {
		if url := r.src.Link(l); url != "" {
			name := l[strings.LastIndexByte(l, '/')+1:]
			s.Logs = append(s.Logs, link{r.src.Clean(name), url})
		}
	}
	if all := tries[d.item]; len(all) > 1 {
		s.Earlier = max(0, len(all)-maxTries)
		for _, a := range all[s.Earlier:] {
			s.Tries = append(s.Tries, r.try(a))
		}
	}
	return s
}

func (r *Report) try(a attempt) try { return try{a.number, a.class, r.log(a)} }

// log is the URL of the log that decided an attempt, or of the last one that is
// there; "" without any.
func (r *Report) log(a attempt) string {
	for _, l := range slices.Backward(r.logNames(a)) {
		if url := r.src.Link(l); url != "" {
			return url
		}
	}
	return ""
}

func (r *Report) failure(d *detail, how ending, tries map[int32][]attempt) failure {
	f := failure{subtask: r.row(d, how.attempt, tries)}
	f.Reason = r.src.Clean(how.reason)
	if d.attempts > 0 {
		f.When = r.at(how.to)
	}
	for _, l := range slices.Backward(r.logNames(how.attempt)) {
		if f.Tail = end(r.src.Tail(l)); f.Tail != "" {
			break
		}
	}
	return f
}

// end is the end of a log, from where a line begins.
func end(tail string) string {
	if len(tail) <= maxTail {
		return tail
	}
	tail = tail[len(tail)-maxTail:]
	_, tail, _ = strings.Cut(tail, "\n")
	return tail
}

func (r *Report) attemptRow(a attempt) attemptRow {
	row := attemptRow{try: r.try(a), ID: gone, From: r.at(a.from), Took: took(a.to - a.from)}
	if a.item >= 0 {
		row.ID, row.Title = r.src.Backlog.Items[a.item].ID, r.short(a.item, 80)
	}
	return row
}

func (r *Report) runRows(p *page) {
	okay, failed := make([]int, len(r.runs)), make([]int, len(r.runs))
	for _, a := range r.attempts {
		switch {
		case a.run < 0:
		case r.ended(a):
			failed[a.run]++
		case a.class == ok && !a.again:
			okay[a.run]++
		}
	}
	order := make([]int, len(r.runs))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.runs[b].from, r.runs[a].from), cmp.Compare(r.runs[a].id, r.runs[b].id))
	})
	p.MoreOf.Runs = max(0, len(order)-maxShown)
	for _, k := range order[:min(len(order), maxShown)] {
		n := &r.runs[k]
		p.Runs = append(p.Runs, runRow{r.src.Clean(bounded(n.id, 60)), r.at(n.from), r.at(n.to), took(n.to - n.from), n.attempts, okay[k], failed[k], n.again})
	}
}

func (r *Report) holdRows(p *page) {
	names := make([]string, 0, len(r.holds))
	for name := range r.holds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(r.holds[b].last, r.holds[a].last), cmp.Compare(a, b)) })
	p.MoreOf.Holds = max(0, len(names)-maxShown)
	for _, name := range names[:min(len(names), maxShown)] {
		h := r.holds[name]
		p.Holds = append(p.Holds, holdRow{r.src.Clean(bounded(name, 100)), h.times, r.at(h.first), r.at(h.last), r.stamp(h.until)})
	}
	for _, h := range r.src.Holds[:min(len(r.src.Holds), maxShown)] {
		p.Now = append(p.Now, holdRow{Credential: r.src.Clean(bounded(h.Credential, 100)), Until: r.stamp(h.Until)})
	}
}
