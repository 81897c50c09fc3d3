package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/schedule"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain text", "plain text"},
		{"漢字 and e\u0301", "漢字 and e\u0301"},
		{"a\tb\r\nc\x1b[31md\x00", "a b  cd "},
		{"\x1b[1;31;4merror:\x1b[0m it \x1b(Bbroke\x1b[2", "error: it broke"},
		{"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b]no end", "alink "},
		{"\x1b\x1b[31m\x1b", ""},
		{"\x1bPdata\x1b[31mb", "b"},
		{"C1 \u009b31m and DEL \x7f", "C1  31m and DEL  "},
		{"turned \u202eround\u202c, hidden \u200b\ufeff", "turned  round , hidden   "},
		{"\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"}, // joiners stay
		{"not \xff UTF-8", "not \ufffd UTF-8"},
	}
	for _, tt := range tests {
		if got := Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{
		{"abcdef", 0, "abcdef"},
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "ab..."},
		{"abcdef", 3, "abc"},
		{"abcdef", 1, "a"},
		{"漢字漢字", 8, "漢字漢字"},
		{"漢字漢字", 7, "漢字..."},
		{"漢字漢字", 6, "漢..."}, // half a character does not fit
		{"漢字漢字", 3, "漢"},
		{"漢字", 1, ""},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"}, // combining marks take no column
		{"e\u0301e\u0301e\u0301e\u0301e\u0301", 4, "e\u0301..."},
	}
	for _, tt := range tests {
		if got := cut(tt.in, tt.width); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567 * time.Nanosecond: "1ms", 1234 * time.Millisecond: "1.2s", 83499 * time.Millisecond: "1m23s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %s, want %s", d, got, want)
		}
	}
}

// fits fails if a line is wider than the terminal.
func fits(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := columns.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{
		{"ID", "TITLE", "STATUS"},
		{"P1", "建立一個可以解析所有設定檔的模組並且測試", "Planned"},
		{"P1.M1.T1.S10", "cafe\u0301", "Complete"},
		{"P2", "", "Failed"},
	}
	for _, tt := range []struct {
		width int
		want  string
	}{
		{40, `
ID            TITLE             STATUS
P1            建立一個可以...   Planned
P1.M1.T1.S10  cafe` + "\u0301" + `              Complete
P2                              Failed
`},
		{0, `
ID            TITLE                                     STATUS
P1            建立一個可以解析所有設定檔的模組並且測試  Planned
P1.M1.T1.S10  cafe` + "\u0301" + `                                      Complete
P2                                                      Failed
`},
	} {
		var b bytes.Buffer
		if err := Table(&b, Screen{Width: tt.width}, 1, rows); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != tt.want[1:] {
			t.Errorf("at %d columns:\n%swant:\n%s", tt.width, got, tt.want[1:])
		}
		if tt.width > 0 {
			fits(t, b.String(), tt.width)
		}
	}
	var b bytes.Buffer
	if err := Table(&b, Screen{Width: 40}, 0, nil); err != nil || b.Len() > 0 {
		t.Errorf("a table of nothing: %q, %v", b.String(), err)
	}
}

