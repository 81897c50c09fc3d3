package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/hacky-run/hacky/cmd"
)

// shownIn is what a terminal of that many columns gets to see.
func shownIn(t *testing.T, columns uint16, now time.Time, args ...string) string {
	t.Helper()
	master, slave := terminal(t, columns, 24)
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&out, master) // until the other side is closed, which is an error
	}()
	if code := cmd.MainAt(now, slave, args...); code != 0 {
		t.Errorf("%s: exit code %d", args, code)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	<-read
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// TestNarrow holds what reading commands show in terminals of 40 and 80 columns
// against testdata/terminal: what matters is there, and no line wraps.
// `UPDATE_GOLDEN=1 go test ./cmd -run TestNarrow` rewrites that.
func TestNarrow(t *testing.T) {
	now := time.Date(2026, 1, 24, 15, 30, 45, 0, time.Local)
	ago := func(d time.Duration) string { return now.Add(-d).UTC().Format(time.RFC3339) }
	golden, err := filepath.Abs("../testdata/terminal")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var subtasks []string
	sub := func(n int, title, status, deps, more string) {
		subtasks = append(subtasks, fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":%q,"status":%q,"story_points":2,"dependencies":[%s],"context_scope":%q,"run":"make something rather long --that-needs some columns"%s}`,
			n, title, status, deps, "What has to be known of it goes on for longer than a line of a narrow terminal.", more))
	}
	sub(1, "Create the module that parses all configuration files", "Complete", "", "")
	sub(2, "Create the module that validates all configuration files", "Failed", `"P1.M1.T1.S1"`, `,"env":{"API_TOKEN":"secret"},"timeout":"30m","gates":[{"level":1,"name":"lint","run":"make lint"}]`)
	sub(3, "Document how the configuration files are parsed and validated", "Planned", `"P1.M1.T1.S2"`, "")
	sub(4, "Release", "Planned", `"P1.M1.T1.S3"`, "")
	sub(5, "Migrate what older versions have written into the new format", "Implementing", "", "")
	sub(6, "Measure how long it takes", "Retrying", "", "")
	sub(7, "建立一個可以解析所有設定檔的模組並且測試", "Planned", "", "")
	backlog := `{"backlog":[{"id":"P1","type":"Phase","title":"Foundations that everything else is built upon","status":"Planned","description":"","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"Configuration","status":"Planned","description":"","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"Parsing and validation of configuration files","status":"Planned","description":"","subtasks":[` + strings.Join(subtasks, ",\n") + `]}]}]}]}`
	one := `{"backlog":[{"id":"P1","type":"Phase","title":"One","status":"Planned","description":"","milestones":[{"id":"P1.M1","type":"Milestone","title":"One","status":"Planned","description":"","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"One","status":"Planned","description":"","subtasks":[{"id":"P1.M1.T1.S1","type":"Subtask","title":"One","status":"Complete","story_points":1,"dependencies":[],"context_scope":"","run":"true"}]}]}]}]}`
	attempt := func(id string, n int, class, reason string, from, to time.Duration) string {
		log := "artifacts/" + id + "/attempt-" + fmt.Sprint(n) + "/run.log"
		return fmt.Sprintf(`{"id":%q,"attempt":%d,"class":%q,"exit":1,"reason":%q,"started":%q,"ended":%q,"commands":[{"stage":"run","exit":1,"durationMs":60000,"log":%q}],"log":%[7]q,"runId":"20260124T150000Z-01234567","git":{"before":"0123456789abcdef","after":"0123456789abcdef","files":2,"insertions":10,"deletions":3}}`+"\n",
			id, n, class, reason, ago(from), ago(to), log)
	}
	files := map[string]string{
		"tasks.json": backlog,
		"artifacts/attempts.ndjson": attempt("P1.M1.T1.S1", 1, "ok", "", 30*time.Minute, 28*time.Minute) +
			attempt("P1.M1.T1.S2", 1, "permanent", "exit 1", 27*time.Minute, 20*time.Minute) + attempt("P1.M1.T1.S6", 1, "transient", "exit 75, a temporary failure", 19*time.Minute, 18*time.Minute),
		"artifacts/notes.ndjson":                          fmt.Sprintf(`{"at":%q,"to":"Failed","note":"it is not known yet why, and nobody has looked at it so far","ids":["P1.M1.T1.S2"]}`+"\n", ago(21*time.Minute)),
		"artifacts/P1.M1.T1.S2/attempt-1/run.log":         "compiling\nconfig.go:12:2: undefined: validate, which was to be there by now\n",
		".hacky/run.lock":                                 "process 4711, since 2026-01-24 15:00:00\n",
		".hacky/write.lock":                               fmt.Sprintf("P1.M1.T1.S5 Implementing %d\n", now.Add(-10*time.Minute).UnixNano()),
		"plan/001_aaaaaaaaaaaa/tasks.json":                one,
		"plan/001_aaaaaaaaaaaa/tasks.json.failed":         `{"version":"1.0","timestamp":"2026-01-24T15:30:45.123Z","sessionPath":"plan/001_aaaaaaaaaaaa","pendingUpdates":null,"error":{"message":"x","code":"ENOSPC","attempts":1},"pendingCount":1,"changes":[{"id":"P1.M1.T1.S1","from":"Planned","to":"Complete","at":"2026-01-24T15:30:45.123Z","seq":1}],"base":""}`,
		"plan/002_bbbbbbbbbbbb/tasks.json":                "nothing",
		"plan/002_bbbbbbbbbbbb/bugfix/001_c/tasks.json":   one,
		"plan/002_bbbbbbbbbbbb/bugfix/001_c/.hacky/.keep": "",
	}
	for name, content := range files {
		mkdir(t, filepath.Dir(name))
		write(t, name, content)
		at := now.Add(-25 * time.Hour)
		if name == ".hacky/run.lock" {
			at = now.Add(-30 * time.Minute)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := os.Open(".hacky/run.lock") // a run that goes on
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, columns := range []uint16{40, 80} {
		var got strings.Builder
		show := func(args ...string) {
			fmt.Fprintf(&got, "$ hacky %s\n%s\n", strings.Join(args, " "), shownIn(t, columns, now, args...))
		}
		show("status")
		show("status", "--status", "Failed,Planned")
		show("status", "-o", "tree")
		show("next")
		show("why", "P1.M1.T1.S4")
		show("plan")
		show("history")
		show("history", "2026")
		show("sessions")
		show("show", "P1.M1.T1.S2")
		show("show", "P1")
		show("logs", "P1.M1.T1.S2", "--tail", "0")
		show("reset", "P1.M1.T1", "--dry-run")
		if columns == 80 {
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
			show("status")
			show("next")
		}
		for line := range strings.Lines(got.String()) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > int(columns) && !strings.HasPrefix(line, "$ ") {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		name := filepath.Join(golden, fmt.Sprintf("%d.txt", columns))
		if os.Getenv("UPDATE_GOLDEN") != "" {
			mkdir(t, golden)
			write(t, name, got.String())
		}
		if want := read(t, name); got.String() != want {
			t.Errorf("at %d columns:\n%s", columns, diff(want, got.String()))
		}
	}
}

// diff are the lines of which one of two texts has more than the other.
func diff(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]--
	}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var b strings.Builder
	for _, side := range []struct {
		mark, text string
		more       int
	}{{"- ", want, -1}, {"+ ", got, 1}} {
		for line := range strings.Lines(side.text) {
			if count[line]*side.more > 0 {
				b.WriteString(side.mark + line)
			}
		}
	}
	return b.String()
}
