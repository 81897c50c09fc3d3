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
	"unicode/utf8"

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
		end := 0.0
		for k, tick := range r.ticks(x) {
			if tick.At < 0 || tick.At > 100 || k > 40 {
				t.Errorf("seed %d: tick %d at %v", seed, k, tick.At)
			}
			if tick.Label == "" {
				continue
			}
			if tick.At < end-1e-6 || tick.At+inChart(tick.Label) > 100 {
				t.Errorf("seed %d: the label %q at %.2f runs into another or out of the chart", seed, tick.Label, tick.At)
			}
			end = tick.At + inChart(tick.Label)
		}
	}
}

// inChart is how much of a chart text takes when that is as narrow as it gets,
// in percent, by the widths of DejaVu Sans at 11 pixels.
func inChart(text string) float64 {
	wide := 0.0
	for _, c := range text {
		switch c {
		case ':', '.', ' ':
			wide += 3.8
		case 'M':
			wide += 9.5
		default:
			wide += 7
		}
	}
	return 100 * wide / plotWidth
}

// Many runs of a moment each, or of hours, in any zone: labels keep apart.
func TestLabels(t *testing.T) {
	if !strings.Contains(pageStyle, fmt.Sprintf("minmax(%dpx, 1fr)", plotWidth)) {
		t.Errorf("the charts are not at least %d wide", plotWidth)
	}
	b := parse(t, string(gen.Independent(60, []string{"true"})))
	shown := 0
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		src := source(b, b.Statuses())
		src.Now = src.Now.In(time.FixedZone("", (rnd.IntN(27)-12)*1800))
		r := New(src)
		at, unit := time.Duration(0), []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}[rnd.IntN(4)]
		for k := range 1 + rnd.IntN(40) {
			if rnd.IntN(3) == 0 {
				at += time.Duration(rnd.IntN(72)) * time.Hour
			}
			long := time.Duration(1+rnd.IntN(90)) * unit
			r.Add(Attempt{ID: b.Items[b.Len()-1].ID, Attempt: k, Class: "ok", Started: start().Add(at), Ended: start().Add(at + long)})
			at += long
		}
		end := 0.0
		ticks := r.ticks(newAxis(r.attempts))
		for _, tick := range ticks {
			if tick.Label == "" {
				continue
			}
			if shown++; tick.At < end-1e-6 || tick.At+inChart(tick.Label) > 100 {
				t.Errorf("seed %d: the label %q at %.2f runs into another or out of the chart", seed, tick.Label, tick.At)
			}
			end = tick.At + inChart(tick.Label)
		}
		if ticks[0].Label == "" {
			t.Errorf("seed %d: the beginning has no label", seed)
		}
	}
	if shown < 600 {
		t.Errorf("%d labels in all", shown)
	}
}

// Bars show as much of an id as fits.
func TestFitting(t *testing.T) {
	for width, want := range map[float64]string{1: "", 4.5: "T1.S2", 7: "M2.T1.S2", 40: "P1.M2.T1.S2"} {
		label, ground := fitting("P1.M2.T1.S2", width)
		if label != want || label != "" && (ground > width*plotWidth/100 || ground/plotWidth*100 < inChart(label)*10/11) {
			t.Errorf("into %v%% fits %q on %v pixels, want %q", width, label, ground, want)
		}
	}
}

// worked is a session of these subtasks, P1.M1.T1.S1 and on, and what add puts
// into its report. Attempts last a minute, one after the other.
func worked(t testing.TB, title string, statuses []backlog.Status, add func(did func(run string, subtask, number int, class string))) *Report {
	t.Helper()
	subtasks := make([]string, len(statuses))
	for k, st := range statuses {
		subtasks[k] = fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":%q,"status":%q,"story_points":1,"dependencies":[],"context_scope":""}`, k+1, title, st)
	}
	b := parse(t, fmt.Sprintf(`{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","description":"","milestones":[
		{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","description":"","tasks":[{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","description":"","subtasks":[%s]}]}]}]}`, strings.Join(subtasks, ",")))
	r := New(source(b, b.Statuses()))
	at := start()
	add(func(run string, subtask, number int, class string) {
		id := fmt.Sprintf("P1.M1.T1.S%d", subtask)
		a := Attempt{ID: id, Attempt: number, Class: class, RunID: run, Started: at, Ended: at.Add(time.Minute), Log: fmt.Sprintf("artifacts/%s/attempt-%d/run.log", id, number)}
		if class != "ok" {
			a.Reason = fmt.Sprintf("reason of %d in %s", number, run)
		}
		r.Add(a)
		at = a.Ended
	})
	return r
}

