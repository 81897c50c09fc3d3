package backlog

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// allSet is every item set to one status.
func allSet(b *Backlog, s Status) []Status {
	out := make([]Status, b.Len())
	for i := range out {
		out[i] = s
	}
	return out
}

// checkRender holds src to the promise: only status words change. Statuses
// spelled with escapes are the one thing that does not come back through a
// file: the word is written plainly.
func checkRender(t *testing.T, src string, random *rand.Rand) {
	t.Helper()
	b := mustParse(t, src)
	if got := string(b.Bytes(b.Statuses())); got != src {
		t.Fatalf("unchanged, and yet\n%q\nbecame\n%q", src, got)
	}
	some := b.Statuses()
	for i := range some {
		if random.IntN(2) == 0 {
			some[i] = Status(random.IntN(len(Statuses())))
		}
	}
	sets := [][]Status{some}
	for _, s := range Statuses() {
		sets = append(sets, allSet(b, s))
	}
	places, err := naivePlaces(src)
	if err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	plain := plainly(src, places)
	for _, set := range sets {
		got := string(b.Bytes(set))
		if want := naiveSet(t, src, set); got != want {
			t.Fatalf("set %v:\n%q\nbecame\n%q\nwant\n%q", set, src, got, want)
		}
		c := mustParse(t, got)
		places, err := naivePlaces(got)
		if err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		for i, p := range places {
			if c.Items[i].Status != set[i] || p.status != set[i].String() || c.Items[i].ID != p.id || b.Items[i].ID != p.id {
				t.Fatalf("item %d: %s is %v, encoding/json sees %s %s, want %v", i, c.Items[i].ID, c.Items[i].Status, p.id, p.status, set[i])
			}
		}
		d := mustParse(t, plain)
		back := mustParse(t, string(d.Bytes(set))).Bytes(d.Statuses())
		if string(back) != plain {
			t.Fatalf("set and set back:\n%q\nbecame\n%q", plain, back)
		}
	}
}

func checkFolder(t *testing.T, folder string, least int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) < least {
		t.Fatalf("%d files in %s, want %d: %v", len(files), folder, least, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			checkRender(t, string(data), rand.New(rand.NewPCG(1, 2)))
		})
	}
}

func TestRenderSamples(t *testing.T) { checkFolder(t, "../../testdata/backlogs", 4) }

// Files that another tool wrote. They are beside the repository, not in it.
func TestRenderSharedBacklogs(t *testing.T) {
	const folder = "../../../shared/backlogs"
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("real backlogs of another tool are tested where they are: %v", err)
	}
	checkFolder(t, folder, 1)
}

func TestRenderFormatting(t *testing.T) {
	for name, src := range map[string]string{
		"small":            small,
		"no items":         `{"backlog":[]}`,
		"CRLF":             strings.ReplaceAll(small, "\n", "\r\n"),
		"BOM":              bom + small,
		"no final newline": strings.TrimSuffix(small, "\n"),
		"newlines at end":  small + "\r\n\n \t",
		"odd":              " {\n\n \"x\" : 1.0e+5 ,\"backlog\" :[ \t]\r}",
	} {
		t.Run(name, func(t *testing.T) { checkRender(t, src, rand.New(rand.NewPCG(1, 2))) })
	}
}

func TestRenderGolden(t *testing.T) {
	const src = bom + "{\"backlog\":[{\r\n\t\"milestones\":[{\"id\":\"P1.M1\",\"type\":\"Milestone\",\"title\":\"Planned\",\"status\":\"Planned\"}],\"id\":\"P1\",\r\n" +
		"\t\"status\" : \"\\u0050lanned\" ,\"type\":\"Phase\",\"status2\":\"Planned\",\"title\":\"\\\"status\\\":\\\"Planned\\\"\"}]}"
	b := mustParse(t, src)
	for _, c := range []struct {
		statuses []Status
		want     string
	}{
		{[]Status{Planned, Planned}, src},
		{[]Status{Complete, Planned}, strings.Replace(src, `\u0050lanned`, "Complete", 1)},
		{[]Status{Planned, Failed}, strings.Replace(src, `"status":"Planned"}]`, `"status":"Failed"}]`, 1)},
		{[]Status{Implementing, Obsolete}, strings.Replace(strings.Replace(src, `\u0050lanned`, "Implementing", 1), `"status":"Planned"}]`, `"status":"Obsolete"}]`, 1)},
	} {
		if got := string(b.Bytes(c.statuses)); got != c.want {
			t.Errorf("%v:\n got %q\nwant %q", c.statuses, got, c.want)
		}
	}
}

func TestRenderRandom(t *testing.T) {
	g := &randomTree{r: rand.New(rand.NewPCG(3, 4)), odd: true, deps: 20}
	for range 300 {
		checkRender(t, g.backlog(t).Source(), g.r)
	}
}

// failsAfter accepts n bytes, fails once, and then accepts everything.
type failsAfter struct{ n int }

var errFull = errors.New("full")

func (w *failsAfter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		n := w.n
		w.n = 1 << 30
		return n, errFull
	}
	w.n -= len(p)
	return len(p), nil
}

func TestRenderReportsTheWritersError(t *testing.T) {
	b := mustParse(t, small)
	statuses := allSet(b, Complete)
	whole := len(b.Bytes(statuses))
	for n := range whole {
		if err := b.Render(&failsAfter{n}, statuses); !errors.Is(err, errFull) {
			t.Fatalf("the writer fails after %d bytes of %d: %v", n, whole, err)
		}
	}
	if err := b.Render(&failsAfter{whole}, statuses); err != nil {
		t.Fatal(err)
	}
}
