package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/proc"
	"github.com/hacky-run/hacky/internal/supervise"
)

// adopting is a place whose Runner gets the orphans. Its test is none of the
// parallel ones, whose children it would take for orphans.
func adopting(t *testing.T, recipe Recipe, subtasks ...string) *place {
	t.Helper()
	p := setUpBacklog(t, recipe, frame("", subtasks...), nil)
	if err := p.r.Adopt(nil); err != nil {
		t.Fatal(err)
	}
	p.r.grace = 300 * time.Millisecond
	return p
}

// child reports whether a process is a child, a zombie or not.
func child(pid int) bool {
	p, err := proc.Read(pid)
	return err == nil && p.Parent == os.Getpid()
}

const (
	daemonLine   = `(setsid sh -c 'echo $$ > pid.$HACKY_TASK_ID; exec sleep 60' &) ; until test -s pid.$HACKY_TASK_ID; do sleep 0.01; done`
	hiddenLine   = `(setsid env -i sh -c 'echo $$ > pid.hidden; exec sleep 60' &) ; until test -s pid.hidden; do sleep 0.01; done`
	stubbornLine = `(setsid sh -c 'trap "" TERM; echo $$ > pid.stubborn; while :; do sleep 0.01; done' &) ; until test -s pid.stubborn; do sleep 0.01; done`
	familyLine   = `(setsid sh -c '(setsid sh -c "(setsid sleep 60 &) ; sleep 60 & echo \$\$ > pid.family; wait" &) ; sleep 60' &) ; until test -s pid.family; do sleep 0.01; done`
)

func TestDaemonsEndWithTheirAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		line, file string
		leftover   int // at least
	}{
		"with its environment":    {daemonLine, "pid.P1.M1.T1.S1", 1},
		"ignores SIGTERM":         {stubbornLine, "pid.stubborn", 1},
		"with children":           {familyLine, "pid.family", 3},
		"prints for ever":         {`(setsid sh -c 'echo $$ > pid.talks; while :; do echo x; sleep 0.01; done' &) ; until test -s pid.talks; do sleep 0.01; done`, "pid.talks", 1},
		"a group of its own":      {`set -m; sleep 60 & echo $! > pid.group`, "pid.group", 1},
		"of a command that fails": {daemonLine + "; kill -9 $$", "pid.P1.M1.T1.S1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := adopting(t, Recipe{}, shell("echo begin; "+c.line+"; echo end"))
			within(t, 8*time.Second, "the attempt", func() {
				if res := p.execute(); res.Leftover < c.leftover {
					t.Errorf("%d were ended, want %d", res.Leftover, c.leftover)
				}
			})
			pid := pidIn(p.dir + "/" + c.file)
			endLater(t, pid)
			if pid == 0 || alive(pid) || child(pid) {
				t.Errorf("process %d is alive: %v, and a child: %v", pid, alive(pid), child(pid))
			}
			if n := p.r.Finish(); n > 0 {
				t.Errorf("%d processes were left to the end of the run", n)
			}
		})
	}
}

// A process that executes one program after the other shows, for moments, no
// environment, and is its attempt's still.
func TestRestlessDaemon(t *testing.T) {
	p := adopting(t, Recipe{}, shell(`(setsid sh -c 'echo $$ > pid.$HACKY_ATTEMPT; exec ./again' &) ; until test -s pid.$HACKY_ATTEMPT; do sleep 0.002; done`))
	p.write("again", "#!/bin/sh\nexec ./again\n", 0o755)
	for n := range 40 {
		if res := p.attempt(context.Background(), 1, n+1); res.Leftover != 1 {
			t.Errorf("attempt %d: %d were ended", n+1, res.Leftover)
		}
		pid := pidIn(fmt.Sprintf("%s/pid.%d", p.dir, n+1))
		endLater(t, pid)
		if alive(pid) {
			t.Errorf("attempt %d: process %d is alive", n+1, pid)
		}
	}
}

