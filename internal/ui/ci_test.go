package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
)

// hostileRun lets a subtask with such a title fail with such output.
func hostileRun(t *testing.T, platform Platform, title, output string) string {
	t.Helper()
	b, err := backlog.Parse("tasks.json", strings.Replace(`{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","description":"","milestones":[`+
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned",`+
		`"description":"","subtasks":[{"id":"P1.M1.T1.S1","type":"Subtask","title":TITLE,"status":"Planned"}]}]}]}]}`, "TITLE", fmt.Sprintf("%q", title), 1))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := NewCI(platform, &out, ".", b, Style{})
	at := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	res := &agent.Result{Stage: "run", Started: at.Add(-time.Second), Ended: at, Exit: 3, Reason: "exit 3", Tail: []byte(output), Log: "artifacts/x/run.log"}
	ev := engine.Event{Type: engine.SubtaskFinished, Time: at, Item: 3, ID: "P1.M1.T1.S1", Attempt: 2, Status: backlog.Failed, Result: res}
	p.Event(ev)
	p.Summary(Summary{Total: 1, Outcome: engine.Outcome{Failed: []engine.Failure{{Item: 3, Attempt: 2, Result: *res}}}})
	return out.String()
}

func TestGitHub(t *testing.T) {
	got := hostileRun(t, GitHub, "100%: a, b", "one\ntwo\n")
	want := `2026-01-24T15:30:45Z failed    P1.M1.T1.S1  100%: a, b: exit 3 (1s)
::group::last lines of P1.M1.T1.S1 100%25: a, b
          | one
          | two
          the whole output: artifacts/x/run.log
::endgroup::
::error title=P1.M1.T1.S1 100%25%3A a%2C b::exit 3: two

failed    P1.M1.T1.S1  100%: a, b: exit 3 (attempt 2, 1s)
          the whole output: artifacts/x/run.log
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGitLab(t *testing.T) {
	got := hostileRun(t, GitLab, "a", "one\n")
	want := "\x1b[0Ksection_start:1769268645:hacky_P1.M1.T1.S1_2[collapsed=true]\r\x1b[0Klast lines of P1.M1.T1.S1 a\n" +
		"          | one\n          the whole output: artifacts/x/run.log\n" +
		"\x1b[0Ksection_end:1769268645:hacky_P1.M1.T1.S1_2\r\x1b[0K\n"
	if !strings.Contains(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// FuzzCI: no title and no output speaks to the platform.
func FuzzCI(f *testing.F) {
	for _, s := range []string{"::set-env name=X::y", "\n::error::x", "##[error]x", "a\r::warning::b", "  ::stop-commands::t", "\x1b[0Ksection_end:1:x\r", "%0A::error::", "#\x00#["} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, title, output string) {
		if strings.ToValidUTF8(title, "") != title || strings.ContainsAny(fmt.Sprintf("%q", title), "\\") && !jsonEscapes(title) {
			t.Skip() // not as JSON has it
		}
		ours := 0
		for line := range strings.SplitSeq(strings.ReplaceAll(hostileRun(t, GitHub, title, output), "\r", "\n"), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "::") {
				ours++
			}
			if strings.Contains(line, "##[") {
				t.Errorf("a command in %q", line)
			}
		}
		if ours != 3 {
			t.Errorf("%d commands", ours)
		}
		if n := strings.Count(hostileRun(t, GitLab, title, output), "\x1b"); n != 4 {
			t.Errorf("%d escape sequences", n)
		}
	})
}

// jsonEscapes tells whether %q writes a text as JSON would: without \x and \a.
func jsonEscapes(s string) bool {
	q := fmt.Sprintf("%q", s)
	return !strings.Contains(q, `\x`) && !strings.Contains(q, `\a`) && !strings.Contains(q, `\v`) && !strings.Contains(q, `\U`)
}
