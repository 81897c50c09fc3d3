package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// Progress shows a run. It may be used by many goroutines at once. Errors of
// the writer are dropped: a reader that went away must not stop a run.
type Progress interface {
	Event(engine.Event)
	Summary(Summary)
}

// Summary is the end of a run.
type Summary struct {
	Outcome engine.Outcome
	Total   int    // subtasks in scope
	Done    int    // of these Complete or Obsolete now
	Exit    int    // the exit code
	Error   string // why updates are not in tasks.json; "" if they are
}

// NewProgress is the progress display of a kind: "plain", "json" or "none";
// "auto" and "tty" are plain. session is the directory as the user wrote it. Who
// watches plain lines on a terminal gets the clock; in a file, which may be read
// on another day and elsewhere, they have the date and the zone.
func NewProgress(kind string, w io.Writer, session string, b *backlog.Backlog, style Style, watched bool) Progress {
	switch kind {
	case "json":
		return &jsonProgress{w: w, session: session, b: b}
	case "none":
		return none{}
	}
	return &plain{w: w, session: session, b: b, clock: watched, screen: Screen{Style: style}}
}

type none struct{}

func (none) Event(engine.Event) {}
func (none) Summary(Summary)    {}

// plain prints a line per event and a summary.
type plain struct {
	mu       sync.Mutex
	w        io.Writer
	session  string
	b        *backlog.Backlog
	clock    bool // times without date and zone
	tailless bool // the summary does without the output of what failed
	printed  bool
	screen   Screen // of a terminal; the zero one cuts and colours nothing
}

func (p *plain) Event(ev engine.Event) {
	word := ""
	var details []string // the shorter the later
	switch ev.Type {
	case engine.SubtaskStage:
		return
	case engine.QuotaHeld:
		p.line(ev.Time, "held", Clean(ev.Credential), "", ": its quota is used up until "+Until(ev.Until, ev.Time), ": until "+Until(ev.Until, ev.Time))
		return
	case engine.QuotaReleased:
		p.line(ev.Time, "released", Clean(ev.Credential), "", ": it is tried again")
		return
	case engine.SubtaskHeld:
		word, details = "held", []string{fmt.Sprintf(": waits for the quota of %s until %s; this costs no attempt", Clean(ev.Credential), Until(ev.Until, ev.Time)),
			": until " + Until(ev.Until, ev.Time)}
	case engine.SubtaskStarted:
		word, details = "started", []string{""}
		if ev.Attempt > 1 {
			details[0] = fmt.Sprintf(" (attempt %d)", ev.Attempt)
		}
	case engine.SubtaskRetrying:
		word, details = "retrying", []string{fmt.Sprintf(": %s; retry %d of %d in %s", Clean(ev.Result.Reason), ev.Retry, ev.Retries, Duration(ev.Delay)),
			fmt.Sprintf(": %d/%d in %s: %s", ev.Retry, ev.Retries, Duration(ev.Delay), Clean(ev.Result.Reason))}
	case engine.SubtaskFinished:
		took := " (" + Duration(ev.Result.Ended.Sub(ev.Result.Started)) + ")"
		word, details = strings.ToLower(ev.Status.String()), []string{took}
		if ev.Status != backlog.Complete {
			details = []string{": " + reason(ev.Result) + took, ": " + reason(ev.Result)}
		}
	case engine.SubtaskStopped:
		word, details = "stopped", []string{""}
	case engine.SubtaskSkipped:
		word, details = "skipped", []string{fmt.Sprintf(": another program made it %s", ev.Status)}
	case engine.SubtaskRevived:
		word, details = "planned", []string{": another program put it back", ": put back"}
	}
	p.line(ev.Time, word, ev.ID, Clean(p.b.Items[ev.Item].Title), details...)
}

func (p *plain) line(at time.Time, word, what, title string, details ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printed = true
	when := at.Format(time.RFC3339)
	if p.clock {
		when = at.Format("15:04:05")
	}
	_, _ = fmt.Fprintln(p.w, p.screen.fit(when, word, what, title, details...))
}