// someBacklog has two subtasks.
func someBacklog(t *testing.T) *backlog.Backlog {
	t.Helper()
	sub := func(n int, title, status string) string {
		return fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":%q,"status":%q,"story_points":1,"dependencies":[],"context_scope":""}`, n, title, status)
	}
	parent := func(id, kind, title, children, list string) string {
		return fmt.Sprintf(`{"id":%q,"type":%q,"title":%q,"status":"Planned","description":"",%q:[%s]}`, id, kind, title, children, list)
	}
	b, err := backlog.Parse("tasks.json", `{"backlog":[`+
		parent("P1", "Phase", "建立一個可以解析所有設定檔的模組並且測試", "milestones",
			parent("P1.M1", "Milestone", "M", "tasks",
				parent("P1.M1.T1", "Task", "T", "subtasks",
					sub(1, "解析所有設定檔的模組並且測試", "Failed")+","+sub(2, "a\tb", "Complete"))))+`]}`)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keysOf are the members of a JSON object, sorted.
func keysOf(t *testing.T, line string) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Programs rely on the members of every event.
func TestJSONShapes(t *testing.T) {
	b := someBacklog(t)
	at := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	res := &agent.Result{Reason: "exit 75", Exit: 75, Stage: agent.RunStage, Log: "artifacts/x/run.log", Started: at, Ended: at.Add(time.Second)}
	const item = 3 // P1.M1.T1.S1
	base := "attempt id session status time title type v"
	for _, tt := range []struct {
		ev   engine.Event
		more string
	}{
		{engine.Event{Type: engine.SubtaskStarted}, ""},
		{engine.Event{Type: engine.SubtaskStage, Stage: "implement"}, "stage"},
		{engine.Event{Type: engine.SubtaskRetrying, Delay: time.Second, Retry: 1, Retries: 3, Result: res},
			"class delayMs durationMs exit log reason retries retry stage"},
		{engine.Event{Type: engine.SubtaskFinished, Status: backlog.Complete, Result: &agent.Result{Stage: agent.RunStage}}, "class durationMs exit stage"},
		{engine.Event{Type: engine.SubtaskStopped}, ""},
		{engine.Event{Type: engine.SubtaskSkipped}, ""},
	} {
		var out bytes.Buffer
		tt.ev.Time, tt.ev.Item, tt.ev.ID, tt.ev.Attempt = at, item, b.Items[item].ID, 1
		NewProgress("json", &out, "plan/x", b, Style{}, false).Event(tt.ev)
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: not one line: %q", tt.ev.Type, out.String())
		}
		want := strings.Fields(base + " " + tt.more)
		slices.Sort(want)
		if got := keysOf(t, out.String()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %v, want %v", tt.ev.Type, got, want)
		}
	}

	var out bytes.Buffer
	NewProgress("json", &out, "plan/x", b, Style{}, false).Summary(Summary{Total: 2, Done: 1, Exit: 1, Outcome: engine.Outcome{
		Started: 2, Completed: 1, Duration: time.Second,
		Failed:  []engine.Failure{{Item: item, Attempt: 1, Result: agent.Result{Exit: 1, Reason: "exit 1"}}},
		Blocked: []schedule.Blocked{{Item: item + 1, By: item}},
	}})
	line := out.String()
	if got, want := keysOf(t, line), strings.Fields("blocked completed done durationMs exit failed left retried session started time total type v"); !reflect.DeepEqual(got, want) {
		t.Errorf("the summary has %v, want %v", got, want)
	}
	for _, want := range []string{`"failed":[{"id":"P1.M1.T1.S1","attempt":1,"exit":1,"reason":"exit 1"}]`,
		`"blocked":[{"id":"P1.M1.T1.S2","by":"P1.M1.T1.S1"}]`, `"left":[]`, `"durationMs":1000`} {
		if !strings.Contains(line, want) {
			t.Errorf("the summary lacks %s: %s", want, line)
		}
	}

	out.Reset()
	plan := &Plan{Session: "plan/x", Total: 1, Subtasks: []PlanItem{{ID: "P1.M1.T1.S1", Title: "t", Command: "true", Wave: 1}}}
	if err := DryRun(&out, "json", plan, 0); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	if got, want := keysOf(t, lines[0]), strings.Fields("command id points session time title type v wave"); !reflect.DeepEqual(got, want) {
		t.Errorf("subtaskPlanned has %v, want %v", got, want)
	}
	if got, want := keysOf(t, lines[1]), strings.Fields("criticalPath dryRun estimate exit held limits outOfScope parallelism session starts time total type v waves"); !reflect.DeepEqual(got, want) {
		t.Errorf("the summary of a dry run has %v, want %v", got, want)
	}
}

