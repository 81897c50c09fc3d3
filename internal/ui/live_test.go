package ui

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
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
// at the top, \r, \n, cursor up, erasing a line from the cursor on, and lines that
// wrap or do not. One that hangs takes nothing.
type screen struct {
	t       *testing.T
	columns int
	noWrap  bool
	hangs   chan struct{} // nil: it does not

	mu       sync.Mutex
	lines    [][]rune // all there ever were, the screen being the last ones
	row, col int
	frames   int
}

// hang lets it take nothing until the channel is closed, and returns the one from
// before.
func (s *screen) hang(c chan struct{}) (before chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.hangs = s.hangs, c
	return before
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
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
			if strings.HasPrefix(string(text), wrapOff) || strings.HasPrefix(string(text), wrapOn) {
				s.noWrap = strings.HasPrefix(string(text), wrapOff)
				text = text[len(wrapOn):]
				continue
			}
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
			if s.noWrap && s.col >= s.columns {
				s.col = s.columns - 1
			}
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

// drawn is how many frames there were.
func (s *screen) drawn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, line := range s.lines {
		out.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	if s.noWrap {
		s.t.Error("a frame has left autowrap off")
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
		Scope: scope, Statuses: b.Statuses(), Saying: saying, Parallelism: 2})
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
		want(`  P1.M1.T1.S1  Title 1  0s  says something
  P1.M1.T1.S2  Title 2  0s  says something
[...................   0%] 0/4, 2 running, 0s
`)
		time.Sleep(2 * time.Second)
		r.event(engine.SubtaskFinished, 1, ended(backlog.Complete))
		r.event(engine.SubtaskRetrying, 2, func(ev *engine.Event) { ev.Delay, ev.Retry, ev.Retries = 5*time.Second, 1, 3 })
		_, _ = r.Writer().Write([]byte("a log line\n"))
		want(`00:00:02 complete  P1.M1.T1.S1  Title 1 (2s)
00:00:02 retrying  P1.M1.T1.S2  Title 2: 1/3 in 5s: exit 3
a log line
  P1.M1.T1.S2  Title 2  again in 5s
[####...............  25%] 1/4, 1 to try again, 2s
`)
		r.event(engine.SubtaskStarted, 2)
		r.event(engine.SubtaskFinished, 2, ended(backlog.Failed))
		r.event(engine.QuotaHeld, 0, func(ev *engine.Event) { ev.Item, ev.Credential, ev.Until = -1, "claude", time.Now().Add(time.Hour) })
		time.Sleep(150 * time.Millisecond)
		got := r.screen.String()
		_, block, _ := strings.Cut(got, "held      claude")
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
		if !strings.Contains(frame, "... and 43 more") || !strings.Contains(frame, "50 running") {
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
		const up = "\x1b[A\x1b[K"
		for want, block := range map[string][]string{
			"": nil, "\r\x1b[K" + up: {"short"}, "\r\x1b[K" + up + up: {strings.Repeat("x", 41)}, "\r\x1b[K" + strings.Repeat(up, 4): {"a", strings.Repeat("解", 21), "b"},
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

// TestLiveEstimate: none before it means something, none when nothing more is
// started or a quota is waited for; from earlier runs at once.
func TestLiveEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 20, 100, 24, nil)
		defer r.Close()
		last := func() string {
			lines := strings.Split(strings.TrimSpace(r.screen.String()), "\n")
			return lines[len(lines)-1]
		}
		for n := range 10 {
			r.event(engine.SubtaskStarted, n+1)
			time.Sleep(4 * time.Second)
			r.event(engine.SubtaskFinished, n+1, ended(backlog.Complete))
			if n < 4 && strings.Contains(last(), "left") {
				t.Errorf("after %d: %s", n+1, last())
			}
		}
		time.Sleep(outlookEvery)
		// Ten of 4s, two at once, worked out up to two seconds ago.
		if got := last(); !regexp.MustCompile(`10/20, 4\ds, about (1[7-9]|20)s left$`).MatchString(got) {
			t.Error(got)
		}
		r.event(engine.QuotaHeld, 0, func(ev *engine.Event) { ev.Item, ev.Credential, ev.Until = -1, "claude", time.Now().Add(time.Hour) })
		time.Sleep(outlookEvery)
		if got := last(); strings.Contains(got, "left") {
			t.Errorf("while a quota is waited for: %s", got)
		}
		r.event(engine.QuotaReleased, 0, func(ev *engine.Event) { ev.Item, ev.Credential = -1, "claude" })
		time.Sleep(outlookEvery + 2*secondEvery)
		if got := last(); !strings.Contains(got, "left") {
			t.Error(got)
		}
		r.Stopping("Ctrl+C again stops what runs")
		synctest.Wait()
		if got := last(); !regexp.MustCompile(`10/20, \d+s, Ctrl\+C again stops what runs$`).MatchString(got) {
			t.Error(got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 20, 100, 24, nil)
		r.Close()
		o := r.o
		o.Past = func() *schedule.Pace {
			var p schedule.Pace
			for i := range int32(5) {
				p.Took(i+3, 2, 60)
			}
			return &p
		}
		r.Live = NewLive(o)
		defer r.Close()
		time.Sleep(secondEvery + 2*frameEvery)
		if got := r.screen.String(); !regexp.MustCompile(`about (10m00|9m5\d)s left`).MatchString(got) {
			t.Error(got)
		}
	})
}

