package ui

import (
	"bufio"
	"encoding/json"
	"io"
	"time"
)

// jsonPlanned is a subtask of `run --dry-run --progress json`.
type jsonPlanned struct {
	V       int       `json:"v"`
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	Session string    `json:"session"`
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Command string    `json:"command"`
	Wave    int       `json:"wave"`
	Points  float64   `json:"points"`
}

// jsonDryRun is its last line.
type jsonDryRun struct {
	V           int           `json:"v"`
	Time        time.Time     `json:"time"`
	Type        string        `json:"type"`
	Session     string        `json:"session"`
	DryRun      bool          `json:"dryRun"`
	Total       int           `json:"total"`
	Exit        int           `json:"exit"`
	Parallelism int           `json:"parallelism"`
	Waves       int           `json:"waves"`
	Critical    CriticalPath  `json:"criticalPath"`
	Estimate    *PlanEstimate `json:"estimate"`
	OutOfScope  OutOfScope    `json:"outOfScope"`
	Starts      int           `json:"starts"`
	Limits      PlanLimits    `json:"limits"`
	Held        []Hold        `json:"held"`
}

// DryRun prints what a run would do: the text of a Plan, or with kind "json" an
// event for each subtask and a summary, a line each.
func DryRun(w io.Writer, kind string, p *Plan, width int) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if kind != "json" {
		if err := p.Text(out, width, time.Now()); err != nil {
			return err
		}
		return out.Flush()
	}
	enc := json.NewEncoder(out)
	now := time.Now()
	for k := range p.Subtasks {
		s := &p.Subtasks[k]
		if err := enc.Encode(jsonPlanned{1, now, plannedType, p.Session, s.ID, s.Title, s.Command, s.Wave, s.Points}); err != nil {
			return err
		}
	}
	if err := enc.Encode(jsonDryRun{1, now, summaryType, p.Session, true, p.Total, 0, p.Parallelism, len(p.Waves), p.Critical, p.Estimate, p.OutOfScope, p.Starts, p.Limits, p.Held}); err != nil {
		return err
	}
	return out.Flush()
}
