package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
)

// chromium calls a headless one with a page from file://, and returns what it
// prints.
func chromium(t *testing.T, page string, args ...string) (stdout, stderr string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (Debian package chromium; make deps installs it)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--enable-logging=stderr", "--v=0", "--window-size=1000,1400",
		"--host-resolver-rules=MAP * ~NOTFOUND"}, args...)
	c := exec.CommandContext(ctx, program, append(all, "file://"+page)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Skipf("chromium cannot be run here: %v\n%s", err, clip(errs.String()))
	}
	return out.String(), errs.String()
}

// TestReportInChromium: the report of a real session shows what there was, says
// nothing on the console, needs no network, and is drawn in both colour schemes.
func TestReportInChromium(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"true"`}, subtask{run: `"test $HACKY_ATTEMPT -gt 1 || exit 75"`},
		subtask{run: `"echo '<script>alert(1)</script> the last words'; exit 3"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S3"]`}))
	hacky(t, dir, "run", "--retry-backoff", "100ms").wants(t, 1)
	hacky(t, dir, "report").wants(t, 0)
	page := filepath.Join(dir, "hacky-report.html")
	for _, remote := range []string{"http://", "https://", "src=", "@import"} {
		if text := strings.ReplaceAll(read(t, page), `xmlns="http://www.w3.org/2000/svg"`, ""); strings.Contains(text, remote) {
			t.Errorf("the page holds %q", remote)
		}
	}
	dom, console := chromium(t, page, "--dump-dom")
	contains(t, "the page", dom, "2 of 4", "P1.M1.T1.S3", "&lt;script&gt;alert(1)&lt;/script&gt; the last words", "<svg", "run.log")
	if strings.Contains(console, "CONSOLE") || strings.Contains(dom, "<script>alert") {
		t.Errorf("the console: %s", console)
	}
	light, dark := picture(t, page), picture(t, page, "--blink-settings=preferredColorScheme=0")
	for name, p := range map[string]shades{"light": light, "dark": dark} {
		if p.colours < 10 {
			t.Errorf("the %s picture has %d colours", name, p.colours)
		}
	}
	if light.corner <= dark.corner {
		t.Errorf("brightness of the corner: %d light, %d dark", light.corner, dark.corner)
	}
}

