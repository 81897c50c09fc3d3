package ui

import (
	"fmt"
	"strings"
	"time"
)

// Standing says in one word how a subtask stands.
type Standing string

// The standings. Only Done is satisfied; a subtask that waits, waits for
// another.
const (
	Done        Standing = "done"
	HasFailed   Standing = "failed"
	IsHeld      Standing = "held"
	Interrupted Standing = "interrupted" // its status says it runs, and no run has the session
	Runs        Standing = "running"
	IsReady     Standing = "ready"
	Waits       Standing = "waiting"
)

// Listed is a subtask in the lists of commands that read.
type Listed struct {
	ID         string     `json:"id" yaml:"id"`
	Title      string     `json:"title" yaml:"title"`
	Status     string     `json:"status" yaml:"status"`
	Standing   Standing   `json:"standing" yaml:"standing"`
	Since      *time.Time `json:"since,omitempty" yaml:"since,omitempty"` // running: since when; failed: when
	Attempt    int        `json:"attempt,omitempty" yaml:"attempt,omitempty"`
	Reason     string     `json:"reason,omitempty" yaml:"reason,omitempty"`
	LastLine   string     `json:"lastLine,omitempty" yaml:"lastLine,omitempty"` // of its output; failed: of the first 200
	Log        string     `json:"log,omitempty" yaml:"log,omitempty"`           // relative to the session
	Credential string     `json:"credential,omitempty" yaml:"credential,omitempty"`
	Until      *time.Time `json:"until,omitempty" yaml:"until,omitempty"`
}

// Ago is a time in the past as people say it at now: the clock, with the date
// if it is not today.
func Ago(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	text := t.Format("15:04:05")
	if t.Format(time.DateOnly) != now.Format(time.DateOnly) {
		text = t.Format("2006-01-02 15:04")
	}
	return text + " (" + roughly(max(0, now.Sub(t))) + " ago)"
}

// roughly is a duration in its largest unit.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// because is why a subtask failed, with what it said last.
func (s *Listed) because() string {
	const most = 200 // columns; the log has the rest
	text := Clean(s.Reason)
	if last := cut(Clean(s.LastLine), most); last != "" {
		text = strings.TrimPrefix(text+": "+last, ": ")
	}
	return text
}

// WithoutAgo leaves out of what Ago says how long ago it was.
func WithoutAgo(text string) string {
	end := strings.Index(text, " ago)")
	if end < 0 {
		return text
	}
	begin := strings.LastIndex(text[:end], " (")
	if begin < 0 {
		return text
	}
	return text[:begin] + text[end+len(" ago)"):]
}

// stands is what is told about a subtask after its name.
func (s *Listed) stands(now time.Time) string {
	since := func(verb string) string {
		if s.Since == nil {
			return ""
		}
		return " " + verb + Ago(*s.Since, now)
	}
	because := ""
	if why := s.because(); why != "" {
		because = ": " + why
	}
	switch s.Standing {
	case HasFailed:
		return "failed" + since("") + because
	case Runs:
		if s.Status == "Retrying" {
			return "waits to be tried again, failed" + since("") + because
		}
		return strings.ToLower(s.Status) + since("since ")
	case Interrupted:
		return "interrupted" + since("in an attempt begun ") + ": no run has the session"
	case IsHeld:
		if s.Until != nil {
			return "held: the quota of " + Clean(s.Credential) + " is used up until " + Until(*s.Until, now)
		}
	case IsReady:
		return "ready" + since("since ")
	}
	return string(s.Standing)
}
