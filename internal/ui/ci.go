package ui

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// Platform is a CI system that shows more than plain lines.
type Platform string

// The platforms.
const (
	GitHub Platform = "github" // annotations and groups: workflow commands
	GitLab Platform = "gitlab" // sections
)

// ci is a plain progress that also speaks to a CI system: the last lines of what
// failed come in a group that can be opened, and on GitHub the last one of these
// in an annotation. GitHub shows ten annotations of a step: the tenth says how
// many more there are, at the end. The summary names what failed, but does not
// repeat its output.
//
// Text of tasks and of commands must not speak to it. On GitHub a command is
// what begins a line with "::", blanks not counted, or stands anywhere as
// "##[..."; on GitLab it is an escape sequence. Lines that are printed here begin
// with other words, control characters are cleaned away, and the rest is
// replaced.
//
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
// https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
type ci struct {
	*plain
	platform Platform
	failed   int // under plain.mu
}

// annotated is how many failures are annotated, one each.
const annotated = 9

// NewCI is the progress display for a CI system.
func NewCI(platform Platform, w io.Writer, session string, b *backlog.Backlog, style Style) Progress {
	if platform == GitHub {
		w = &unheard{w: w}
	}
	return &ci{plain: &plain{w: w, session: session, b: b, screen: Screen{Style: style}, tailless: true}, platform: platform}
}

// unheard takes the older form of commands out of what passes, line by line as
// it is printed.
type unheard struct {
	mu sync.Mutex
	w  io.Writer
}

func (u *unheard) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, err := u.w.Write(bytes.ReplaceAll(p, []byte("##["), []byte("## ["))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *ci) Event(ev engine.Event) {
	c.plain.Event(ev)
	if ev.Type != engine.SubtaskFinished || ev.Status != backlog.Failed {
		return
	}
	title := ev.ID + " " + Clean(c.b.Items[ev.Item].Title)
	said := reason(ev.Result)
	var b strings.Builder
	tail := lastLines(ev.Result.Tail)
	c.begin(&b, ev, "last lines of "+title)
	c.output(&b, ev.Result, tail)
	c.end(&b, ev)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed++; c.platform == GitHub && c.failed <= annotated {
		if len(tail) > 0 {
			said += ": " + tail[len(tail)-1]
		}
		fmt.Fprintf(&b, "::error title=%s::%s\n", property(title), data(said))
	}
	_, _ = io.WriteString(c.w, b.String())
}

func (c *ci) Summary(s Summary) {
	c.plain.Summary(s)
	if more := c.failed - annotated; c.platform == GitHub && more > 0 {
		_, _ = fmt.Fprintf(c.w, "::error title=hacky::%d more failed; the summary at the end of the log names them\n", more)
	}
}

func (c *ci) begin(b *strings.Builder, ev engine.Event, header string) {
	if c.platform == GitHub {
		fmt.Fprintf(b, "::group::%s\n", data(header))
		return
	}
	fmt.Fprintf(b, "\x1b[0Ksection_start:%d:%s[collapsed=true]\r\x1b[0K%s\n", ev.Time.Unix(), section(ev), header)
}

func (c *ci) end(b *strings.Builder, ev engine.Event) {
	if c.platform == GitHub {
		b.WriteString("::endgroup::\n")
		return
	}
	fmt.Fprintf(b, "\x1b[0Ksection_end:%d:%s\r\x1b[0K\n", ev.Time.Unix(), section(ev))
}

// section is a name of its own for each attempt; ids hold letters, digits and
// dots only, which a name may.
func section(ev engine.Event) string { return fmt.Sprintf("hacky_%s_%d", ev.ID, ev.Attempt) }

// data escapes the message of a workflow command.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes what stands before the message.
func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
