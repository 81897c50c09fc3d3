package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	stdhtml "html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// sample has every status, a dependency on a parent, and tasks that wait for
// each other.
func sample() []sub {
	return []sub{
		{"P1.M1.T1.S1", "Read the plan", backlog.Complete, nil},
		{"P1.M1.T1.S2", "Not needed any more", backlog.Obsolete, []string{"P1.M1.T1.S1"}},
		{"P1.M1.T2.S1", "Build", backlog.Implementing, []string{"P1.M1.T1.S1"}},
		{"P1.M1.T2.S2", "Look", backlog.Researching, []string{"P1.M1.T1.S2"}},
		{"P1.M2.T1.S1", "Test", backlog.Failed, []string{"P1.M1.T2.S1"}},
		{"P1.M2.T1.S2", "Test again", backlog.Retrying, []string{"P1.M1.T2.S1", "P1.M1.T2.S2"}},
		{"P1.M2.T1.S3", "Ship", backlog.Planned, []string{"P1.M2.T1.S1"}},
		{"P2.M1.T1.S1", "After all of that", backlog.Planned, []string{"P1"}},
		{"P2.M1.T1.S2", "There", backlog.Planned, []string{"P2.M1.T1.S1"}},
		{"P2.M1.T2.S1", "And back", backlog.Planned, []string{"P2.M1.T1.S1"}},
		{"P2.M1.T1.S3", "Alone", backlog.Planned, nil},
	}
}

func sampleGraph(t *testing.T, o Options) (*backlog.Backlog, *Graph) {
	subs := sample()
	slices.SortFunc(subs, func(a, b sub) int { return strings.Compare(a.id, b.id) })
	for k := range subs {
		if subs[k].id == "P2.M1.T1.S2" {
			subs[k].deps = append(subs[k].deps, "P2.M1.T2.S1") // T1 waits for T2 waits for T1
		}
	}
	b := parse(t, subs)
	if o.Critical == nil {
		for _, id := range []string{"P1.M1.T2.S1", "P1.M2.T1.S1", "P1.M2.T1.S3", "P2.M1.T1.S1", "P2.M1.T2.S1", "P2.M1.T1.S2"} {
			o.Critical = append(o.Critical, number(t, b, id))
		}
	}
	return b, New(b, b.Statuses(), o)
}

func TestGolden(t *testing.T) {
	b, whole := sampleGraph(t, Options{Level: backlog.Subtask})
	_, tasks := sampleGraph(t, Options{Level: backlog.Task})
	_, phases := sampleGraph(t, Options{Level: backlog.Phase})
	selected := make([]bool, b.Len())
	for _, id := range []string{"P1.M2.T1.S1", "P1.M2.T1.S2", "P2.M1.T1.S1"} {
		selected[number(t, b, id)] = true
	}
	_, some := sampleGraph(t, Options{Level: backlog.Subtask, Selected: selected})
	empty := New(&backlog.Backlog{}, nil, Options{Level: backlog.Subtask})
	for name, g := range map[string]*Graph{"whole": whole, "tasks": tasks, "phases": phases, "some": some, "empty": empty} {
		for ext, write := range map[string]func(*Graph, *bytes.Buffer) error{"dot": dot, "mmd": mermaid, "svg": svg} {
			got := text(t, write, g)
			file := filepath.Join("testdata", name+"."+ext)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; UPDATE_GOLDEN=1 rewrites it. Got:\n%s", file, got)
			}
		}
	}
}

