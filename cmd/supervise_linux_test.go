package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// sleeps makes a `sleep` that no other test has, to be found whatever became
// of its environment.
var sleeps atomic.Int64

func uniqueSleep() string {
	return fmt.Sprintf("sleep 6000.%d%06d", os.Getpid(), sleeps.Add(1))
}

// supervised is a run whose processes are looked for by all they can be known
// by: the environment, the sleep's argument, and the supervisor's.
type supervised struct {
	*running
	sleep string
}

// begins runs one subtask that has started when it made the file ready. SLEEP
// in line is a sleep of this test's own.
func begins(t *testing.T, line, more string, args ...string) *supervised {
	t.Helper()
	sleep := uniqueSleep()
	line = "echo $HACKY_RUN_ID > run-id; " + strings.ReplaceAll(line, "SLEEP", sleep)
	dir := session(t, oneTask(subtask{run: strconv.Quote(line), more: more}))
	s := &supervised{start(t, dir, args...), strings.TrimPrefix(sleep, "sleep ")}
	t.Cleanup(s.endAllOfIt)
	return s
}

// all are the living processes that belong to the run.
func (s *supervised) all() map[int]string {
	found := s.processes()
	id, _ := os.ReadFile(filepath.Join(s.dir, "run-id")) // until it is there, there is no such argument
	cookie := strings.TrimSpace(string(id))
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		cmdline, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(cmdline, []byte("\x00"+s.sleep+"\x00")) &&
			(cookie == "" || !bytes.Contains(cmdline, []byte("\x00__supervise\x00"+cookie+"\x00"))) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && pid != s.Process.Pid {
			found[pid] = strings.ReplaceAll(string(cmdline), "\x00", " ")
		}
	}
	return found
}

func (s *supervised) endAllOfIt() {
	for pid := range s.all() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be ending
	}
}

// supervisor is its process number.
func (s *supervised) supervisor() (pid int) {
	s.t.Helper()
	eventually(s.t, "there is a supervisor", func() bool {
		for number, cmdline := range s.all() {
			if strings.Contains(cmdline, " __supervise ") {
				pid = number
			}
		}
		return pid != 0
	})
	return pid
}

// gone fails unless everything ends soon. The machine may be slow, but not as
// slow as what is looked for would live.
func (s *supervised) gone() {
	s.t.Helper()
	var left map[int]string
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if left = s.all(); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("processes were left behind: %v", left)
		}
	}
}

// trees are commands with processes at all distances. Each makes the file
// ready, and the last ones have ended neither by themselves nor with hacky.
var trees = map[string]string{
	"a child":                         `SLEEP & touch ready; wait`,
	"a child that ignores SIGTERM":    `trap '' TERM; touch ready; while :; do SLEEP; done`,
	"a grandchild":                    `sh -c 'sh -c "SLEEP & touch ready; wait" & wait' & wait`,
	"a session of its own":            `setsid SLEEP & touch ready; wait`,
	"a group of its own":              `set -m; SLEEP & touch ready; wait`,
	"a daemon with the pipe":          `(setsid sh -c 'SLEEP & touch ready' &) ; sleep 6000`,
	"a stubborn daemon":               `(setsid sh -c 'trap "" TERM; touch ready; while :; do SLEEP; done' &) ; sleep 6000`,
	"a child without environment":     `env -i SLEEP & touch ready; wait`,
	"a session without environment":   `setsid env -i SLEEP & touch ready; wait`,
	"a disowned one":                  `sh -c 'nohup SLEEP >/dev/null 2>&1 &'; touch ready; sleep 6000`,
	"sessions in sessions of daemons": `(setsid sh -c '(setsid sh -c "(setsid SLEEP &) ; touch ready; SLEEP" &) ; SLEEP' &) ; SLEEP`,
}

// kill -9 of hacky ends everything that it started, at once or after a short
// grace, and nothing else.
func TestKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, line := range trees {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := exec.Command("sleep", "6000")
			other.Env = []string{"HACKY_RUN_ID=20200101T000000Z-00000000", "HACKY_TASK_ID=P1.M1.T1.S1", "HACKY_RUNNING=1"}
			other.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Process.Kill(); _ = other.Wait() }()

			s := begins(t, line, "")
			s.appears("ready")
			s.supervisor()
			s.send(syscall.SIGKILL)
			_ = s.Wait() // it was killed
			s.gone()
			if err := syscall.Kill(other.Process.Pid, 0); err != nil {
				t.Errorf("the process of another run: %v", err)
			}
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", other.Process.Pid)); err != nil || bytes.Contains(stat, []byte(") Z ")) {
				t.Errorf("the process of another run was ended")
			}
			hacky(t, s.dir, "set", "P1.M1.T1.S1", "Complete").wants(t, 0)
		})
	}
}

