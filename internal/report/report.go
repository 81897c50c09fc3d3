// Package report writes what became of a session as one HTML file: progress
// over time, attempts by worker, the graph, failures with the end of their
// logs, what took longest, what was tried again, what was held.
//
// The file names nothing outside itself but logs, by relative links, and holds
// no script: it works from a disk, in a mail and behind any policy, prints, and
// follows the reader's choice of light or dark. All text from the backlog,
// from attempts and from logs is hostile; html/template escapes it, and the
// page's own policy (CSP) allows styles and nothing else.
//
// The size is bounded: lists are cut and say so, charts of many attempts are
// drawn by intervals, and the graph is merged until it can be read. Of each
// attempt 40 bytes are kept, so that 100,000 subtasks and a million attempts are
// no problem. It reads no files: logs are asked for by name.
package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/graph"
)

// Attempt is a record of an attempt. The keys are those of a line of
// artifacts/attempts.ndjson.
type Attempt struct {
	ID       string    `json:"id"`
	Attempt  int       `json:"attempt"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Log      string    `json:"log"`
	RunID    string    `json:"runId"`
	Commands []struct {
		Log       string  `json:"log"`
		TokensIn  int64   `json:"tokensIn"`
		TokensOut int64   `json:"tokensOut"`
		CostUSD   float64 `json:"costUsd"`
	} `json:"commands"`
	Credential string    `json:"credential"`
	Until      time.Time `json:"until"`
}

// Hold is a credential that waits for its quota now.
type Hold struct {
	Credential string
	Until      time.Time
}

// Source is what a report is about.
type Source struct {
	Session  string // its name
	Backlog  *backlog.Backlog
	Statuses []backlog.Status // by item number
	Holds    []Hold
	Now      time.Time // in the zone that times are shown in

	Graph func(level backlog.Kind) *graph.Graph
	Clean func(string) string     // makes text safe to show in a line
	Tail  func(log string) string // the last lines of a log; "" if there are none
	Link  func(log string) string // the relative URL of a log; "" if there is none
}

// Report gathers attempts. It is not safe for concurrent use.
type Report struct {
	src      Source
	attempts []attempt
	last     map[int32]*detail // of subtasks
	runs     []run
	runOf    map[string]int32
	holds    map[string]*held
	logs     []string // sets of names, joined by separator
	logsOf   map[string]int32
	tokensIn, tokensOut,
	strange int64 // records without times that can be right
	cost float64
}

// class is what became of an attempt.
type class uint8

const (
	ok class = iota
	transient
	permanent
	interrupted
	quota
	unknown
)

func classes() []string {
	return []string{"ok", "transient", "permanent", "interrupted", "quota", "unknown"}
}

func (c class) String() string { return classes()[c] }

// attempt is what is kept of every attempt. Times are Unix seconds.
type attempt struct {
	from, to float64
	item     int32 // -1: not in the backlog
	number   int32
	run      int32 // in Report.runs; -1: not kept
	logs     int32 // in Report.logs; -1: none
	class    class
	again    bool // its subtask was tried again in the same run
}

// detail is what is kept of a subtask's attempts.
type detail struct {
	item     int32
	attempts int
	counts   [unknown + 1]int
	took     float64 // seconds in all
	last     attempt
	at       int    // where the last one is in Report.attempts; -1: its times are impossible
	reason   string // of the last one
	trouble  string // of the last one that did not succeed
	failed   ending // how it failed in a run before the last
}

// ending is an attempt that failed and that no other followed in its run.
type ending struct {
	attempt
	reason string
}

// run is a run of the session.
type run struct {
	id              string
	from, to        float64
	attempts, again int
}

// held is a credential's quota.
type held struct {
	times       int
	first, last float64
	until       time.Time
}

// New begins a report.
func New(src Source) *Report {
	return &Report{src: src, last: map[int32]*detail{}, runOf: map[string]int32{}, holds: map[string]*held{}, logsOf: map[string]int32{}}
}

// Bounds of what records may add.
const (
	maxReason  = 300
	maxLogs    = 8    // of an attempt
	maxLogName = 1024 // bytes
	maxLogSets = 5000
	maxRuns    = 100_000
	maxHolds   = 1000
)

// Add takes an attempt. What is not in the backlog any more is counted and is
// in the charts. Attempts of a subtask have to come oldest first.
func (r *Report) Add(a Attempt) {
	at := attempt{from: seconds(a.Started), to: seconds(a.Ended), item: -1, number: int32(min(max(a.Attempt, 0), math.MaxInt32)), logs: -1, class: unknown}
	if k := slices.Index(classes(), a.Class); k >= 0 {
		at.class = class(k)
	}
	possible := a.Started.Year() >= 1970 && a.Ended.Year() <= 9999 && at.to >= at.from
	at.run = r.ran(a.RunID, at, possible)
	if i, known := r.src.Backlog.Lookup(a.ID); known && r.src.Backlog.Items[i].Kind == backlog.Subtask {
		at.item = i
		at.logs = r.keepLogs(&a, at)
		r.keep(a.Reason, at, possible)
	}
	for _, c := range a.Commands {
		r.tokensIn += max(0, c.TokensIn)
		r.tokensOut += max(0, c.TokensOut)
		if c.CostUSD > 0 && c.CostUSD < 1e6 {
			r.cost += c.CostUSD
		}
	}
	if !possible {
		r.strange++
		return
	}
	r.attempts = append(r.attempts, at)
	if at.class == quota {
		h := r.holds[a.Credential]
		if h == nil && len(r.holds) < maxHolds {
			h = &held{first: at.to}
			r.holds[a.Credential] = h
		}
		if h != nil {
			h.times++
			h.first, h.last = min(h.first, at.to), max(h.last, at.to)
			if a.Until.After(h.until) {
				h.until = a.Until
			}
		}
	}
}

// ran adds an attempt to its run, and returns the run's number.
func (r *Report) ran(id string, at attempt, possible bool) int32 {
	k, known := r.runOf[id]
	switch {
	case !possible && !known, !known && len(r.runs) == maxRuns:
		return -1
	case !known:
		k = int32(len(r.runs))
		r.runOf[id] = k
		r.runs = append(r.runs, run{id: id, from: at.from, to: at.to})
	}
	if n := &r.runs[k]; possible {
		n.from, n.to = min(n.from, at.from), max(n.to, at.to)
		n.attempts++
	}
	return k
}

// keep adds an attempt to what is known of its subtask.
func (r *Report) keep(reason string, at attempt, possible bool) {
	d := r.last[at.item]
	switch {
	case d == nil:
		d = &detail{item: at.item}
		r.last[at.item] = d
	case d.last.run != at.run:
		if d.last.class.failing() {
			d.failed = ending{d.last, d.reason}
		}
	case d.at >= 0:
		r.attempts[d.at].again = true
		if at.run >= 0 {
			r.runs[at.run].again++
		}
	}
	d.attempts++
	d.counts[at.class]++
	d.took += max(0, at.to-at.from)
	d.last, d.reason, d.at = at, bounded(reason, maxReason), -1
	if possible {
		d.at = len(r.attempts)
	}
	if at.class != ok && reason != "" {
		d.trouble = d.reason
	}
}

// failing tells whether a subtask is Failed if that is its last attempt.
func (c class) failing() bool { return c == permanent || c == transient }

// ended tells whether an attempt failed and was the last one of its subtask in
// its run. Of a temporary failure that is only known when it is not Retrying.
func (r *Report) ended(a attempt) bool {
	if a.again || !a.class.failing() {
		return false
	}
	if a.class == permanent || a.item < 0 || r.last[a.item].last != a {
		return true
	}
	st := r.src.Statuses[a.item]
	return st.Satisfied() || st == backlog.Failed || st == backlog.Planned
}

// ending is how a subtask failed last; false if it never did.
func (r *Report) ending(d *detail) (ending, bool) {
	if r.ended(d.last) {
		return ending{d.last, d.reason}, true
	}
	return d.failed, d.failed.class.failing()
}

const separator = "\x00"

// keepLogs notes the logs of an attempt, of which the one that decided is the
// last. As their names differ little but for the attempt's directory, they are
// kept without that, and each set once.
func (r *Report) keepLogs(a *Attempt, at attempt) int32 {
	dir := r.logDir(at)
	var names []string
	note := func(name string) {
		if short, own := strings.CutPrefix(name, dir); own && !strings.Contains(short, "/") {
			name = short
		} else if !strings.Contains(name, "/") {
			return
		}
		if name == "" || len(name) > maxLogName || strings.Contains(name, separator) {
			return
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		names = append(names, name)
	}
	for _, c := range a.Commands {
		note(c.Log)
	}
	note(a.Log)
	if len(names) == 0 {
		return -1
	}
	set := strings.Join(names[max(0, len(names)-maxLogs):], separator)
	k, known := r.logsOf[set]
	if !known {
		if len(r.logs) == maxLogSets {
			return -1
		}
		set = strings.Clone(set)
		k = int32(len(r.logs))
		r.logs = append(r.logs, set)
		r.logsOf[set] = k
	}
	return k
}

// logDir is where the logs of an attempt are as a rule.
func (r *Report) logDir(a attempt) string {
	return fmt.Sprintf("artifacts/%s/attempt-%d/", r.src.Backlog.Items[a.item].ID, a.number)
}

// logNames are the logs of an attempt.
func (r *Report) logNames(a attempt) []string {
	if a.logs < 0 {
		return nil
	}
	names := strings.Split(r.logs[a.logs], separator)
	for k, name := range names {
		if !strings.Contains(name, "/") {
			names[k] = r.logDir(a) + name
		}
	}
	return names
}

// bounded cuts text that is longer than most bytes.
func bounded(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		return s[:most] + "..."
	}
	return strings.Clone(s) // not a part of a line that was read
}

// seconds are exact to a microsecond.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// moment is the time of seconds, in the zone of the report.
func (r *Report) moment(s float64) time.Time {
	return time.UnixMicro(int64(s * 1e6)).In(r.src.Now.Location())
}

// details are the subtasks with attempts, in the order of less.
func (r *Report) details(keep func(*detail) bool, less func(a, b *detail) int) []*detail {
	var out []*detail
	for _, d := range r.last {
		if keep(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *detail) int { return cmp.Or(less(a, b), cmp.Compare(a.item, b.item)) })
	return out
}
