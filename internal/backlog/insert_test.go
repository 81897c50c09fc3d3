package backlog

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// inserted adds a subtask called x to the last place of a backlog.
func inserted(t *testing.T, src string) string {
	t.Helper()
	b, err := Parse("tasks.json", src)
	if err != nil {
		t.Fatal(err)
	}
	return insertLast(b)
}

func insertLast(b *Backlog) string {
	parent := int32(-1)
	for i := range b.Items {
		if b.Items[i].Kind != Subtask {
			parent = int32(i)
		}
	}
	kind := Phase
	if parent >= 0 {
		kind = b.Items[parent].Kind + 1
	}
	d := &Draft{Kind: Subtask, Title: `x "<&>`, Run: "true", Gates: []string{"a", "b"}}
	for k := int(Task); k >= int(kind); k-- {
		d = &Draft{Kind: Kind(k), Title: "made", Children: []*Draft{d}}
	}
	d.ID = b.NextID(parent, 0)
	d.Number()
	return b.Insert(Insertion{Parent: parent, Drafts: []*Draft{d}})
}

// TestInsertLayout: new text looks like the text around it.
func TestInsertLayout(t *testing.T) {
	task := func(subtasks string) string {
		return `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","description":"","milestones":[{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[` +
			`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","description":""` + subtasks + `}]}]}]}`
	}
	const one = `{"id":"P1.M1.T1.S7","type":"Subtask","title":"s","status":"Planned","story_points":1.50,"dependencies":[],"context_scope":""}`
	const compact = `{"id":"P1.M1.T1.S1","type":"Subtask","title":"x \"<&>","status":"Planned","run":"true","gates":[{"level":1,"run":"a"},{"level":1,"run":"b"}],"story_points":1,"dependencies":[],"context_scope":""}`
	eighth := strings.Replace(compact, "S1", "S8", 1)
	for _, c := range []struct{ name, src, want string }{
		{"behind another", task(`,"subtasks":[` + one + `]`), task(`,"subtasks":[` + one + `,` + eighth + `]`)},
		{"an empty list", task(`,"subtasks":[]`), task(`,"subtasks":[` + compact + `]`)},
		{"null", task(`,"subtasks":null`), task(`,"subtasks":[` + compact + `]`)},
		{"no list", task(``), task(`,"subtasks":[` + compact + `]`)},
		{"no list, final newline", task(``) + "\n", task(`,"subtasks":[`+compact+`]`) + "\n"},
		{"one item a line", task(",\"subtasks\":[\n\t" + one + "\n]"), task(",\"subtasks\":[\n\t" + one + ",\n\t" + eighth + "\n]")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := inserted(t, c.src); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	got := inserted(t, "\ufeff{\r\n\t\"backlog\": []\r\n}\r\n")
	for _, want := range []string{
		"\ufeff{\r\n\t\"backlog\": [\r\n\t\t{\r\n\t\t\t\"id\": \"P1\",\r\n",
		"\r\n\t\t\t\t\t\t\t\t\t\"id\": \"P1.M1.T1.S1\",\r\n",
		"\r\n\t\t}\r\n\t]\r\n}\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Count(got, "\n") != strings.Count(got, "\r\n") {
		t.Error("mixed line endings")
	}
}

// A finished parent that gets work is no longer finished; others stay.
func TestInsertReopens(t *testing.T) {
	src := strings.NewReplacer(`"Planned"`, `"Complete"`).Replace(small)
	b, err := Parse("tasks.json", src)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Parse("tasks.json", insertLast(b))
	if err != nil {
		t.Fatal(err)
	}
	last := int32(len(after.Items) - 1)
	for p := after.Items[last].Parent; p >= 0; p = after.Items[p].Parent {
		if got := after.Items[p].Status; got.Satisfied() {
			t.Errorf("%s is %s", after.Items[p].ID, got)
		}
	}
}

// insertChecked inserts into a valid backlog and checks that the result is one
// with the new items, and that what was there stands in it unchanged.
func insertChecked(t *testing.T, b *Backlog) {
	t.Helper()
	text := insertLast(b)
	after, err := Parse("tasks.json", text)
	if err != nil {
		t.Fatalf("%v\nfrom %q\nto   %q", err, b.src, text)
	}
	if len(after.Items) <= len(b.Items) {
		t.Fatalf("%d items, then %d", len(b.Items), len(after.Items))
	}
	for i := range b.Items {
		if k, ok := after.Lookup(b.Items[i].ID); !ok || after.Items[k].Title != b.Items[i].Title {
			t.Errorf("%s is lost", b.Items[i].ID)
		}
	}
	plain := func(b *Backlog) string { // without what may change: statuses of parents, null for a list
		var statuses []edit
		for i := range b.Items {
			if it := &b.Items[i]; it.Kind != Subtask {
				statuses = append(statuses, edit{from: int(it.statusAt), to: int(it.statusTo)})
			}
		}
		return strings.Join(strings.Fields(apply(b.src, statuses)), "") // that in an empty list is not kept
	}
	was, is := plain(b), plain(after)
	k := 0
	for k < len(was) && k < len(is) && was[k] == is[k] {
		k++
	}
	if rest := was[k:]; !strings.HasSuffix(is, rest) && !strings.HasSuffix(is, strings.TrimPrefix(rest, "null")) {
		t.Errorf("more than an insertion\nfrom %q\nto   %q", b.src, text)
	}
}

func TestInsertRandom(t *testing.T) {
	for _, odd := range []bool{false, true} {
		g := &randomTree{r: rand.New(rand.NewPCG(3, 4)), odd: odd, deps: 30}
		for range 200 {
			insertChecked(t, g.backlog(t))
		}
	}
}

// FuzzInsert: whatever the layout of a valid backlog, an insertion keeps it
// valid and its bytes in place.
func FuzzInsert(f *testing.F) {
	f.Add(small)
	f.Add("{\"backlog\":[]}")
	f.Add("\ufeff{\r\n\t\"backlog\": [ ]\r\n}")
	f.Fuzz(func(t *testing.T, src string) {
		if b, err := Parse("tasks.json", src); err == nil {
			insertChecked(t, b)
		}
	})
}
