package backlog

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func number(t *testing.T, b *Backlog, id string) int32 {
	t.Helper()
	i, ok := b.Lookup(id)
	if !ok {
		t.Fatalf("no item %s", id)
	}
	return i
}

func names(b *Backlog, items []int32) string {
	var ids []string
	for _, i := range items {
		ids = append(ids, b.Items[i].ID)
	}
	return strings.Join(ids, " ")
}

func TestItems(t *testing.T) {
	b := mustParse(t, forest(nil))
	var lines []string
	for i, it := range b.Items {
		if n := number(t, b, it.ID); n != int32(i) {
			t.Errorf("Lookup(%s) is %d, want %d", it.ID, n, i)
		}
		lines = append(lines, fmt.Sprintf("%d %s %s parent %d end %d", i, it.Kind, it.ID, it.Parent, it.End))
	}
	want := `0 Phase P1 parent -1 end 11
1 Milestone P1.M1 parent 0 end 7
2 Task P1.M1.T1 parent 1 end 5
3 Subtask P1.M1.T1.S1 parent 2 end 4
4 Subtask P1.M1.T1.S2 parent 2 end 5
5 Task P1.M1.T2 parent 1 end 7
6 Subtask P1.M1.T2.S1 parent 5 end 7
7 Milestone P1.M2 parent 0 end 11
8 Task P1.M2.T1 parent 7 end 10
9 Subtask P1.M2.T1.S1 parent 8 end 10
10 Task P1.M2.T2 parent 7 end 11
11 Phase P2 parent -1 end 12`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
	for _, id := range []string{"", "P3", "P1.M1.T1.S", "p1", "P1 "} {
		if i, ok := b.Lookup(id); ok {
			t.Errorf("Lookup(%q) is %d", id, i)
		}
	}
	if b.Len() != 12 || b.Size() != len(forest(nil)) || b.Source() != forest(nil) {
		t.Error("Len, Size or Source")
	}
}

func TestChildren(t *testing.T) {
	b := mustParse(t, forest(nil))
	for id, want := range map[string]string{
		"P1":          "P1.M1 P1.M2",
		"P1.M1":       "P1.M1.T1 P1.M1.T2",
		"P1.M1.T1":    "P1.M1.T1.S1 P1.M1.T1.S2",
		"P1.M2":       "P1.M2.T1 P1.M2.T2",
		"P1.M2.T2":    "",
		"P1.M1.T1.S1": "",
		"P2":          "",
	} {
		if got := names(b, slices.Collect(b.Children(number(t, b, id)))); got != want {
			t.Errorf("children of %s: %s, want %s", id, got, want)
		}
	}
	for c := range b.Children(0) { // may be left early
		if b.Items[c].ID != "P1.M1" {
			t.Error(b.Items[c].ID)
		}
		break
	}
}

func TestDependenciesAndDependents(t *testing.T) {
	b := mustParse(t, forest(map[string]string{
		"P1.M1.T1.S1": "P1.M2 P1.M1.T2.S1",
		"P1.M1.T1.S2": "P1.M1.T1.S1 P1.M2",
		"P1.M2.T1.S1": "P2 P1.M1.T2",
	}))
	for id, want := range map[string]string{
		"P1.M1.T1.S1": "P1.M2 P1.M1.T2.S1", // as in the file
		"P1.M1.T1.S2": "P1.M1.T1.S1 P1.M2",
		"P1.M1.T2.S1": "",
		"P1.M2.T1.S1": "P2 P1.M1.T2",
		"P1":          "",
		"P2":          "",
	} {
		if got := names(b, b.Dependencies(number(t, b, id))); got != want {
			t.Errorf("%s depends on %q, want %q", id, got, want)
		}
	}
	for id, want := range map[string]string{
		"P1.M2":       "P1.M1.T1.S1 P1.M1.T1.S2",
		"P1.M1.T2":    "P1.M2.T1.S1",
		"P1.M1.T2.S1": "P1.M1.T1.S1",
		"P1.M1.T1.S1": "P1.M1.T1.S2",
		"P2":          "P1.M2.T1.S1",
		"P1":          "",
		"P1.M1":       "",
		"P1.M1.T1.S2": "",
	} {
		if got := names(b, b.Dependents(number(t, b, id))); got != want {
			t.Errorf("on %s depend %q, want %q", id, got, want)
		}
	}
}

