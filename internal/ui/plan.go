package ui

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Plan is what a run would do: the document of `plan -o json`.
type Plan struct {
	Session     string        `json:"session" yaml:"session"`
	Scope       []string      `json:"scope" yaml:"scope"` // ids; empty: everything
	Parallelism int           `json:"parallelism" yaml:"parallelism"`
	Total       int           `json:"total" yaml:"total"` // subtasks that would run
	Points      float64       `json:"points" yaml:"points"`
	Subtasks    []PlanItem    `json:"subtasks" yaml:"subtasks"` // in the order in which one worker takes them
	Waves       [][]string    `json:"waves" yaml:"waves"`       // ids; each could run at once
	Critical    CriticalPath  `json:"criticalPath" yaml:"criticalPath"`
	Estimate    *PlanEstimate `json:"estimate" yaml:"estimate"` // null: nothing to learn from
	Starts      int           `json:"starts" yaml:"starts"`     // of these, before MaxTasks stops it
	Limits      PlanLimits    `json:"limits" yaml:"limits"`     // of the configuration
	Held        []Hold        `json:"held" yaml:"held"`         // quotas that are used up, of which the estimate knows nothing
	OutOfScope  OutOfScope    `json:"outOfScope" yaml:"outOfScope"`
	Refused     string        `json:"refused,omitempty" yaml:"refused,omitempty"` // why run would refuse
}

// PlanItem is a subtask of a plan.
type PlanItem struct {
	ID      string   `json:"id" yaml:"id"`
	Title   string   `json:"title" yaml:"title"`
	Status  string   `json:"status" yaml:"status"`
	Wave    int      `json:"wave" yaml:"wave"` // from 1
	Points  float64  `json:"points" yaml:"points"`
	Seconds *float64 `json:"seconds,omitempty" yaml:"seconds,omitempty"` // estimated
	Command string   `json:"command,omitempty" yaml:"command,omitempty"`
}

// CriticalPath is the chain that takes longest.
type CriticalPath struct {
	IDs     []string `json:"ids" yaml:"ids"`
	Points  float64  `json:"points" yaml:"points"`
	Seconds *float64 `json:"seconds,omitempty" yaml:"seconds,omitempty"`
	By      string   `json:"by" yaml:"by"` // what was compared: durations, points, or subtasks
}

// PlanEstimate is when a run would end that began now and in which nothing
// failed.
type PlanEstimate struct {
	Seconds         float64   `json:"seconds" yaml:"seconds"`
	End             time.Time `json:"end" yaml:"end"`
	Finished        int       `json:"finished" yaml:"finished"` // subtasks it is learned from
	SecondsPerPoint float64   `json:"secondsPerPoint,omitempty" yaml:"secondsPerPoint,omitempty"`
	SecondsEach     float64   `json:"secondsEach" yaml:"secondsEach"` // the mean of a subtask
}

// PlanLimits are what may stop a run before its end.
type PlanLimits struct {
	MaxTasks           int     `json:"maxTasks,omitempty" yaml:"maxTasks,omitempty"`
	MaxDurationSeconds float64 `json:"maxDurationSeconds,omitempty" yaml:"maxDurationSeconds,omitempty"`
}

// OutOfScope are unfinished subtasks that would not run.
type OutOfScope struct {
	Count int      `json:"count" yaml:"count"`
	IDs   []string `json:"ids" yaml:"ids"`
}

// The most that people are shown; -o json has all.
const (
	shownWaves = 20
	shownIDs   = 8
)

