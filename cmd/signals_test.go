//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is a `hacky run` that is going on.
type running struct {
	*exec.Cmd
	t      *testing.T
	dir    string
	marker string // a variable that all its processes have
	stdout locked
	stderr locked
}

// locked is a buffer that can be read while it is written to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	return startCommand(t, dir, append([]string{"run"}, args...)...)
}

func startCommand(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &running{Cmd: command(ctx, t, dir, args...), t: t, dir: dir}
	r.marker = "HACKY_TEST_MARKER=" + dir // of this test only
	t.Cleanup(r.endAll)
	r.Env = append(r.Env, r.marker)
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// appears waits for a file that a subtask makes.
func (r *running) appears(names ...string) {
	r.t.Helper()
	for _, name := range names {
		eventually(r.t, name+" appears", func() bool { return exists(filepath.Join(r.dir, name)) })
	}
}

// says waits for a text on standard error.
func (r *running) says(text string) {
	r.t.Helper()
	eventually(r.t, "standard error says "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

func (r *running) send(s syscall.Signal) {
	r.t.Helper()
	if err := r.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// again sends a signal once more, so late that it counts.
func (r *running) again(s syscall.Signal) {
	r.t.Helper()
	time.Sleep(1100 * time.Millisecond)
	r.send(s)
}

// ends waits for the end; nothing may be left of the run then.
func (r *running) ends(code int) result {
	r.t.Helper()
	_ = r.Wait() // the code tells
	res := result{r.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String(), r.ProcessState}
	res.noTrace(r.t)
	res.wants(r.t, code)
	r.nothingLeft()
	return res
}

// processes are the living processes of the run by their number, on Linux.
func (r *running) processes() map[int]string {
	found := map[int]string{}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range environs {
		data, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(data, []byte(r.marker+"\x00")) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			found[pid] = string(cmdline)
		}
	}
	return found
}

// nothingLeft fails if a process of the run still lives.
func (r *running) nothingLeft() {
	r.t.Helper()
	for pid, cmdline := range r.processes() {
		if killed(pid) { // on a busy machine it takes its moment
			eventually(r.t, "what was killed is gone", func() bool { return r.processes()[pid] == "" })
			continue
		}
		r.t.Errorf("a process was left behind: %d %q", pid, cmdline)
	}
}

// killed tells whether a process has a SIGKILL that it has not died of yet, or is
// just gone.
func killed(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		if mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil && mask&(1<<(syscall.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}

// endAll ends what a failed test leaves behind.
func (r *running) endAll() {
	for pid := range r.processes() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be ending
	}
}

// statuses of a session's subtasks, S1 first.
func statuses(t *testing.T, dir string) string {
	t.Helper()
	res := hacky(t, dir, "status", "-o", "tree", "--all")
	res.wants(t, 0)
	var out []string
	for line := range strings.Lines(res.stdout) {
		if f := strings.Fields(line); strings.Count(f[1], ".") == 3 {
			out = append(out, f[0])
		}
	}
	return strings.Join(out, " ")
}

func wantStatuses(t *testing.T, dir, want string) {
	t.Helper()
	if got := statuses(t, dir); got != want {
		t.Errorf("statuses %s, want %s", got, want)
	}
}

// work is a subtask that tells that it runs and ends when the file go-on is
// there; it is stopped by SIGTERM and has a child of its own.
const work = `"touch started-$HACKY_TASK_ID; sleep 600 & until test -e go-on; do sleep 0.02; done; kill $!"`

func twoAndOne() string {
	return oneTask(subtask{run: work}, subtask{run: work}, subtask{run: `"touch third"`})
}

var bothStarted = []string{"started-P1.M1.T1.S1", "started-P1.M1.T1.S2"}

func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	dir := session(t, twoAndOne())
	r := start(t, dir)
	r.appears(bothStarted...)
	r.send(syscall.SIGINT)
	r.says("hacky: letting running subtasks finish; Ctrl+C again stops them\n")
	write(t, filepath.Join(dir, "go-on"), "")
	res := r.ends(130)
	wantStatuses(t, dir, "Complete Complete Planned")
	if exists(filepath.Join(dir, "third")) {
		t.Error("something new was started")
	}
	contains(t, "summary", res.stdout, "2 of 3 subtasks done, 1 left", "stopped: interrupted; run it again to go on")
	hacky(t, dir, "run").wants(t, 0)

	// With nothing left the interruption has interrupted nothing.
	hacky(t, dir, "set", "P1", "Planned").wants(t, 0)
	hacky(t, dir, "set", "P1.M1.T1.S3", "Complete").wants(t, 0)
	for _, name := range append(bothStarted, "go-on") {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r = start(t, dir)
	r.appears(bothStarted...)
	r.send(syscall.SIGINT)
	r.says("letting running subtasks finish")
	write(t, filepath.Join(dir, "go-on"), "")
	r.ends(0)
}

func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	dir := session(t, twoAndOne())
	r := start(t, dir)
	r.appears(bothStarted...)
	r.send(syscall.SIGINT)
	r.says("letting running subtasks finish")
	r.again(syscall.SIGINT)
	res := r.ends(130)
	contains(t, "standard error", res.stderr, "hacky: stopping running subtasks\n")
	wantStatuses(t, dir, "Planned Planned Planned")
	noLitter(t, dir)
}

// A stop signal that is delivered twice at once, as by timeout(1), is one: what
// runs has its time to end, and what was done is in tasks.json.
func TestStopSignalDeliveredTwice(t *testing.T) {
	t.Parallel()
	cleaning := `"trap 'touch stopping; until test -e go-on; do sleep 0.02; done; touch cleaned; exit 1' TERM; touch started-$HACKY_TASK_ID; while :; do sleep 0.02; done"`
	for name, sent := range map[string][]syscall.Signal{
		"SIGTERM twice":           {syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM},
		"SIGTERM and SIGHUP":      {syscall.SIGTERM, syscall.SIGHUP},
		"SIGINT, SIGTERM at once": {syscall.SIGINT, syscall.SIGTERM, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: cleaning, deps: `["P1.M1.T1.S1"]`}))
			r := start(t, dir, "--flush-interval", "1h")
			r.appears("started-P1.M1.T1.S2")
			for _, sig := range sent {
				r.send(sig)
			}
			r.appears("stopping")
			write(t, filepath.Join(dir, "go-on"), "")
			code := 143
			if sent[0] == syscall.SIGINT {
				code = 130
			}
			r.ends(code)
			if !exists(filepath.Join(dir, "cleaned")) {
				t.Error("the subtask had no time to clean up")
			}
			wantStatuses(t, dir, "Complete Planned")
			noLitter(t, dir)
		})
	}
}

