package session

import (
	"encoding/json"
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
	FailedIDs      []string // the first of them
}

// MaxFailedIDs bounds Run.FailedIDs.
const MaxFailedIDs = 20

// History are the runs of a session that executed something, oldest first; the
// last most of them, 0 for all. Memory is taken for the subtasks of one run at
// a time.
func History(l Location, most int) ([]Run, error) {
	var runs []Run
	var g gathering
	err := EachAttempt(l, nil, func(r *Attempted) {
		if g.last == nil || r.RunID != g.run.ID {
			runs = g.finish(runs)
			g = gathering{run: Run{ID: r.RunID, Started: r.Started, Ended: r.Ended}, last: map[string]string{}}
		}
		g.add(r)
		if most > 0 && len(runs) > most {
			runs = runs[1:]
		}
	})
	runs = g.finish(runs)
	if most > 0 && len(runs) > most {
		runs = runs[len(runs)-most:]
	}
	return runs, err
}

// gathering is a run whose lines are being read: there is one run at a time,
// so that its lines are together.
type gathering struct {
	run   Run
	last  map[string]string // the class of every subtask's last attempt
	order []string
}

func (g *gathering) add(a *Attempted) {
	r := &g.run
	r.Attempts++
	r.Busy += max(0, a.Ended.Sub(a.Started))
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
	if _, again := g.last[a.ID]; again {
		r.Retried++
	} else {
		g.order = append(g.order, a.ID)
	}
	g.last[a.ID] = a.Class
}

func (g *gathering) finish(runs []Run) []Run {
	if g.last == nil {
		return runs
	}
	for _, id := range g.order {
		switch g.last[id] {
		case "ok":
			g.run.Completed++
		case "interrupted", "quota":
			g.run.Interrupted++
		default:
			g.run.Failed++
			if len(g.run.FailedIDs) < MaxFailedIDs {
				g.run.FailedIDs = append(g.run.FailedIDs, id)
			}
		}
	}
	return append(runs, g.run)
}
