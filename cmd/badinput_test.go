//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// badInput is a backlog that no command may work on.
type badInput struct {
	name string
	put  func(t *testing.T, path string) // makes tasks.json
	want string                          // in the message
	user bool                            // as a user without rights
}

func text(content string) func(*testing.T, string) {
	return func(t *testing.T, path string) { t.Helper(); write(t, path, content) }
}

// chain is a backlog of n subtasks that wait for each other in a circle.
func chain(n int) string {
	subtasks := make([]subtask, n)
	for i := range subtasks {
		subtasks[i] = subtask{run: `"touch ran"`, deps: fmt.Sprintf(`["P1.M1.T1.S%d"]`, (i+1)%n+1)}
	}
	return oneTask(subtasks...)
}

// changed is a good backlog with one text in place of another.
func changed(t *testing.T, old, replacement string) string {
	t.Helper()
	good := oneTask(subtask{run: `"touch ran"`}, subtask{run: `"touch ran"`, deps: `["P1.M1.T1.S1"]`})
	if !strings.Contains(good, old) {
		t.Fatalf("%s is not in the backlog", old)
	}
	return strings.Replace(good, old, replacement, 1)
}

func badInputs(t *testing.T) []badInput {
	good := changed(t, `x`, `x`)
	fail := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return []badInput{
		{name: "empty", put: text(""), want: "tasks.json:1:1: "},
		{name: "blank", put: text(" \n\n"), want: "tasks.json:"},
		{name: "truncated", put: text(good[:len(good)/2]), want: "tasks.json:"},
		{name: "null", put: text("null\n"), want: "tasks.json:1:1: "},
		{name: "a list", put: text("[]"), want: "tasks.json:1:1: "},
		{name: "no backlog", put: text("{}"), want: `"backlog"`},
		{name: "backlog null", put: text(`{"backlog": null}`), want: "tasks.json:1:13: "},
		{name: "two documents", put: text(good + good), want: "tasks.json:"},
		{name: "10000 levels of lists", put: text(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), want: "tasks.json:1:"},
		{name: "10000 levels in an item", put: text(changed(t, `"touch ran"`, `"true","x":`+strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000))), want: "deep"},
		{name: "10000 levels left open", put: text(strings.Repeat(`{"backlog":[`, 10_000)), want: "tasks.json:1:"},
		{name: "duplicate ids", put: text(changed(t, `"id":"P1.M1.T1.S2"`, `"id":"P1.M1.T1.S1"`)), want: `the id "P1.M1.T1.S1" stands twice`},
		{name: "duplicate keys", put: text(changed(t, `"status":"Planned"`, `"status":"Planned","status":"Complete"`)), want: `"status"`},
		{name: "wrong parent", put: text(changed(t, `"id":"P1.M1.T1.S2"`, `"id":"P1.M2.T1.S2"`)), want: `the id "P1.M2.T1.S2" does not fit its parent "P1.M1.T1"`},
		{name: "path as id", put: text(changed(t, `"id":"P1.M1.T1.S2"`, `"id":"P1.M1.T1.S2/../../../etc"`)), want: `"P1.M1.T1.S2/../../../etc"`},
		{name: "path as phase", put: text(changed(t, `"id":"P1"`, `"id":"../P1"`)), want: `"../P1"`},
		{name: "cycle of 1", put: text(changed(t, `["P1.M1.T1.S1"]`, `["P1.M1.T1.S2"]`)), want: "P1.M1.T1.S2 -> P1.M1.T1.S2"},
		{name: "cycle of 2", put: text(chain(2)), want: "P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S1"},
		{name: "cycle of 1000", put: text(chain(1000)), want: "cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> "},
		{name: "own parent", put: text(changed(t, `["P1.M1.T1.S1"]`, `["P1.M1"]`)), want: "P1.M1.T1.S2 -> P1.M1 -> P1.M1.T1.S2"},
		{name: "unknown dependency", put: text(changed(t, `["P1.M1.T1.S1"]`, `["P7"]`)), want: `"P7"`},
		{name: "unknown status", put: text(changed(t, `"Planned"`, `"Ready"`)), want: `unknown status "Ready"; allowed: Planned, `},
		{name: "unknown type", put: text(changed(t, `"Subtask"`, `"Job"`)), want: `"Job"`},
		{name: "negative points", put: text(changed(t, `"story_points":1`, `"story_points":-0.5`)), want: "-0.5"},
		{name: "NUL bytes", put: text(changed(t, `touch`, "to\x00uch")), want: "tasks.json:2:"},
		{name: "NUL bytes only", put: text(strings.Repeat("\x00", 100)), want: "tasks.json:1:1: "},
		{name: "NUL in a command", put: text(changed(t, `touch`, `to\u0000uch`)), want: "NUL"},
		{name: "not UTF-8", put: text(changed(t, `touch`, "to\xffuch")), want: "UTF-8"},
		{name: "200 MB of zeros", put: func(t *testing.T, path string) {
			write(t, path, "")
			fail(t, os.Truncate(path, 200<<20))
		}, want: "tasks.json"},
		{name: "directory", put: func(t *testing.T, path string) { fail(t, os.Mkdir(path, 0o755)) },
			want: "tasks.json is a directory; it has to be a file"},
		{name: "fifo", put: func(t *testing.T, path string) { fail(t, syscall.Mkfifo(path, 0o644)) },
			want: "tasks.json is a named pipe; it has to be a regular file"},
		{name: "dangling link", put: func(t *testing.T, path string) { fail(t, os.Symlink("nowhere", path)) },
			want: "tasks.json is a symbolic link to nowhere, which does not exist"},
		{name: "link to itself", put: func(t *testing.T, path string) { fail(t, os.Symlink("tasks.json", path)) },
			want: "tasks.json"},
		{name: "unreadable", user: true, put: func(t *testing.T, path string) {
			write(t, path, good)
			fail(t, os.Chmod(path, 0o000))
		}, want: "tasks.json cannot be read: permission denied"},
	}
}