// fit is a line of the screen: when ("" is not said), a word, which is coloured,
// what it is about, its title and a detail. Where there is no room the title is
// cut, then the detail gives way to a shorter one, then the title goes, then
// when, and only then the line is cut: word and detail are why it is there.
func (on Screen) fit(when, word, what, title string, details ...string) string {
	if when != "" {
		when += " "
	}
	head := fmt.Sprintf("%-8s  %s", word, what)
	line := ""
	try := func(before, title string, least int) {
		for _, detail := range details {
			room := on.Width - columnsOf(before+head+detail)
			if line == "" && (on.Width <= 0 || room >= least) {
				if title != "" && on.Width > 0 {
					title = cut(title, room-2)
				}
				if title != "" {
					title = "  " + title
				}
				line = before + head + title + detail
			}
		}
	}
	try(when, title, 2+min(shortTitle, columnsOf(title)))
	try(when, "", 0)
	try("", "", 0)
	if line == "" {
		when = ""
		line = cut(head+details[len(details)-1], on.Width)
	}
	for _, before := range []string{when, ""} {
		if rest, ok := strings.CutPrefix(line, before+word); ok {
			return before + on.Style.Word(word) + rest
		}
	}
	return line
}

// Until is a time as people say it at now: the clock, with the date if it is
// not today.
func Until(t, now time.Time) string {
	t = t.Local()
	text := t.Format("15:04:05")
	if y, m, d := t.Date(); now.Local().Format(time.DateOnly) != fmt.Sprintf("%04d-%02d-%02d", y, m, d) {
		text = t.Format("2006-01-02 15:04")
	}
	return text + " (in " + Duration(t.Sub(now).Round(time.Second)) + ")"
}

// reason is what failed, and where if it was not the only command.
func reason(res *agent.Result) string {
	text := Clean(res.Reason)
	if res.Stage != agent.RunStage && res.Stage != "" {
		text = res.Stage + ": " + text
	}
	return text
}

// shown bounds the lists of a summary.
const shown = 20

// tailLines is how many of the last lines of a failed command are shown.
const tailLines = 10

func (p *plain) Summary(s Summary) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	if p.printed {
		b.WriteByte('\n')
	}
	out := s.Outcome
	for k, f := range out.Failed {
		if k == shown {
			fmt.Fprintf(&b, "... and %d more failed; \"hacky status\" lists them\n", len(out.Failed)-k)
			break
		}
		p.failure(&b, f)
	}
	for k, bl := range out.Blocked {
		if k == shown {
			fmt.Fprintf(&b, "... and %d more blocked\n", len(out.Blocked)-k)
			break
		}
		it := &p.b.Items[bl.Item]
		by := p.b.Items[bl.By].ID
		b.WriteString(p.screen.fit("", "blocked", it.ID, Clean(it.Title), ": waits for "+by+", which failed", ": by "+by) + "\n")
	}
	for k, w := range out.Warned {
		if k == shown {
			fmt.Fprintf(&b, "... and more warnings; \"hacky show ID\" lists those of a subtask\n")
			break
		}
		b.WriteString("warning   " + p.b.Items[w.Item].ID + "  " + Clean(w.Text) + "\n")
	}
	if len(out.Failed)+len(out.Blocked)+len(out.Warned) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(s.totals())
	switch {
	case s.Error != "":
		b.WriteString("stopped: tasks.json cannot be written\n")
	case out.Drained != nil && len(out.Left) > 0:
		fmt.Fprintf(&b, "stopped: %s; run it again to go on, what is done is not repeated\n", Clean(out.Drained.Error()))
	case out.Limit != "" && len(out.Left) > 0:
		fmt.Fprintf(&b, "stopped by --%s; run it again to go on, what is done is not repeated\n", out.Limit)
	case len(out.Held) > 0 && len(out.Left) > 0:
		for _, h := range out.Held {
			fmt.Fprintf(&b, "held      %s: %s, its quota is used up until %s\n", Clean(h.Credential), subtasksWait(h.Waiting), Until(h.Until, time.Now()))
		}
		b.WriteString("stopped: the wait is longer than --quota-wait; run it again then, what is done is not repeated\n")
	case len(out.Failed) > 0:
		b.WriteString("mend what failed and run it again; what is done is not repeated\n")
	}
	_, _ = io.WriteString(p.w, b.String())
}

// totals says in one line how far the scope is, and what this run did.
func (s Summary) totals() string {
	out := s.Outcome
	if s.Total == 0 {
		return "nothing to run: the backlog has no subtasks yet; put the plan into it, then run it again\n"
	}
	if s.Done == s.Total && out.Started == 0 {
		return fmt.Sprintf("nothing to run: %s in scope, Complete or Obsolete\n", subtasks(s.Total))
	}
	line := fmt.Sprintf("%d of %s done", s.Done, subtasks(s.Total))
	for _, part := range []struct {
		n    int
		word string
	}{{len(out.Failed), "failed"}, {len(out.Blocked), "blocked"}, {len(out.Left), "left"}} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.word)
		}
	}
	line += fmt.Sprintf("; this run: %d completed", out.Completed)
	if out.Retried > 0 {
		line += fmt.Sprintf(", %d retried", out.Retried)
	}
	return line + " in " + Duration(out.Duration) + "\n"
}

