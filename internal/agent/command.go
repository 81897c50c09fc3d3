package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Grace is how long a process may take from SIGTERM to its end.
const Grace = 10 * time.Second

// drain is how long a command that has ended may keep its output open through
// a process it left behind, before its result is reported without waiting.
const drain = 250 * time.Millisecond

// execution is one command to be executed.
type execution struct {
	stage   string
	gate    int
	argv    []string
	program string // resolved
	env     []string
	dir     string
	timeout time.Duration
	idle    time.Duration
	stdin   *os.File
	log     *logFile
}

// ended says how a command ended.
type ended struct {
	class  Class
	exit   int
	reason string
}

// killer ends a process group, once, and remembers why. Once the leader has
// been waited for, its number may be somebody else's.
type killer struct {
	mu     sync.Mutex
	group  int
	why    error
	gone   bool
	second *time.Timer
}

func (k *killer) kill(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone || k.why != nil {
		return
	}
	k.why = why
	_ = syscall.Kill(-k.group, syscall.SIGTERM) // it may have ended meanwhile
	k.second = time.AfterFunc(Grace, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.gone {
			_ = syscall.Kill(-k.group, syscall.SIGKILL)
		}
	})
}

// now kills the group without asking.
func (k *killer) now() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.gone {
		_ = syscall.Kill(-k.group, syscall.SIGKILL) // it may have ended meanwhile
	}
}

// left says that the leader is gone, and returns why it was killed, if so.
func (k *killer) left() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	if k.second != nil {
		k.second.Stop()
	}
	return k.why
}

// errInterrupted is why a command is killed when the run is stopped.
var errInterrupted = errors.New("stopped with the run")

// groups are the process groups of an attempt that still have members, and
// the readers that wait for their output.
type groups struct {
	ids     []int
	readers []*reader
}

// wait executes one command and waits for it.
func (a *attempt) wait(ctx context.Context, x *execution) ended {
	if ctx.Err() != nil {
		return ended{Interrupted, -1, errInterrupted.Error()}
	}
	out, in, err := os.Pipe()
	if err != nil {
		return startError(x.argv[0], err)
	}
	p, err := os.StartProcess(x.program, x.argv, &os.ProcAttr{
		Dir:   x.dir,
		Env:   x.env,
		Files: []*os.File{x.stdin, in, in},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	_ = in.Close() // the child has it
	if err != nil {
		_ = out.Close()
		return startError(x.argv[0], x.explain(err))
	}
	k := &killer{group: p.Pid}
	a.enter(k)
	defer a.leave(k)
	r := newReader(out, x.log)
	go r.run(&a.buffers)

	stop := context.AfterFunc(ctx, func() { k.kill(errInterrupted) })
	if x.timeout > 0 {
		t := time.AfterFunc(x.timeout, func() { k.kill(fmt.Errorf("timed out after %v", x.timeout)) })
		defer t.Stop()
	}
	if !a.deadline.IsZero() {
		t := time.AfterFunc(time.Until(a.deadline), func() { k.kill(fmt.Errorf("timed out after %v", a.timeout)) })
		defer t.Stop()
	}
	if x.idle > 0 {
		var t *time.Timer
		t = time.AfterFunc(x.idle, func() {
			if quiet := time.Since(r.lastOutput()); quiet < x.idle {
				t.Reset(x.idle - quiet)
				return
			}
			k.kill(fmt.Errorf("no output for %v", x.idle))
		})
		defer t.Stop()
	}

	state, err := p.Wait()
	why := k.left()
	stop()
	select {
	case <-r.done:
	case <-time.After(drain):
	}
	if groupAlive(p.Pid) {
		a.left.ids = append(a.left.ids, p.Pid)
	}
	a.left.readers = append(a.left.readers, r)
	if err != nil {
		return ended{Permanent, -1, fmt.Sprintf("wait for %s: %v", x.argv[0], err)}
	}
	return judge(state.Sys().(syscall.WaitStatus), why)
}

// judge turns the way a process ended into a class.
func judge(status syscall.WaitStatus, why error) ended {
	exit := -1
	if status.Exited() {
		exit = status.ExitStatus()
	}
	switch {
	case exit == 0 && why == nil:
		return ended{OK, 0, ""}
	case errors.Is(why, errInterrupted):
		return ended{Interrupted, exit, why.Error()}
	case why != nil:
		return ended{Transient, exit, why.Error()}
	case exit == exitTempFail:
		return ended{Transient, exit, fmt.Sprintf("exit %d, a temporary failure", exit)}
	case status.Signaled():
		return ended{Transient, exit, fmt.Sprintf("killed by %s", signalName(status.Signal()))}
	}
	return ended{Permanent, exit, fmt.Sprintf("exit %d", exit)}
}

// exitTempFail is EX_TEMPFAIL of sysexits.h.
const exitTempFail = 75

func signalName(s syscall.Signal) string {
	return fmt.Sprintf("signal %d (%s)", int(s), s)
}

// explain says which of the two paths of a failed start is not there: fork and
// exec report ENOENT for a missing directory, too.
func (x *execution) explain(err error) error {
	if errors.Is(err, fs.ErrNotExist) && x.dir != "" {
		if _, derr := os.Stat(x.dir); derr != nil {
			return derr
		}
	}
	return err
}

// startError classifies a command that could not be started, with the exit
// code that a shell would give it.
func startError(name string, err error) ended {
	var errno syscall.Errno
	errors.As(err, &errno)
	if errors.Is(err, fs.ErrNotExist) {
		errno = syscall.ENOENT // also of a name that no directory of PATH has
	}
	switch errno {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY, syscall.EINTR:
		return ended{Transient, -1, fmt.Sprintf("start %s: %v", name, errno)}
	case syscall.ENOENT:
		return ended{Permanent, 127, fmt.Sprintf("start %s: not found", name)}
	case syscall.EACCES, syscall.ENOEXEC:
		return ended{Permanent, 126, fmt.Sprintf("start %s: %v", name, errno)}
	}
	return ended{Permanent, 126, fmt.Sprintf("start %s: %s", name, strings.TrimPrefix(err.Error(), "fork/exec "))}
}

// end ends what is left of an attempt and returns how many groups that were.
func (g *groups) end() int {
	var alive []int
	for _, id := range g.ids {
		if groupAlive(id) {
			alive = append(alive, id)
			_ = syscall.Kill(-id, syscall.SIGTERM)
		}
	}
	if len(alive) > 0 {
		awaitGone(alive)
	}
	for _, r := range g.readers {
		r.finish()
	}
	return len(alive)
}

// awaitGone waits for groups that were told to end, and kills them if they
// take longer than Grace. There is no event for the end of a process that is
// not one's child, hence the polling.
func awaitGone(ids []int) {
	pause := time.Millisecond
	for start := time.Now(); time.Since(start) < Grace; {
		rest := ids[:0:0]
		for _, id := range ids {
			if groupAlive(id) {
				rest = append(rest, id)
			}
		}
		if ids = rest; len(ids) == 0 {
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
	for _, id := range ids {
		_ = syscall.Kill(-id, syscall.SIGKILL)
	}
}
