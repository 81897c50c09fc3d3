package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// axis maps times to percent of a chart's width. Long times in which nothing
// ran are cut to a small gap, so that runs of different days can be seen
// beside each other.
type axis struct{ spans []span }

// span is a time in which something ran.
type span struct{ from, to, left, width float64 }

const (
	maxGaps  = 12
	gapWidth = 1.4 // percent
)

func newAxis(attempts []attempt) *axis {
	busy := make([]span, 0, len(attempts))
	for _, a := range attempts {
		busy = append(busy, span{from: a.from, to: a.to})
	}
	slices.SortFunc(busy, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := busy[:0]
	total := 0.0
	for _, s := range busy {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	var gaps []float64
	for k, s := range merged {
		total += s.to - s.from
		if k > 0 {
			gaps = append(gaps, s.from-merged[k-1].to)
		}
	}
	// Gaps that would take more than a small part of the chart, the longest.
	least := max(total*0.03, 0.5)
	slices.Sort(gaps)
	if len(gaps) > maxGaps {
		least = max(least, gaps[len(gaps)-maxGaps])
	}
	x := &axis{}
	for _, s := range merged {
		if n := len(x.spans); n > 0 && (s.from-x.spans[n-1].to < least || n > maxGaps) {
			x.spans[n-1].to = s.to
			continue
		}
		x.spans = append(x.spans, s)
	}
	total = 0
	for _, s := range x.spans {
		total += s.to - s.from
	}
	room, left := 100-gapWidth*float64(len(x.spans)-1), 0.0
	for k := range x.spans {
		s := &x.spans[k]
		s.left, s.width = left, room/float64(len(x.spans))
		if total > 0 {
			s.width = room * (s.to - s.from) / total
		}
		left += s.width + gapWidth
	}
	return x
}

// at is where a time is, in percent.
func (x *axis) at(t float64) float64 {
	k := sort.Search(len(x.spans), func(k int) bool { return x.spans[k].to >= t })
	if k == len(x.spans) {
		return 100
	}
	s := x.spans[k]
	if t <= s.from || s.to == s.from {
		return s.left
	}
	return s.left + s.width*(t-s.from)/(s.to-s.from)
}

// gaps are how long nothing ran, where the axis is cut.
func (x *axis) gaps() []string {
	var out []string
	for k := 1; k < len(x.spans); k++ {
		out = append(out, took(x.spans[k].from-x.spans[k-1].to))
	}
	return out
}

// plotWidth is how many pixels wide a chart is at least, beside its names (see
// page.css). It is scaled, and the text in it is not.
const plotWidth = 940

// textWidth is how many pixels ids and times take in the charts, rather too
// many than too few.
func textWidth(text string) float64 {
	wide := 0.0
	for _, c := range text {
		switch c {
		case '.', ':', ' ':
			wide += 4
		case 'M':
			wide += 10
		default:
			wide += 7.2
		}
	}
	return wide
}

// tick is a mark on the axis.
type tick struct {
	At    float64
	Label string
	Gap   string // how long nothing ran before; "" without
}

// ticks are at round times, and where a gap ends.
func (r *Report) ticks(x *axis) []tick {
	total := 0.0
	for _, s := range x.spans {
		total += s.to - s.from
	}
	step := 1.0
	for _, step = range []float64{0.1, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400} {
		if total/step <= 8 {
			break
		}
	}
	step = max(step, total/8)
	form := "15:04"
	switch {
	case step < 1:
		form = "15:04:05.0"
	case step < 60:
		form = "15:04:05"
	}
	var out []tick
	day, free := "", 0.0 // where the last label ends
	label := func(t, before float64) string {
		m := r.moment(t)
		text := m.Format(form)
		if d := m.Format("Jan 2"); d != day {
			text = d + " " + text
		}
		const apart = 12 // pixels
		at, wide := x.at(t), (textWidth(text)+apart)*100/plotWidth
		if at < free || at+wide > before {
			return ""
		}
		day, free = m.Format("Jan 2"), at+wide
		return text
	}
	for k, s := range x.spans {
		gap, next := "", 100.0
		if k > 0 {
			gap = "nothing ran for " + took(s.from-x.spans[k-1].to)
		}
		out = append(out, tick{x.at(s.from), label(s.from, 100), gap})
		if k+1 < len(x.spans) {
			next = x.spans[k+1].left
		}
		_, zone := r.moment(s.from).Zone()
		for t := (math.Floor((s.from+float64(zone))/step)+1)*step - float64(zone); t < s.to; t += step {
			if text := label(t, next); text != "" {
				out = append(out, tick{At: x.at(t), Label: text})
			}
		}
	}
	return out
}

// lane is what a worker did. Workers are not on record: an attempt is given to
// the first that was free, so that there are as many as ran at once.
type lane struct {
	Name, Did string
	Bars      []bar
}

type bar struct {
	Left, Width float64 // percent
	Top, Height float64 // pixels
	Class       string
	Label, Tip  string
	Ground      float64 // pixels that the label takes
	URL         string  // of a log
}

const barTop, barHeight = 1, 16

// Bounds of the Gantt chart.
const (
	maxBars  = 2000 // attempts that are drawn one by one
	maxLanes = 48
	maxSlots = 250 // of a lane, when there are more attempts
	allSlots = 5000
)

// lanes draws the attempts, and says how many lanes are left out.
func (r *Report) lanes(x *axis) (out []lane, more int) {
	slices.SortFunc(r.attempts, func(a, b attempt) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.item, b.item), cmp.Compare(a.number, b.number))
	})
	var free []float64 // when a lane's last attempt ended
	byLane := [][]attempt{}
	for _, a := range r.attempts {
		// Lanes up to maxLanes+1024 are told apart: more at once is nothing hacky does.
		k := slices.IndexFunc(free, func(t float64) bool { return t <= a.from })
		if k < 0 {
			if len(free) >= maxLanes+1024 {
				continue
			}
			k = len(free)
			free = append(free, 0)
			byLane = append(byLane, nil)
		}
		free[k] = a.to
		if k < maxLanes {
			byLane[k] = append(byLane[k], a)
		}
	}
	more = max(0, len(free)-maxLanes)
	for k, attempts := range byLane[:min(len(byLane), maxLanes)] {
		l := lane{Name: fmt.Sprintf("worker %d", k+1), Did: did(attempts)}
		if len(r.attempts) <= maxBars {
			for _, a := range attempts {
				l.Bars = append(l.Bars, r.bar(x, a))
			}
		} else {
			l.Bars = slotted(x, attempts, min(maxSlots, allSlots/min(len(byLane), maxLanes)))
		}
		out = append(out, l)
	}
	return out, more
}

