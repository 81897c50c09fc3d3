package ui

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/schedule"
)

// TestMain lets the tests' clocks show the same everywhere.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// screen is as much of a terminal as the live view uses: lines that scroll away
// at the top, \r, \n, cursor up, and erasing a line from the cursor on.
type screen struct {
	t       *testing.T
	columns int

	mu       sync.Mutex
	lines    [][]rune // all there ever were, the screen being the last ones
	row, col int
	frames   int
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames++
	for text := []rune(string(p)); len(text) > 0; {
		for s.row >= len(s.lines) {
			s.lines = append(s.lines, nil)
		}
		switch c := text[0]; c {
		case '\r':
			s.col = 0
		case '\n':
			s.row++
		case 0x1b:
			var n int
			end := 2
			for text[end] >= '0' && text[end] <= '9' || text[end] == ';' {
				n = n*10 + int(text[end]-'0')
				end++
			}
			switch text[end] {
			case 'A':
				if s.row -= max(1, n); s.row < 0 {
					s.t.Fatalf("the cursor leaves the screen: %q", string(p))
				}
			case 'K':
				s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
			case 'm':
			default:
				s.t.Fatalf("unknown sequence in %q", string(p))
			}
			text = text[end:]
		default:
			if s.col >= s.columns {
				s.row, s.col = s.row+1, 0
				s.lines = append(s.lines, nil)
			}
			line := s.lines[s.row]
			for len(line) <= s.col {
				line = append(line, ' ')
			}
			line[s.col] = c
			s.lines[s.row] = line
			s.col++
		}
		text = text[1:]
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, line := range s.lines {
		out.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// many is a backlog of n subtasks, S1 and so on, of 2 points each.
func many(t testing.TB, n int) *backlog.Backlog {
	t.Helper()
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":"Title %[1]d","status":"Planned","story_points":2,"dependencies":[],"context_scope":""}`, i+1))
	}
	b, err := backlog.Parse("tasks.json", `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","description":"","milestones":[`+
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[`+
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","description":"","subtasks":[`+strings.Join(list, ",")+`]}]}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// liveRun is a live view of such a backlog, in simulated time.
type liveRun struct {
	*Live
	screen        *screen
	columns, rows int
}

func watch(t *testing.T, n, columns, rows int, saying func(int32) string) *liveRun {
	b := many(t, n)
	r := &liveRun{screen: &screen{t: t, columns: columns}, columns: columns, rows: rows}
	scope := make([]bool, b.Len())
	for i := range scope {
		scope[i] = true
	}
	r.Live = NewLive(LiveOptions{Terminal: r.screen, Size: func() (int, int) { return r.columns, r.rows }, ASCII: true, Session: ".", Backlog: b,
		Scope: scope, Statuses: b.Statuses(), Saying: saying})
	return r
}

func (r *liveRun) event(kind engine.EventType, n int, more ...func(*engine.Event)) {
	ev := engine.Event{Type: kind, Time: time.Now(), Item: int32(n + 2), ID: fmt.Sprintf("P1.M1.T1.S%d", n), Attempt: 1, Status: backlog.Implementing,
		Stage: "run", Result: &agent.Result{Stage: "run", Started: time.Now().Add(-2 * time.Second), Ended: time.Now(), Reason: "exit 3"}}
	for _, f := range more {
		f(&ev)
	}
	r.Event(ev)
}

func ended(status backlog.Status) func(*engine.Event) {
	return func(ev *engine.Event) { ev.Status = status }
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 4, 60, 20, func(int32) string { return "says \x1b[2Jsomething" })
		want := func(text string) {
			t.Helper()
			time.Sleep(150 * time.Millisecond)
			if got := r.screen.String(); got != text {
				t.Fatalf("the screen says\n%swant\n%s", got, text)
			}
		}
		r.event(engine.SubtaskStarted, 1)
		r.event(engine.SubtaskStarted, 2)
		want(`  P1.M1.T1.S1  Title 1  0s  says  [2Jsomething
  P1.M1.T1.S2  Title 2  0s  says  [2Jsomething
[...................   0%] 0/4, 2 running, 0s
`)
		time.Sleep(2 * time.Second)
		r.event(engine.SubtaskFinished, 1, ended(backlog.Complete))
		r.event(engine.SubtaskRetrying, 2, func(ev *engine.Event) { ev.Delay, ev.Retry, ev.Retries = 5*time.Second, 1, 3 })
		_, _ = r.Writer().Write([]byte("a log line\n"))
		want(`00:00:02 complete  P1.M1.T1.S1  Title 1 (2s)
00:00:02 retrying  P1.M1.T1.S2  Title 2: exit 3; retry 1 ...
a log line
  P1.M1.T1.S2  Title 2  again in 5s
[####...............  25%] 1/4, 1 to try again, 2s
`)
		r.event(engine.SubtaskStarted, 2)
		r.event(engine.SubtaskFinished, 2, ended(backlog.Failed))
		r.event(engine.QuotaHeld, 0, func(ev *engine.Event) { ev.Item, ev.Credential, ev.Until = -1, "claude", time.Now().Add(time.Hour) })
		time.Sleep(150 * time.Millisecond)
		got := r.screen.String()
		_, block, _ := strings.Cut(got, "its quota")
		if !strings.Contains(got, "failed    P1.M1.T1.S2  Title 2: exit 3 (2s)\n") || !strings.Contains(block, "  held  claude until 01:00:02 (in 1h0m0s)\n[") || !strings.Contains(block, "] 1/4, 1 failed, 2s\n") {
			t.Errorf("the screen says\n%s", got)
		}
		r.Summary(Summary{Total: 4, Done: 1})
		if got := r.screen.String(); strings.Contains(got, "[###") || strings.Contains(got, "held  claude until") || !strings.Contains(got, "1 of 4 subtasks done") {
			t.Errorf("at the end the screen says\n%s", got)
		}
	})
}

// TestLiveFits: whatever the window, no line of a frame is wider and the block
// is not higher.
func TestLiveFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 100, 80, 24, func(int32) string { return strings.Repeat("解析所有", 40) })
		defer r.Close()
		for n := range 50 {
			r.event(engine.SubtaskStarted, n+1)
		}
		for columns := 1; columns < 130; columns += 3 {
			for _, rows := range []int{1, 2, 5, 10, 24, 100} {
				r.mu.Lock()
				frame := r.frame(time.Now(), columns, rows)
				r.mu.Unlock()
				if len(frame) > max(2, rows-1) {
					t.Errorf("%d lines for %d rows", len(frame), rows)
				}
				for _, line := range frame {
					if n := visible(line); n >= max(2, columns) {
						t.Errorf("%d columns of %d: %q", n, columns, line)
					}
				}
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		frame := strings.Join(r.frame(time.Now(), 80, 10), "\n")
		if !strings.Contains(frame, "... and 44 more") || !strings.Contains(frame, "50 running") {
			t.Errorf("of 50:\n%s", frame)
		}
	})
}

// TestLiveNarrower: the lines of the block take more rows when the window has
// become narrower, and all of them are erased.
func TestLiveNarrower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 4, 60, 20, nil)
		defer r.Close()
		for want, block := range map[string][]string{
			"": nil, "\r\x1b[K": {"short"}, "\r\x1b[K\x1b[A\x1b[K": {strings.Repeat("x", 41)}, "\r\x1b[K" + strings.Repeat("\x1b[A\x1b[K", 3): {"a", strings.Repeat("解", 21), "b"},
		} {
			r.mu.Lock()
			r.block = block
			if got := r.erase(40); got != want {
				t.Errorf("%q: %q, want %q", block, got, want)
			}
			r.mu.Unlock()
		}
	})
}

// TestLiveEstimate: none before it means something, then by story points.
func TestLiveEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 20, 80, 24, nil)
		defer r.Close()
		line := func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.progressLine(time.Now(), 79)
		}
		for n := range 10 {
			time.Sleep(2 * time.Second)
			r.event(engine.SubtaskStarted, n+1)
			r.event(engine.SubtaskFinished, n+1, ended(backlog.Complete))
			if n < 4 && strings.Contains(line(), "left") {
				t.Errorf("after %d: %s", n+1, line())
			}
		}
		if got := line(); !strings.HasSuffix(got, "10/20, 20s, about 20s left") {
			t.Error(got)
		}
	})
}

// TestLiveIsLazy: a frame is drawn when something has changed, ten times a
// second at most, and once a second otherwise.
func TestLiveIsLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 100_000, 80, 24, nil)
		for n := range 20_000 {
			r.event(engine.SubtaskStarted, n+1)
			r.event(engine.SubtaskFinished, n+1, ended(backlog.Complete))
			if n%1000 == 0 {
				time.Sleep(50 * time.Millisecond)
			}
		}
		if n := r.screen.frames; n > 11 {
			t.Errorf("%d frames in a second", n)
		}
		before := r.screen.frames
		time.Sleep(10 * time.Second)
		if n := r.screen.frames - before; n < 9 || n > 11 {
			t.Errorf("%d frames in ten quiet seconds", n)
		}
		r.Close()
		if got := strings.Count(r.screen.String(), "complete"); got != 20_000 {
			t.Errorf("%d lines scrolled away", got)
		}
	})
}

// TestLiveAfterClose: what comes then goes through.
func TestLiveAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 1, 80, 24, nil)
		_, _ = fmt.Fprintln(r.Writer(), "before")
		r.Close()
		r.Close()
		_, _ = fmt.Fprintln(r.Writer(), "after")
		if got := r.screen.String(); got != "before\nafter\n" {
			t.Errorf("%q", got)
		}
	})
}

// BenchmarkLive is what a subtask costs the live view, beside a plain line.
func BenchmarkLive(b *testing.B) {
	backlog100k := many(b, 100_000)
	for _, kind := range []string{"plain", "live"} {
		b.Run(kind, func(b *testing.B) {
			p := NewProgress("plain", &bytes.Buffer{}, ".", backlog100k)
			if kind == "live" {
				l := NewLive(LiveOptions{Terminal: &bytes.Buffer{}, Size: func() (int, int) { return 80, 24 }, Backlog: backlog100k,
					Scope: make([]bool, backlog100k.Len()), Statuses: backlog100k.Statuses()})
				defer l.Close()
				p = l
			}
			res := &agent.Result{Stage: "run", Started: time.Now(), Ended: time.Now()}
			for i := 0; b.Loop(); i++ {
				ev := engine.Event{Type: engine.SubtaskStarted, Time: time.Now(), Item: int32(i%100_000 + 3), ID: "P1.M1.T1.S1", Stage: "run", Attempt: 1}
				p.Event(ev)
				ev.Type, ev.Result, ev.Status = engine.SubtaskFinished, res, 5
				p.Event(ev)
			}
		})
	}
}

// A line that is too long loses of its title, not why or how long.
func TestTitleGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 2, 80, 24, nil)
		r.o.Backlog.Items[3].Title = strings.Repeat("a very long title ", 10)
		r.event(engine.SubtaskStarted, 1)
		time.Sleep(150 * time.Millisecond)
		r.event(engine.SubtaskFinished, 1, ended(backlog.Failed))
		res := agent.Result{Stage: "run", Reason: "exit 3", Ended: time.Now(), Started: time.Now().Add(-time.Second), Tail: []byte(strings.Repeat("said ", 50))}
		r.Summary(Summary{Total: 2, Outcome: engine.Outcome{Failed: []engine.Failure{{Item: 3, Attempt: 1, Result: res}}, Blocked: []schedule.Blocked{{Item: 4, By: 3}}}})
		got := r.screen.String()
		for _, want := range []string{
			"00:00:00 failed    P1.M1.T1.S1  a very long title a very long ti...: exit 3 (2s)\n",
			"\nfailed    P1.M1.T1.S1  a very long title a very long ...: exit 3 (attempt 1, 1s)\n          | said said said ",
			"\nblocked   P1.M1.T1.S2  Title 2: waits for P1.M1.T1.S1, which failed\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no line %q in\n%s", want, got)
			}
		}
		for line := range strings.Lines(got) {
			if len(line) > 81 {
				t.Errorf("%d columns: %s", len(line)-1, line)
			}
		}
	})
}
