package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// following starts hacky logs -f.
func following(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &running{Cmd: command(ctx, t, dir, append([]string{"logs", "-f"}, args...)...), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + strings.Join(args, " ") + dir}
	t.Cleanup(r.endAll)
	r.Env = append(r.Env, r.marker)
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) prints(text string) {
	r.t.Helper()
	eventually(r.t, "standard output says "+text, func() bool { return strings.Contains(r.stdout.String(), text) })
}

// logs -f follows from before the first log is there, through a retry and into
// another stage, and ends when the subtask has ended, while the run goes on.
func TestLogsFollow(t *testing.T) {
	t.Parallel()
	await := func(name string) string {
		return "for i in $(seq 1500); do test -e " + name + " && break; sleep 0.02; done; "
	}
	dir := session(t, oneTask(
		subtask{run: `"` + await("begin") + `"`},
		subtask{run: `"echo one $HACKY_ATTEMPT; touch said-$HACKY_ATTEMPT; ` + await("on-$HACKY_ATTEMPT") + `printf 'two '; test $HACKY_ATTEMPT = 2 || exit 75"`,
			deps: `["P1.M1.T1.S1"]`, more: `,"gates":[{"level":1,"name":"look","run":"echo looking; ` + await("looked") + `echo seen"}]`},
		subtask{run: `"` + await("end") + `"`},
	))
	run := start(t, dir, "--retry-backoff", "100ms")
	eventually(t, "the run has begun", func() bool { return strings.Contains(run.stdout.String(), "started") })
	f := following(t, dir, "P1.M1.T1.S2")
	write(t, filepath.Join(dir, "begin"), "")
	f.prints("one 1\n")
	write(t, filepath.Join(dir, "on-1"), "")
	f.prints("one 2\n")
	write(t, filepath.Join(dir, "on-2"), "")
	f.prints("looking\n")
	if strings.Contains(f.stderr.String(), "is ") {
		t.Errorf("it takes it for ended: %s", f.stderr.String())
	}
	late := following(t, dir, "P1.M1.T1.S2", "--tail", "1", "--stage", "look")
	late.prints("looking\n")
	write(t, filepath.Join(dir, "looked"), "")
	f.ends(0)
	late.ends(0)
	contains(t, "standard error", f.stderr.String(), "P1.M1.T1.S2 is Complete\n")
	want := `== P1.M1.T1.S2, attempt 1, run ==
one 1
two 

== P1.M1.T1.S2, attempt 2, run ==
one 2
two 

== P1.M1.T1.S2, attempt 2, gate-1-look ==
looking
seen
`
	got := strings.Split(f.stdout.String(), "\n") // a result is told if it is known by then
	for i, line := range got {
		if head, _, ok := strings.Cut(line, ": exit"); ok {
			got[i] = head + " =="
		}
	}
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("followed:\n%s\nwant:\n%s", text, want)
	}
	if text := late.stdout.String(); strings.Contains(text, "two") || !strings.HasSuffix(text, "looking\nseen\n") {
		t.Errorf("followed the gate:\n%s", text)
	}
	// What failed in this run is at rest, too; and so is everything without a run.
	write(t, filepath.Join(dir, "end"), "")
	run.ends(0)
	following(t, dir, "P1.M1.T1.S3").ends(0)
}

// What failed in an earlier run is waited for, as this run takes it up; what
// failed in this one is not.
func TestLogsFollowFailed(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(
		subtask{run: `"for i in $(seq 1500); do test -e begin && break; sleep 0.02; done"`},
		subtask{run: `"printf 'attempt %s\\nmore\\n' $HACKY_ATTEMPT; exit 1"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"for i in $(seq 1500); do test -e end && break; sleep 0.02; done"`},
	))
	write(t, filepath.Join(dir, "begin"), "")
	write(t, filepath.Join(dir, "end"), "")
	hacky(t, dir, "run").wants(t, 1)
	hacky(t, dir, "set", "P1.M1.T1.S1", "P1.M1.T1.S3", "Planned").wants(t, 0)
	for _, name := range []string{"begin", "end"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	run := start(t, dir, "--parallelism", "2")
	eventually(t, "the run has begun", func() bool { return strings.Contains(run.stdout.String(), "started") })
	f := following(t, dir, "P1.M1.T1.S2", "--tail", "1")
	f.prints("more\n")
	write(t, filepath.Join(dir, "begin"), "")
	f.prints("attempt 2\nmore\n") // the tail is of what was there
	f.ends(0)
	if strings.Contains(f.stdout.String(), "attempt 1\n") {
		t.Errorf("not the tail:\n%s", f.stdout.String())
	}
	contains(t, "standard error", f.stderr.String(), "P1.M1.T1.S2 is Failed\n")
	write(t, filepath.Join(dir, "end"), "")
	run.ends(1)
}

// On a terminal nothing of a log moves the cursor; on a pipe it is as it is on
// disk, where secrets are masked.
func TestLogsClean(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"printf '\\033[2Jred\\033[0m %s\\n' \"$API_TOKEN\"; printf 'bell\\007'"`, more: `,"env":{"API_TOKEN":"a-long-secret-value"}`}))
	hacky(t, dir, "run").wants(t, 0)
	raw := hacky(t, dir, "logs", "P1.M1.T1.S1")
	raw.wants(t, 0)
	_, content, _ := strings.Cut(raw.stdout, "==\n")
	if want := read(t, filepath.Join(dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "run.log")) + "\n"; content != want || !strings.Contains(want, "\x1b[2Jred") || strings.Contains(want, "secret-value") {
		t.Errorf("%q on a pipe, %q on disk", content, want)
	}
	r, _ := inTerminal(t, dir, "logs", "P1.M1.T1.S1")
	r.ends(0)
	eventually(t, "all output is read", func() bool { return strings.Contains(r.stderr.String(), "bell") })
	if text := r.stderr.String(); strings.ContainsAny(text, "\x1b\x07") || !strings.Contains(text, "red ") {
		t.Errorf("%q on a terminal", text)
	}
}

// Ctrl+C ends logs -f with the code of other commands, and the prompt gets a line
// of its own.
func TestLogsFollowInterrupted(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"printf begun; until test -e go-on; do sleep 0.02; done"`}))
	run := start(t, dir)
	eventually(t, "there is a log", func() bool {
		return exists(filepath.Join(dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "run.log"))
	})
	r, master := inTerminal(t, dir, "logs", "-f", "P1.M1.T1.S1")
	r.marker += " and what the run has started is none of its business"
	r.says("begun")
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	r.ends(130)
	eventually(t, "all output is read", func() bool { return strings.HasSuffix(r.stderr.String(), "begun^C\r\n") })
	write(t, filepath.Join(dir, "go-on"), "")
	run.ends(0)
}
