package session

import (
	"sync"
	"time"
)

// clock gives updates their time (§5.5). It is a hybrid logical clock: a time
// is that of the wall clock where this is later than every time the session has
// read, and otherwise a step later than the latest of those. So an
// update is later than every update its writer had read, whichever clock that
// was made by, and the updates of one session are in the order it accepted them.
//
// Times are compared with each other, never with a wall clock or with the time
// of a file.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time // the latest time read or given
}

// clockStep leaves room between two updates for the note of a status that was
// found in between (adopt).
const clockStep = time.Microsecond

// latestTime bounds times that are read, so that a clock that was wrong by
// centuries leaves room for later updates in the 64 bits of a journal record.
var latestTime = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// read makes later times of the clock later than t.
func (c *clock) read(t time.Time) {
	if t.After(latestTime) {
		t = latestTime
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.last) {
		c.last = t
	}
}

// next is the time of an update that is accepted now.
func (c *clock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now().Round(0) // no monotonic reading: Time.After would prefer it
	if !t.After(c.last) {
		t = c.last.Add(clockStep)
	}
	c.last = t
	return t
}

// latest is the latest time that was read or given.
func (c *clock) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