// What another subtask's attempt may still need, and what cannot be told, is
// not touched until it is time.
func TestOthersDaemonsLive(t *testing.T) {
	wait := `; touch ready.$HACKY_TASK_ID; until test -e go-on; do sleep 0.01; done`
	p := adopting(t, Recipe{}, shell(daemonLine+wait), shell(daemonLine), shell(hiddenLine))
	first := make(chan Result)
	go func() { first <- p.attempt(context.Background(), 1, 1) }()
	await(t, "first subtask", func() bool { _, err := os.Stat(p.dir + "/ready.P1.M1.T1.S1"); return err == nil })
	for k := 2; k <= 3; k++ {
		if res := p.attempt(context.Background(), k, 1); res.Class != OK || res.Leftover != 3-k {
			t.Errorf("subtask %d: %s, %d were ended", k, res.Class, res.Leftover)
		}
	}
	theirs, mine, hidden := pidIn(p.dir+"/pid.P1.M1.T1.S1"), pidIn(p.dir+"/pid.P1.M1.T1.S2"), pidIn(p.dir+"/pid.hidden")
	if !alive(theirs) || alive(mine) || !alive(hidden) {
		t.Errorf("alive: of the first %v, of the second %v, hidden %v", alive(theirs), alive(mine), alive(hidden))
	}
	p.write("go-on", "", 0o644)
	if res := <-first; res.Leftover != 1 || alive(theirs) || !alive(hidden) {
		t.Errorf("%d were ended with the first, of which alive: %v; hidden: %v", res.Leftover, alive(theirs), alive(hidden))
	}
	if n := p.r.Finish(); n != 1 || alive(hidden) || child(hidden) {
		t.Errorf("%d were ended with the run, hidden is alive: %v", n, alive(hidden))
	}
}

// The ends of orphans are taken while attempts go on, and nobody else's are:
// neither a leader's nor that of what another part of hacky started.
func TestReaping(t *testing.T) {
	p := adopting(t, Recipe{}, shell(`(setsid sh -c 'echo $$ > pid.$HACKY_ATTEMPT' &) ; until test -s pid.$HACKY_ATTEMPT; do sleep 0.002; done; exit $((HACKY_ATTEMPT % 7))`),
		shell(`for i in 1 2 3 4 5 6 7 8 9; do (setsid true &); done; echo $$ > pid.long; until test -e go-on; do sleep 0.01; done`))
	long := make(chan Result)
	go func() { long <- p.attempt(context.Background(), 2, 1) }()
	stop := make(chan struct{})
	var running, others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c := exec.Command("sh", "-c", "exit 9")
			if _ = c.Run(); c.ProcessState.ExitCode() != 9 {
				t.Errorf("a command of another package: %v", c.ProcessState)
			}
			p.r.look(func(*orphan) bool { return false }, nil)
		}
	})
	for w := range 4 {
		running.Go(func() {
			for k := range 40 {
				n := w*40 + k + 1
				if res := p.attempt(context.Background(), 1, n); res.Exit != n%7 {
					t.Errorf("attempt %d exits with %d, want %d: %s", n, res.Exit, n%7, res.Reason)
				}
			}
		})
	}
	running.Wait()
	close(stop)
	others.Wait()
	leader := pidIn(p.dir + "/pid.long")
	// Not by an attempt's end or the test, but in the background.
	await(t, "reaping of all but the one that runs", func() bool {
		return fmt.Sprint(p.r.orphans.list(nil)) == fmt.Sprint([]int{leader}) || len(p.r.orphans.list(nil)) == 0
	})
	p.write("go-on", "", 0o644)
	expectResult(t, <-long, OK, 0, "")
	if n := p.r.Finish(); n > 0 {
		t.Errorf("%d processes were left", n)
	}
}

// An attempt may take hours: its orphans' ends are taken before its own.
func TestReapedInTheBackground(t *testing.T) {
	p := adopting(t, Recipe{}, shell(`for i in 1 2 3 4 5; do (setsid sleep 0.1 &); done; touch ready; until test -e go-on; do sleep 0.01; done`))
	done := make(chan Result)
	go func() { done <- p.execute() }()
	await(t, "command", func() bool { _, err := os.Stat(p.dir + "/ready"); return err == nil })
	// They are in the list until they are reaped; the leader may be in it, too.
	await(t, "reaping", func() bool { return len(p.r.orphans.list(nil)) <= 1 })
	p.write("go-on", "", 0o644)
	if res := <-done; res.Class != OK || res.Leftover != 0 {
		t.Errorf("%s, %d were ended", res.Class, res.Leftover)
	}
}