func TestBadInput(t *testing.T) {
	for _, bad := range badInputs(t) {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			dir := public(t)
			bad.put(t, filepath.Join(dir, "tasks.json"))
			write(t, filepath.Join(dir, "later"), recoveryFile)
			refused := func(call string) {
				t.Helper()
				before := snapshot(t, dir)
				r := hackyAs(t, bad.user, dir, strings.Fields(call)...)
				r.refuses(t, call, bad.want)
				if after := snapshot(t, dir); after != before {
					t.Errorf("hacky %s wrote something: before\n%safter\n%s", call, before, after)
				}
			}
			for _, call := range []string{"run", "run --dry-run", "run --recover", "status", "status -o json", "validate",
				"validate -o json", "set P1.M1.T1.S1 Complete", "recover --file later", "recover --file later --dry-run"} {
				refused(call)
			}
			if err := os.Rename(filepath.Join(dir, "later"), filepath.Join(dir, "tasks.json.failed")); err != nil {
				t.Fatal(err)
			}
			for _, call := range []string{"run", "run --recover", "recover", "recover --force", "status"} {
				refused(call)
			}
		})
	}
}

const recoveryFile = `{"version":"1.0","timestamp":"2026-01-24T15:30:45.123Z","sessionPath":".","pendingUpdates":null,
"error":{"message":"full","code":"ENOSPC","attempts":1},"pendingCount":1,
"changes":[{"id":"P1.M1.T1.S1","from":"Planned","to":"Complete","at":"2026-01-24T15:30:45.123Z","seq":1}]}`

// refuses checks a refusal: exit 2, at least one sentence, each line of which
// begins like every message, and no results. `validate` prints the problems on
// standard output, as its result.
func (r result) refuses(t *testing.T, call, want string) {
	t.Helper()
	r.wants(t, 2)
	said := r.stderr
	if strings.HasPrefix(call, "validate") {
		said += r.stdout
		if strings.Contains(call, "json") {
			said = strings.ReplaceAll(said, `\"`, `"`)
			if strings.HasPrefix(want, "tasks.json:") {
				want = "tasks.json" // line and column are members there
			}
		}
	} else if r.stdout != "" {
		t.Errorf("hacky %s: on standard output: %s", call, clip(r.stdout))
	}
	contains(t, "hacky "+call, said, want)
	if r.stderr == "" {
		t.Errorf("hacky %s says nothing", call)
	}
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "hacky: ") || len(line) > 1000 {
			t.Errorf("hacky %s: a line of %d bytes: %s", call, len(line), clip(line))
		}
	}
}

// What looks bad and is good: it is run, and only status values change.
func TestOddInput(t *testing.T) {
	t.Parallel()
	good := two()
	for name, content := range map[string]string{
		"BOM":              "\ufeff" + good,
		"CRLF":             strings.ReplaceAll(good, "\n", "\r\n"),
		"BOM and CRLF":     "\ufeff" + strings.ReplaceAll(good, "\n", "\r\n"),
		"no final newline": strings.TrimSuffix(good, "\n"),
		"one line":         strings.ReplaceAll(good, "\n", ""),
		"escapes":          strings.Replace(good, "Subtask 1", `S\u0075bt\u0000\/\ud83d\ude00`, 1),
		"unknown fields":   strings.Replace(good, `"backlog"`, `"z": [1.0, 1e3, -0], "backlog"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := session(t, content)
			hacky(t, dir, "validate").wants(t, 0)
			hacky(t, dir, "run").wants(t, 0)
			want := strings.ReplaceAll(content, `"Planned"`, `"Complete"`)
			if got := read(t, filepath.Join(dir, "tasks.json")); got != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			hacky(t, dir, "set", "P1", "Planned").wants(t, 0)
			if got := read(t, filepath.Join(dir, "tasks.json")); got != content {
				t.Errorf("set back:\n%q\nwant\n%q", got, content)
			}
		})
	}
}

// A valid file of 200 MB is worked on in bounded memory.
func TestLargeInput(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 600 MB")
	}
	const size, most = 200 << 20, 800 << 20
	dir := t.TempDir()
	writeLarge(t, filepath.Join(dir, "tasks.json"), size)
	for _, call := range []string{"status", "validate", "run --dry-run", "set P1.M1.T1.S1 Complete"} {
		r := hacky(t, dir, strings.Fields(call)...)
		r.wants(t, 0)
		if usage, ok := r.state.SysUsage().(*syscall.Rusage); ok {
			if used := maxRSS(usage); used > most {
				t.Errorf("hacky %s used %d MB of memory, want at most %d", call, used>>20, most>>20)
			} else {
				t.Logf("hacky %s: %d MB", call, used>>20)
			}
		}
	}
	noLitter(t, dir)
}

// writeLarge writes a good backlog of about size bytes. It keeps little of it
// in memory: Linux counts what a process was forked from as its own.
func writeLarge(t *testing.T, path string, size int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const notes = 20_000
	head, tail, _ := strings.Cut(oneTask(subtask{run: `["true"]`, more: `,"notes":""`}), `""}`+"\n")
	put := func(text string) {
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	put(head + `""}`)
	for i := range size / notes {
		put(fmt.Sprintf(",\n"+`{"id":"P1.M1.T1.S%d","type":"Subtask","title":"","status":"Planned","story_points":1,"dependencies":["P1.M1.T1.S%d"],"context_scope":"","run":["true"],"notes":"`, i+2, i+1))
		put(strings.Repeat("x", notes) + `"}`)
	}
	put("\n" + tail)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
