package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func TestSIGTERMComesFirst(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{Timeout: 200 * time.Millisecond}, shell(`trap 'echo was asked; exit 3' TERM; while :; do sleep 0.01; done`))
	res := p.execute()
	expectResult(t, res, Transient, 3, "timed out after 200ms")
	if !strings.HasSuffix(string(res.Tail), "was asked\n") { // sh mentions the sleep, too
		t.Errorf("it printed %q", res.Tail)
	}
}

func TestSIGKILLComesAfterTheGrace(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{Timeout: 200 * time.Millisecond}, shell(`trap 'echo no' TERM; while :; do sleep 0.01; done`))
	p.r.grace = 300 * time.Millisecond
	within(t, 8*time.Second, "ending it", func() {
		res := p.execute()
		expectResult(t, res, Transient, -1, "timed out after 200ms")
		if took := res.Ended.Sub(res.Started); took < 500*time.Millisecond {
			t.Errorf("it had %v, want time limit and grace", took)
		}
		if strings.Count(string(res.Tail), "no\n") != 1 {
			t.Errorf("it printed %q, want SIGTERM once", res.Tail)
		}
	})
}

// background are commands that leave a process behind, which writes its number
// into the file pid, and what should become of it.
var background = []struct {
	name, line string
	leftover   int
	daemon     bool // not in the command's group: out of reach
}{
	{"a child with the pipe", `sleep 60 & echo $! > pid`, 1, false},
	{"a child without the pipe", `sleep 60 >/dev/null 2>&1 & echo $! > pid`, 1, false},
	{"a grandchild", `(sh -c 'echo $$ > pid; exec sleep 60' &) ; while ! test -s pid; do sleep 0.01; done`, 1, false},
	{"a child that ignores SIGTERM", `(trap '' TERM; exec sleep 60) & echo $! > pid`, 1, false},
	{"a child that ignores SIGHUP", `nohup sleep 60 & echo $! > pid`, 1, false},
	{"a child that prints for ever", `cat /dev/zero & echo $! > pid`, 1, false},
	{"a daemon with the pipe", `setsid sh -c 'echo $$ > pid; exec sleep 60' & while ! test -s pid; do sleep 0.01; done`, 0, true},
	{"a daemon that prints for ever", `setsid sh -c 'echo $$ > pid; while :; do echo x; sleep 0.01; done' & while ! test -s pid; do sleep 0.01; done`, 0, true},
}

func TestWhatACommandLeavesBehind(t *testing.T) {
	for _, c := range background {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := setUp(t, Recipe{}, shell("echo begin; "+c.line+"; echo end"))
			p.r.grace = 300 * time.Millisecond
			within(t, 8*time.Second, "the attempt", func() {
				res := p.execute()
				expectResult(t, res, OK, 0, "")
				if res.Leftover != c.leftover {
					t.Errorf("%d groups were ended, want %d", res.Leftover, c.leftover)
				}
			})
			pid := pidIn(p.dir + "/pid")
			if pid == 0 {
				t.Fatal("the command did not leave a process")
			}
			endLater(t, pid)
			if c.name == "a daemon that prints for ever" { // nobody reads it: SIGPIPE
				await(t, "end of the daemon", func() bool { return !alive(pid) })
			} else if alive(pid) != c.daemon {
				t.Errorf("the process is alive: %v", alive(pid))
			}
			if c.name != "a child that prints for ever" && c.name != "a daemon that prints for ever" && p.log(RunStage) != "begin\nend\n" {
				t.Errorf("the log is %q", p.log(RunStage))
			}
		})
	}
}

// It may be a server that a later command needs, so it lives until the end of
// the attempt; its output does not hold the next command back.
func TestWhatIsLeftBehindLivesAsLongAsTheAttempt(t *testing.T) {
	t.Parallel()
	gate := backlog.Gate{Level: 1, Run: backlog.Command{Shell: `kill -0 "$(cat pid)" && touch go && while ! test -s answer; do sleep 0.01; done`}}
	p := setUp(t, Recipe{Gates: []backlog.Gate{gate}, Timeout: 8 * time.Second},
		shell(`sh -c 'while ! test -e go; do sleep 0.01; done; echo late; echo yes > answer; sleep 60' & echo $! > pid`))
	res := p.execute()
	expectResult(t, res, OK, 0, "")
	if p.log(RunStage) != "late\n" {
		t.Errorf("what it printed later is logged as %q", p.log(RunStage))
	}
	if alive(pidIn(p.dir + "/pid")) {
		t.Error("it outlived the attempt")
	}
}

// A timeout reaches the whole group, not only the shell.
func TestTimeoutEndsTheGroup(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{Timeout: 300 * time.Millisecond}, shell(`(trap '' TERM; sh -c 'echo $$ > pid; exec sleep 60') & wait`))
	p.r.grace = 100 * time.Millisecond
	expectResult(t, p.execute(), Transient, -1, "timed out after 300ms")
	if pid := pidIn(p.dir + "/pid"); pid == 0 || alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
}

// It is not enough to ask the shell, which waits for what it started.
func TestSIGTERMGoesToTheGroup(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{Timeout: 200 * time.Millisecond}, shell(`trap 'exit 4' TERM; sleep 60`))
	p.r.grace = 5 * time.Second
	expectResult(t, p.execute(), Transient, 4, "timed out after 200ms")
}

