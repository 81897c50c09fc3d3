package profile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // 400 KB: services name zones that a bare container does not know
)

// MaxReset is how far ahead a reset time may be.
const MaxReset = 60 * 24 * time.Hour

// justPast is how long ago a reset time may be and still be meant: it was in
// the future when it was printed.
const justPast = 5 * time.Minute

// ParseReset finds when a limit ends in what a service said about it: a point
// in time (seconds or milliseconds since 1970, RFC 3339, an HTTP date), a date
// or clock time as people write it, with a zone or in loc, or a span from now
// ("in 2 hours", "retry-after: 3600"). A clock time is its next occurrence, a
// date without a year too. A zone that nobody knows counts as loc.
//
// until is never before now nor more than MaxReset after it. What passed up to
// five minutes ago is now; anything else outside is not a reset time.
func ParseReset(text string, now time.Time, loc *time.Location) (until time.Time, ok bool) {
	found, ok := parseReset(text, now, loc)
	return found.at, ok
}

// found is a reset time, and what people should know of how it was read.
type found struct {
	at   time.Time
	note string
}

// maxResetText is how much of a text is looked at: its end.
const maxResetText = 8 << 10

// maxTimes is how many times of one form are looked at.
const maxTimes = 2000

func parseReset(text string, now time.Time, loc *time.Location) (found, bool) {
	if loc == nil {
		loc = now.Location()
	}
	c := clock{now: now, loc: loc}
	text = plain(end(text, maxResetText))
	// A time that stands behind a word like "resets" is meant before any other:
	// logs begin their lines with one.
	var taken [][]int // by a form before; "Nov 22, 4am" is never 4am
	for _, loose := range []bool{false, true} {
		for _, form := range forms() {
			if loose && !form.loose {
				continue
			}
			for _, at := range form.find.FindAllStringSubmatchIndex(text, maxTimes) {
				if !loose && !announced(text, at[0], at[1]) || retrying(text[:at[0]]) || overlaps(at, taken) {
					continue
				}
				taken = append(taken, at[:2])
				sub := make([]string, len(at)/2)
				for i := range sub {
					if at[2*i] >= 0 {
						sub[i] = text[at[2*i]:at[2*i+1]]
					}
				}
				f := form.read(c, sub)
				if t, ok := within(f.at, now); ok && (!loose || t.After(now)) {
					return found{t, f.note}, true
				}
			}
		}
	}
	return found{}, false
}

func overlaps(at []int, others [][]int) bool {
	return slices.ContainsFunc(others, func(o []int) bool { return at[0] < o[1] && o[0] < at[1] })
}

// within is t if it may be a reset time, now if it has just passed.
func within(t, now time.Time) (time.Time, bool) {
	switch {
	case t.IsZero(), t.Before(now.Add(-justPast)), t.After(now.Add(MaxReset)):
		return time.Time{}, false
	case t.Before(now):
		return now, true
	}
	return t, true
}

// retrying reports whether what follows is when an agent tries again by itself.
func retrying(before string) bool {
	const word = "retrying "
	return len(before) >= len(word) && strings.EqualFold(before[len(before)-len(word):], word)
}

// announced reports whether a match is all of the text, or a word before it, or
// at its beginning, says what it is.
func announced(text string, from, to int) bool {
	if strings.TrimSpace(text[:from])+strings.TrimSpace(text[to:]) == "" {
		return true
	}
	line := strings.LastIndexByte(text[:from], '\n') + 1
	return announcement().MatchString(text[max(line, from-60):to])
}

// clock is what relative and local times are counted from.
type clock struct {
	now time.Time
	loc *time.Location
}

// form is one way of writing a time.
type form struct {
	find  *regexp.Regexp
	read  func(c clock, sub []string) found
	loose bool // it is hardly anything else, wherever it stands
}

const (
	months   = `(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?`
	day      = `(\d{1,2})(?:st|nd|rd|th)?`
	timeOf   = `(\d{1,2})(?:(?::(\d{2}))(?::\d{2})?)?(?: ?([ap])\.?m\b\.?)?`
	zoneName = `(?: ?\(([A-Za-z0-9_+/-]{1,40})\)| ?\b(UTC|GMT|Z|[ECMP][SD]T)\b| ?([+-]\d{2}:?\d{2})\b)?`
	number   = `(\d{1,9}(?:\.\d{1,12})?)`
	unit     = `(milliseconds?|millis|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|hr|h|days?|d|weeks?|w)`
	amount   = number + ` ?` + unit
)

