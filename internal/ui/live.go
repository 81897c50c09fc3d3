package ui

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/schedule"
)

// LiveOptions are what a live view knows of its run and its terminal.
type LiveOptions struct {
	Terminal io.Writer
	Size     func() (columns, rows int) // asked before every frame, as windows are resized
	ASCII    bool
	Style    Style
	Session  string // as the user wrote it
	Backlog  *backlog.Backlog
	Scope    []bool           // by item number: the subtasks in scope
	Statuses []backlog.Status // by item number, as the run begins
	Saying   func(item int32) string

	Foreground  func() bool // whether the terminal is ours to draw on; nil: it is
	Parallelism int
	MaxTasks    int                   // 0: no limit, as with the next
	MaxDuration time.Duration         // of the run
	Past        func() *schedule.Pace // what earlier runs have shown, looked up in the background; nil: nothing
}

// Live shows a run on a terminal: a block of what runs, what is held and how far
// it is, drawn over itself a few times a second, and above it, scrolling away, a
// line for each subtask that ended. What others write to the terminal meanwhile
// goes through Writer, or it would tear the block.
//
// A terminal that takes nothing for a while (Ctrl+S, a connection that hangs)
// holds nobody but the goroutine that draws. The cursor is never hidden, no mode
// outlives a frame, and the block never outlives Summary, so that a terminal is
// left in order however the run ends. A frame costs the subtasks that run, not
// those of the backlog; the estimate, which does, is made so seldom that it takes
// half a percent of the time.
type Live struct {
	o     LiveOptions
	lines *plain // writes into above
	began time.Time
	wake  chan struct{} // draw now
	stop  chan struct{}
	done  chan struct{}

	suspend chan chan struct{} // the block is to go

	mu        sync.Mutex
	above     bytes.Buffer // what scrolls away with the next frame
	dropped   int          // lines that were too many for above
	block     []string     // on the screen
	dirty     bool
	closing   bool
	closed    bool      // Writer writes through
	suspended bool      // nothing is drawn
	last      time.Time // of the last frame
	stopping  string    // why nothing more is started; "" if something is
	running   []*liveItem
	items     map[int32]*liveItem
	holds     map[string]time.Time
	statuses  []backlog.Status
	spent     map[int32]time.Duration // on attempts of what has not ended
	started   int
	begun     map[int32]bool // of those that may be held and go on
	total     int
	finished  int
	failed    int
	pace      *schedule.Pace
	outlook   outlook
	foreseen  time.Time // when the outlook was worked out
}

// liveItem is a subtask that runs, or waits to be tried again.
type liveItem struct {
	item    int32
	stage   string
	attempt int
	since   time.Time
	again   time.Time // not zero: it waits until then
}

const (
	frameEvery   = 100 * time.Millisecond // at most, and only when something has changed
	secondEvery  = time.Second            // the clocks go on
	outlookEvery = 2 * time.Second        // at most
	outlookShare = 200                    // times as long as it took
	mostAbove    = 1 << 20                // bytes that wait for a terminal
	patience     = time.Second            // with a terminal that takes nothing, at the end
)

// NewLive begins to show a run.
func NewLive(o LiveOptions) *Live {
	l := &Live{o: o, began: time.Now(), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), suspend: make(chan chan struct{}),
		items: map[int32]*liveItem{}, holds: map[string]time.Time{}, statuses: slices.Clone(o.Statuses), spent: map[int32]time.Duration{}, begun: map[int32]bool{}, pace: &schedule.Pace{}}
	columns, _ := o.Size()
	l.lines = &plain{w: scroll{l}, clock: true, session: o.Session, b: o.Backlog, screen: Screen{Width: columns, Style: o.Style}}
	for i, in := range o.Scope {
		if !in || o.Backlog.Items[i].Kind != backlog.Subtask {
			continue
		}
		l.total++
		if l.statuses[i].Satisfied() {
			l.finished++
		} else {
			l.statuses[i] = backlog.Planned // what failed before is tried again
		}
	}
	go l.loop()
	return l
}

func (l *Live) loop() {
	defer close(l.done)
	if l.o.Past != nil {
		go l.remember()
	}
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	next := l.began.Add(frameEvery) // outlook
	for {
		select {
		case <-l.stop:
			l.clear()
			return
		case answer := <-l.suspend:
			l.mu.Lock()
			columns, _ := l.o.Size()
			text := l.erase(columns) + l.scrolled()
			l.mu.Unlock()
			_, _ = io.WriteString(l.o.Terminal, text)
			close(answer)
		case <-l.wake:
			l.draw(time.Now(), true)
		case now := <-tick.C:
			l.draw(now, false)
			if now.Before(next) {
				continue
			}
			l.foresee()
			next = time.Now().Add(max(outlookEvery, outlookShare*time.Since(now)))
		}
	}
}

