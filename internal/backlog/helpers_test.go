package backlog

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func mustParse(t testing.TB, src string) *Backlog {
	t.Helper()
	b, err := Parse("tasks.json", src)
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return b
}

// oneTask wraps subtasks (JSON objects) as P1 > P1.M1 > P1.M1.T1, all on one
// line: problems on line 1 are in the frame, what the test wrote begins on 2.
func oneTask(subtasks ...string) string {
	return `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[` + "\n" +
		strings.Join(subtasks, ",\n") + "\n]}]}]}]}\n"
}

// subtask is P1.M1.T1.S<n> with more fields.
func subtask(n int, fields ...string) string {
	return fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":"s","status":"Planned"%s}`,
		n, strings.Join(append([]string{""}, fields...), ","))
}

// dependsOn is a subtask's field that names other subtasks of P1.M1.T1.
func dependsOn(ns ...int) string {
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = fmt.Sprintf(`"P1.M1.T1.S%d"`, n)
	}
	return `"dependencies":[` + strings.Join(ids, ",") + `]`
}

// ringBacklog is n subtasks of which each waits for the next, the last for the
// first.
func ringBacklog(n int) string {
	subtasks := make([]string, n)
	for i := range subtasks {
		subtasks[i] = subtask(i+1, dependsOn((i+1)%n+1))
	}
	return oneTask(subtasks...)
}

// place is where the status word of an item stands in a text.
type place struct {
	id       string
	status   string
	from, to int // without the quotes
}

// naivePlaces finds the items of a backlog with encoding/json's tokens, in
// document order: another way to the same answers, slow and without checks.
func naivePlaces(src string) ([]place, error) {
	text := strings.TrimPrefix(src, bom)
	skipped := len(src) - len(text)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var found []*place

	// value reads one value; level is what it stands for: 0 the file, 1 to 4 a
	// list of items of that level, 11 to 14 an item, -1 anything else.
	var value func(level int, in *place, key string) error
	value = func(level int, in *place, key string) error {
		before := int(d.InputOffset())
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case string:
			if in == nil {
				break
			}
			if key == "id" {
				in.id = token
			}
			if key == "status" {
				in.status = token
				in.from = skipped + before + strings.IndexByte(text[before:], '"') + 1
				in.to = skipped + int(d.InputOffset()) - 1
			}
		case json.Delim:
			var item *place
			if level > 10 && token == '{' {
				item = &place{}
				found = append(found, item)
			}
			for d.More() {
				inner, name := -1, ""
				if token == '{' {
					t, err := d.Token()
					if err != nil {
						return err
					}
					name = t.(string)
					if level == 0 && name == "backlog" {
						inner = 1
					}
					if level > 10 && level < 14 && name == [...]string{"milestones", "tasks", "subtasks"}[level-11] {
						inner = level - 10 + 1
					}
				} else if level > 0 && level < 10 {
					inner = level + 10
				}
				if err := value(inner, item, name); err != nil {
					return err
				}
			}
			_, err = d.Token()
			return err
		}
		return nil
	}
	if err := value(0, nil, ""); err != nil {
		return nil, err
	}
	places := make([]place, len(found))
	for i, p := range found {
		places[i] = *p
	}
	return places, nil
}

// naiveSet is src with other statuses, in document order of the items.
func naiveSet(t testing.TB, src string, statuses []Status) string {
	t.Helper()
	places, err := naivePlaces(src)
	if err != nil {
		t.Fatal(err)
	}
	if len(places) != len(statuses) {
		t.Fatalf("encoding/json finds %d items, we have %d", len(places), len(statuses))
	}
	words := map[int]string{}
	ends := map[int]int{}
	for i, p := range places {
		if p.status != statuses[i].String() {
			words[p.from], ends[p.from] = statuses[i].String(), p.to
		}
	}
	var b strings.Builder
	for at := 0; at < len(src); {
		if word, ok := words[at]; ok {
			b.WriteString(word)
			at = ends[at]
			continue
		}
		b.WriteByte(src[at])
		at++
	}
	return b.String()
}

