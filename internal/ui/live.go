package ui

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
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
}

// Live shows a run on a terminal: a block of what runs, what is held and how far
// it is, drawn over itself a few times a second, and above it, scrolling away, a
// line for each subtask that ended. What others write to the terminal meanwhile
// goes through Writer, or it would tear the block.
//
// The cursor is never hidden and the block never outlives Summary, so that a
// terminal is left in order however the run ends. A frame costs the subtasks
// that run, not those of the backlog.
type Live struct {
	o     LiveOptions
	lines *plain // writes into above
	stop  chan struct{}
	ended sync.WaitGroup

	mu       sync.Mutex
	above    bytes.Buffer // what scrolls away with the next frame
	block    []string     // on the screen
	dirty    bool
	last     time.Time // of the last frame
	running  []*liveItem
	items    map[int32]*liveItem
	holds    map[string]time.Time
	total    int
	done     int
	failed   int
	pace     pace
	draining bool
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
	frameEvery  = 100 * time.Millisecond // at most, and only when something has changed
	secondEvery = time.Second            // the clocks go on
)

// NewLive begins to show a run.
func NewLive(o LiveOptions) *Live {
	l := &Live{o: o, stop: make(chan struct{}), items: map[int32]*liveItem{}, holds: map[string]time.Time{}}
	l.lines = &plain{w: &l.above, session: o.Session, b: o.Backlog}
	l.pace.began = time.Now()
	for i, in := range o.Scope {
		if !in || o.Backlog.Items[i].Kind != backlog.Subtask {
			continue
		}
		l.total++
		points := weight(o.Backlog, int32(i))
		if o.Statuses[i].Satisfied() {
			l.done++
			continue
		}
		l.pace.left += points
	}
	l.ended.Go(l.loop)
	return l
}

func (l *Live) loop() {
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			l.mu.Lock()
			if l.dirty || now.Sub(l.last) >= secondEvery {
				l.draw(now)
			}
			l.mu.Unlock()
		}
	}
}

// Event takes what happened.
func (l *Live) Event(ev engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	switch ev.Type {
	case engine.SubtaskStarted, engine.SubtaskStage:
		it := l.items[ev.Item]
		if it == nil {
			it = &liveItem{item: ev.Item}
			l.items[ev.Item] = it
			l.running = append(l.running, it)
		}
		if ev.Type == engine.SubtaskStarted {
			it.since = ev.Time
		}
		it.stage, it.attempt, it.again = ev.Stage, ev.Attempt, time.Time{}
		return // shown in the block
	case engine.SubtaskRetrying:
		if it := l.items[ev.Item]; it != nil {
			it.again = ev.Time.Add(ev.Delay)
		}
	case engine.SubtaskFinished, engine.SubtaskSkipped:
		l.leave(ev.Item)
		l.pace.ended(weight(l.o.Backlog, ev.Item), ev.Type == engine.SubtaskFinished)
		if ev.Status.Satisfied() {
			l.done++
		} else {
			l.failed++
		}
	case engine.SubtaskStopped, engine.SubtaskHeld:
		l.leave(ev.Item)
	case engine.QuotaHeld:
		l.holds[ev.Credential] = ev.Until
	case engine.QuotaReleased:
		delete(l.holds, ev.Credential)
	}
	l.lines.screen = l.screen()
	l.lines.Event(ev)
}

// screen is what lines above the block are printed on.
func (l *Live) screen() Screen {
	columns, _ := l.o.Size()
	return Screen{Width: columns, Style: l.o.Style}
}

func (l *Live) leave(item int32) {
	if it := l.items[item]; it != nil {
		delete(l.items, item)
		l.running = slices.DeleteFunc(l.running, func(other *liveItem) bool { return other == it })
	}
}

// Summary ends the view: the block gives way to what a plain run prints at the
// end.
func (l *Live) Summary(s Summary) {
	l.Close()
	var text bytes.Buffer
	p := &plain{w: &text, session: l.o.Session, b: l.o.Backlog, printed: true, screen: l.screen()}
	p.Summary(s)
	_, _ = io.WriteString(l.o.Terminal, crlf(text.String()))
}

// Close takes the block off the screen. Nothing is drawn any more, and Writer
// writes through. Calling it again does nothing.
func (l *Live) Close() {
	l.mu.Lock()
	again := l.draining
	l.draining = true
	l.mu.Unlock()
	if again {
		return
	}
	close(l.stop)
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	columns, _ := l.o.Size()
	_, _ = io.WriteString(l.o.Terminal, l.erase(columns)+crlf(l.above.String()))
	l.above.Reset()
}

// Writer is for others who write lines to the same terminal: they come to stand
// above the block.
func (l *Live) Writer() io.Writer { return aboveBlock{l} }