// Text prints it for people: a line for each subtask, in order, and what is to
// be known of them all. width is the terminal's; 0 is no limit.
func (p *Plan) Text(w io.Writer, width int, now time.Time) error {
	var b strings.Builder
	for k := range p.Subtasks {
		s := &p.Subtasks[k]
		text := s.ID + "  " + Clean(s.Title)
		if s.Command != "" {
			text += "  $ " + Clean(s.Command)
		}
		b.WriteString(cut(text, width) + "\n")
	}
	prose := func(text string) { b.WriteString(Wrap(text, width, "  ") + "\n") }
	would := subtasks(p.Total) + " would run"
	if p.Starts < p.Total {
		would += fmt.Sprintf("; --max-tasks %d stops it after %s", p.Limits.MaxTasks, subtasks(p.Starts))
	}
	prose(would)
	if p.Total > 0 {
		b.WriteByte('\n')
	}
	for k, wave := range p.Waves {
		if k == shownWaves && len(p.Waves) > k+1 {
			prose(fmt.Sprintf("... and %d more waves", len(p.Waves)-k))
			break
		}
		prose(fmt.Sprintf("wave %d: %s: %s", k+1, subtasks(len(wave)), few(wave, ", ")))
	}
	if p.Total > 0 {
		prose(p.critical())
		prose(p.estimate())
	}
	for k := range p.Held {
		prose(p.Held[k].says(now))
	}
	if n := p.OutOfScope.Count; n > 0 {
		prose(fmt.Sprintf("out of scope: %s unfinished: %s", subtasks(n), few(p.OutOfScope.IDs, ", ")))
	}
	if p.Refused != "" {
		b.WriteByte('\n')
		prose("hacky run would refuse this: " + Clean(p.Refused))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Plan) critical() string {
	c := &p.Critical
	size := subtasks(len(c.IDs))
	if c.Points > 0 {
		size += ", " + StoryPoints(c.Points)
	}
	if c.Seconds != nil {
		size += ", " + Duration(seconds(*c.Seconds))
	}
	return fmt.Sprintf("critical path: %s: %s", size, few(c.IDs, " > "))
}

// estimate says when it would end, and what that rests on.
func (p *Plan) estimate() string {
	e := p.Estimate
	if e == nil {
		return "no estimate: no subtask of this session has been completed by a run to learn from"
	}
	rests := Duration(seconds(e.SecondsEach)) + " each"
	if e.SecondsPerPoint > 0 {
		rests = Duration(seconds(e.SecondsPerPoint)) + " a story point"
	}
	unless := "if nothing fails"
	if len(p.Held) > 0 {
		unless += ", and not counting the wait for a quota"
	}
	text := fmt.Sprintf("estimate: %s with --parallelism %d, until %s, %s; learned from %s (%s)",
		Duration(seconds(e.Seconds)), p.Parallelism, clock(e.End, seconds(e.Seconds)), unless, subtasks(e.Finished), rests)
	if most := p.Limits.MaxDurationSeconds; most > 0 && e.Seconds > most {
		text += fmt.Sprintf("; --max-duration %s stops it before that", Duration(seconds(most)))
	}
	return text
}

// clock is when something ends that takes so long from now.
func clock(end time.Time, takes time.Duration) string {
	end = end.Local()
	if begin := end.Add(-takes); begin.Format(time.DateOnly) != end.Format(time.DateOnly) {
		return end.Format("2006-01-02 15:04")
	}
	return end.Format("15:04:05")
}

// seconds is a duration; one that is too long is the longest there is.
func seconds(s float64) time.Duration {
	if ns := s * float64(time.Second); ns < math.MaxInt64/2 {
		return time.Duration(ns)
	}
	return math.MaxInt64 / 2
}

// StoryPoints is "1 story point", "2.5 story points".
func StoryPoints(n float64) string {
	text := strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64)
	if text == "1" {
		return "1 story point"
	}
	return text + " story points"
}

// few lists ids: if there are many, the first ones and the last.
func few(ids []string, between string) string {
	if len(ids) <= shownIDs {
		return strings.Join(ids, between)
	}
	return strings.Join(ids[:shownIDs-1], between) + between + fmt.Sprintf("... (%d more)", len(ids)-shownIDs) + between + ids[len(ids)-1]
}