// cells are the texts of the rows of a section's table.
func cells(page, section string) []string {
	_, page, _ = strings.Cut(page, `<section id="`+section+`">`)
	page, _, _ = strings.Cut(page, "</section>")
	var out []string
	for _, row := range strings.Split(page, "<tr>")[1:] {
		row, _, _ = strings.Cut(row, "</tr>")
		out = append(out, strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(row, " ")), " "))
	}
	return out
}

// The log of each attempt can be reached, from lists and from the chart, though
// a later one succeeded.
func TestLogsOfAttempts(t *testing.T) {
	r := worked(t, "A title", []backlog.Status{backlog.Complete}, func(did func(string, int, int, string)) {
		did("r1", 1, 1, "transient")
		did("r1", 1, 2, "permanent")
		for n := 3; n < 20; n++ {
			did("r2", 1, n, "transient")
		}
		did("r2", 1, 20, "ok")
	})
	r.src.Link = func(log string) string {
		if strings.Contains(log, "attempt-19/") {
			return "" // was removed
		}
		return "session/" + log
	}
	page := html(t, r)
	_, bars, _ := strings.Cut(page, `<section id="gantt">`)
	bars, _, _ = strings.Cut(bars, "<details")
	if n := strings.Count(bars, "</a>"); n != 19 || !strings.Contains(bars, `<a href="session/artifacts/P1.M1.T1.S1/attempt-1/run.log" tabindex="-1"><title>P1.M1.T1.S1 A title`) {
		t.Errorf("%d bars lead to logs: %s", n, bars)
	}
	_, retries, _ := strings.Cut(page, `<section id="retries">`)
	retries, _, _ = strings.Cut(retries, "</section>")
	if want := `8 earlier, attempt <a href="session/artifacts/P1.M1.T1.S1/attempt-9/run.log" aria-label="log of attempt 9, transient">9</a>, <a `; !strings.Contains(retries, want) {
		t.Errorf("retries has not %s but %s", want, retries)
	}
	if !strings.Contains(retries, ">18</a>, 19, <a href=\"session/artifacts/P1.M1.T1.S1/attempt-20/run.log\"") {
		t.Errorf("retries: %s", retries)
	}
	if rows := cells(page, "gantt"); len(rows) != 21 || rows[1] != "2026-03-01 22:00:00 P1.M1.T1.S1 A title 1 transient 1m0s log" {
		t.Errorf("the table: %q", rows)
	}
}

// Logs may be anywhere, several of an attempt, and named in any way.
func TestLogNames(t *testing.T) {
	b := parse(t, string(gen.Independent(2, []string{"true"})))
	r := New(source(b, b.Statuses()))
	id := b.Items[b.Len()-1].ID
	dir := "artifacts/" + id + "/attempt-2/"
	for _, c := range []struct {
		log  string
		logs []string
		want string
	}{
		{dir + "run.log", nil, dir + "run.log"},
		{dir + "b.log", []string{dir + "b.log", dir + "a.log"}, dir + "a.log " + dir + "b.log"},
		{"", []string{dir + "a.log", "", "artifacts/old/x.log"}, dir + "a.log artifacts/old/x.log"},
		{"artifacts/" + id + "/attempt-1/run.log", nil, "artifacts/" + id + "/attempt-1/run.log"},
		{"run.log", []string{"a/\x00b", "a/" + strings.Repeat("x", 5000)}, ""},
		{dir + "in/deeper.log", nil, dir + "in/deeper.log"},
		{"", nil, ""},
	} {
		a := Attempt{ID: id, Attempt: 2, Class: "ok", Started: start(), Ended: start(), Log: c.log}
		for _, l := range c.logs {
			a.Commands = append(a.Commands, struct {
				Log       string  `json:"log"`
				TokensIn  int64   `json:"tokensIn"`
				TokensOut int64   `json:"tokensOut"`
				CostUSD   float64 `json:"costUsd"`
			}{Log: l})
		}
		r.Add(a)
		if got := strings.Join(r.logNames(r.attempts[len(r.attempts)-1]), " "); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.logs, c.log, got, c.want)
		}
	}
	for k := range maxLogSets + 100 {
		r.Add(Attempt{ID: id, Attempt: 2, Class: "ok", Started: start(), Ended: start(), Log: fmt.Sprintf("artifacts/%d/run.log", k)})
	}
	if len(r.logs) > maxLogSets {
		t.Errorf("%d sets of names are kept", len(r.logs))
	}
}