// did says what became of attempts.
func did(attempts []attempt) string {
	var counts [unknown + 1]int
	for _, a := range attempts {
		counts[a.class]++
	}
	text := fmt.Sprintf("%d attempts", len(attempts))
	for c, n := range counts {
		if n > 0 {
			text += fmt.Sprintf(", %d %s", n, class(c))
		}
	}
	return text
}

// gone is the name of what was in the backlog once.
const gone = "no longer in the backlog"

// bar is one attempt.
func (r *Report) bar(x *axis, a attempt) bar {
	left := x.at(a.from)
	b := bar{Left: left, Width: max(x.at(a.to)-left, 0.12), Top: barTop, Height: barHeight, Class: a.class.String(), URL: r.log(a)}
	id, title := gone, ""
	if a.item >= 0 {
		id, title = r.src.Backlog.Items[a.item].ID, r.short(a.item, 80)
		b.Label, b.Ground = fitting(id, b.Width)
	}
	b.Tip = fmt.Sprintf("%s %s\nattempt %d: %s, %s, from %s", id, title, a.number, a.class, took(a.to-a.from), r.moment(a.from).Format(time.DateTime))
	return b
}

// fitting is as much of an id's end as fits into a bar and still tells it from
// its neighbours, and how many pixels it takes.
func fitting(id string, width float64) (label string, ground float64) {
	const padding = 6
	for strings.Contains(id, ".") {
		if ground = textWidth(id) + padding; ground*100/plotWidth <= width {
			return id, ground
		}
		_, id, _ = strings.Cut(id, ".")
	}
	return "", 0
}

