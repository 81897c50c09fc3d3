package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/supervise"
)

// TestMain looks, after all tests, for what they left behind: goroutines of
// this package, and children that nobody waited for. It is the supervisor, too,
// where a test starts one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == supervise.Arg {
		os.Exit(supervise.Main(os.Args[2:]))
	}
	code := m.Run()
	if code == 0 {
		if left := goroutines(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
			code = 1
		}
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
			fmt.Fprintf(os.Stderr, "there are children left: wait says %d, %v\n", pid, err)
			code = 1
		}
	}
	os.Exit(code)
}

// goroutines are the stacks of those that execute methods of this package, but
// for the caller's, when they do not end by themselves. (Tests are functions.)
func goroutines() string {
	var left []string
	for range 100 {
		buf := make([]byte, 1<<20)
		stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
		left = nil
		for _, s := range stacks[1:] {
			if strings.Contains(strings.ReplaceAll(s, "agent.(*place)", ""), "internal/agent.(*") {
				left = append(left, s)
			}
		}
		if left == nil {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

// place is a session, a directory to run in, and a Runner.
type place struct {
	t       testing.TB
	session string
	dir     string
	b       *backlog.Backlog
	r       *Runner

	mu        sync.Mutex
	announced []string
}

// frame is a backlog: more fields for the phase, then for every subtask.
func frame(phase string, subtasks ...string) string {
	var items []string
	for k, more := range subtasks {
		if !strings.Contains(more, `"title"`) {
			more = `"title":"t",` + more
		}
		items = append(items, fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","status":"Planned",%s}`, k+1, more))
	}
	if phase != "" {
		phase = "," + phase
	}
	return `{"backlog":[{"id":"P1","type":"Phase","title":"The phase","status":"Planned","description":"about the phase"` + phase + `,"milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"The milestone","status":"Planned","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"The task","status":"Planned","subtasks":[` + strings.Join(items, ",") + `]}]}]}]}`
}

// shell is the field of a shell line, argv that of arguments.
func shell(line string) string { return `"run":` + quoted(line) }

func argv(args ...string) string { return `"run":` + quoted(args) }

func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// setUp makes a place whose first subtask has these fields.
func setUp(t testing.TB, recipe Recipe, fields ...string) *place {
	t.Helper()
	return setUpBacklog(t, recipe, frame("", strings.Join(fields, ",")), nil)
}

func setUpBacklog(t testing.TB, recipe Recipe, src string, environ []string) *place {
	t.Helper()
	b, err := backlog.Parse("tasks.json", src)
	if err != nil {
		t.Fatalf("the test's backlog is refused:\n%v", err)
	}
	p := &place{t: t, session: t.TempDir(), dir: t.TempDir(), b: b}
	if environ == nil {
		environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}
	}
	if p.r, err = NewRunner(b, recipe, filepath.Join(p.session, "tasks.json"), p.dir, "run-1", environ); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.r.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// execute is attempt 1 of the first subtask.
func (p *place) execute() Result { return p.attempt(context.Background(), 1, 1) }

// attempt is attempt n of the subtask with that number.
func (p *place) attempt(ctx context.Context, subtask, n int) Result {
	p.t.Helper()
	i, ok := p.b.Lookup("P1.M1.T1.S" + strconv.Itoa(subtask))
	if !ok {
		p.t.Fatalf("there is no subtask %d", subtask)
	}
	return p.r.Execute(ctx, i, n, func(stage string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.announced = append(p.announced, stage)
	})
}

// log is what a stage of attempt 1 of the first subtask printed.
func (p *place) log(stage string) string {
	p.t.Helper()
	return p.read(filepath.Join("artifacts", "P1.M1.T1.S1", "attempt-1", stage+".log"))
}

// read is a file of the session.
func (p *place) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.session, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// write makes a file in the directory where commands run.
func (p *place) write(name, text string, mode os.FileMode) string {
	p.t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// sessionFiles lists the files and directories in the session.
func (p *place) sessionFiles() string {
	p.t.Helper()
	var names []string
	err := filepath.WalkDir(p.session, func(name string, _ os.DirEntry, err error) error {
		if name != p.session {
			names = append(names, strings.TrimPrefix(name, p.session+"/"))
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func expectResult(t testing.TB, res Result, class Class, exit int, reason string) {
	t.Helper()
	if res.Class != class || res.Exit != exit || res.Reason != reason {
		t.Errorf("it is %s, exit %d, %q; want %s, exit %d, %q (output %q)", res.Class, res.Exit, res.Reason, class, exit, reason, res.Tail)
	}
}

// await waits for a real process to get somewhere.
func await(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("after 10s: no %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// pidIn is the process number that a command wrote into a file, 0 if it did
// not yet.
func pidIn(file string) int {
	text, err := os.ReadFile(file)
	if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		_, err = os.Stat("/proc/self")
		return err != nil // no /proc here
	}
	state := stat[bytes.LastIndexByte(stat, ')')+2]
	return state != 'Z' && state != 'X'
}

// endLater ends a process that a test leaves running on purpose.
func endLater(t testing.TB, pid int) {
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
}

// needProc skips a test that looks into /proc where there is none.
func needProc(t testing.TB) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this system has no /proc")
	}
}