// Where it is narrow, cells lose what they can do without, titles and details
// share what is still too much, and then columns go; no line is too wide.
func TestGridGivesWay(t *testing.T) {
	print := func(width int, detail string) string {
		g := detailed()
		g.Row("failed", "P1.M1.T1.S1", "建立一個可以解析所有設定檔的模組並且測試", "exit 1 at 15:30:45 (3h ago)")
		g.Row("failed", "P1.M1.T1.S10", "Short", detail)
		g.Note("what else there is to say of it, at some length")
		var b strings.Builder
		if err := g.Print(&b, Screen{Width: width}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	long := strings.Repeat("because ", 20)
	for _, tt := range []struct {
		width        int
		detail, want string
	}{
		{0, "exit 2", `
failed  P1.M1.T1.S1   建立一個可以解析所有設定檔的模組並且測試  exit 1 at 15:30:45 (3h ago)
failed  P1.M1.T1.S10  Short                                     exit 2
     what else there is to say of it, at some length
`},
		{80, "exit 2", `
failed  P1.M1.T1.S1   建立一個可以解析所有設定檔的模組並...   exit 1 at 15:30:45
failed  P1.M1.T1.S10  Short                                   exit 2
     what else there is to say of it, at some length
`},
		{80, long, `
failed  P1.M1.T1.S1   建立一個可以解析所有設定...   exit 1 at 15:30:45
failed  P1.M1.T1.S10  Short                         because because because b...
     what else there is to say of it, at some length
`},
		{40, long, `
failed  P1.M1.T1.S1   建立一個可以解...
     exit 1 at 15:30:45
failed  P1.M1.T1.S10  Short
     because because because because
     because because because because
     because because because because
     becaus...
     what else there is to say of it, at
     some length
`},
	} {
		got := print(tt.width, tt.detail)
		if got != tt.want[1:] {
			t.Errorf("at %d columns:\n%swant:\n%s", tt.width, got, tt.want[1:])
		}
		if tt.width > 0 {
			fits(t, got, tt.width)
		}
	}
	for width := 1; width < 100; width++ {
		g := NewGrid(Column{Head: "ID"}, Column{Head: "TITLE", Least: 10, Drop: 1}, Column{Head: "STATUS", Drop: 2}, Column{Head: "DONE"})
		g.Row("P1", long, "Implementing", "1/2")
		var b strings.Builder
		if err := g.Print(&b, Screen{Width: width}); err != nil {
			t.Fatal(err)
		}
		fits(t, b.String(), width)
	}
}

func TestWrap(t *testing.T) {
	red := "\x1b[31m1 Failed\x1b[0m"
	for _, tt := range []struct {
		in    string
		width int
		want  string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\n  three"},
		{"one two three", 7, "one two\n  three"},
		{"one two three", 4, "one\ntwo\nthree"}, // too wide to be indented
		{"   indented text", 12, "   indented\n  text"},
		{"   a/path/that/is/long", 8, "   a/path/that/is/long"}, // to be copied whole
		{"see a/path/that/is/long now", 12, "see\na/path/that/is/long\n  now"},
		{"two  blanks  between", 12, "two  blanks\n  between"},
		{"漢字 漢字 漢字", 9, "漢字 漢字\n  漢字"},
		{red + ", " + red, 18, red + ", " + red},
	} {
		if got := Wrap(tt.in, tt.width, "  "); got != tt.want {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
	if got, want := wrap([]string{"2 subtasks:", red + ",", red}, 21, "  "), "2 subtasks: "+red+",\n  "+red; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithoutAgo(t *testing.T) {
	for in, want := range map[string]string{
		"15:30:45 (3h ago)": "15:30:45", "failed 15:30:45 (3h ago): exit 1 (core dumped)": "failed 15:30:45: exit 1 (core dumped)",
		"long ago)": "long ago)", "": "", "exit 1": "exit 1",
	} {
		if got := WithoutAgo(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestPrintable: as byte by byte, wherever in a text a byte stands.
func TestPrintable(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				text := []byte(strings.Repeat("~ a!", 5)[:n])
				text[at] = byte(c)
				if got, want := printable(string(text)), c >= ' ' && c < 0x7f; got != want {
					t.Fatalf("%q: %v", text, got)
				}
			}
		}
	}
	if !printable("") || printable("ab\x00\xffcdefgh") {
		t.Error("an empty text, or two bytes that hide each other")
	}
}

func BenchmarkPrintable(b *testing.B) {
	title := strings.Repeat("A title of some length, as they are ", 3)
	b.Run("eight-at-once", func(b *testing.B) {
		for b.Loop() {
			printable(title)
		}
	})
	b.Run("yardstick-one-by-one", func(b *testing.B) {
		for b.Loop() {
			strings.IndexFunc(title, func(r rune) bool { return r < ' ' || r >= 0x7f })
		}
	})
}
