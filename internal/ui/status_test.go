package ui

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
)

// somewhere is the status of someBacklog.
func somewhere(t *testing.T) *Status {
	t.Helper()
	b := someBacklog(t)
	return &Status{Session: ".", Subtasks: 2, Counts: map[string]int{"Complete": 1, "Failed": 1},
		Phases: []Part{{"P1", b.Items[0].Title, "Planned", 1, 2}},
		Failed: []*Listed{{ID: "P1.M1.T1.S1", Title: b.Items[3].Title, Standing: HasFailed, Reason: "exit 1"}},
		Items:  []ItemStatus{}, Backlog: b, Statuses: b.Statuses(), Chosen: []bool{true, true, true, true, true}}
}

func TestStatusFits(t *testing.T) {
	s := somewhere(t)
	var table, tree bytes.Buffer
	if err := s.Table(&table, Screen{Width: 50}, time.Now()); err != nil {
		t.Fatal(err)
	}
	want := `ID  TITLE           STATUS   DONE  PROGRESS
P1  建立一個可...   Planned  1/2   #####.....  50%

2 subtasks: 1 Complete, 1 Failed

failed  P1.M1.T1.S1  解析所有設定檔的模組並且測試
     exit 1
`
	if table.String() != want {
		t.Errorf("table:\n%swant:\n%s", table.String(), want)
	}
	fits(t, table.String(), 50)
	if err := s.Tree(&tree, Screen{Width: 40}, false); err != nil {
		t.Fatal(err)
	}
	want = `Planned       P1  建立一個可以解析所...
  Planned       P1.M1  M
    Planned       P1.M1.T1  T
      Failed        P1.M1.T1.S1  解析...
      Complete      P1.M1.T1.S2  a b
`
	if tree.String() != want {
		t.Errorf("tree:\n%swant:\n%s", tree.String(), want)
	}
	fits(t, tree.String(), 40)
}

// What is finished is one line, that says how much it stands for, however
// narrow the terminal is.
func TestTreeFolds(t *testing.T) {
	s := somewhere(t)
	s.Statuses = []backlog.Status{backlog.Complete, backlog.Complete, backlog.Complete, backlog.Obsolete, backlog.Complete}
	for width, want := range map[int]string{
		0:  "Complete      P1  建立一個可以解析所有設定檔的模組並且測試 (2 subtasks)\n",
		40: "Complete      P1  建立一... (2 subtasks)\n",
	} {
		var b bytes.Buffer
		if err := s.Tree(&b, Screen{Width: width}, false); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%d columns: %q, want %q", width, b.String(), want)
		}
	}
	var b bytes.Buffer
	if err := s.Tree(&b, Screen{}, true); err != nil || strings.Count(b.String(), "\n") != 5 {
		t.Errorf("unfolded: %v\n%s", err, b.String())
	}
	s.Chosen[3] = false // half of it is out of scope
	s.Statuses[4] = backlog.Planned
	b.Reset()
	if err := s.Tree(&b, Screen{}, false); err != nil || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("open: %v\n%s", err, b.String())
	}
}

