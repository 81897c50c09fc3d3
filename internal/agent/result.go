package agent

import (
	"fmt"
	"time"
)

// Class says what became of an attempt, and so what happens next (§7).
type Class uint8

// The classes.
const (
	OK          Class = iota
	Transient         // may pass: exit 75, a time limit, a signal that hacky did not send
	Permanent         // any other failure
	Interrupted       // stopped by hacky because the run is stopped; no failure
	Quota             // the agent's quota is used up: no failure of the subtask; see Result.Until
)

func (c Class) String() string {
	return [...]string{"ok", "transient", "permanent", "interrupted", "quota"}[c]
}

// MarshalText writes the word.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts the words that MarshalText writes.
func (c *Class) UnmarshalText(text []byte) error {
	for k := OK; k <= Quota; k++ {
		if k.String() == string(text) {
			*c = k
			return nil
		}
	}
	return fmt.Errorf("unknown class %q", text)
}

// Result is what became of an attempt.
type Result struct {
	Class      Class
	Exit       int       // exit code of the command that decided it; -1 if it did not exit by itself
	Reason     string    // one clause for people; "" if OK
	Stage      string    // the command that decided it
	Gate       int       // its level; 0: a stage
	Log        string    // its log, relative to the session directory; "" if it printed nothing
	Tail       []byte    // the last of its output, at most TailSize bytes; only if not OK
	Commands   []Outcome // every command that was executed, in order
	Skipped    int       // stages and gates that had passed in an earlier attempt
	Head       Head      // of the repository around it; zero where nobody looked
	Started    time.Time
	Ended      time.Time
	Credential string    // Quota: whose
	Until      time.Time // Quota: when it may serve again; zero if that is not known
	Leftover   int       // process groups, and processes without, that had to be ended after their command
	LogError   string    // why output could not be kept, if so
	Warnings   []string  // sentences that people should read, whatever became of it; masked
}

// Outcome is one command's part of a Result.
type Outcome struct {
	Stage    string
	Gate     int // level; 0: a stage
	Exit     int
	Log      string // relative to the session directory; "" if it printed nothing
	Digest   string // hex SHA-256 of what it printed, as it stands in the log; "" if that was nothing
	Duration time.Duration
	Said     *Said // by an agent; else nil
}

// Said is what an agent told of itself.
type Said struct {
	Agent     string
	Session   string // its conversation
	Text      string // its last text, bounded and masked
	TokensIn  int64
	TokensOut int64
	CostUSD   float64
}

// Head is what an attempt did to the repository around it.
type Head struct {
	Before, After string // commits
	Compared      bool   // whether the changes since Before were counted
	Files         int    // changed since Before, but for the session's own
	Insertions    int
	Deletions     int
	Untracked     int
	Commit        string // what hacky committed; "" if nothing
}

// TailSize bounds what is kept of a command's output in memory.
const TailSize = 4 << 10