// remember takes over what earlier runs have shown.
func (l *Live) remember() {
	past := l.o.Past()
	if past == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pace.Finished() < leastFinished {
		l.pace = past
	}
}

// foresee works the outlook out.
func (l *Live) foresee() {
	l.mu.Lock()
	now := time.Now()
	s := situation{backlog: l.o.Backlog, scope: l.o.Scope, statuses: slices.Clone(l.statuses), running: map[int32]float64{},
		pace: l.pace.Clone(), parallelism: l.o.Parallelism, startable: -1}
	for i, it := range l.items {
		s.running[i] = now.Sub(it.since).Seconds()
		if !it.again.IsZero() {
			s.running[i] = -it.again.Sub(now).Seconds()
		}
	}
	if l.o.MaxTasks > 0 {
		s.startable = max(0, l.o.MaxTasks-l.started)
	}
	if l.o.MaxDuration > 0 {
		s.until = max(time.Second, l.o.MaxDuration-now.Sub(l.began))
	}
	l.mu.Unlock()
	out := s.outlook()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outlook, l.foreseen = out, now // shown with the next second
}

// Event takes what happened.
func (l *Live) Event(ev engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	it := l.items[ev.Item]
	switch ev.Type {
	case engine.SubtaskStarted, engine.SubtaskStage:
		if it == nil {
			it = &liveItem{item: ev.Item}
			l.items[ev.Item] = it
			l.running = append(l.running, it)
			if !l.begun[ev.Item] {
				l.begun[ev.Item] = true
				l.started++
			}
		}
		if ev.Type == engine.SubtaskStarted {
			it.since = ev.Time
		}
		it.stage, it.attempt, it.again = ev.Stage, ev.Attempt, time.Time{}
		l.statuses[ev.Item] = ev.Status
		return // shown in the block
	case engine.SubtaskRetrying:
		if it != nil {
			it.again = ev.Time.Add(ev.Delay)
			l.spent[ev.Item] += ev.Time.Sub(it.since)
		}
	case engine.SubtaskFinished, engine.SubtaskSkipped:
		if it != nil && ev.Status == backlog.Complete { // with what it took to be acknowledged
			l.pace.Took(ev.Item, l.o.Backlog.Points(ev.Item), (l.spent[ev.Item] + time.Since(it.since)).Seconds())
		}
		l.leave(ev.Item, ev.Status)
	case engine.SubtaskRevived: // it counts as started once more
		delete(l.begun, ev.Item)
		l.leave(ev.Item, backlog.Planned)
	case engine.SubtaskStopped, engine.SubtaskHeld:
		l.leave(ev.Item, backlog.Planned)
	case engine.QuotaHeld:
		l.holds[ev.Credential] = ev.Until
	case engine.QuotaReleased:
		delete(l.holds, ev.Credential)
	}
	l.lines.Event(ev)
}

// leave takes a subtask out of what runs, and counts what it is now.
func (l *Live) leave(item int32, now backlog.Status) {
	if it := l.items[item]; it != nil {
		delete(l.items, item)
		l.running = slices.DeleteFunc(l.running, func(other *liveItem) bool { return other == it })
	}
	delete(l.spent, item)
	if now != backlog.Planned {
		delete(l.begun, item)
	}
	count := func(s backlog.Status, n int) {
		switch {
		case s.Satisfied():
			l.finished += n
		case s == backlog.Failed:
			l.failed += n
		}
	}
	count(l.statuses[item], -1)
	count(now, +1)
	l.statuses[item] = now
}

// Stopping says why nothing more is started, and what can be done about what
// runs. It takes the place of the estimate.
func (l *Live) Stopping(why string) {
	l.mu.Lock()
	l.stopping, l.dirty = why, true
	l.mu.Unlock()
	l.Resized()
}

// Resized draws a frame at once, for a window of another size.
func (l *Live) Resized() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Suspend takes the block off the screen until Resume, for a process that is about
// to be stopped: others write to the terminal then. It does not wait for ever for
// one that takes nothing.
func (l *Live) Suspend() {
	l.mu.Lock()
	l.suspended = true
	l.mu.Unlock()
	enough := time.After(patience)
	answer := make(chan struct{})
	select {
	case l.suspend <- answer:
		select {
		case <-answer:
		case <-enough:
		}
	case <-l.done:
	case <-enough:
	}
}