// The supervisor looks like an orphan, and is none.
func TestSupervisorIsNoOrphan(t *testing.T) {
	p := adopting(t, Recipe{}, shell("true"))
	for range 300 {
		s, err := supervise.Start("run-1", func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(p.r.orphans.list(nil), s.PID()) { // another thread started it
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p.r.supervisor = s
		expectResult(t, p.execute(), OK, 0, "")
		if n := p.r.Finish(); n > 0 || s.PID() == 0 {
			t.Errorf("%d were ended, the supervisor is %d", n, s.PID())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	t.Skip("the first thread never started anything")
}

// A leader that has just been started, and is not entered yet, is not reaped:
// nothing is being started while orphans are looked at.
func TestNothingStartsMeanwhile(t *testing.T) {
	p := adopting(t, Recipe{}, shell(hiddenLine))
	p.execute()
	looked := false
	p.r.look(func(*orphan) bool {
		looked = true
		if p.r.starting.TryRLock() {
			p.r.starting.RUnlock()
			t.Error("a command could be started")
		}
		return false
	}, nil)
	if !looked {
		t.Error("there is no orphan")
	}
}

// Long lists are read whole.
func TestManyOrphans(t *testing.T) {
	const many = 300
	p := adopting(t, Recipe{}, shell(fmt.Sprintf(`for i in $(seq %d); do (setsid sleep 60 >/dev/null 2>&1 &); done`, many)))
	p.r.grace = 5 * time.Second
	if res := p.execute(); res.Leftover != many {
		t.Errorf("%d were ended, want %d", res.Leftover, many)
	}
	if left := p.r.orphans.list(nil); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestKillEndsOrphans(t *testing.T) {
	gate := backlog.Gate{Level: 1, Run: backlog.Command{Shell: `touch ready; while :; do sleep 0.01; done`}}
	p := adopting(t, Recipe{Gates: []backlog.Gate{gate}}, shell(stubbornLine+";"+hiddenLine))
	p.r.grace = time.Hour
	done := make(chan Result)
	go func() { done <- p.execute() }()
	await(t, "gate", func() bool { _, err := os.Stat(p.dir + "/ready"); return err == nil })
	p.r.Kill()
	for _, name := range []string{"stubborn", "hidden"} {
		pid := pidIn(p.dir + "/pid." + name)
		endLater(t, pid)
		await(t, "end of "+name, func() bool { return !alive(pid) })
	}
	expectResult(t, <-done, Interrupted, -1, "stopped with the run")
}

// What a process does that is adopted by nobody is its own business.
func TestDisown(t *testing.T) {
	p := setUp(t, Recipe{}, shell(daemonLine))
	if err := p.r.Adopt(nil); err != nil {
		t.Fatal(err)
	}
	if err := p.r.disown(); err != nil { // of Close
		t.Fatal(err)
	}
	q := setUp(t, Recipe{}, shell(daemonLine))
	expectResult(t, q.execute(), OK, 0, "")
	pid := pidIn(q.dir + "/pid.P1.M1.T1.S1")
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if !alive(pid) || child(pid) {
		t.Errorf("alive %v, a child %v", alive(pid), child(pid))
	}
}

func BenchmarkExecuteAdopting(b *testing.B) {
	p := setUp(b, Recipe{}, argv("/bin/true"))
	if err := p.r.Adopt(nil); err != nil {
		b.Fatal(err)
	}
	i, _ := p.b.Lookup("P1.M1.T1.S1")
	b.ReportAllocs()
	for b.Loop() {
		if res := p.r.Execute(context.Background(), i, 1, func(string) {}); res.Class != OK {
			b.Fatal(res.Reason)
		}
	}
}

// BenchmarkLook is what an attempt without orphans pays for there being none.
func BenchmarkLook(b *testing.B) {
	p := setUp(b, Recipe{}, argv("/bin/true"))
	if err := p.r.Adopt(nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p.r.endOrphans("P1.M1.T1.S1", 1) != 0 {
			b.Fatal("there was an orphan")
		}
	}
}

// A process that is about to execute a program shows no environment for an
// instant. It is looked at again, and ended with its attempt.
func TestSecondLook(t *testing.T) {
	p := adopting(t, Recipe{}, shell(daemonLine))
	var looks atomic.Int32
	environ := p.r.orphans.environ
	p.r.starting.Lock()
	p.r.orphans.environ = func(pid int) (proc.Environ, error) {
		if looks.Add(1) <= 3 {
			return proc.Environ{}, nil
		}
		return environ(pid)
	}
	p.r.starting.Unlock()
	res := p.execute()
	pid := pidIn(p.dir + "/pid.P1.M1.T1.S1")
	endLater(t, pid)
	if res.Leftover != 1 || alive(pid) {
		t.Errorf("%d were ended; alive: %v", res.Leftover, alive(pid))
	}
}