func (p *plain) failure(b *strings.Builder, f engine.Failure) {
	it := &p.b.Items[f.Item]
	b.WriteString(p.screen.fit("", "failed", it.ID, Clean(it.Title),
		fmt.Sprintf(": %s (attempt %d, %s)", reason(&f.Result), f.Attempt, Duration(f.Result.Ended.Sub(f.Result.Started))), ": "+reason(&f.Result)) + "\n")
	var tail []string
	if !p.tailless {
		tail = lastLines(f.Result.Tail)
	}
	p.output(b, &f.Result, tail)
}

// output is the end of what a command printed, and where the rest is.
func (p *plain) output(b *strings.Builder, res *agent.Result, tail []string) {
	for _, line := range tail {
		b.WriteString(cut("          | "+line, p.screen.Width) + "\n")
	}
	if res.Log != "" {
		fmt.Fprintf(b, "          the whole output: %s\n", joinPath(p.session, res.Log))
	}
	if res.LogError != "" {
		fmt.Fprintf(b, "          its output could not be kept: %s\n", Clean(res.LogError))
	}
}

// lastLines are the last lines of an output, fit to be printed.
func lastLines(tail []byte) []string {
	text := strings.TrimRight(string(tail), "\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for k, line := range lines {
		lines[k] = cut(Clean(strings.TrimRight(line, "\r")), 200)
	}
	return lines
}

func joinPath(dir, file string) string {
	if dir == "." || dir == "" {
		return file
	}
	return strings.TrimSuffix(dir, "/") + "/" + file
}

// jsonProgress prints one JSON object a line (§9).
type jsonProgress struct {
	mu      sync.Mutex
	w       io.Writer
	session string
	b       *backlog.Backlog
}

func subtasksWait(n int) string {
	if n == 1 {
		return "1 subtask waits"
	}
	return fmt.Sprintf("%d subtasks wait", n)
}

// jsonQuota is an event of a credential as it is printed.
type jsonQuota struct {
	V          int              `json:"v"`
	Time       time.Time        `json:"time"`
	Type       engine.EventType `json:"type"`
	Session    string           `json:"session"`
	Credential string           `json:"credential"`
	Until      *time.Time       `json:"until,omitempty"`
}

// jsonEvent is an event of a subtask as it is printed.
type jsonEvent struct {
	V          int              `json:"v"`
	Time       time.Time        `json:"time"`
	Type       engine.EventType `json:"type"`
	Session    string           `json:"session"`
	ID         string           `json:"id"`
	Title      string           `json:"title"`
	Attempt    int              `json:"attempt"`
	Status     backlog.Status   `json:"status"`
	Stage      string           `json:"stage,omitempty"`
	Class      string           `json:"class,omitempty"`
	Exit       *int             `json:"exit,omitempty"`
	Reason     string           `json:"reason,omitempty"`
	Log        string           `json:"log,omitempty"`
	DurationMs *int64           `json:"durationMs,omitempty"`
	DelayMs    int64            `json:"delayMs,omitempty"`
	Retry      int              `json:"retry,omitempty"`
	Retries    int              `json:"retries,omitempty"`
	Credential string           `json:"credential,omitempty"`
	Until      *time.Time       `json:"until,omitempty"`
}

func (p *jsonProgress) Event(ev engine.Event) {
	var until *time.Time
	if !ev.Until.IsZero() {
		until = &ev.Until
	}
	if ev.Item < 0 {
		p.print(jsonQuota{1, ev.Time, ev.Type, p.session, ev.Credential, until})
		return
	}
	e := jsonEvent{V: 1, Time: ev.Time, Type: ev.Type, Session: p.session, ID: ev.ID, Title: p.b.Items[ev.Item].Title,
		Attempt: ev.Attempt, Status: ev.Status, Stage: ev.Stage, DelayMs: ev.Delay.Milliseconds(), Retry: ev.Retry, Retries: ev.Retries,
		Credential: ev.Credential, Until: until}
	if r := ev.Result; r != nil {
		ms := r.Ended.Sub(r.Started).Milliseconds()
		e.Class, e.Exit, e.Reason, e.Log, e.DurationMs = r.Class.String(), &r.Exit, r.Reason, r.Log, &ms
		if e.Stage == "" {
			e.Stage = r.Stage
		}
	}
	p.print(e)
}