// graph is a backlog of one task: "S2 3 < S1" is S2 with 3 story points.
func graph(t *testing.T, lines ...string) *backlog.Backlog {
	t.Helper()
	var list []string
	for _, line := range lines {
		own, deps, _ := strings.Cut(line, " <")
		var ids []string
		for _, d := range strings.Fields(deps) {
			ids = append(ids, fmt.Sprintf(`"P1.M1.T1.%s"`, d))
		}
		name, points, _ := strings.Cut(own, " ")
		list = append(list, fmt.Sprintf(`{"id":"P1.M1.T1.%s","type":"Subtask","title":"t","status":"Planned","story_points":%s,"dependencies":[%s],"context_scope":""}`,
			name, points, strings.Join(ids, ",")))
	}
	b, err := backlog.Parse("tasks.json", `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","description":"","milestones":[`+
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[`+
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","description":"","subtasks":[`+strings.Join(list, ",")+`]}]}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOutlook(t *testing.T) {
	b := graph(t, "S1 1", "S2 3", "S3 1 < S2", "S4 8 < S3", "S5 0")
	for name, c := range map[string]struct {
		change  func(s *situation)
		want    time.Duration
		blocked int
	}{
		"by story points, along the chain":      {func(*situation) {}, 120 * time.Second, 0},
		"by one":                                {func(s *situation) { s.parallelism = 1 }, 140 * time.Second, 0}, // S5 as the mean
		"what is done counts no more":           {func(s *situation) { s.statuses[4] = backlog.Complete }, 90 * time.Second, 0},
		"what is out of scope does not count":   {func(s *situation) { s.scope[6] = false }, 40 * time.Second, 0},
		"what is blocked does not count":        {func(s *situation) { s.statuses[4] = backlog.Failed }, 10 * time.Second, 2},
		"what runs has come some way":           {func(s *situation) { s.running[4], s.statuses[4] = 20, backlog.Implementing }, 100 * time.Second, 0},
		"what runs too long lasts as long more": {func(s *situation) { s.running[4], s.statuses[4] = 100, backlog.Implementing }, 190 * time.Second, 0},
		"what waits for its retry waits":        {func(s *situation) { s.running[4], s.statuses[4] = -15, backlog.Retrying }, 135 * time.Second, 0},
		"no more than so many are started":      {func(s *situation) { s.startable = 2 }, 30 * time.Second, 0},
		"only what runs":                        {func(s *situation) { s.startable, s.running[3], s.statuses[3] = 0, 4, backlog.Implementing }, 6 * time.Second, 0},
		"until the time is up":                  {func(s *situation) { s.until = 45 * time.Second }, 45 * time.Second, 0},
		"four are too few":                      {func(s *situation) { s.pace = &schedule.Pace{}; fill(s.pace, 4) }, 0, 0},
		"nothing is left":                       {func(s *situation) { s.startable = 0 }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := situation{backlog: b, statuses: b.Statuses(), running: map[int32]float64{}, pace: &schedule.Pace{}, parallelism: 2, startable: -1}
			fill(s.pace, leastFinished)
			for range b.Len() {
				s.scope = append(s.scope, true)
			}
			c.change(&s)
			got := s.outlook()
			if got.left != c.want || got.known != (c.want > 0) || got.blocked != c.blocked {
				t.Errorf("%+v, want %v, %d blocked", got, c.want, c.blocked)
			}
		})
	}
}

// fill lets so many others have taken 10s a story point.
func fill(p *schedule.Pace, n int32) {
	for i := range n {
		p.Took(1000+i, 1, 10)
	}
}

// TestLiveHangs: a terminal that takes nothing keeps nobody waiting, and what was
// too much for it is counted.
func TestLiveHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 100_000, 80, 24, nil)
		r.screen.hangs = make(chan struct{})
		began := time.Now()
		for n := range 60_000 {
			r.event(engine.SubtaskStarted, n+1)
			r.event(engine.SubtaskFinished, n+1, ended(backlog.Complete))
			if n%1000 == 0 {
				time.Sleep(frameEvery)
			}
		}
		_, _ = r.Writer().Write([]byte("the last line\n"))
		if took := time.Since(began); took > 60*frameEvery {
			t.Errorf("events took %v more", took-60*frameEvery)
		}
		r.mu.Lock()
		if n := r.above.Len(); n > mostAbove {
			t.Errorf("%d bytes wait", n)
		}
		dropped, waiting := r.dropped, bytes.Count(r.above.Bytes(), []byte("\n"))
		r.mu.Unlock()
		began = time.Now()
		r.Close()
		if took := time.Since(began); took != patience {
			t.Errorf("Close took %v", took)
		}
		close(r.screen.hangs) // it goes on
		synctest.Wait()
		got := r.screen.String()
		if !strings.Contains(got, fmt.Sprintf("... %d lines are left out here", dropped)) || dropped == 0 {
			t.Errorf("%d lines were dropped, and it is not said", dropped)
		}
		if n := strings.Count(got, "complete  ") + 1; n < waiting || n+dropped < 60_001 {
			t.Errorf("%d lines came, %d were dropped", n, dropped)
		}
		if !strings.HasSuffix(got, "\nthe last line\n") {
			t.Errorf("the end: %q", got[max(0, len(got)-200):])
		}
	})
}

// TestLiveSuspend: nothing is drawn while the process is about to be stopped, and
// what others have written then stays.
func TestLiveSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 2, 80, 24, nil)
		r.event(engine.SubtaskStarted, 1)
		time.Sleep(frameEvery + frameEvery/2)
		r.Suspend()
		_, _ = r.screen.Write([]byte("[1]+  Stopped\r\n"))
		r.event(engine.SubtaskFinished, 1, ended(backlog.Complete))
		r.event(engine.SubtaskStarted, 2)
		time.Sleep(3 * time.Second)
		if got := r.screen.String(); got != "[1]+  Stopped\n" {
			t.Errorf("while it is suspended the screen says\n%s", got)
		}
		r.Resume()
		time.Sleep(3 * time.Second)
		if got := r.screen.String(); !strings.HasPrefix(got, "[1]+  Stopped\n00:00:00 complete  P1.M1.T1.S1  Title 1 (2s)\n  P1.M1.T1.S2") {
			t.Errorf("the screen says\n%s", got)
		}
		r.Close()
		r.Suspend() // when it is over, this does nothing
	})
}

// TestLiveCounts: what is counted follows what others do, too.
func TestLiveCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 3, 80, 24, nil)
		defer r.Close()
		wants := func(text string) {
			t.Helper()
			time.Sleep(secondEvery)
			lines := strings.Split(strings.TrimSpace(r.screen.String()), "\n")
			if got := lines[len(lines)-1]; !strings.Contains(got, "] "+text+", ") {
				t.Errorf("%q, want %q", got, text)
			}
		}
		r.event(engine.SubtaskStarted, 1)
		r.event(engine.SubtaskStage, 1, func(ev *engine.Event) { ev.Stage, ev.Attempt = "implement", 2 })
		wants("0/3, 1 running")
		if got := r.screen.String(); !strings.Contains(got, "  P1.M1.T1.S1  Title 1  0s implement, attempt 2\n") {
			t.Errorf("the screen says\n%s", got)
		}
		r.event(engine.SubtaskFinished, 1, ended(backlog.Failed))
		r.event(engine.SubtaskStarted, 2)
		r.event(engine.SubtaskHeld, 2, ended(backlog.Planned))
		wants("0/3, 1 failed")
		r.event(engine.SubtaskRevived, 1, ended(backlog.Planned))
		wants("0/3")
		r.event(engine.SubtaskStarted, 1)
		r.event(engine.SubtaskFinished, 1, ended(backlog.Failed))
		r.event(engine.SubtaskSkipped, 1, ended(backlog.Complete))
		r.event(engine.SubtaskSkipped, 2, ended(backlog.Obsolete))
		wants("2/3")
	})
}

// TestLiveNarrow: on a narrow terminal what matters is left.
func TestLiveNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 12, 40, 20, func(int32) string { return "says something rather long" })
		defer r.Close()
		r.o.Backlog.Items[3].Title = "A title that is long as well"
		for n := range 4 {
			r.event(engine.SubtaskStarted, n+1)
		}
		r.event(engine.SubtaskRetrying, 2, func(ev *engine.Event) { ev.Delay, ev.Retry, ev.Retries = 5*time.Second, 1, 3 })
		r.event(engine.SubtaskFinished, 3, ended(backlog.Failed))
		time.Sleep(150 * time.Millisecond)
		want := `retrying  P1.M1.T1.S2: 1/3 in 5s: exit 3
00:00:00 failed    P1.M1.T1.S3: exit 3
  P1.M1.T1.S1  A titl...  0s  says s...
  P1.M1.T1.S2  Title 2  again in 5s
  P1.M1.T1.S4  Title 4  0s  says som...
0/12, 1 failed, 2 running, 0s
`
		if got := r.screen.String(); got != want {
			t.Errorf("the screen says\n%swant\n%s", got, want)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for width, want := range map[int]string{20: "  P1.M1.T1.S1  0s", 24: "  P1.M1.T1.S1  0s", 60: "  P1.M1.T1.S1  A title that is ...  0s  says something ra..."} {
			if got := r.line(r.running[0], time.Now(), width); !strings.HasPrefix(got, want) {
				t.Errorf("%d columns: %q, want %q", width, got, want)
			}
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
		if n := r.screen.drawn(); n > 11 {
			t.Errorf("%d frames in a second", n)
		}
		before := r.screen.drawn()
		time.Sleep(10 * time.Second)
		if n := r.screen.drawn() - before; n < 9 || n > 11 {
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
			p := NewProgress("plain", &bytes.Buffer{}, ".", backlog100k, Style{}, true)
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

// BenchmarkOutlook is what working the outlook out costs for 100,000 subtasks; it
// is done so seldom that this is half a percent of the time.
func BenchmarkOutlook(b *testing.B) {
	bl := many(b, 100_000)
	s := situation{backlog: bl, statuses: bl.Statuses(), scope: make([]bool, bl.Len()), running: map[int32]float64{}, pace: &schedule.Pace{}, parallelism: 8, startable: -1}
	for i := range s.scope {
		s.scope[i] = true
	}
	fill(s.pace, leastFinished)
	for b.Loop() {
		s.outlook()
	}
}

// TestLiveHangsAtTheEnd: nothing that a signal does waits for a terminal that takes
// nothing, not even when the view is over.
func TestLiveHangsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 2, 80, 24, nil)
		r.event(engine.SubtaskStarted, 1)
		time.Sleep(2 * frameEvery)
		r.screen.hang(make(chan struct{}))
		began := time.Now()
		r.Suspend()
		r.Resume()
		r.Close()
		r.Stopping("stopping")
		_, _ = r.Writer().Write([]byte("a line\n"))
		r.event(engine.SubtaskFinished, 1, ended(backlog.Complete))
		if took := time.Since(began); took > 2*patience {
			t.Errorf("it took %v", took)
		}
		close(r.screen.hang(nil))
	})
}

// TestLiveBackground: in the background lines are printed and nothing is drawn.
func TestLiveBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := watch(t, 2, 80, 24, nil)
		defer r.Close()
		ours := true
		r.mu.Lock()
		r.o.Foreground = func() bool { return ours }
		r.mu.Unlock()
		r.event(engine.SubtaskStarted, 1)
		time.Sleep(2 * frameEvery)
		r.mu.Lock()
		ours = false
		r.mu.Unlock()
		r.event(engine.SubtaskFinished, 1, ended(backlog.Failed))
		r.event(engine.SubtaskStarted, 2)
		time.Sleep(3 * time.Second)
		if got := r.screen.String(); got != "00:00:00 failed    P1.M1.T1.S1  Title 1: exit 3 (2s)\n" {
			t.Errorf("the screen says\n%s", got)
		}
		r.mu.Lock()
		ours = true
		r.mu.Unlock()
		time.Sleep(secondEvery + frameEvery)
		if got := r.screen.String(); !strings.Contains(got, "0/2, 1 failed, 1 running") {
			t.Errorf("the screen says\n%s", got)
		}
	})
}