// A process that cleared its environment, made a session and lost its parent
// an instant ago is in no table yet, but in the run's control group.
func TestKilledLosesNobody(t *testing.T) {
	t.Parallel()
	s := begins(t, `env -i setsid sh -c 'env -i setsid SLEEP &'; touch ready; sleep 6000`, "")
	s.appears("ready")
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.supervisor()))
	s.send(syscall.SIGKILL)
	_ = s.Wait()                                                              // it was killed
	if args := bytes.Split(cmdline, []byte{0}); err != nil || len(args) < 5 { // the last is empty
		t.Skip("no control group (cgroup v2) can be made here")
	}
	s.gone()
}

// The same for verify, which executes gates.
func TestKilledVerifyLeavesNothing(t *testing.T) {
	t.Parallel()
	sleep := uniqueSleep()
	dir := session(t, oneTask(subtask{run: `"true"`, more: `,"gates":[{"level":1,"run":"test ! -e slow || { touch ready; ` + sleep + `; }"}]`}))
	hacky(t, dir, "run").wants(t, 0)
	write(t, filepath.Join(dir, "slow"), "")
	s := &supervised{startCommand(t, dir, "verify"), strings.TrimPrefix(sleep, "sleep ")}
	t.Cleanup(s.endAllOfIt)
	s.appears("ready")
	s.send(syscall.SIGKILL)
	_ = s.Wait() // it was killed
	s.gone()
}