const (
	epochForm = `\b(\d{10}|\d{13})\b`
	isoForm   = `(?i)\b(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?(?: ?(z|utc|gmt)\b|([+-]\d{2}):?(\d{2})\b)?|\b)`
	httpForm  = `\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\b`
	afterForm = `(?i)\bretry[-_ ]?(?:after|delay)(?:[-_ ]?(ms|seconds?|secs?))?["']?(?:\s*[:=]\s*|\s+)["'\[]?` + number + `(?: ?` + unit + `)?\b`
	spanForm  = `(?i)\b(?:in|within|wait|resets|after)\s*:?\s*(?:about|approximately|around|another|less than|~)? ?((?:` + amount + `(?:,? (?:and )?)?){0,6}` + amount + `)\b`
	dateForm  = `(?i)\b` + months + ` ` + day + `\b(?:,? (\d{4})\b)?(?:,?(?: at)? ` + timeOf + zoneName + `)?`
	dayForm   = `(?i)\b` + day + ` ` + months + `(?:,? (\d{4})\b)?(?:,?(?: at)? ` + timeOf + zoneName + `)?`
	weekForm  = `(?i)\b(sun|mon|tue|wed|thu|fri|sat|tomorrow)[a-z]*,?(?: at)? ` + timeOf + zoneName
	clockForm = `(?i)\b` + timeOf + zoneName
)

// The patterns are compiled when the first text is looked at: all of them
// together take longer than the rest of a short command.
var (
	// forms is all of them, those first that leave nothing open.
	forms = sync.OnceValue(func() []form {
		return []form{
			{regexp.MustCompile(isoForm), clock.iso, true},
			{regexp.MustCompile(httpForm), clock.http, true},
			{regexp.MustCompile(epochForm), clock.epoch, false},
			{regexp.MustCompile(afterForm), clock.after, true},
			{regexp.MustCompile(spanForm), clock.span, true},
			{regexp.MustCompile(dateForm), func(c clock, s []string) found { return c.date(s[1], s[2], s[3], s[4:]) }, true},
			{regexp.MustCompile(dayForm), func(c clock, s []string) found { return c.date(s[2], s[1], s[3], s[4:]) }, true},
			{regexp.MustCompile(weekForm), func(c clock, s []string) found { return c.weekday(s[1], s[2:]) }, false},
			{regexp.MustCompile(clockForm), func(c clock, s []string) found { return c.timeOfDay(s[1:]) }, false},
		}
	})
	oneAmount = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)` + amount) })
	// announcement is what says of a time that it is meant.
	announcement = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)reset|retry|try again|until|after|available|wait|back|reached ?\||renew|resume|expire|unlock`)
	})
)

func (c clock) epoch(s []string) found {
	n, _ := strconv.ParseFloat(s[1], 64)
	return found{at: epoch(n).In(c.loc)}
}

func (c clock) http(s []string) found {
	t, _ := time.Parse(httpDate, s[0])
	return found{at: t}
}

func (c clock) iso(s []string) found {
	zone, layout := "", "2006-01-02T15:04:05"
	text := s[1] + "T" + cmp.Or(s[2], "00:00") + cmp.Or(s[3], ":00")
	switch {
	case s[4] != "":
		zone = "+00:00"
	case s[5] != "":
		zone = s[5] + ":" + s[6]
	}
	if zone != "" {
		t, _ := time.Parse(layout+"Z07:00", text+zone)
		return found{at: t}
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return found{}
	}
	return found{at: c.earliest(wall{t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second()}, c.loc)}
}

func (c clock) after(s []string) found {
	return c.in(s[2], cmp.Or(s[3], s[1], "s"))
}

func (c clock) span(s []string) found {
	var total time.Duration
	for _, m := range oneAmount().FindAllStringSubmatch(s[1], -1) {
		d, ok := duration(m[1], m[2])
		if !ok || total > MaxReset {
			return found{}
		}
		total += d
	}
	return found{at: c.now.Add(total)}
}

func (c clock) in(n, unit string) found {
	d, ok := duration(n, unit)
	if !ok {
		return found{}
	}
	return found{at: c.now.Add(d)}
}

// duration is n units; not ok if it is longer than any reset may be.
func duration(n, unit string) (time.Duration, bool) {
	per := time.Second
	switch unit = strings.ToLower(unit); {
	case strings.HasPrefix(unit, "ms"), strings.HasPrefix(unit, "milli"):
		per = time.Millisecond
	case strings.HasPrefix(unit, "m"):
		per = time.Minute
	case strings.HasPrefix(unit, "h"):
		per = time.Hour
	case strings.HasPrefix(unit, "d"):
		per = 24 * time.Hour
	case strings.HasPrefix(unit, "w"):
		per = 7 * 24 * time.Hour
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil || f*per.Seconds() > MaxReset.Seconds() {
		return 0, false
	}
	return time.Duration(f * float64(per)), true
}

// date reads a month's day; clockAndZone is what timeOf and zoneName found.
func (c clock) date(month, day, year string, clockAndZone []string) found {
	m := 1 + strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(month))/3
	d, _ := strconv.Atoi(day)
	h, minute, ok := 0, 0, true
	if clockAndZone[1] != "" || clockAndZone[2] != "" { // more than a number
		h, minute, ok = hourOf(clockAndZone)
	}
	if !ok || d < 1 || d > 31 {
		return found{}
	}
	loc, note := c.zone(clockAndZone[3:])
	years := []int{}
	if y, err := strconv.Atoi(year); err == nil {
		years = append(years, y)
	} else {
		y := c.now.In(loc).Year()
		years = append(years, y-1, y, y+1)
	}
	for _, y := range years {
		t := c.earliest(wall{y, time.Month(m), d, h, minute, 0}, loc)
		if t.In(loc).Day() == d && !t.Before(c.now.Add(-justPast)) {
			return found{t, note}
		}
	}
	return found{}
}