// The edges are those of the backlog, through joints, once each.
func TestEdges(t *testing.T) {
	names := func(g *Graph, critical bool) string {
		var out []string
		for _, e := range g.Edges {
			if !critical || e.Critical {
				out = append(out, strings.ReplaceAll(g.Nodes[e.From].ID+">"+g.Nodes[e.To].ID, ".", ""))
			}
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	_, whole := sampleGraph(t, Options{Level: backlog.Subtask})
	if got, want := names(whole, false), "P1>P2M1T1S1 P1M1T1S1>P1M1T1S2 P1M1T1S1>P1M1T2S1 P1M1T1S2>P1M1T2S2 P1M1T2S1>P1M2T1S1 P1M1T2S1>P1M2T1S2 "+
		"P1M1T2S2>P1M2T1S2 P1M2T1S1>P1M2T1S3 P1M2T1S2>P1 P1M2T1S3>P1 P2M1T1S1>P2M1T1S2 P2M1T1S1>P2M1T2S1 P2M1T2S1>P2M1T1S2"; got != want {
		t.Errorf("subtasks:\n%s\nwant\n%s", got, want)
	}
	if got, want := names(whole, true), "P1>P2M1T1S1 P1M1T2S1>P1M2T1S1 P1M2T1S1>P1M2T1S3 P1M2T1S3>P1 P2M1T1S1>P2M1T2S1 P2M1T2S1>P2M1T1S2"; got != want {
		t.Errorf("critical:\n%s\nwant\n%s", got, want)
	}
	_, tasks := sampleGraph(t, Options{Level: backlog.Task})
	if got, want := names(tasks, false), "P1>P2M1T1 P1M1T1>P1M1T2 P1M1T2>P1M2T1 P1M2T1>P1 P2M1T1>P2M1T2 P2M1T2>P2M1T1"; got != want {
		t.Errorf("tasks:\n%s\nwant\n%s", got, want)
	}
	_, phases := sampleGraph(t, Options{Level: backlog.Phase})
	// The path may leave a phase where something else in it still waits.
	b, _ := sampleGraph(t, Options{Level: backlog.Subtask})
	_, past := sampleGraph(t, Options{Level: backlog.Subtask, Critical: []int32{number(t, b, "P1.M1.T2.S1"), number(t, b, "P2.M1.T1.S1")}})
	if got, want := names(past, true), "P1>P2M1T1S1 P1M1T2S1>P1"; got != want {
		t.Errorf("past a joint: %s", got)
	}
	if got, want := names(phases, true), "P1>P2"; got != want || names(phases, false) != want {
		t.Errorf("phases: %s", got)
	}
}

// Statuses are in the text, not only in colours.
func TestStates(t *testing.T) {
	_, g := sampleGraph(t, Options{Level: backlog.Subtask})
	states := map[string]string{}
	for i := range g.Nodes {
		states[g.Nodes[i].ID] = g.Nodes[i].State()
	}
	for id, want := range map[string]string{"P1.M1.T1.S1": "Complete", "P1.M1.T1.S2": "Obsolete", "P1.M1.T2.S1": "Implementing", "P1.M1.T2.S2": "Researching",
		"P1.M2.T1.S1": "Failed", "P1.M2.T1.S2": "Retrying", "P1.M2.T1.S3": "Planned, blocked", "P2.M1.T1.S3": "Planned", "P1": "all below 2/7, 1 failed"} {
		if states[id] != want {
			t.Errorf("%s: %q, want %q", id, states[id], want)
		}
		for name, out := range map[string]string{"DOT": text(t, dot, g), "SVG": text(t, svg, g), "Mermaid": strings.ReplaceAll(text(t, mermaid, g), "#47;", "/")} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
	_, g = sampleGraph(t, Options{Level: backlog.Task})
	if got := g.Nodes[slices.IndexFunc(g.Nodes, func(n Node) bool { return n.ID == "P1.M2.T1" })].State(); got != "Implementing 0/3, 1 failed" {
		t.Errorf("a task: %q", got)
	}
}

// What failed is not hidden by what it blocks, however much is merged.
func TestFailedShows(t *testing.T) {
	b := parse(t, []sub{
		{"P1.M1.T1.S1", "Breaks", backlog.Failed, nil},
		{"P1.M1.T1.S2", "Breaks, too", backlog.Failed, nil},
		{"P1.M1.T1.S3", "Waits", backlog.Planned, []string{"P1.M1.T1.S1"}},
		{"P1.M1.T2.S1", "Done", backlog.Complete, nil},
		{"P1.M1.T2.S2", "Waits", backlog.Planned, []string{"P1.M1.T1.S1"}},
		{"P1.M1.T3.S1", "Breaks", backlog.Failed, nil},
		{"P1.M1.T3.S2", "Can run", backlog.Planned, nil},
		{"P1.M1.T4.S1", "Runs", backlog.Implementing, nil},
		{"P1.M1.T4.S2", "Waits", backlog.Planned, []string{"P1.M1.T1.S1"}},
		{"P2.M1.T1.S1", "Waits", backlog.Planned, []string{"P1"}},
		{"P2.M1.T1.S2", "Waits", backlog.Planned, []string{"P1"}},
	})
	g := New(b, b.Statuses(), Options{Level: backlog.Task})
	for id, want := range map[string]struct{ class, state string }{
		"P1.M1.T1": {"failed", "Failed 0/3, 2 failed"},
		"P1.M1.T2": {"blocked", "Implementing 1/2, blocked"},
		"P1.M1.T3": {"implementing", "Implementing 0/2, 1 failed"},
		"P1.M1.T4": {"implementing", "Implementing 0/2"},
		"P2.M1.T1": {"blocked", "Planned 0/2, blocked"},
		"P1":       {"joint", "all below 1/9, 3 failed"},
	} {
		n := &g.Nodes[slices.IndexFunc(g.Nodes, func(n Node) bool { return n.ID == id })]
		if n.class() != want.class || n.State() != want.state {
			t.Errorf("%s is %s, %q; want %s, %q", id, n.class(), n.State(), want.class, want.state)
		}
		if out := text(t, svg, g); !strings.Contains(out, "<title>"+id+" "+want.state+": ") {
			t.Errorf("SVG does not say %q", want.state)
		}
	}
	phases := New(b, b.Statuses(), Options{Level: backlog.Phase})
	if n := phases.Nodes[0]; n.class() != "implementing" || n.State() != "Implementing 1/9, 3 failed" {
		t.Errorf("a phase: %s, %q", n.class(), n.State())
	}
}

// Texts end within their box: nested svg elements clip what a font makes wider
// than it was taken for, and little has to be clipped in a common one.
func TestTextFits(t *testing.T) {
	// Widths in DejaVu Sans at 11px, as Chromium measures them.
	for text, wide := range map[string]float64{strings.Repeat("<", 10): 92.2, strings.Repeat("&", 10): 85.8, strings.Repeat("日", 10): 110, strings.Repeat("W", 10): 108.8,
		strings.Repeat("=", 10): 92.2, "Create TypeScript configuration": 172.4} {
		if got := textWidth(text, 11); got < wide || got > 1.25*wide {
			t.Errorf("%q is taken for %v wide, is %v", text, got, wide)
		}
	}
	var subs []sub
	for k, title := range append(hostile(), strings.Repeat("日本語", 40), strings.Repeat("<&>", 40), strings.Repeat("W", 200), strings.Repeat("ᾳ𝕎", 40)) {
		subs = append(subs, sub{id: fmt.Sprintf("P1.M1.T1.S%d", k+1), title: title})
	}
	b := parse(t, subs)
	g := New(b, b.Statuses(), Options{Level: backlog.Subtask})
	out := text(t, svg, g)
	if n := strings.Count(out, `<svg x="`); n != len(subs) {
		t.Errorf("%d boxes clip, of %d", n, len(subs))
	}
	for _, m := range regexp.MustCompile(`<text class="hg-t" y="33">([^<]*)</text>`).FindAllStringSubmatch(out, -1) {
		if shown := stdhtml.UnescapeString(m[1]); textWidth(shown, 11) > nodeWidth-18 {
			t.Errorf("%q is too wide", shown)
		}
	}
}

func TestEmpty(t *testing.T) {
	if out := text(t, svg, New(&backlog.Backlog{}, nil, Options{Level: backlog.Subtask})); !strings.Contains(out, ">nothing to draw</text>") {
		t.Errorf("an empty backlog: %s", out)
	}
}

// hostile titles try to get out of their strings.
func hostile() []string {
	return []string{
		`"]; evil -> node; "`, "line\nbreak\r\nand\ttab", `back\slash\"`, `one\ntwo`, `\`, `<script>alert(1)</script>`, `</title></text></svg>`, `]]> & &amp; &#x41; &bogus;`,
		"`code` **bold** _it_", `"] --> n0`, "1. a list", "- a list", "12) a list", "%% comment %%{init: {}}%%", "#quot; #35; ;", "style a:b#c;", "end",
		"\x00\x01\x7f\u0085\u2028\u2029\u202e\u200b\ufeff\ufffe\uffff\U0001ffff\ufdd0", "日本語 한국어 ✓ 👩‍💻", strings.Repeat("long ", 5000), "", "   ", `$x^2$`, "click n0 callback", `label="x", URL="javascript:alert(1)"`, "\\N \\G \\l", "{a|b}", "[link](javascript:x)", "fa:fa-ban",
	}
}

func TestHostile(t *testing.T) {
	var subs []sub
	for k, title := range hostile() {
		subs = append(subs, sub{id: fmt.Sprintf("P1.M1.T1.S%d", k+1), title: title})
	}
	subs[1].deps = []string{"P1.M1.T1.S1"}
	b := parse(t, subs)
	g := New(b, b.Statuses(), Options{Level: backlog.Subtask})

	line := regexp.MustCompile(`^  "P1\.M1\.T1\.S\d+" \[label="([^"\\\n&]|\\["\\n]|&amp;)*", fillcolor="#[0-9a-f]{6}", color="#[0-9a-f]{6}", fontcolor="#[0-9a-f]{6}"\];$`)
	lines := strings.Split(text(t, dot, g), "\n")
	for _, l := range lines[3 : 3+len(subs)] {
		if !line.MatchString(l) {
			t.Errorf("DOT: %s", l)
		}
	}
	if len(lines) != 3+len(subs)+1+1+1 {
		t.Errorf("DOT has %d lines", len(lines))
	}

	node := regexp.MustCompile(`^  n\d+\["P1\.M1\.T1\.S\d+  Planned(<br/>(?:[\pL\d ,/.-]|[^\x00-\x7f]|#\d+;)*)?"\]$`)
	if strings.Contains(text(t, mermaid, g), "#92;n") || !strings.Contains(text(t, mermaid, g), "one#92;#8288;ntwo") {
		t.Error("Mermaid breaks the line where a title has a backslash and an n")
	}
	list := regexp.MustCompile(`<br/>(\d+[.)]|[-+*])`)
	found := 0
	for l := range strings.Lines(text(t, mermaid, g)) {
		if !strings.HasPrefix(l, "  n") || strings.Contains(l, "-->") {
			continue
		}
		if found++; !node.MatchString(strings.TrimSuffix(l, "\n")) || list.MatchString(l) {
			t.Errorf("Mermaid: %s", l)
		}
	}
	if found != len(subs) {
		t.Errorf("Mermaid has %d nodes", found)
	}

	out := text(t, svg, g)
	if !strings.Contains(out, "日本語") {
		t.Error("letters are gone")
	}
	dec := xml.NewDecoder(strings.NewReader(out))
	allowed := []string{"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("SVG is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains(allowed, e.Name.Local) {
			t.Errorf("SVG has an element %s", e.Name.Local)
		}
	}
	for _, r := range out {
		if r == '\u202e' || r == '\u200b' || r == '\ufeff' || r < ' ' && r != '\n' {
			t.Errorf("SVG has %U", r)
		}
	}
}

func TestSame(t *testing.T) {
	b := scattered(t, 3, 300, 2, 40)
	for name, write := range map[string]func(*Graph, *bytes.Buffer) error{"dot": dot, "mmd": mermaid, "svg": svg} {
		one := text(t, write, New(b, b.Statuses(), Options{Level: backlog.Subtask}))
		for range 3 {
			if text(t, write, New(b, b.Statuses(), Options{Level: backlog.Subtask})) != one {
				t.Fatalf("%s differs from one time to the next", name)
			}
		}
	}
}