// table are the groups that a supervisor would end.
func (s *supervised) table() (groups []int) {
	s.t.Helper()
	data := []byte(read(s.t, fmt.Sprintf("/proc/%d/fd/3", s.supervisor())))
	for ; len(data) >= 16; data = data[16:] {
		group := 0
		for k := range 8 {
			group |= int(data[k]) << (8 * k)
		}
		if group != 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

func (s *supervised) pidIn(name string) int {
	data, _ := os.ReadFile(filepath.Join(s.dir, name)) // 0 until it is there
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

// A daemon that cleared its environment is known as soon as hacky, which
// became its parent, has looked at it.
func TestKilledAfterAHiddenDaemon(t *testing.T) {
	t.Parallel()
	s := begins(t, `(setsid env -i sh -c 'echo $$ > daemon; SLEEP' &) ; sleep 6000`, "")
	eventually(t, "the daemon is in the table", func() bool {
		pid := s.pidIn("daemon")
		return pid > 0 && slices.Contains(s.table(), pid)
	})
	s.send(syscall.SIGKILL)
	_ = s.Wait() // it was killed
	s.gone()
}

// What has ended is not in the table any more, whether it left something
// behind or not: the number may be somebody else's soon.
func TestTable(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"sleep 6000 &"`}, subtask{run: `["true"]`}, subtask{run: `["true"]`},
		subtask{run: `"(setsid env -i sleep 1.5 &)"`},
		subtask{run: `"echo $HACKY_RUN_ID > run-id; echo $$ > last; until test -e go-on; do sleep 0.02; done"`,
			deps: `["P1.M1.T1.S1","P1.M1.T1.S2","P1.M1.T1.S3","P1.M1.T1.S4"]`}))
	s := &supervised{start(t, dir), "none"}
	s.appears("last")
	eventually(t, "only the last is in the table", func() bool { return slices.Equal(s.table(), []int{s.pidIn("last")}) })
	write(t, filepath.Join(dir, "go-on"), "")
	s.ends(0)
	s.gone()
}

// A terminal emulator or a batch system may kill hacky's whole group.
func TestGroupKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	sleep := uniqueSleep()
	dir := session(t, oneTask(subtask{run: strconv.Quote("echo $HACKY_RUN_ID > run-id; setsid " + sleep + " & touch ready; wait")}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := &running{Cmd: command(ctx, t, dir, "run"), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + dir}
	r.Env = append(r.Env, r.marker)
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s := &supervised{r, strings.TrimPrefix(sleep, "sleep ")}
	t.Cleanup(s.endAllOfIt)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.appears("ready")
	if err := syscall.Kill(-s.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.Wait() // it was killed
	s.gone()
}

// The run goes on without its supervisor, and it is said once.
func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	s := begins(t, `touch ready; until test -e go-on; do sleep 0.02; done`, "")
	s.appears("ready")
	if err := syscall.Kill(s.supervisor(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.says("what it started lives on")
	write(t, filepath.Join(s.dir, "go-on"), "")
	res := s.ends(0)
	if n := strings.Count(res.stderr, "supervisor"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, res.stderr)
	}
	s.gone()
}

// However a run ends, nothing of it is left, the supervisor included, and the
// exit code is the one of that end.
func TestEndLeavesNothing(t *testing.T) {
	t.Parallel()
	daemon := `(setsid sh -c 'SLEEP & touch ready; wait' &) ; until test -e ready; do sleep 0.02; done; `
	hidden := `(setsid env -i sh -c 'SLEEP & touch ready; wait' &) ; until test -e ready; do sleep 0.02; done; `
	for name, c := range map[string]struct {
		line, more string
		signals    []syscall.Signal
		code       int
		args       []string
	}{
		"the daemon has the pipe":        {line: daemon},
		"the daemon has not":             {line: strings.ReplaceAll(daemon, "wait'", "wait' >/dev/null 2>&1")},
		"the daemon has no environment":  {line: hidden},
		"it is disowned":                 {line: `sh -c 'nohup SLEEP >/dev/null 2>&1 &'; touch ready`},
		"a group of its own":             {line: `set -m; SLEEP & touch ready`},
		"the daemon is of what failed":   {line: daemon + "exit 1", code: 1},
		"terminated":                     {line: daemon + "SLEEP", signals: []syscall.Signal{syscall.SIGTERM}, code: 143},
		"terminated, no environment":     {line: hidden + "SLEEP", signals: []syscall.Signal{syscall.SIGTERM}, code: 143},
		"interrupted twice":              {line: daemon + "SLEEP", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, code: 130},
		"interrupted thrice":             {line: `trap '' TERM; ` + daemon + "while :; do SLEEP; done", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGINT}, code: 130},
		"interrupted thrice, no environ": {line: `trap '' TERM; ` + hidden + "while :; do SLEEP; done", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGINT}, code: 130},
		"it takes too long":              {line: daemon + "SLEEP", more: `,"timeout":"2s"`, code: 1, args: []string{"--no-retry"}},
		"it says nothing":                {line: daemon + "SLEEP", code: 1, args: []string{"--no-retry", "--idle-timeout", "2s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begins(t, c.line, c.more, c.args...)
			s.appears("ready")
			for k, sig := range c.signals {
				if k == 0 {
					s.send(sig)
				} else {
					s.again(sig)
				}
				if sig == syscall.SIGINT && k < 2 {
					s.says([]string{"letting running subtasks finish", "stopping running subtasks"}[k])
				}
			}
			_ = s.Wait() // the code tells
			if len(c.signals) < 3 {
				if left := s.all(); len(left) > 0 {
					t.Errorf("processes were left behind: %v", left)
				}
			}
			s.gone() // those of a hacky that did not wait end very soon
			res := result{s.ProcessState.ExitCode(), s.stdout.String(), s.stderr.String(), s.ProcessState}
			res.noTrace(t)
			res.wants(t, c.code)
			if c.line == hidden { // no attempt was responsible for it
				contains(t, "the log", res.stderr, "ended what subtasks had left running")
			}
			if strings.Contains(res.stderr, "supervisor") {
				t.Errorf("of the supervisor it says: %s", res.stderr)
			}
		})
	}
}

// Where hacky cannot find itself it runs all the same, and says what is
// missing.
func TestWithoutSupervisor(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can hide /proc")
	}
	dir := session(t, two())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(ctx, t, dir, "run")
	c.Args = append([]string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /proc && exec "$0" "$@"`}, c.Args...)
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("there is no unshare here")
	}
	c.Path = path
	res := finish(t, c)
	if strings.Contains(res.stderr, "unshare:") || strings.Contains(res.stderr, "mount:") {
		t.Skipf("/proc cannot be hidden here: %s", res.stderr)
	}
	res.wants(t, 0)
	contains(t, "the log", res.stderr, "start supervisor: ", "what it started lives on", "may outlive them")
	wantStatuses(t, dir, "Complete Complete")
}