// worked makes a session of a backlog with two attempts at each subtask, some of
// which failed, by so many workers.
func worked(t *testing.T, tasks []byte, workers int) string {
	t.Helper()
	b, err := backlog.Parse("tasks.json", string(tasks))
	if err != nil {
		t.Fatal(err)
	}
	dir := session(t, string(tasks))
	if err := os.Mkdir(filepath.Join(dir, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "artifacts", "attempts.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	start, n := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), 0
	for _, it := range b.Items {
		if it.Kind != backlog.Subtask {
			continue
		}
		from := start.Add(time.Duration(n/workers) * time.Minute)
		if n > b.Len()/2 {
			from = from.Add(9 * time.Hour)
		}
		record := func(attempt int, class, reason string, from time.Time, long time.Duration) {
			fmt.Fprintf(w, `{"id":%q,"attempt":%d,"class":%q,"reason":%q,"started":%q,"ended":%q,"log":"artifacts/%[1]s/attempt-%[2]d/run.log","runId":"r%[7]d"}`+"\n",
				it.ID, attempt, class, reason, from.Format(time.RFC3339Nano), from.Add(long).Format(time.RFC3339Nano), n%3)
		}
		last := "ok"
		if n%10 == 3 {
			last = "permanent"
		}
		record(1, "transient", "exit 75, a temporary failure", from, 20*time.Second)
		record(2, last, "", from.Add(20*time.Second), time.Duration(5+n%35)*time.Second)
		n++
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// measure is a script that tells what of a page is not as wide as it should be.
const measure = `
const wrong = [], said = [];
const wide = document.documentElement.scrollWidth;
if (wide > innerWidth) wrong.push("the page is " + wide + " wide");
const phases = document.querySelector("#phases .wide");
if (phases.scrollWidth > phases.clientWidth) wrong.push("phases are " + phases.scrollWidth + " wide in " + phases.clientWidth);
for (const svg of document.querySelectorAll(".chart svg[height='16']")) {
	let end = 0, out = svg.getBoundingClientRect().right;
	for (const text of svg.querySelectorAll("text")) {
		const box = text.getBoundingClientRect();
		if (!text.textContent) continue;
		said.push(text.textContent);
		if (box.left < end || box.right > out) wrong.push("the label " + text.textContent + " overlaps");
		end = box.right;
	}
}
let labels = 0;
for (const text of document.querySelectorAll("text.in")) {
	labels++;
	const label = text.getBoundingClientRect();
	for (const rect of text.parentNode.querySelectorAll("rect"))
		if (label.left < rect.getBoundingClientRect().left || label.right > rect.getBoundingClientRect().right + 0.5) wrong.push(text.textContent + " is wider than its ground");
}
for (const text of document.querySelectorAll(".hg g svg text")) {
	const box = text.getBoundingClientRect(), node = text.closest("g").querySelector("rect").getBoundingClientRect();
	if (box.left < node.left || box.right > node.right) wrong.push("in the graph " + text.textContent + " is wider than its box");
}
const charts = [...document.querySelectorAll(".chart > div > svg")].map(e => Math.round(e.getBoundingClientRect().left * 10));
if (new Set(charts).size != 1) wrong.push("charts begin at " + charts);
for (const table of document.querySelectorAll("#slowest table")) if (table.getBoundingClientRect().height > 20 * 300) wrong.push("the slowest take " + table.getBoundingClientRect().height);
const graph = document.querySelector(".graph > svg");
if (graph.getBoundingClientRect().width > graph.parentNode.clientWidth) wrong.push("the graph is not scaled");
document.getElementById("full").click();
if (Math.round(graph.getBoundingClientRect().width) != Math.round(graph.getAttribute("width"))) wrong.push("the graph has no full size");
parent.postMessage("[" + innerWidth + " wide: " + said.length + " times, " + labels + " labels; wrong: " + wrong.join("; ") + "]", "*");
`

// TestReportGeometry: on a phone and on a desk nothing overlaps and nothing is
// wider than it should be, whatever the titles are.
func TestReportGeometry(t *testing.T) {
	t.Parallel()
	tasks := string(gen.Realistic(40))
	titles := []string{strings.Repeat("x", 200), strings.Repeat("W", 200), strings.Repeat("<&>", 66), strings.Repeat("\u65e5\u672c", 40), "short"}
	n := 0
	tasks = regexp.MustCompile(`"title": "[^"]*"`).ReplaceAllStringFunc(tasks, func(string) string {
		n++
		return `"title": "` + titles[n%len(titles)] + `"`
	})
	dir := worked(t, []byte(tasks), 8)
	hacky(t, dir, "report").wants(t, 0)
	page := read(t, filepath.Join(dir, "hacky-report.html"))
	page = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAllString(page, "")
	write(t, filepath.Join(dir, "measured.html"), strings.Replace(page, "</body>", "<script>"+measure+"</script></body>", 1))
	frames := filepath.Join(dir, "frames.html")
	write(t, frames, `<!doctype html><p id="told"></p><script>onmessage = m => document.getElementById("told").textContent += m.data</script>`+
		`<iframe src="measured.html" width="400" height="900"></iframe><iframe src="measured.html" width="1200" height="900"></iframe>`)
	dom, _ := chromium(t, frames, "--virtual-time-budget=20000", "--dump-dom")
	for _, width := range []int{400, 1200} {
		if want := regexp.MustCompile(fmt.Sprintf(`\[%d wide: \d{1,2} times, \d{2,3} labels; wrong: \]`, width)); !want.MatchString(dom) {
			t.Errorf("not as %s: %s", want, clip(dom))
		}
	}
}

// TestReportOfManyInChromium: a report of 100,000 subtasks and 200,000 attempts
// is a file that a browser opens.
func TestReportOfManyInChromium(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	dir := worked(t, gen.Realistic(100_000), 8)
	hacky(t, dir, "report").wants(t, 0)
	page := filepath.Join(dir, "hacky-report.html")
	if size := len(read(t, page)); size > 2<<20 {
		t.Errorf("%d bytes", size)
	}
	dom, console := chromium(t, page, "--dump-dom")
	contains(t, "the page", dom, "0 of 100000", "200000 attempts", "worker 8", "The latest 500 of 200000 attempts", "</html>")
	if strings.Contains(console, "CONSOLE") {
		t.Errorf("the console: %s", console)
	}
}

// shades are what is told of a picture.
type shades struct {
	colours int
	corner  uint32 // brightness
}

func picture(t *testing.T, page string, args ...string) shades {
	t.Helper()
	name := filepath.Join(t.TempDir(), "picture.png")
	chromium(t, page, append(args, "--screenshot="+name)...)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	r, g, b, _ := img.At(2, 2).RGBA()
	return shades{len(seen), r + g + b}
}