// Both forms of the document are what the encoders would have made of it: JSON to
// the byte, YAML but for quotes.
func TestStatusDocuments(t *testing.T) {
	s := somewhere(t)
	s.Held, s.Running, s.Interrupted = []Hold{}, []*Listed{}, []*Listed{}
	titles := []string{"", "plain", `a "b" \ <&>`, "漢\u2028", "\x00\x7f", "a\tb", "yes", "No", "null", "~", "12", "1e3", "0x10", ".nan", "- a", "a: b", "a #b", "a ", " a",
		"über allem", "übrigens: ja", "two\nlines\n", "\u0085\ufeff", "\u00a0a", "P1.M1", "it's", "[a]", "{a}", "*a", "&a", "!a", "%a", "@a", "`a`", "'a'", "2026-01-24", "a,b", "=", "<<", "e\u0301"}
	at := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	for _, chosen := range [][]bool{make([]bool, 5), s.Chosen, {true, false, false, true, false}} {
		s.Chosen, s.Items, s.Blocked, s.Matches = chosen, []ItemStatus{}, []BlockedBy{}, nil
		switch {
		case chosen[0]:
			s.Matches = Matches{}
			for _, title := range titles {
				s.Blocked = append(s.Blocked, BlockedBy{"P1", title, "P2"})
				s.Matches = append(s.Matches, &Listed{ID: "P1", Title: title, Status: "Planned", Standing: IsReady},
					&Listed{ID: "P1", Title: title, Status: "Failed", Standing: HasFailed, Since: &at, Reason: title, LastLine: "x"})
			}
		case !chosen[4]:
			s.Matches = Matches{} // nothing is like that, and that is said
		}
		var gotJSON, gotYAML, want, wantYAML bytes.Buffer
		if err := s.JSON(&gotJSON); err != nil {
			t.Fatal(err)
		}
		if err := s.YAML(&gotYAML); err != nil {
			t.Fatal(err)
		}
		for i := range s.Backlog.Items {
			if it := &s.Backlog.Items[i]; chosen[i] {
				s.Items = append(s.Items, ItemStatus{it.ID, it.Kind.String(), it.Title, s.Statuses[i].String()})
			}
		}
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if gotJSON.String() != want.String() {
			t.Errorf("got\n%swant\n%s", gotJSON.String(), want.String())
		}
		var fromJSON, fromYAML, fromEncoder any
		if err := yaml.NewEncoder(&wantYAML).Encode(s); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(wantYAML.Bytes(), &fromEncoder); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(gotYAML.Bytes(), &fromYAML); err != nil {
			t.Fatalf("%v\n%s", err, gotYAML.String())
		}
		if !reflect.DeepEqual(fromYAML, fromEncoder) {
			t.Errorf("YAML: got\n%swant\n%s", gotYAML.String(), wantYAML.String())
		}
		// Through JSON, so that numbers and times are of one type.
		if err := json.Unmarshal(gotJSON.Bytes(), &fromJSON); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &fromYAML); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fromYAML, fromJSON) {
			t.Errorf("the forms differ:\n%s%s", gotYAML.String(), gotJSON.String())
		}
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		done, all int
		unicode   bool
		want      string
	}{
		{0, 0, false, "..........   0%"},
		{1, 100_000, false, "..........   0%"},
		{99_999, 100_000, false, "#########.  99%"}, // not full before it is
		{7, 7, false, "########## 100%"},
		{1, 2, true, "█████░░░░░  50%"},
	} {
		if got := bar(tt.done, tt.all, 10, tt.unicode); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.done, tt.all, got, tt.want)
		}
	}
}

func TestFrame(t *testing.T) {
	text := "1\n2\n3\n4\n"
	for height, want := range map[int][]string{
		0: {"1", "2", "3", "4"}, // unknown
		5: {"1", "2", "3", "4"},
		4: {"1", "2", "... 2 more lines"},
		2: {"... 4 more lines"},
	} {
		if got := Frame(text, height); !reflect.DeepEqual(got, want) {
			t.Errorf("%d lines: %q, want %q", height, got, want)
		}
	}
}

// A status is coloured where it is one, and not where somebody's title says the
// same; colours take no columns, and what is cut has none that are not ended.
func TestColours(t *testing.T) {
	rows := [][]string{{"DONE", "TITLE", "FAILED"}, {"P1", "Failed", "Failed"}, {"P2", strings.Repeat("long ", 20), "Complete"}}
	print := func(on Screen) string {
		var b strings.Builder
		if err := Table(&b, on, 1, rows); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, width := range []int{0, 40} {
		painted := print(Screen{Width: width, Style: Style{On: true}})
		if sgr().ReplaceAllString(painted, "") != print(Screen{Width: width}) {
			t.Errorf("colours moved something:\n%q", painted)
		}
		if strings.Count(painted, red) != 1 || !strings.Contains(painted, red+"Failed"+reset) || strings.Count(painted, green) != 1 || !strings.Contains(painted, green+"Complete"+reset) {
			t.Errorf("%d columns: wrong colours:\n%q", width, painted)
		}
	}
	narrow := print(Screen{Width: 6, Style: Style{On: true}})
	for line := range strings.Lines(narrow) {
		if got := visible(strings.TrimSuffix(line, "\n")); got > 6 {
			t.Errorf("%q takes %d columns", line, got)
		}
		if strings.Count(line, "\x1b") != 2*strings.Count(line, reset) {
			t.Errorf("a colour goes on in %q", line)
		}
	}
}

// Why something failed is a line, whatever it printed last.
func TestBecause(t *testing.T) {
	for _, tt := range []struct {
		l    Listed
		want string
	}{
		{Listed{Reason: "exit 1"}, "exit 1"},
		{Listed{LastLine: "said"}, "said"},
		{Listed{Reason: "exit\x1b[2J 1", LastLine: "\x1b[31mred\x1b[0m \x1b]0;title\x07and\x07 \u202eturned"}, "exit 1: red and   turned"},
		{Listed{Reason: "exit 1", LastLine: strings.Repeat("x", 5000)}, "exit 1: " + strings.Repeat("x", 197) + "..."},
	} {
		if got := tt.l.because(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