// What failed is counted the same way everywhere: subtasks, by their last
// attempt in a run.
func TestCounts(t *testing.T) {
	r := worked(t, "A title", []backlog.Status{backlog.Failed, backlog.Failed, backlog.Complete, backlog.Retrying, backlog.Complete}, func(did func(string, int, int, string)) {
		did("r1", 1, 1, "transient")
		did("r1", 1, 2, "transient") // no more retries
		did("r1", 2, 1, "permanent")
		did("r1", 3, 1, "transient")
		did("r1", 3, 2, "transient")
		did("r1", 3, 3, "ok")
		did("r1", 5, 1, "permanent")
		did("r2", 1, 3, "permanent")
		did("r2", 2, 2, "transient")
		did("r2", 5, 2, "quota")
		did("r2", 5, 2, "ok")
		did("r2", 4, 1, "transient") // will be tried again
	})
	c := r.progress(newAxis(r.attempts))
	page := html(t, r)
	if c.Failed != 5 || !strings.Contains(page, "not tried again in that run: 5</li>") {
		t.Errorf("%d are marked", c.Failed)
	}
	if got, want := cells(page, "runs")[1:], []string{"r2 2026-03-01 22:07:00 2026-03-01 22:12:00 5m0s 5 1 2 1", "r1 2026-03-01 22:00:00 2026-03-01 22:07:00 7m0s 7 1 3 3"}; !slices.Equal(got, want) {
		t.Errorf("runs: %q, want %q", got, want)
	}
	if n := strings.Count(page, `<article class="failure">`); n != 2 {
		t.Errorf("%d failures", n)
	}
	if got := cells(page, "runs")[0]; got != "run from to time attempts succeeded failed retried" {
		t.Errorf("the head of runs: %s", got)
	}
}