func TestKillReachesWhatEarlierCommandsLeft(t *testing.T) {
	t.Parallel()
	gate := backlog.Gate{Level: 1, Run: backlog.Command{Shell: `touch ready; while :; do sleep 0.01; done`}}
	p := setUp(t, Recipe{Gates: []backlog.Gate{gate}}, shell(`(trap '' TERM; exec sleep 60) & echo $! > pid`))
	p.r.grace = time.Hour
	done := make(chan Result)
	go func() { done <- p.execute() }()
	await(t, "gate", func() bool { _, err := os.Stat(p.dir + "/ready"); return err == nil })
	pid := pidIn(p.dir + "/pid")
	endLater(t, pid)
	p.r.Kill()
	select {
	case res := <-done:
		expectResult(t, res, Interrupted, -1, "stopped with the run")
	case <-time.After(8 * time.Second):
		t.Fatal("it goes on after Kill")
	}
	if alive(pid) {
		t.Error("the process is still there")
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"running":     `trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done`,
		"left behind": `(trap '' TERM; exec sleep 60) & echo $! > pid`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := setUp(t, Recipe{}, shell(line))
			p.r.grace = time.Hour
			done := make(chan Result)
			go func() { done <- p.execute() }()
			await(t, "process", func() bool { return pidIn(p.dir+"/pid") > 0 })
			pid := pidIn(p.dir + "/pid")
			endLater(t, pid)
			p.r.Kill()
			select {
			case res := <-done:
				if name == "running" {
					expectResult(t, res, Interrupted, -1, "stopped with the run")
				}
			case <-time.After(8 * time.Second):
				t.Fatal("it goes on after Kill")
			}
			if alive(pid) {
				t.Error("the process is still there")
			}
			// Nothing is started any more.
			expectResult(t, p.attempt(context.Background(), 1, 2), Interrupted, -1, "stopped with the run")
		})
	}
}

// Stopping at any instant of a start leaves no process, and no other result
// than these.
func TestCancelWhileStarting(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{}, shell(`echo $$ > "pid.$HACKY_ATTEMPT"; exec sleep 60`))
	p.r.grace = 50 * time.Millisecond
	var running sync.WaitGroup
	for worker := range 4 {
		running.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for k := range 40 {
				ctx, stop := context.WithTimeout(context.Background(), time.Duration(random.IntN(4_000_000)))
				res := p.attempt(ctx, 1, worker*100+k+1)
				stop()
				if res.Class != Interrupted {
					t.Errorf("stopped while starting it is %s, %q", res.Class, res.Reason)
				}
			}
		})
	}
	running.Wait()
	files, err := filepath.Glob(p.dir + "/pid.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if pid := pidIn(f); pid > 0 && alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
}

func TestKillWhileStarting(t *testing.T) {
	t.Parallel()
	for round := range uint64(20) {
		p := setUp(t, Recipe{}, shell(`echo $$ > "pid.$HACKY_ATTEMPT"; exec sleep 60`))
		var running sync.WaitGroup
		for worker := range 4 {
			running.Go(func() { p.attempt(context.Background(), 1, worker+1) })
		}
		time.Sleep(time.Duration(rand.New(rand.NewPCG(round, 1)).IntN(3_000_000)))
		p.r.Kill()
		done := make(chan struct{})
		go func() { running.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(8 * time.Second):
			t.Fatal("a command goes on after Kill")
		}
	}
}

func TestOwnSessionAndNoTerminal(t *testing.T) {
	needProc(t)
	p := setUp(t, Recipe{}, shell(`read -r pid comm state ppid pgrp sid tty rest < /proc/self/stat
		test "$pid" = $$ && test "$pgrp" = $$ && test "$sid" = $$ && test "$tty" = 0 && ! (: < /dev/tty)`))
	res := p.execute()
	expectResult(t, res, OK, 0, "")
}

// A command must find its standard streams as any program expects them,
// blocking, and nothing open that is hacky's.
func TestDescriptors(t *testing.T) {
	needProc(t)
	p := setUp(t, Recipe{}, shell(`for i in 0 1 2; do grep flags /proc/$$/fdinfo/$i; done; readlink /proc/$$/fd/0; ls -l /proc/$$/fd > "fds.$HACKY_ATTEMPT"`))
	var running sync.WaitGroup
	for k := range 8 {
		running.Go(func() { expectResult(t, p.attempt(context.Background(), 1, k+1), OK, 0, "") })
	}
	running.Wait()
	if want := "flags:\t0100000\nflags:\t01\nflags:\t01\n/dev/null\n"; p.log(RunStage) != want {
		t.Errorf("its descriptors are\n%swant\n%s", p.log(RunStage), want)
	}
	inherited := map[string]bool{} // by the test, so by its children
	own, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range own {
		info, err := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
		if err == nil && !strings.Contains(string(info), "flags:\t02") { // not O_CLOEXEC
			inherited[fd.Name()] = true
		}
	}
	for k := range 8 {
		list, err := os.ReadFile(fmt.Sprintf("%s/fds.%d", p.dir, k+1))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(list)) {
			fields := strings.Fields(line)
			if len(fields) < 3 || fields[len(fields)-2] != "->" {
				continue
			}
			switch fd := fields[len(fields)-3]; {
			case fd == "0" || fd == "1" || fd == "2" || inherited[fd]:
			case strings.HasSuffix(strings.TrimSpace(line), "/fds."+fmt.Sprint(k+1)), fd == "10", fd == "11": // sh's own
			default:
				t.Errorf("a command has also %s", line)
			}
		}
	}
}
