package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Attempted is what a line of artifacts/attempts.ndjson says, as far as it is
// read back here.
type Attempted struct {
	ID       string    `json:"id"`
	Attempt  int       `json:"attempt"`
	Class    string    `json:"class"`
	Exit     int       `json:"exit"`
	Reason   string    `json:"reason"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	RunID    string    `json:"runId"`
	Commands []struct {
		Stage      string  `json:"stage"`
		Exit       int     `json:"exit"`
		DurationMs int64   `json:"durationMs"`
		Log        string  `json:"log"`
		TokensIn   int64   `json:"tokensIn"`
		TokensOut  int64   `json:"tokensOut"`
		CostUSD    float64 `json:"costUsd"`
	} `json:"commands"`
	Git struct {
		Files      int    `json:"files"`
		Insertions int    `json:"insertions"`
		Deletions  int    `json:"deletions"`
		Commit     string `json:"commit"`
	} `json:"git"`
}

// EachAttempt calls f with every record of artifacts/attempts.ndjson, oldest
// first. Of the file only a line is in memory. mark, if not nil, is a part
// that lines must have to be read at all. Lines that are no records are passed
// over: the file is evidence that people may have edited, and a run may just
// be writing the last one.
func EachAttempt(l Location, mark func(line []byte) bool, f func(*Attempted)) error {
	return AttemptLines(l, func(line []byte) {
		var r Attempted
		if (mark == nil || mark(line)) && json.Unmarshal(line, &r) == nil && r.ID != "" {
			f(&r)
		}
	})
}

// Run is a run of a session, as its attempts tell of it.
type Run struct {
	ID             string
	Started, Ended time.Time     // of its first and its last attempt
	Busy           time.Duration // of all attempts together
	Attempts       int
	Completed      int // subtasks
	Failed         int // subtasks whose last attempt in the run did not succeed
	Interrupted    int // subtasks whose last attempt was stopped, or waits for a quota
	Retried        int // attempts after the first one of a subtask in the run
	TokensIn       int64
	TokensOut      int64
	CostUSD        float64
	CompletedIDs   []string // the first of them
	FailedIDs      []string // the first of them
	Git            RunGit
	Subtasks       []RunSubtask // in the order in which they were begun; only from FindRun
}

// RunGit sums up what the attempts of a run did to the repository. A file counts
// for every attempt that changed it.
type RunGit struct{ Commits, Files, Insertions, Deletions int }

// RunSubtask is what became of a subtask in a run.
type RunSubtask struct {
	ID       string
	Class    string // of its last attempt
	Reason   string // of that
	Attempts int
	Took     time.Duration // all of them
}

// Outcome is what a run calls the class of an attempt.
func (s *RunSubtask) Outcome() string {
	switch s.Class {
	case "ok":
		return "completed"
	case "interrupted", "quota":
		return "stopped"
	}
	return "failed"
}

// MaxRunIDs bounds Run.CompletedIDs and Run.FailedIDs.
const MaxRunIDs = 20

// History are the runs of a session that executed something, oldest first; the
// last most of them, 0 for all. Memory is taken for the subtasks of one run at
// a time.
func History(l Location, most int) ([]Run, error) {
	var runs []Run
	err := eachRun(l, func(r Run) {
		r.Subtasks = nil
		if runs = append(runs, r); most > 0 && len(runs) > most {
			runs = runs[1:]
		}
	})
	return runs, err
}

// FindRun finds the run with this id, or the only one whose id begins like that.
func FindRun(l Location, id string) (*Run, error) {
	var found []Run
	exact := false
	err := eachRun(l, func(r Run) {
		if exact || id == "" || !strings.HasPrefix(r.ID, id) {
			return
		}
		if exact = r.ID == id; exact {
			found = nil
		}
		if found = append(found, r); len(found) > 2 { // enough to see that it is not the only one
			found[len(found)-2].Subtasks = nil
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("no run of this session has an id that begins with %q", id)
	case len(found) > 1:
		return nil, fmt.Errorf("%d runs have ids that begin with %q: the first is %s, the last is %s; say more of the one that is meant",
			len(found), id, found[0].ID, found[len(found)-1].ID)
	}
	return &found[0], nil
}

// eachRun calls f with every run, oldest first.
func eachRun(l Location, f func(Run)) error {
	var g gathering
	err := EachAttempt(l, nil, func(r *Attempted) {
		if g.at == nil || r.RunID != g.run.ID {
			g.finish(f)
			g = gathering{run: Run{ID: r.RunID, Started: r.Started, Ended: r.Ended}, at: map[string]int{}}
		}
		g.add(r)
	})
	g.finish(f)
	return err
}

// gathering is a run whose lines are being read: there is one run at a time,
// so that its lines are together.
type gathering struct {
	run Run
	at  map[string]int // where every subtask is in run.Subtasks
}

func (g *gathering) add(a *Attempted) {
	r := &g.run
	took := max(0, a.Ended.Sub(a.Started))
	r.Attempts++
	r.Busy += took
	if a.Started.Before(r.Started) {
		r.Started = a.Started
	}
	if a.Ended.After(r.Ended) {
		r.Ended = a.Ended
	}
	for _, c := range a.Commands {
		r.TokensIn += c.TokensIn
		r.TokensOut += c.TokensOut
		r.CostUSD += c.CostUSD
	}
	r.Git.Files += a.Git.Files
	r.Git.Insertions += a.Git.Insertions
	r.Git.Deletions += a.Git.Deletions
	if a.Git.Commit != "" {
		r.Git.Commits++
	}
	k, again := g.at[a.ID]
	if again {
		r.Retried++
	} else {
		k = len(r.Subtasks)
		g.at[a.ID] = k
		r.Subtasks = append(r.Subtasks, RunSubtask{ID: a.ID})
	}
	s := &r.Subtasks[k]
	s.Class, s.Reason = a.Class, a.Reason
	s.Attempts++
	s.Took += took
}

func (g *gathering) finish(f func(Run)) {
	if g.at == nil {
		return
	}
	first := func(ids *[]string, id string) {
		if len(*ids) < MaxRunIDs {
			*ids = append(*ids, id)
		}
	}
	r := &g.run
	for k := range r.Subtasks {
		switch s := &r.Subtasks[k]; s.Outcome() {
		case "completed":
			r.Completed++
			first(&r.CompletedIDs, s.ID)
		case "stopped":
			r.Interrupted++
		default:
			r.Failed++
			first(&r.FailedIDs, s.ID)
		}
	}
	f(*r)
}