// A Backlog may be shared: the race detector looks on.
func TestSharedByGoroutines(t *testing.T) {
	b := mustParse(t, oneTask(subtask(1, `"env":{"A":"1","B":"2","C":"3"}`, `"run":["a","b","c"]`), subtask(2, dependsOn(1))))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int32(b.Len()) {
				b.Dependents(i)
				b.Field(i, "title")
				spec := b.Effective(i)
				spec.Env = append(spec.Env, EnvVar{"D", "4"})
				spec.Run.Argv = append(spec.Run.Argv, "d")
			}
			b.RollUp(b.Statuses())
		})
	}
	wg.Wait()
}

// Dependents is the inverse of Dependencies.
func TestDependentsRandom(t *testing.T) {
	g := &randomTree{r: rand.New(rand.NewPCG(7, 8)), deps: 80}
	for range 200 {
		b := g.backlog(t)
		want := make([][]int32, b.Len())
		for i := range int32(b.Len()) {
			for _, d := range b.Dependencies(i) {
				want[d] = append(want[d], i)
			}
		}
		for i := range int32(b.Len()) {
			if got := b.Dependents(i); !slices.Equal(got, want[i]) {
				t.Fatalf("on %s depend %s, want %s", b.Items[i].ID, names(b, got), names(b, want[i]))
			}
		}
	}
}

func TestEffective(t *testing.T) {
	b := mustParse(t, `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","env":{"A":"phase","B":"phase"},"workdir":"top","timeout":"1h",
		"milestones":[{"id":"P1.M1","type":"Milestone","title":"","status":"Planned",
		"tasks":[{"id":"P1.M1.T1","type":"Task","title":"","status":"Planned","env":{"B":"task","C":"task"},"timeout":"2m","run":"ignored","retries":7,"gates":[1],
		"subtasks":[
			{"id":"P1.M1.T1.S1","type":"Subtask","title":"","status":"Planned","env":{"C":"own","A":"own"},"workdir":"here","timeout":"3s","run":"true","retries":1,"gates":[]},
			{"id":"P1.M1.T1.S2","type":"Subtask","title":"","status":"Planned"}]}]}]},
		{"id":"P2","type":"Phase","title":"","status":"Planned"}]}`)
	for id, want := range map[string]Spec{
		"P1.M1.T1.S1": {Run: Command{Shell: "true"}, Timeout: 3 * time.Second, Workdir: "here", Retries: 1, HasGates: true,
			Env: []EnvVar{{"A", "phase"}, {"B", "phase"}, {"B", "task"}, {"C", "task"}, {"C", "own"}, {"A", "own"}}},
		"P1.M1.T1.S2": {Timeout: 2 * time.Minute, Workdir: "top", Retries: -1,
			Env: []EnvVar{{"A", "phase"}, {"B", "phase"}, {"B", "task"}, {"C", "task"}}},
		"P2": {Retries: -1},
	} {
		if got := b.Effective(number(t, b, id)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", id, got, want)
		}
	}
	own := b.Spec(number(t, b, "P1.M1.T1"))
	if want := (Spec{Timeout: 2 * time.Minute, Retries: -1, Env: []EnvVar{{"B", "task"}, {"C", "task"}}}); !reflect.DeepEqual(own, want) {
		t.Errorf("a task's own\n got %+v\nwant %+v", own, want)
	}
}

