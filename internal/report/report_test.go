package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/graph"
)

func start() time.Time { return time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC) }

func source(b *backlog.Backlog, statuses []backlog.Status) Source {
	return Source{Session: "003_b3d3efdaf0ed", Backlog: b, Statuses: statuses, Now: start().Add(48 * time.Hour),
		Graph: func(level backlog.Kind) *graph.Graph { return graph.New(b, statuses, graph.Options{Level: level}) },
		Clean: func(s string) string { return s },
		Tail:  func(log string) string { return "the end of " + log },
		Link:  func(log string) string { return "session/" + log }}
}

func parse(t testing.TB, text string) *backlog.Backlog {
	t.Helper()
	b, err := backlog.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func html(t testing.TB, r *Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.HTML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// small is a session in which everything happened: word is in every text.
func small(t testing.TB, word string) *Report {
	subtasks := ""
	for k := range 6 {
		if k > 0 {
			subtasks += ","
		}
		subtasks += fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":%q,"status":"Planned","story_points":%d,"dependencies":[],"context_scope":""}`, k+1, "Item "+word, k)
	}
	b := parse(t, fmt.Sprintf(`{"backlog":[{"id":"P1","type":"Phase","title":%q,"status":"Planned","description":"","milestones":[
		{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","description":"","subtasks":[%s]}]}]}]}`, "Phase "+word, subtasks))
	statuses := b.Statuses()
	for k, st := range []backlog.Status{backlog.Complete, backlog.Failed, backlog.Complete, backlog.Failed, backlog.Obsolete} {
		i, _ := b.Lookup(fmt.Sprintf("P1.M1.T1.S%d", k+1))
		statuses[i] = st
	}
	src := source(b, statuses)
	src.Session = "session " + word
	src.Tail = func(log string) string { return "the end of " + log + " " + word }
	src.Holds = []Hold{{"claude " + word, start().Add(50 * time.Hour)}}
	r := New(src)
	add := func(id string, n int, class string, from, to time.Duration, change func(*Attempt)) {
		a := Attempt{ID: id, Attempt: n, Class: class, Started: start().Add(from), Ended: start().Add(to), RunID: "run-1", Log: "artifacts/" + id + "/run.log"}
		if class != "ok" {
			a.Reason = "why " + word
		}
		if change != nil {
			change(&a)
		}
		r.Add(a)
	}
	add("P1.M1.T1.S1", 1, "transient", 0, 10*time.Minute, nil)
	add("P1.M1.T1.S2", 1, "permanent", 0, 30*time.Minute, nil)
	add("P1.M1.T1.S1", 2, "ok", 11*time.Minute, 40*time.Minute, nil)
	add("P1.M1.T1.S3", 1, "quota", 31*time.Minute, 32*time.Minute, func(a *Attempt) { a.Credential, a.Until = "claude "+word, start().Add(5*time.Hour) })
	add("P1.M1.T1.S3", 1, "interrupted", 33*time.Minute, 41*time.Minute, nil)
	add("P1.M1.T1.S3", 2, "ok", 9*time.Hour, 10*time.Hour, func(a *Attempt) { a.RunID = "run-2 " + word })
	add("P9.M1.T1.S1", 1, "odd "+word, 9*time.Hour, 9*time.Hour+time.Minute, nil)
	add("P1.M1.T1.S6", 1, "ok", time.Hour, 0, nil) // ends before it starts
	return r
}

func TestGolden(t *testing.T) {
	got := html(t, small(t, "plain"))
	const file = "testdata/small.html"
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
		t.Errorf("%s differs; UPDATE_GOLDEN=1 rewrites it, and then look at it in a browser", file)
	}
	if !strings.HasPrefix(got, Mark) {
		t.Error("the mark is not at the beginning")
	}
	for range 3 {
		if html(t, small(t, "plain")) != got {
			t.Fatal("differs from one time to the next")
		}
	}
}

// Nothing outside the file is named, but logs by relative links.
func TestSelfContained(t *testing.T) {
	page := html(t, small(t, "plain"))
	for _, word := range []string{"<script", "src=", "@import", "url(http", "<iframe", "<object", "onload", "https:"} {
		if strings.Contains(page, word) {
			t.Errorf("it has %q", word)
		}
	}
	for _, m := range regexp.MustCompile(`(?:href|xlink)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if m[1] != "data:," && !strings.HasPrefix(m[1], "session/artifacts/") {
			t.Errorf("a link to %q", m[1])
		}
	}
	if n := strings.Count(page, "http://"); n != 1 || !strings.Contains(page, `xmlns="http://www.w3.org/2000/svg"`) {
		t.Errorf("%d addresses", n)
	}
}

// Whatever the text is, the page has the same elements and attributes.
func TestHostile(t *testing.T) {
	shape := func(page string) string {
		tags := regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1)
		names := regexp.MustCompile(`^</?[a-zA-Z!-]+|\s[a-zA-Z-]+=`)
		var out []string
		for _, tag := range tags {
			out = append(out, strings.Join(names.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`), -1), ""))
		}
		return strings.Join(out, "\n")
	}
	want := shape(html(t, small(t, "plain")))
	for _, word := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></style></svg></pre>`, `' onclick='x`, "{{.Session}} {{template \"ticks\"}}", `<!-- -->`, `]]>`, `&lt;b&gt;`,
		"\u202eevil\u2066", "javascript:alert(1)", "`${x}`", strings.Repeat("<b>", 20)} {
		got := html(t, small(t, word))
		if s := shape(got); s != want {
			t.Errorf("with %q the elements are others", word)
		}
		if strings.Contains(got, "<script") || strings.Contains(got, "<img") {
			t.Errorf("%q is in it as it stands", word)
		}
	}
}

func TestContent(t *testing.T) {
	page := html(t, small(t, "plain"))
	for _, want := range []string{
		"<b>3 of 6</b>", "50%", // done
		"6 of 15",         // story points
		"3 of them again", // of the 6 attempts on subtasks of the backlog that have times
		"2 complete, 1 obsolete, 2 failed, 1 planned",
		"worker 1", "worker 2",
		"nothing ran for 8h19m",
		"the end of artifacts/P1.M1.T1.S2/run.log plain",
		`<a href="session/artifacts/P1.M1.T1.S2/run.log">run.log</a>`,
		"no attempt on record", // S4 was set by hand
		"1 ok, 1 interrupted, 1 quota",
		"claude plain", "2026-03-02 03:00:00", // until
		"Held now:", "2026-03-04 00:00:00",
		"run-1", "run-2 plain",
		"records with impossible times",
		"no longer in the backlog",
		"permanent, 30m0s, from 2026-03-01 22:00:00",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// A worker does one thing at a time, and there are no more than were busy.
func TestLanes(t *testing.T) {
	b := parse(t, string(gen.Independent(300, []string{"true"})))
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := New(source(b, b.Statuses()))
		workers := 1 + rnd.IntN(8)
		free := make([]time.Duration, workers)
		for i := range b.Items {
			if b.Items[i].Kind != backlog.Subtask {
				continue
			}
			w := slices.Index(free, slices.Min(free))
			from := free[w] + time.Duration(rnd.IntN(1000))*time.Millisecond
			if rnd.IntN(40) == 0 {
				from += time.Duration(rnd.IntN(10)) * time.Hour
			}
			free[w] = from + time.Duration(rnd.IntN(60_000))*time.Millisecond
			r.Add(Attempt{ID: b.Items[i].ID, Attempt: 1, Class: "ok", Started: start().Add(from), Ended: start().Add(free[w])})
		}
		x := newAxis(r.attempts)
		lanes, more := r.lanes(x)
		if len(lanes) > workers || more > 0 {
			t.Errorf("seed %d: %d lanes and %d more for %d workers", seed, len(lanes), more, workers)
		}
		bars := 0
		for _, l := range lanes {
			for k, bar := range l.Bars {
				bars++
				if k > 0 && bar.Left < l.Bars[k-1].Left+l.Bars[k-1].Width-0.13 {
					t.Errorf("seed %d: %s does two things at once", seed, l.Name)
				}
				if bar.Left < 0 || bar.Left+bar.Width > 100.2 {
					t.Errorf("seed %d: a bar at %v, %v wide", seed, bar.Left, bar.Width)
				}
			}
		}
		if bars != 300 {
			t.Errorf("seed %d: %d bars", seed, bars)
		}
		// The axis goes one way, and all of it is used.
		last := -1.0
		for _, a := range r.attempts {
			if at := x.at(a.from); at < last {
				t.Fatalf("seed %d: back to %v from %v", seed, at, last)
			} else {
				last = at
			}
		}
		if s := x.spans[len(x.spans)-1]; s.left+s.width < 99.9 || s.left+s.width > 100.1 {
			t.Errorf("seed %d: it ends at %v", seed, s.left+s.width)
		}
		for k, tick := range r.ticks(x) {
			if tick.At < 0 || tick.At > 100 || k > 40 {
				t.Errorf("seed %d: tick %d at %v", seed, k, tick.At)
			}
		}
	}
}

// The curve ends at what is done now: what was reset is not in it, what was set
// by hand was there from the beginning.
func TestProgress(t *testing.T) {
	r := small(t, "plain")
	c := r.progress(newAxis(r.attempts))
	if c.Done != 3 || c.Total != 6 {
		t.Errorf("%d of %d", c.Done, c.Total)
	}
	y := func(n int) string { return fmt.Sprintf("%.1f", 200-200*float64(n)/6) }
	if !strings.HasPrefix(c.Line, "M0 "+y(1)+"H") || !strings.Contains(c.Line, "V"+y(2)+"H") || !strings.HasSuffix(c.Line, "V"+y(3)) {
		t.Errorf("the line is %s", c.Line)
	}
	if len(c.Marks) != 1 {
		t.Errorf("failures at %v", c.Marks)
	}
}

// 100,000 subtasks and 200,000 attempts make a file that a browser can show.
func TestBounds(t *testing.T) {
	b := parse(t, string(gen.Realistic(100_000)))
	statuses := b.Statuses()
	r := New(source(b, statuses))
	n := 0
	for i := range b.Items {
		if b.Items[i].Kind != backlog.Subtask {
			continue
		}
		n++
		class := "ok"
		statuses[i] = backlog.Complete
		if n%10 == 0 {
			class, statuses[i] = "permanent", backlog.Failed
		}
		from := start().Add(time.Duration(n/64) * time.Second)
		r.Add(Attempt{ID: b.Items[i].ID, Attempt: 1, Class: "quota", Reason: strings.Repeat("x", 1000), Credential: fmt.Sprint("c", n), RunID: fmt.Sprint("r", n), Started: from, Ended: from.Add(time.Second / 2)})
		r.Add(Attempt{ID: b.Items[i].ID, Attempt: 2, Class: class, Started: from.Add(time.Second / 2), Ended: from.Add(time.Second), RunID: fmt.Sprint("r", n)})
	}
	page := html(t, r)
	t.Logf("%d bytes", len(page))
	if len(page) > 2<<20 {
		t.Errorf("%d bytes", len(page))
	}
	if n := strings.Count(page, `<article class="failure">`); n != maxFailures || !strings.Contains(page, fmt.Sprintf("and %d more;", 10_000-maxFailures)) {
		t.Errorf("%d failures are shown", n)
	}
	if n := strings.Count(page, "worker "); n != maxLanes || !strings.Contains(page, "and 16 more workers") {
		t.Errorf("%d workers are shown", n)
	}
	if n := strings.Count(page, `class="hg-n`); n > maxNodes+20 || n < 5 {
		t.Errorf("the graph has %d nodes", n)
	}
}

func TestNothing(t *testing.T) {
	b := parse(t, `{"backlog":[]}`)
	page := html(t, New(source(b, b.Statuses())))
	for _, want := range []string{"The backlog is empty.", "No attempts are on record yet.", "Nothing is Failed.", "There is nothing to draw", "nothing to do"} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	bl := parse(b, string(gen.Realistic(100_000)))
	for b.Loop() {
		r := New(source(bl, bl.Statuses()))
		for i := range bl.Items {
			if bl.Items[i].Kind == backlog.Subtask {
				from := start().Add(time.Duration(i) * time.Second)
				r.Add(Attempt{ID: bl.Items[i].ID, Attempt: 1, Class: "ok", Started: from, Ended: from.Add(2 * time.Second), RunID: "r"})
			}
		}
		html(b, r)
	}
}