// What failed does not vanish when it is reset, or succeeds later.
func TestPastFailures(t *testing.T) {
	r := worked(t, "A title", []backlog.Status{backlog.Planned, backlog.Complete, backlog.Complete, backlog.Planned}, func(did func(string, int, int, string)) {
		did("r1", 1, 1, "permanent")
		did("r1", 2, 1, "permanent")
		did("r1", 3, 1, "transient")
		did("r1", 3, 2, "ok")
		did("r2", 2, 2, "transient")
		did("r2", 2, 3, "ok")
	})
	page := html(t, r)
	_, failures, _ := strings.Cut(page, `<section id="failures">`)
	failures, _, _ = strings.Cut(failures, "</section>")
	for _, want := range []string{"Nothing is Failed.", `<details id="past" open><summary>2 failed earlier, and are not Failed now</summary>`,
		"<article class=\"failure past\"><p><span class=\"id\">P1.M1.T1.S1", "<b>failed, and is Planned since:</b> reason of 1 in r1", "the end of artifacts/P1.M1.T1.S1/attempt-1/run.log",
		"<b>failed, and is Complete since:</b> reason of 1 in r1", "the end of artifacts/P1.M1.T1.S2/attempt-1/run.log"} {
		if !strings.Contains(failures, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if strings.Contains(failures, "P1.M1.T1.S3") || strings.Contains(failures, "attempt-2/run.log</") {
		t.Errorf("what was retried with success is no failure: %s", failures)
	}
}

// Text is cut between letters.
func TestCut(t *testing.T) {
	for n := range 5 {
		title := strings.Repeat("x", n) + strings.Repeat("日", 100)
		if got := bounded(title, 200); !utf8.ValidString(got) || !strings.HasSuffix(got, "日...") || len(got) > 203 {
			t.Errorf("%q", got)
		}
		page := html(t, worked(t, title, []backlog.Status{backlog.Failed}, func(did func(string, int, int, string)) { did("r", 1, 1, "permanent") }))
		if !utf8.ValidString(page) || strings.ContainsRune(page, utf8.RuneError) {
			t.Error("the page has half a letter")
		}
	}
	if got := end(strings.Repeat("日本語\n", 1000)); len(got) > maxTail || !strings.HasPrefix(got, "日本語\n") {
		t.Errorf("the end of a log begins with %.20q", got)
	}
}

// Of many that failed earlier the latest are shown.
func TestManyPastFailures(t *testing.T) {
	statuses := make([]backlog.Status, maxPast+5)
	page := html(t, worked(t, "A title", statuses, func(did func(string, int, int, string)) {
		for k := range statuses {
			did("r", k+1, 1, "permanent")
		}
	}))
	if n := strings.Count(page, `<article class="failure past">`); n != maxPast || !strings.Contains(page, "<summary>25 failed earlier, and are not Failed now; the latest 20</summary>") {
		t.Errorf("%d are shown", n)
	}
}

// What is drawn can also be read: as a table, with names for what is a picture.
func TestReadable(t *testing.T) {
	r := worked(t, "A title", []backlog.Status{backlog.Complete}, func(did func(string, int, int, string)) {
		for n := range maxRows + 100 {
			did("r", 1, n+1, "ok")
		}
	})
	page := html(t, r)
	if !strings.Contains(page, "<main>") || !strings.Contains(page, "</main>") {
		t.Error("there is no main")
	}
	if heads := strings.Count(page, "<th"); heads != strings.Count(page, `<th scope="col"`) || heads < 10 {
		t.Errorf("of %d heads not all have a scope", heads)
	}
	if rows := cells(page, "gantt"); len(rows) != maxRows+1 || !strings.Contains(rows[1], " 101 ok ") || !strings.Contains(page, "The latest 500 of 600 attempts as a table") {
		t.Errorf("%d rows: %s", len(rows), rows[1])
	}
	if !strings.Contains(page, `role="img" aria-label="worker 1: 600 attempts, 600 ok"`) {
		t.Error("a lane has no name")
	}
	if page := html(t, small(t, "plain")); !strings.Contains(page, "</svg>nothing ran, for 8h19m</li>") {
		t.Error("how long nothing ran is only in a tooltip")
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
	if len(c.Marks) != 1 || c.Failed != 1 {
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
	if n := strings.Count(page, `<span class="name">worker `); n != maxLanes || !strings.Contains(page, "and 16 more workers") {
		t.Errorf("%d workers are shown", n)
	}
	if strings.Contains(page, `id="past"`) {
		t.Error("what failed and is Failed is not past")
	}
	if n := strings.Count(page, `class="hg-n`); n > maxNodes+20 || n < 5 {
		t.Errorf("the graph has %d nodes", n)
	}
}

// The most that is drawn one by one, with texts that are long once escaped, is
// bounded, too.
func TestWorst(t *testing.T) {
	var statuses []backlog.Status
	for range maxBars {
		statuses = append(statuses, backlog.Complete)
	}
	r := worked(t, strings.Repeat("<", 250), statuses, func(did func(string, int, int, string)) {
		for k := range maxBars {
			did("r", k+1, 1, []string{"transient", "permanent"}[k%2])
		}
	})
	r.src.Tail = func(string) string { return strings.Repeat(strings.Repeat("a < b ", 60)+"\n", 20) }
	page := html(t, r)
	t.Logf("%d bytes", len(page))
	if len(page) > 2<<20 {
		t.Errorf("%d bytes", len(page))
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