// slotted draws many attempts by intervals: what succeeded as one long bar, and
// over it what did not, as high as its share in the interval.
func slotted(x *axis, attempts []attempt, slots int) []bar {
	counts := make([][unknown + 1]int, slots+1)
	for _, a := range attempts {
		from, to := int(x.at(a.from)*float64(slots)/100), int(x.at(a.to)*float64(slots)/100)
		for s := from; s <= to; s++ {
			counts[s][a.class]++
		}
	}
	wide := 100 / float64(slots)
	var whole, over []bar
	for s, in := range counts[:slots] {
		all := 0
		for _, n := range in {
			all += n
		}
		if all == 0 {
			continue
		}
		left := wide * float64(s)
		if n := len(whole); n > 0 && math.Abs(whole[n-1].Left+whole[n-1].Width-left) < 1e-6 {
			whole[n-1].Width += wide
		} else {
			whole = append(whole, bar{Left: left, Width: wide, Top: barTop, Height: barHeight, Class: ok.String(), Tip: ok.String()})
		}
		top := float64(barTop)
		for c, n := range in {
			if class(c) == ok || n == 0 {
				continue
			}
			high := max(1, barHeight*float64(n)/float64(all))
			over = append(over, bar{Left: left, Width: wide, Top: top, Height: high, Class: class(c).String(), Tip: fmt.Sprintf("%d of %d attempts: %s", n, all, class(c))})
			top += high
		}
	}
	return append(whole, over...)
}

// curve is progress over time: how many subtasks were done, as points of a
// drawing of 1000 by 200.
type curve struct {
	Line, Area string
	Done       int // now
	Total      int
	Marks      []mark
	Failed     int // in all marks
}

// mark is where subtasks failed, and were not tried again in that run.
type mark struct {
	At     float64 // percent
	Failed int
}

const (
	maxPoints    = 500
	curveHeight  = 200
	maxFailMarks = 200
)

// progress counts a subtask as done when its last attempt that succeeded
// ended, if it is done now. What is done without one, was from the beginning.
func (r *Report) progress(x *axis) curve {
	b, statuses := r.src.Backlog, r.src.Statuses
	c := curve{}
	when := map[int32]float64{}
	marked := [maxFailMarks + 1]int{}
	for _, a := range r.attempts {
		if a.item >= 0 && a.class == ok && statuses[a.item].Satisfied() {
			when[a.item] = max(when[a.item], a.to)
		}
		if r.ended(a) {
			marked[int(x.at(a.to)*maxFailMarks/100)]++
			c.Failed++
		}
	}
	for k, n := range marked {
		if n > 0 {
			c.Marks = append(c.Marks, mark{100 * float64(k) / maxFailMarks, n})
		}
	}
	var ends []float64
	c.Done, c.Total = doneOf(b, statuses)
	for _, t := range when {
		ends = append(ends, t)
	}
	slices.Sort(ends)
	done := c.Done - len(ends)
	y := func(n int) float64 { return curveHeight - curveHeight*float64(n)/float64(max(1, c.Total)) }
	var line strings.Builder
	fmt.Fprintf(&line, "M0 %.1f", y(done))
	lastX := 0.0
	for k, t := range ends {
		done++
		at := math.Round(x.at(t)*maxPoints/100) * 1000 / maxPoints
		if k+1 < len(ends) && math.Round(x.at(ends[k+1])*maxPoints/100)*1000/maxPoints == at {
			continue // one point for all of an interval
		}
		fmt.Fprintf(&line, "H%.1fV%.1f", at, y(done))
		lastX = at
	}
	if lastX < 1000 {
		line.WriteString("H1000")
	}
	c.Line = line.String()
	c.Area = c.Line + fmt.Sprintf("V%dH0Z", curveHeight)
	return c
}

// took is a duration for people.
func took(s float64) string {
	d := time.Duration(min(max(s, 0), 1e9) * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