type jsonBlocked struct {
	ID string `json:"id"`
	By string `json:"by"`
}

type jsonHeld struct {
	Credential string    `json:"credential"`
	Until      time.Time `json:"until"`
	Waiting    int       `json:"waiting"` // subtasks
}

// jsonSummary is the last line of `--progress json`.
type jsonSummary struct {
	V          int           `json:"v"`
	Time       time.Time     `json:"time"`
	Type       string        `json:"type"`
	Session    string        `json:"session"`
	Total      int           `json:"total"`
	Done       int           `json:"done"`
	Started    int           `json:"started"`
	Completed  int           `json:"completed"`
	Retried    int           `json:"retried"`
	Failed     []jsonFailed  `json:"failed"`
	Blocked    []jsonBlocked `json:"blocked"`
	Left       []string      `json:"left"`
	Held       []jsonHeld    `json:"held,omitempty"`
	Warnings   []jsonWarning `json:"warnings,omitempty"` // of attempts, the first 50
	Limit      string        `json:"limit,omitempty"`
	Error      string        `json:"error,omitempty"`
	DurationMs int64         `json:"durationMs"`
	Exit       int           `json:"exit"`
}

type jsonFailed struct {
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	Exit    int    `json:"exit"`
	Reason  string `json:"reason"`
	Log     string `json:"log,omitempty"`
	Tail    string `json:"tail,omitempty"`
}

type jsonWarning struct {
	ID      string `json:"id"`
	Warning string `json:"warning"`
}

func (p *jsonProgress) Summary(s Summary) {
	out := s.Outcome
	e := jsonSummary{V: 1, Time: time.Now(), Type: summaryType, Session: p.session, Total: s.Total, Done: s.Done,
		Started: out.Started, Completed: out.Completed, Retried: out.Retried, Limit: out.Limit, Error: s.Error,
		Failed: []jsonFailed{}, Blocked: []jsonBlocked{}, Left: []string{},
		DurationMs: out.Duration.Milliseconds(), Exit: s.Exit}
	for _, f := range out.Failed {
		e.Failed = append(e.Failed, jsonFailed{p.b.Items[f.Item].ID, f.Attempt, f.Result.Exit, f.Result.Reason, f.Result.Log, string(f.Result.Tail)})
	}
	for _, bl := range out.Blocked {
		e.Blocked = append(e.Blocked, jsonBlocked{p.b.Items[bl.Item].ID, p.b.Items[bl.By].ID})
	}
	for _, i := range out.Left {
		e.Left = append(e.Left, p.b.Items[i].ID)
	}
	for _, h := range out.Held {
		e.Held = append(e.Held, jsonHeld(h))
	}
	for _, w := range out.Warned {
		e.Warnings = append(e.Warnings, jsonWarning{p.b.Items[w.Item].ID, w.Text})
	}
	p.print(e)
}

func (p *jsonProgress) print(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		return // all fields encode
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.w.Write(append(line, '\n'))
}

// EventShape is how lines of `--progress json` are encoded that have one of
// these types.
type EventShape struct {
	Of    reflect.Type
	Types []string
}

// EventShapes are all there are, for those who describe the lines to programs.
func EventShapes() []EventShape {
	subtask := []string{string(engine.SubtaskStarted), string(engine.SubtaskStage), string(engine.SubtaskRetrying), string(engine.SubtaskHeld),
		string(engine.SubtaskFinished), string(engine.SubtaskStopped), string(engine.SubtaskSkipped), string(engine.SubtaskRevived)}
	return []EventShape{
		{reflect.TypeFor[jsonEvent](), subtask},
		{reflect.TypeFor[jsonQuota](), []string{string(engine.QuotaHeld), string(engine.QuotaReleased)}},
		{reflect.TypeFor[jsonSummary](), []string{summaryType}},
		{reflect.TypeFor[jsonPlanned](), []string{plannedType}},
		{reflect.TypeFor[jsonDryRun](), []string{summaryType}},
	}
}

// The types of events that no engine sends.
const (
	summaryType = "summary"
	plannedType = "subtaskPlanned"
)