// SIGTERM, SIGHUP and SIGQUIT stop at once, and the state is saved.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: work, deps: `["P1.M1.T1.S1"]`}, subtask{run: work, deps: `["P1.M1.T1.S1"]`}))
			r := start(t, dir, "--flush-interval", "1h")
			r.appears("started-P1.M1.T1.S2", "started-P1.M1.T1.S3")
			r.send(sig)
			r.ends(143)
			wantStatuses(t, dir, "Complete Planned Planned")
		})
	}
}

// A third Ctrl+C does not wait for a subtask that does not want to end.
func TestInterruptThrice(t *testing.T) {
	t.Parallel()
	stubborn := `"trap '' TERM; touch started-$HACKY_TASK_ID; while :; do sleep 0.1; done"`
	dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: stubborn, deps: `["P1.M1.T1.S1"]`}))
	r := start(t, dir, "--flush-interval", "1h")
	r.appears("started-P1.M1.T1.S2")
	r.send(syscall.SIGINT)
	r.says("letting running subtasks finish")
	r.again(syscall.SIGINT)
	r.says("stopping running subtasks")
	r.again(syscall.SIGINT)
	_ = r.Wait() // the code tells
	res := result{r.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String(), r.ProcessState}
	res.noTrace(t)
	res.wants(t, 130)
	eventually(t, "no process is left", func() bool { return len(r.processes()) == 0 })
	if s := statuses(t, dir); !strings.HasPrefix(s, "Complete ") {
		t.Errorf("what was done is lost: %s", s)
	}
	hacky(t, dir, "set", "P1.M1.T1.S2", "Complete").wants(t, 0)
	hacky(t, dir, "run").wants(t, 0)
}

// A reader of the output that goes away does not end the run.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	dir := session(t, twoAndOne())
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(ctx, t, dir, "run")
	c.Stdout = writer
	var stderr locked
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{writer, reader} {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "go-on"), "")
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	wantStatuses(t, dir, "Complete Complete Complete")
}

// After kill -9 tasks.json is whole; the next run sweeps what was left and
// does the rest.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: work, deps: `["P1.M1.T1.S1"]`}, subtask{run: `["true"]`, deps: `["P1.M1.T1.S2"]`}))
	r := start(t, dir, "--flush-interval", "10ms")
	r.appears("started-P1.M1.T1.S2")
	eventually(t, "the first is on disk", func() bool {
		return strings.Contains(read(t, filepath.Join(dir, "tasks.json")), "Complete")
	})
	r.send(syscall.SIGKILL)
	_ = r.Wait() // it was killed
	write(t, filepath.Join(dir, "go-on"), "")
	litter := filepath.Join(dir, ".tasks.json.0123456789abcdef.hacky-tmp")
	write(t, litter, "half a fi")
	hacky(t, dir, "validate").wants(t, 0)
	if !exists(litter) {
		t.Error("a reading command removed something")
	}
	hacky(t, dir, "run").wants(t, 0)
	wantStatuses(t, dir, "Complete Complete Complete")
	noLitter(t, dir)
	eventually(t, "the orphan ends", func() bool { return len(r.processes()) == 0 })
}
