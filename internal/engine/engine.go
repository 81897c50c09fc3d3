// Package engine holds the words that engines and their callers share.
//
// An engine runs a plan: it executes attempts through an Executor and says
// what happens as Events to a Recorder. It knows neither files nor terminals.
// Package local is the one that runs processes on this machine.
package engine

import (
	"context"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
)

// EventType is the kind of an Event, as it stands in `--progress json`.
type EventType string

// The events of a subtask, in the order in which they may come: Started, Stage,
// Retrying and Held any number of times, then one of Finished, Stopped and
// Skipped, unless it is left held. One that failed may be Revived, and begins
// again, or Skipped.
const (
	SubtaskStarted  EventType = "subtaskStarted"  // an attempt begins
	SubtaskStage    EventType = "subtaskStage"    // a further stage of it begins
	SubtaskRetrying EventType = "subtaskRetrying" // it failed and will be repeated after Delay
	SubtaskHeld     EventType = "subtaskHeld"     // it waits until its credential has quota again; it is Planned
	SubtaskFinished EventType = "subtaskFinished" // Complete or Failed
	SubtaskStopped  EventType = "subtaskStopped"  // the run ends first, or it is other work now; it is Planned again
	SubtaskSkipped  EventType = "subtaskSkipped"  // somebody else completed it meanwhile
	SubtaskRevived  EventType = "subtaskRevived"  // it had failed, and somebody else made it Planned: it will be executed again
)

// The events of a credential; Item is -1.
const (
	QuotaHeld     EventType = "quotaHeld"     // nothing is started with it until Until
	QuotaReleased EventType = "quotaReleased" // it is tried again
)

// Event is one thing that happened to a subtask.
type Event struct {
	Type    EventType
	Time    time.Time
	Item    int32
	ID      string
	Attempt int // from 1, over all runs of the session
	Status  backlog.Status
	Stage   string
	Delay   time.Duration // Retrying: until the next attempt
	Retry   int           // Retrying: number of that retry, from 1
	Retries int           // Retrying: how many there may be
	Alone   bool          // Finished: nothing else runs, or could, until this is acknowledged
	Result  *agent.Result // Retrying, Held, Finished, Stopped after an attempt

	Credential string    // Held, QuotaHeld, QuotaReleased
	Until      time.Time // Held, QuotaHeld
}

// Hold is a credential whose quota is used up.
type Hold struct {
	Credential string
	Until      time.Time
	Waiting    int // subtasks that need it
}

// Recorder hears an engine's events and makes them last. It is called by many
// goroutines at once, for one subtask in order.
type Recorder interface {
	// Record takes an event. If acked is not nil, Record sees to it that it is
	// called exactly once: with nil when the event will survive a crash, which
	// may be before Record returns or later from another goroutine, or with
	// the reason why it will not. acked takes the engine's lock: no lock may be
	// held that Status needs.
	Record(ev Event, acked func(error))
	// Status is where a subtask stands now, other writers included. It is called
	// under the engine's lock.
	Status(item int32) backlog.Status
	// OtherWork says how a subtask has become other work than the plan has for
	// it: another program has edited it, or given its id to another. It is "" if
	// the subtask is the same work. executed tells that an attempt has just ended:
	// all that was saved during it counts.
	OtherWork(item int32, executed bool) (how string)
}

// Executor runs one attempt; see agent.Runner.Execute.
type Executor interface {
	Execute(ctx context.Context, item int32, attempt int, announce func(stage string)) agent.Result
}

// Outcome is what a run came to.
type Outcome struct {
	Started   int       // subtasks that were started
	Completed int       // of these: now Complete
	Retried   int       // attempts that were repeated
	Failed    []Failure // in the order in which they failed
	Blocked   []schedule.Blocked
	Left      []int32   // neither done, failed nor blocked, in document order
	Warned    []Warning // of attempts, in the order in which they ended; of very many the first
	Held      []Hold    // what some of Left wait for, the first to end first
	Limit     string    // the option that kept it from starting more; "" if none
	Drained   error     // why it was told to start no more; nil if it was not
	Duration  time.Duration
}

// Warning is what people should know of an attempt, whatever became of it.
type Warning struct {
	Item int32
	Text string
}

// Failure is a subtask that failed for good.
type Failure struct {
	Item    int32
	Attempt int
	Result  agent.Result
}
