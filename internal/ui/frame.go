package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// frame is the block at a moment, for a window of this size. No line fills the
// last column, where terminals differ.
func (l *Live) frame(now time.Time, columns, rows int) []string {
	width := max(1, columns-1)
	room := max(0, rows-2) // but for the last line, and the cursor's
	holds := min(len(l.holds), max(1, room/3))
	subtasks := max(0, min(room-holds, 30))
	if len(l.holds) == 0 {
		subtasks = max(0, min(room, 30))
	}
	var out []string
	for k, it := range l.running {
		if k == subtasks-1 && len(l.running) > subtasks || k == subtasks {
			out = append(out, cut(fmt.Sprintf("  ... and %d more", len(l.running)-k), width))
			break
		}
		out = append(out, l.line(it, now, width))
	}
	for k, name := range slices.Sorted(maps.Keys(l.holds)) {
		if k == holds-1 && len(l.holds) > holds || k == holds {
			out = append(out, cut(fmt.Sprintf("  ... and %d more held", len(l.holds)-k), width))
			break
		}
		out = append(out, l.o.Style.Line("held", cut(fmt.Sprintf("  held  %s until %s", Clean(name), Until(l.holds[name], now)), width)))
	}
	return append(out[:min(len(out), room)], l.progressLine(now, width))
}

// line is a subtask that runs: which, for how long, what it says. Its title gives
// way first, then what it says.
func (l *Live) line(it *liveItem, now time.Time, width int) string {
	b := &l.o.Backlog.Items[it.item]
	state, words := lasting(now.Sub(it.since)), ""
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
		words = Clean(l.o.Saying(it.item))
	}
	const apart = 2
	room := width - apart - columnsOf(b.ID) - apart - columnsOf(state)
	title := Clean(b.Title)
	most := room - apart
	if words != "" {
		most = max(room/2, room-apart-columnsOf(words)) - apart
	}
	text := "  " + b.ID
	if title = cut(title, max(0, most)); most >= shortTitle && title != "" {
		text += "  " + title
	}
	text += "  " + state
	if words != "" && width-columnsOf(text)-apart >= shortTitle {
		text += "  " + words
	}
	return cut(text, width)
}

// shortTitle is the least of a title that says anything.
const shortTitle = 8

// progressLine is the last line: how far it is. What matters least is left out
// where there is no room.
func (l *Live) progressLine(now time.Time, width int) string {
	running, waiting := 0, 0
	for _, it := range l.running {
		if it.again.IsZero() {
			running++
		} else {
			waiting++
		}
	}
	type part struct {
		text string
		rank int // the highest goes first
	}
	parts := []part{{fmt.Sprintf("%d/%d", l.finished, l.total), 0}}
	add := func(n int, word string, rank int) {
		if n > 0 {
			parts = append(parts, part{fmt.Sprintf("%d %s", n, word), rank})
		}
	}
	add(l.failed, "failed", 1)
	add(l.outlook.blocked, "blocked", 4)
	add(running, "running", 3)
	add(waiting, "to try again", 6)
	parts = append(parts, part{lasting(now.Sub(l.began)), 5})
	switch {
	case l.stopping != "":
		parts = append(parts, part{l.stopping, 2})
	case l.outlook.known && len(l.holds) == 0:
		parts = append(parts, part{"about " + lasting(max(time.Second, l.outlook.left-now.Sub(l.foreseen))) + " left", 2})
	}
	var text string
	for rank := 6; ; rank-- {
		var words []string
		for _, p := range parts {
			if p.rank <= rank {
				words = append(words, p.text)
			}
		}
		if text = strings.Join(words, ", "); rank == 0 || columnsOf(text) <= width {
			break
		}
	}
	size := min(24, width-columnsOf(" "+text)-2)
	if size < 10 {
		return cut(text, width)
	}
	return "[" + bar(l.finished, l.total, size-len(" 100%"), !l.o.ASCII) + "] " + text
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
