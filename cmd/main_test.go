package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hacky-run/hacky/cmd"
	"github.com/hacky-run/hacky/internal/agent/fakeagent"
)

// TestMain lets the test binary be hacky itself, for the scripts, and removes
// the real binary that other tests built.
func TestMain(m *testing.M) {
	fakeagent.RunIfCalled()
	testscript.Main(cleaning{m}, map[string]func(){
		"hacky": func() { os.Exit(cmd.Main(os.Args[1:])) },
	})
}

type cleaning struct{ m *testing.M }

// Run gives all tests one directory for temporary files: what hacky keeps there
// when a session cannot be written is gone with it.
func (c cleaning) Run() int {
	temp, err := os.MkdirTemp("", "hacky-test-")
	if err == nil {
		err = os.Chmod(temp, 0o755) // also for the user without rights
	}
	if err == nil {
		err = os.Setenv("TMPDIR", temp)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(temp)
	return c.m.Run()
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

// binary is hacky as users get it, built once: what is tested with faults and
// signals is neither the test binary nor slowed down by the race detector.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "hacky-test-"); built.err != nil {
			return
		}
		// Also for the user without rights who runs it in some tests.
		if built.err = os.Chmod(built.dir, 0o755); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "hacky"), "..").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build hacky: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "hacky")
}

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// result is what became of a process.
type result struct {
	code           int
	stdout, stderr string
	state          *os.ProcessState
}

// command is hacky with arguments, to be run in dir, with an environment that
// holds nothing of the tester's own configuration.
func command(ctx context.Context, t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	return cleanCommand(ctx, dir, binary(t), args...)
}

func cleanCommand(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.WaitDelay = 5 * time.Second
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/no-home", "TMPDIR=" + os.Getenv("TMPDIR"), "LANG=C", "HACKY_LOG_FORMAT=json"}
	return c
}

// hacky runs the binary to its end.
func hacky(t *testing.T, dir string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := finish(t, command(ctx, t, dir, args...))
	if err := misprinted(args, r.stdout); err != nil {
		t.Error(err)
	}
	return r
}

func finish(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\nstdout: %s\nstderr: %s", c, err, clip(stdout.String()), clip(stderr.String()))
	}
	r := result{c.ProcessState.ExitCode(), stdout.String(), stderr.String(), c.ProcessState}
	r.noTrace(t)
	return r
}

// noTrace fails the test if the process crashed.
func (r result) noTrace(t *testing.T) {
	t.Helper()
	for _, word := range []string{"goroutine ", "panic", "runtime error", "fatal error", ".go:"} {
		if strings.Contains(r.stdout, word) || strings.Contains(r.stderr, word) {
			t.Errorf("a stack trace, or part of one: %q\nstdout: %s\nstderr: %s", word, clip(r.stdout), clip(r.stderr))
			return
		}
	}
}

func (r result) wants(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, clip(r.stdout), clip(r.stderr))
	}
}

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s lacks %q:\n%s", what, w, clip(text))
		}
	}
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "..."
	}
	return s
}

// subtask is one line of a backlog that tests write.
type subtask struct {
	run  string // a JSON value
	deps string // a JSON list; "" for none
	more string // further members, each with a comma before it
}

// oneTask is a backlog whose subtasks are P1.M1.T1.S1 and so on.
func oneTask(subtasks ...subtask) string {
	var b strings.Builder
	b.WriteString(`{"backlog":[{"id":"P1","type":"Phase","title":"A phase","status":"Planned","description":"","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"A milestone","status":"Planned","description":"","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"A task","status":"Planned","description":"","subtasks":[` + "\n")
	for i, s := range subtasks {
		if i > 0 {
			b.WriteString(",\n")
		}
		if s.deps == "" {
			s.deps = "[]"
		}
		fmt.Fprintf(&b, `{"id":"P1.M1.T1.S%d","type":"Subtask","title":"Subtask %[1]d","status":"Planned","story_points":1,"dependencies":%s,"context_scope":"","run":%s%s}`,
			i+1, s.deps, s.run, s.more)
	}
	b.WriteString("\n]}]}]}]}\n")
	return b.String()
}

// two subtasks, the second of which waits for the first.
func two() string {
	return oneTask(subtask{run: `["true"]`}, subtask{run: `["true"]`, deps: `["P1.M1.T1.S1"]`})
}

// session makes a directory with a backlog.
func session(t *testing.T, backlog string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tasks.json"), backlog)
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// snapshot describes everything in a directory, times of change included, but
// not what was read: two snapshots are the same if nothing was written between.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v %d %v\n", rel, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// noLitter fails if a temporary file is left in a session.
func noLitter(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "tmp") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// done checks that a session came to its end and nothing is left behind.
func done(t *testing.T, dir string) {
	t.Helper()
	if n := strings.Count(read(t, filepath.Join(dir, "tasks.json")), `"Complete"`); n != 5 {
		t.Errorf("%d items are Complete, want 5", n)
	}
	if exists(filepath.Join(dir, "tasks.json.failed")) {
		t.Error("there is a recovery file")
	}
	noLitter(t, dir)
}