func TestField(t *testing.T) {
	b := mustParse(t, oneTask(subtask(1,
		`"x":{"context_scope":"inner"}`,
		`"\u0063ontext_scope":"a\nb \"\\\/ \b\f\r\t é \u00e9 \ud83d\ude00 \ud800 \udc00\u0041 \ud800\ud83d\ude00 \u0000"`,
		`"empty":""`, `"number":1`, `"null":null`, `"list":["a"]`)))
	i := number(t, b, "P1.M1.T1.S1")
	for name, want := range map[string]string{
		"context_scope": "a\nb \"\\/ \b\f\r\t é é 😀 \ufffd \ufffdA \ufffd😀 \x00",
		"id":            "P1.M1.T1.S1",
		"title":         "s",
		"empty":         "",
	} {
		if got, ok := b.Field(i, name); !ok || got != want {
			t.Errorf("%s is %q %t, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"number", "null", "list", "missing", "", "inner"} {
		if got, ok := b.Field(i, name); ok {
			t.Errorf("%s is %q", name, got)
		}
	}
	// A parent's field may stand after its children.
	b = mustParse(t, `{"backlog":[{"milestones":[{"id":"P1.M1","type":"Milestone","title":"","status":"Planned","description":"inner"}],"id":"P1","type":"Phase","title":"","status":"Planned","description":"outer"}]}`)
	if got, _ := b.Field(0, "description"); got != "outer" {
		t.Error(got)
	}
	if got, _ := b.Field(1, "description"); got != "inner" {
		t.Error(got)
	}
}

func TestPoints(t *testing.T) {
	for text, want := range map[string]float64{"3": 3, "0.5": 0.5, "1e2": 100, "-0": 0, "null": 0, "1e999": 0, "": 0} {
		fields := []string{`"x":{"story_points":7}`}
		if text != "" {
			fields = append(fields, `"story_points" : `+text)
		}
		b := mustParse(t, oneTask(subtask(1, fields...)))
		if got := b.Points(number(t, b, "P1.M1.T1.S1")); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

// Strings are decoded as encoding/json decodes them.
func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	pieces := []string{"", "a", "é", "😀", `\n`, `\"`, `\\`, `\/`, `\u0041`, `\u00e9`, `\uD83D`, `\ude00`, `\ud83d\ude00`, `\u0000`, `\uffff`, "u0041"}
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				src := oneTask(subtask(1, `"x":"`+a+b+c+`"`))
				var want string
				if err := json.Unmarshal([]byte(`"`+a+b+c+`"`), &want); err != nil {
					t.Fatal(err)
				}
				if got, ok := mustParse(t, src).Field(3, "x"); !ok || got != want {
					t.Errorf("%s is %q, want %q", a+b+c, got, want)
				}
			}
		}
	}
}

func TestParseID(t *testing.T) {
	for id, want := range map[string]Kind{
		"P1": Phase, "P0": Phase, "P007": Phase, "P1.M2": Milestone, "P1.M2.T3": Task, "P1.M2.T3.S4": Subtask,
		"P123456789012345678.M1.T1.S123456789012345678": Subtask,
	} {
		if got, err := ParseID(id); err != nil || got != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	for _, id := range []string{"", "P", "p1", "P1.", "P1.M", "P1.T1", "P1..M1", "P1.M1.T1.S1.S1", "P1.M1.T1.S1.", ".P1", " P1", "P1 ", "P1\n", "P-1", "P1/M1",
		"P1.M1.T1.S1/..", "../P1", "P1.M1.T1.S1\x00", "P٣", "M1", "S1", "P1234567890123456789"} {
		if got, err := ParseID(id); err == nil {
			t.Errorf("%q is a %v", id, got)
		} else if !strings.Contains(err.Error(), "ids look like P1, P1.M2") {
			t.Error(err)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for _, s := range Statuses() {
		got, err := ParseStatus(s.String())
		if err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
		text, _ := json.Marshal(map[string]Status{"status": s})
		var back map[string]Status
		if err := json.Unmarshal(text, &back); err != nil || back["status"] != s {
			t.Errorf("%s: %v, %v", text, back, err)
		}
		if s.Satisfied() != (s == Complete || s == Obsolete) || s.Running() != (s == Researching || s == Implementing || s == Retrying) {
			t.Errorf("%v: satisfied %t, running %t", s, s.Satisfied(), s.Running())
		}
	}
	for _, word := range []string{"", "planned", "PLANNED", "Done", "Complete ", "Status(3)"} {
		_, err := ParseStatus(word)
		if want := fmt.Sprintf("unknown status %q; allowed: Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete", word); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		s := Failed
		if err := s.UnmarshalText([]byte(word)); err == nil || s != Failed {
			t.Errorf("%q became %v", word, s)
		}
	}
	if got := Status(9).String(); got != "Status(9)" {
		t.Error(got)
	}
}