func (c clock) weekday(name string, clockAndZone []string) found {
	h, minute, ok := hourOf(clockAndZone)
	if !ok {
		return found{}
	}
	loc, note := c.zone(clockAndZone[3:])
	today := c.now.In(loc)
	name = strings.ToLower(name)
	for ahead := range 8 {
		d := today.AddDate(0, 0, ahead)
		if name == "tomorrow" && ahead != 1 || name != "tomorrow" && !strings.HasPrefix(strings.ToLower(d.Weekday().String()), name) {
			continue
		}
		if t := c.earliest(wall{d.Year(), d.Month(), d.Day(), h, minute, 0}, loc); !t.Before(c.now.Add(-justPast)) {
			return found{t, note}
		}
	}
	return found{}
}

// timeOfDay is the next time that a clock shows this.
func (c clock) timeOfDay(clockAndZone []string) found {
	if clockAndZone[1] == "" && clockAndZone[2] == "" { // a mere number
		return found{}
	}
	h, minute, ok := hourOf(clockAndZone)
	if !ok {
		return found{}
	}
	loc, note := c.zone(clockAndZone[3:])
	// Noon, so that no change of the clocks moves the day; from yesterday on, for
	// what has just passed at midnight.
	y, m, d := c.now.In(loc).Date()
	for ahead := -1; ahead <= 2; ahead++ {
		noon := time.Date(y, m, d+ahead, 12, 0, 0, 0, loc)
		if t := c.earliest(wall{noon.Year(), noon.Month(), noon.Day(), h, minute, 0}, loc); !t.Before(c.now.Add(-justPast)) {
			return found{t, note}
		}
	}
	return found{}
}

// hourOf reads what timeOf found: hour, minutes, a or p.
func hourOf(s []string) (hour, minute int, ok bool) {
	hour, _ = strconv.Atoi(s[0])
	minute, _ = strconv.Atoi(cmp.Or(s[1], "0"))
	switch half := strings.ToLower(s[2]); {
	case minute > 59:
		return 0, 0, false
	case half == "":
		return hour, minute, hour < 24
	case hour < 1 || hour > 12:
		return 0, 0, false
	case half == "p":
		return hour%12 + 12, minute, true
	}
	return hour % 12, minute, true
}

// zone reads what zoneName found: a name in parentheses, a well-known
// abbreviation, or an offset.
func (c clock) zone(s []string) (loc *time.Location, note string) {
	name := cmp.Or(s[0], s[1])
	if s[2] != "" {
		name = s[2]
	}
	switch upper := strings.ToUpper(name); upper {
	case "":
		return c.loc, ""
	case "UTC", "GMT", "Z":
		return time.UTC, ""
	case "EST", "EDT":
		name = "America/New_York"
	case "CST", "CDT":
		name = "America/Chicago"
	case "MST", "MDT":
		name = "America/Denver"
	case "PST", "PDT":
		name = "America/Los_Angeles"
	case "LOCAL":
		return c.loc, ""
	}
	if t, err := time.Parse("-0700", strings.ReplaceAll(name, ":", "")); err == nil {
		return t.Location(), ""
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return c.loc, fmt.Sprintf(" (there is no zone %s; taken for local time)", name)
	}
	return loc, ""
}

// wall is what calendar and clock show.
type wall struct {
	year              int
	month             time.Month
	day, hour, minute int
	second            int
}

// earliest is the first time at which the clocks of loc show w and that has not
// passed; the last of those that have, if there is no other. What they skip in
// spring is taken for as much later.
func (c clock) earliest(w wall, loc *time.Location) time.Time {
	t := time.Date(w.year, w.month, w.day, w.hour, w.minute, w.second, 0, loc)
	shown := func(t time.Time) time.Time { // as if there were no zones
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	}
	want := time.Date(w.year, w.month, w.day, w.hour, w.minute, w.second, 0, time.UTC)
	if skipped := want.Sub(shown(t)); skipped > 0 {
		return t.Add(skipped)
	} else if skipped < 0 {
		return t
	}
	// In autumn they show it twice, an hour apart; half of one somewhere.
	best := t
	for _, apart := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
		other := t.Add(apart)
		if !shown(other).Equal(want) {
			continue
		}
		passed := best.Before(c.now.Add(-justPast))
		if passed && other.After(best) || !passed && other.Before(best) && !other.Before(c.now.Add(-justPast)) {
			best = other
		}
	}
	return best
}