// Resume draws a frame where the cursor is now.
func (l *Live) Resume() {
	l.mu.Lock()
	l.suspended = false
	l.block = nil // others have written below it
	l.mu.Unlock()
	l.Resized()
}

// Summary ends the view: the block gives way to what a plain run prints at the
// end.
func (l *Live) Summary(s Summary) {
	l.Close()
	var text bytes.Buffer
	p := &plain{w: &text, clock: true, session: l.o.Session, b: l.o.Backlog, printed: true, screen: l.lines.screen}
	p.Summary(s)
	_, _ = io.WriteString(l.o.Terminal, crlf(text.String()))
}

// Close takes the block off the screen. Nothing is drawn any more, and Writer
// writes through. It does not wait for ever for a terminal that takes nothing.
// Calling it again does nothing.
func (l *Live) Close() {
	l.mu.Lock()
	again := l.closing
	l.closing = true
	l.mu.Unlock()
	if again {
		return
	}
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(patience):
	}
}

// clear is the last thing that is drawn.
func (l *Live) clear() {
	l.mu.Lock()
	columns, _ := l.o.Size()
	text := l.erase(columns) + l.scrolled()
	l.mu.Unlock()
	_, _ = io.WriteString(l.o.Terminal, text)
	l.mu.Lock()
	text = l.scrolled() // of meanwhile
	l.closed = true
	l.mu.Unlock()
	_, _ = io.WriteString(l.o.Terminal, text)
}

// Writer is for others who write lines to the same terminal: they come to stand
// above the block.
func (l *Live) Writer() io.Writer { return aboveBlock{l} }

type aboveBlock struct{ l *Live }

func (a aboveBlock) Write(p []byte) (int, error) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	if a.l.closed {
		return a.l.o.Terminal.Write(p)
	}
	a.l.dirty = true
	return scroll(a).Write(p)
}

// scroll takes lines that scroll away with the next frame. l.mu is held.
type scroll struct{ l *Live }

func (s scroll) Write(p []byte) (int, error) {
	above := &s.l.above
	if above.Len() > 0 && above.Len()+len(p) > mostAbove {
		half := above.Bytes()[above.Len()/2:]
		end := bytes.IndexByte(half, '\n') + 1
		gone := above.Next(above.Len() - len(half) + end)
		s.l.dropped += bytes.Count(gone, []byte{'\n'})
	}
	return above.Write(p)
}

// scrolled are the lines that scroll away now.
func (l *Live) scrolled() string {
	text := ""
	if l.dropped > 0 {
		text = fmt.Sprintf("... %d lines are left out here, as the terminal took nothing; \"hacky status\" tells what became of all\n", l.dropped)
	}
	text += l.above.String()
	l.above.Reset()
	l.dropped = 0
	return crlf(text)
}

// draw replaces the block on the screen, if there is something new or at is due.
func (l *Live) draw(now time.Time, always bool) {
	l.mu.Lock()
	if l.suspended || !always && !l.dirty && now.Sub(l.last) < secondEvery {
		l.mu.Unlock()
		return
	}
	columns, rows := l.o.Size()
	l.lines.screen = Screen{Width: columns, Style: l.o.Style}
	text := l.erase(columns) + l.scrolled()
	if l.o.Foreground != nil && !l.o.Foreground() { // the terminal is the shell's now
		l.last, l.dirty = now, false
		l.mu.Unlock()
		_, _ = io.WriteString(l.o.Terminal, text)
		return
	}
	l.block = l.frame(now, columns, rows)
	l.last, l.dirty = now, false
	block := strings.Join(l.block, "\r\n")
	l.mu.Unlock()
	// Terminals do not agree on how wide some characters are: no line of the block
	// may wrap, or it would take two rows.
	_, _ = io.WriteString(l.o.Terminal, text+wrapOff+block+wrapOn+"\r\n")
}

// Autowrap mode, off and on (DECAWM).
const (
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
)

// crlf ends lines as a terminal needs it in whatever mode a command that shares
// it has left it.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// erase takes the block off the screen, also when the window has become
// narrower and its lines take more of the screen's. The cursor is on the row
// below it, where what the user types is echoed.
func (l *Live) erase(columns int) string {
	if len(l.block) == 0 {
		return ""
	}
	rows := 0
	for _, line := range l.block {
		rows += 1 + max(0, visible(line)-1)/max(1, columns)
	}
	l.block = nil
	// Line by line from below: erasing a whole screen at once makes terminals keep
	// what was on it in their history.
	return "\r\x1b[K" + strings.Repeat("\x1b[A\x1b[K", rows)
}
