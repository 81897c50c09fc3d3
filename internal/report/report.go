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
// attempt about 50 bytes are kept, so that 100,000 subtasks and a million
// attempts are no problem. It reads no files: logs are asked for by name.
package report

import (
	"cmp"
	"math"
	"slices"
	"time"

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
	runs     map[string]*run
	holds    map[string]*held
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

// attempt is what charts need of an attempt. Times are Unix seconds.
type attempt struct {
	from, to float64
	item     int32 // -1: not in the backlog
	number   int32
	class    class
}

// detail is what is kept of a subtask's attempts.
type detail struct {
	item     int32
	attempts int
	counts   [unknown + 1]int
	took     float64 // seconds in all
	latest   float64 // when the last one ended
	class    class   // of the last one; the rest, too
	reason   string
	logs     []string
	failure  string // the reason of the last one that did not succeed
}

// run is a run of the session.
type run struct {
	from, to   float64
	attempts   int
	ok, failed int
}

// held is a credential's quota.
type held struct {
	times       int
	first, last float64
	until       time.Time
}

// New begins a report.
func New(src Source) *Report {
	return &Report{src: src, last: map[int32]*detail{}, runs: map[string]*run{}, holds: map[string]*held{}}
}

// Bounds of what one record may add.
const (
	maxReason = 300
	maxLogs   = 8
	maxRuns   = 100_000
	maxHolds  = 1000
)

// Add takes an attempt. What is not in the backlog any more is counted and is
// in the charts.
func (r *Report) Add(a Attempt) {
	at := attempt{from: seconds(a.Started), to: seconds(a.Ended), item: -1, number: int32(min(max(a.Attempt, 0), math.MaxInt32)), class: unknown}
	if k := slices.Index(classes(), a.Class); k >= 0 {
		at.class = class(k)
	}
	if i, known := r.src.Backlog.Lookup(a.ID); known && r.src.Backlog.Items[i].Kind == backlog.Subtask {
		at.item = i
		r.keep(&a, at)
	}
	for _, c := range a.Commands {
		r.tokensIn += max(0, c.TokensIn)
		r.tokensOut += max(0, c.TokensOut)
		if c.CostUSD > 0 && c.CostUSD < 1e6 {
			r.cost += c.CostUSD
		}
	}
	if a.Started.Year() < 1970 || a.Ended.Year() > 9999 || at.to < at.from {
		r.strange++
		return
	}
	r.attempts = append(r.attempts, at)
	ran := r.runs[a.RunID]
	if ran == nil && len(r.runs) < maxRuns {
		ran = &run{from: at.from, to: at.to}
		r.runs[a.RunID] = ran
	}
	if ran != nil {
		ran.from, ran.to = min(ran.from, at.from), max(ran.to, at.to)
		ran.attempts++
		switch at.class {
		case ok:
			ran.ok++
		case permanent, transient:
			ran.failed++
		}
	}
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

// keep adds an attempt to what is known of its subtask.
func (r *Report) keep(a *Attempt, at attempt) {
	d := r.last[at.item]
	if d == nil {
		d = &detail{item: at.item}
		r.last[at.item] = d
	}
	d.attempts++
	d.counts[at.class]++
	d.took += max(0, at.to-at.from)
	if at.class != ok && a.Reason != "" {
		d.failure = bounded(a.Reason, maxReason)
	}
	if at.to < d.latest {
		return
	}
	d.latest, d.class, d.reason, d.logs = at.to, at.class, bounded(a.Reason, maxReason), nil
	for _, c := range a.Commands {
		d.log(c.Log)
	}
	d.log(a.Log)
}

// log notes a log; the one that decided, which comes last, is the last.
func (d *detail) log(name string) {
	if name == "" || len(name) > 4096 {
		return
	}
	d.logs = slices.DeleteFunc(d.logs, func(l string) bool { return l == name })
	if len(d.logs) == maxLogs {
		d.logs = d.logs[1:]
	}
	d.logs = append(d.logs, name)
}

func bounded(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return string([]byte(s)) // not a part of a line that was read
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