type aboveBlock struct{ l *Live }

func (a aboveBlock) Write(p []byte) (int, error) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	if a.l.draining {
		return a.l.o.Terminal.Write(p)
	}
	a.l.dirty = true
	return a.l.above.Write(p)
}

// draw replaces the block on the screen. l.mu is held.
func (l *Live) draw(now time.Time) {
	columns, rows := l.o.Size()
	erase := l.erase(columns)
	l.block = l.frame(now, columns, rows)
	l.last, l.dirty = now, false
	_, _ = io.WriteString(l.o.Terminal, erase+crlf(l.above.String())+strings.Join(l.block, "\r\n"))
	l.above.Reset()
}

// crlf ends lines as a terminal needs it in whatever mode a command that shares
// it has left it.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// erase takes the block off the screen, also when the window has become
// narrower and its lines take more of the screen's.
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
	return "\r\x1b[K" + strings.Repeat("\x1b[A\x1b[K", rows-1)
}

// frame is the block at a moment, for a window of this size. No line fills the
// last column, where terminals differ.
func (l *Live) frame(now time.Time, columns, rows int) []string {
	width := max(1, columns-1)
	room := max(0, min(rows-3-len(l.holds), 30)) // for the subtasks
	var out []string
	for k, it := range l.running {
		if k == room-1 && len(l.running) > room || k == room {
			out = append(out, cut(fmt.Sprintf("  ... and %d more", len(l.running)-k), width))
			break
		}
		out = append(out, l.line(it, now, width))
	}
	for _, name := range slices.Sorted(maps.Keys(l.holds)) {
		out = append(out, l.o.Style.Line("held", cut(fmt.Sprintf("  held  %s until %s", Clean(name), Until(l.holds[name], now)), width)))
	}
	return append(out, l.progressLine(now, width))
}

// line is a subtask that runs.
func (l *Live) line(it *liveItem, now time.Time, width int) string {
	b := &l.o.Backlog.Items[it.item]
	text := fmt.Sprintf("  %s  %s", b.ID, Clean(b.Title))
	state := lasting(now.Sub(it.since))
	if it.stage != "" && it.stage != "run" {
		state += " " + Clean(it.stage)
	}
	if it.attempt > 1 {
		state += fmt.Sprintf(", attempt %d", it.attempt)
	}
	switch {
	case !it.again.IsZero():
		state = "again in " + lasting(max(0, it.again.Sub(now)))
	case l.o.Saying != nil:
		if words := Clean(l.o.Saying(it.item)); words != "" {
			state += "  " + words
		}
	}
	half := max(width/2, width-columnsOf(state)-2) // the title gives way first
	return cut(cut(text, max(16, half))+"  "+state, width)
}

// progressLine is the last line: how far it is.
func (l *Live) progressLine(now time.Time, width int) string {
	running, waiting := 0, 0
	for _, it := range l.running {
		if it.again.IsZero() {
			running++
		} else {
			waiting++
		}
	}
	text := fmt.Sprintf(" %d/%d", l.done, l.total)
	for _, part := range []struct {
		n    int
		word string
	}{{running, "running"}, {waiting, "to try again"}, {l.failed, "failed"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.word)
		}
	}
	text += ", " + lasting(now.Sub(l.pace.began))
	if left, ok := l.pace.estimate(now); ok && len(l.holds) == 0 {
		text += ", about " + lasting(left) + " left"
	}
	size := min(24, width-columnsOf(text)-2)
	if size < 10 {
		return cut(text[1:], width)
	}
	return "[" + bar(l.done, l.total, size-len(" 100%"), !l.o.ASCII) + "]" + text
}

// pace tells how long what is left will take, if it goes on as in this run so
// far: by the weight that was worked off in the time since it began, so that
// parallelism, retries and dependencies are in it.
type pace struct {
	began time.Time
	done  float64
	left  float64
	count int
}

// Estimates mean something only after some subtasks and some time.
const (
	paceCount = 5
	paceTime  = 10 * time.Second
)

func (p *pace) ended(weight float64, worked bool) {
	p.left = max(0, p.left-weight)
	if worked {
		p.done += weight
		p.count++
	}
}

func (p *pace) estimate(now time.Time) (time.Duration, bool) {
	took := now.Sub(p.began)
	if p.count < paceCount || took < paceTime || p.done <= 0 || p.left <= 0 {
		return 0, false
	}
	return time.Duration(float64(took) * p.left / p.done), true
}

// weight is a subtask's story points; one without any counts as one of 1.
func weight(b *backlog.Backlog, i int32) float64 {
	if points := b.Points(i); points > 0 {
		return points
	}
	return 1
}

// lasting is a duration in two parts at most, of one length as it goes on.
func lasting(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