// randomTree is a backlog with odd formatting: keys in any order, blanks
// anywhere, escapes, unknown fields that look like known ones, a BOM or none.
// Some items have no children; dependencies go to any item, so that Parse may
// find cycles in it.
type randomTree struct {
	r    *rand.Rand
	ids  []string // of all items
	odd  bool
	deps int // percent of subtasks that have dependencies
}

func (g *randomTree) blank() string {
	if !g.odd {
		return ""
	}
	return [...]string{"", "", "", " ", "\n", "\r\n", "\t", "  \n    ", "\r", strings.Repeat(" ", 9)}[g.r.IntN(10)]
}

// spell writes a word as a JSON string, sometimes with escapes.
func (g *randomTree) spell(word string) string {
	if !g.odd || g.r.IntN(5) > 0 {
		return `"` + word + `"`
	}
	n := g.r.IntN(len(word))
	return fmt.Sprintf(`"%s\u%04x%s"`, word[:n], word[n], word[n+1:])
}

func (g *randomTree) status() Status {
	// Mostly what makes roll-up interesting.
	return [...]Status{Planned, Planned, Planned, Complete, Complete, Failed, Obsolete, Researching, Implementing, Retrying}[g.r.IntN(10)]
}

func (g *randomTree) item(kind Kind, id string) string {
	g.ids = append(g.ids, id)
	fields := []string{
		`"id"` + g.blank() + `:` + g.blank() + g.spell(id),
		g.spell("type") + g.blank() + `:` + g.blank() + g.spell(kind.String()),
		`"title":"` + [...]string{"", "a", "é😀", `\"status\":\"Planned\"`, `\\`}[g.r.IntN(5)] + `"`,
		g.spell("status") + g.blank() + `:` + g.blank() + g.spell(g.status().String()),
	}
	if g.odd && g.r.IntN(3) == 0 {
		fields = append(fields, `"Status":"Complete"`, `"meta":{"status":"Failed","id":"P1","n":[1e5,-0.0,{"status":[]}]}`)
	}
	if kind == Subtask {
		if g.r.IntN(100) < g.deps {
			deps := make([]string, 1+g.r.IntN(2))
			for i := range deps {
				to := g.ids[g.r.IntN(len(g.ids))]
				for range 5 { // mostly not what it is a part of
					if strings.HasPrefix(id, to) {
						to = g.ids[g.r.IntN(len(g.ids))]
					}
				}
				deps[i] = g.spell(to)
			}
			fields = append(fields, `"dependencies":[`+g.blank()+strings.Join(deps, g.blank()+","+g.blank())+g.blank()+`]`)
		}
	} else if n := g.r.IntN(4); n > 0 || g.r.IntN(2) > 0 {
		fields = append(fields, `"`+kind.childrenKey()+`":`+g.list(kind+1, id+".", n))
	}
	if g.odd {
		g.r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	return "{" + g.blank() + strings.Join(fields, g.blank()+","+g.blank()) + g.blank() + "}"
}

func (g *randomTree) list(kind Kind, prefix string, n int) string {
	children := make([]string, n)
	for i := range children {
		children[i] = g.item(kind, fmt.Sprintf("%s%c%d", prefix, kind.letter(), i+1))
	}
	return "[" + g.blank() + strings.Join(children, g.blank()+","+g.blank()) + g.blank() + "]"
}

func (g *randomTree) file() string {
	g.ids = g.ids[:0]
	text := "{" + g.blank() + `"backlog":` + g.list(Phase, "", 1+g.r.IntN(3)) + g.blank() + "}" + g.blank()
	if g.odd && g.r.IntN(4) == 0 {
		text = bom + text
	}
	return text
}

// backlog is the next one without a cycle.
func (g *randomTree) backlog(t testing.TB) *Backlog {
	t.Helper()
	for {
		b, err := Parse("tasks.json", g.file())
		if err == nil {
			return b
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.Contains(line, "cycle: ") && !strings.Contains(line, "hacky validate") {
				t.Fatal(line)
			}
		}
	}
}
