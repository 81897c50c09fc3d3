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

	"github.com/hacky-run/hacky/internal/agent/profile"
	"github.com/hacky-run/hacky/internal/supervise"
)

// Grace is how long a process may take from SIGTERM to its end.
const Grace = 10 * time.Second

// drain is how long output is waited for after the end of an attempt, when a
// daemon that left its group holds the pipe.
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
	begun   time.Time

	listener *listener // of an agent's output; nil: nobody listens
}

// ended says how a command ended.
type ended struct {
	class   Class
	exit    int
	reason  string
	signal  string // by which it ended; "" if by none
	stopped string // why hacky ended it; "" if it did not
}

// startFailed begins the reason of a command that was never executed.
const startFailed = "start "

func (e ended) neverRan() bool { return strings.HasPrefix(e.reason, startFailed) }

// killer ends a process group, once, and remembers why. Once the leader has
// been waited for, its number may be somebody else's.
type killer struct {
	group int
	slot  supervise.Slot
	grace time.Duration // from SIGTERM to SIGKILL

	mu     sync.Mutex
	why    error
	gone   bool
	timers []*time.Timer
}

func (k *killer) kill(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killLocked(why)
}

func (k *killer) killLocked(why error) {
	if k.gone || k.why != nil {
		return
	}
	k.why = why
	_ = syscall.Kill(-k.group, syscall.SIGTERM) // it may have ended meanwhile
	k.timers = append(k.timers, time.AfterFunc(k.grace, k.now))
}

// now kills the group without asking.
func (k *killer) now() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		return
	}
	if k.why == nil {
		k.why = errInterrupted
	}
	_ = syscall.Kill(-k.group, syscall.SIGKILL) // it may have ended meanwhile
}

// after kills the group when so much time has passed.
func (k *killer) after(d time.Duration, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timers = append(k.timers, time.AfterFunc(d, func() { k.kill(why) }))
}

// afterSilence kills the group when the last output is so long ago.
func (k *killer) afterSilence(limit time.Duration, out, errs *output) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var t *time.Timer
	t = time.AfterFunc(limit, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if quiet := min(out.silence(), errs.silence()); quiet < limit {
			if !k.gone {
				t.Reset(limit - quiet)
			}
			return
		}
		k.killLocked(fmt.Errorf("no output for %v", limit))
	})
	k.timers = append(k.timers, t)
}

// left says that the leader is gone, and returns why it was killed, if so.
func (k *killer) left() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	for _, t := range k.timers {
		t.Stop()
	}
	return k.why
}

// errInterrupted is why a command is killed when the run is stopped.
var errInterrupted = errors.New("stopped with the run")

// leftovers are what an attempt's commands left behind: process groups that
// still have members, and output that somebody still holds open.
type leftovers struct {
	groups  []int
	outputs []*output
}

// wait executes one command and waits for it.
func (a *attempt) wait(ctx context.Context, x *execution) ended {
	if ctx.Err() != nil || a.isKilled() {
		return ended{class: Interrupted, exit: -1, reason: errInterrupted.Error()}
	}
	a.says(x)
	out, err := newOutput(x.log, &a.buffers)
	if err != nil {
		return startError(x.argv[0], err)
	}
	errs, err := x.listen(out, &a.buffers)
	if err != nil {
		out.close()
		return startError(x.argv[0], err)
	}
	k, pidfd, err := a.start(x, out, errs)
	if err != nil {
		out.close()
		if errs != out {
			errs.close()
		}
		if derr := x.checkDir(); derr != nil { // fork and exec report it as if it were the program
			return ended{class: Permanent, exit: 126, reason: fmt.Sprintf(startFailed+"%s: the workdir %s: %v", x.argv[0], x.dir, derr)}
		}
		return startError(x.argv[0], err)
	}
	pid := k.group
	stop := context.AfterFunc(ctx, func() { k.kill(errInterrupted) })
	if x.timeout > 0 {
		k.after(x.timeout, fmt.Errorf("timed out after %v", x.timeout))
	}
	if !a.deadline.IsZero() {
		k.after(time.Until(a.deadline), fmt.Errorf("timed out after %v", a.timeout))
	}
	if x.idle > 0 {
		k.afterSilence(x.idle, out, errs)
	}
	if errs != out { // few words, mostly: read by a goroutine of its own
		errs.readOn()
	}

	status, err := follow(pid, pidfd, out)
	why := k.left()
	stop()
	lingers := groupAlive(pid)
	if lingers {
		a.left.groups = append(a.left.groups, pid)
	}
	a.leave(k, lingers)
	if out.open() {
		a.left.outputs = append(a.left.outputs, out)
	}
	if errs != out {
		select {
		case <-errs.done:
		case <-time.After(drain): // somebody holds it open
			a.left.outputs = append(a.left.outputs, errs)
		}
	}
	if err != nil {
		return ended{class: Permanent, exit: -1, reason: fmt.Sprintf("wait for %s: %v", x.argv[0], err)}
	}
	return judge(status, why)
}

// listen lets an agent's listener hear its output, and gives it a pipe of its
// own for standard error: what is said there counts for the verdict. For others
// both are one.
func (x *execution) listen(out *output, buffers *sync.Pool) (errs *output, err error) {
	if x.listener == nil {
		return out, nil
	}
	if errs, err = newOutput(x.log, buffers); err != nil {
		return nil, err
	}
	out.hear, errs.hear = x.listener.hear(profile.Stdout), x.listener.hear(profile.Stderr)
	return errs, nil
}

// start starts a command and enters it among those that Kill ends.
//
// Not os.StartProcess: its files would be registered with the poller, and its
// process waited for by a descriptor of its own; see follow.
func (a *attempt) start(x *execution, out, errs *output) (k *killer, pidfd *int, err error) {
	a.starting.RLock()
	defer a.starting.RUnlock()
	attr := syscall.SysProcAttr{Setsid: true}
	pidfd = wantPidfd(&attr)
	dir := x.dir
	if dir == a.here { // saves a call for every command
		dir = ""
	}
	group, grouped := a.supervisor.Cgroup()
	if grouped = grouped && !a.ungrouped.Load(); grouped {
		join(&attr, group)
	}
	proc := &syscall.ProcAttr{Dir: dir, Env: x.env, Files: []uintptr{x.stdin.Fd(), uintptr(out.child), uintptr(errs.child)}, Sys: &attr}
	pid, _, err := syscall.StartProcess(x.program, x.argv, proc)
	if err != nil && grouped { // it may be the group that is refused
		attr = syscall.SysProcAttr{Setsid: true}
		pidfd = wantPidfd(&attr)
		if pid, _, err = syscall.StartProcess(x.program, x.argv, proc); err == nil {
			a.ungrouped.Store(true)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	k = &killer{group: pid, grace: a.grace}
	a.enter(k)
	return k, pidfd, nil
}

// wait4 waits for a process, which it reaps.
func wait4(pid int) (status syscall.WaitStatus, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err
		}
	}
}

// followByReading is follow with a goroutine that reads.
func followByReading(pid int, out *output) (syscall.WaitStatus, error) {
	out.readOn()
	status, err := wait4(pid)
	select { // usually the output ends with the process
	case <-out.done:
		out.file = nil
	case <-time.After(drain):
	}
	return status, err
}

// judge turns the way a process ended into a class.
func judge(status syscall.WaitStatus, why error) ended {
	exit := -1
	if status.Exited() {
		exit = status.ExitStatus()
	}
	switch {
	case exit == 0 && why == nil:
		return ended{class: OK}
	case errors.Is(why, errInterrupted):
		return ended{class: Interrupted, exit: exit, reason: why.Error()}
	case why != nil:
		return ended{class: Transient, exit: exit, reason: why.Error(), stopped: why.Error()}
	case exit == exitTempFail:
		return ended{class: Transient, exit: exit, reason: fmt.Sprintf("exit %d, a temporary failure", exit)}
	case status.Signaled():
		name := signalName(status.Signal())
		return ended{class: Transient, exit: exit, reason: "killed by " + name, signal: name}
	}
	return ended{class: Permanent, exit: exit, reason: fmt.Sprintf("exit %d", exit)}
}

// exitTempFail is EX_TEMPFAIL of sysexits.h.
const exitTempFail = 75

func signalName(s syscall.Signal) string {
	return fmt.Sprintf("signal %d (%s)", int(s), s)
}

// checkDir says what is wrong with the directory to start in.
func (x *execution) checkDir() error {
	info, err := os.Stat(x.dir)
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case err == nil && !info.IsDir():
		return syscall.ENOTDIR
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
		return ended{class: Transient, exit: -1, reason: fmt.Sprintf(startFailed+"%s: %v", name, errno)}
	case syscall.ENOENT:
		return ended{class: Permanent, exit: 127, reason: fmt.Sprintf(startFailed+"%s: not found", name)}
	case syscall.EACCES, syscall.ENOEXEC:
		return ended{class: Permanent, exit: 126, reason: fmt.Sprintf(startFailed+"%s: %v", name, errno)}
	}
	return ended{class: Permanent, exit: 126, reason: fmt.Sprintf(startFailed+"%s: %s", name, strings.TrimPrefix(err.Error(), "fork/exec "))}
}

// end ends the groups that are left of an attempt and returns how many groups that were.
func (l *leftovers) end(grace time.Duration) int {
	var alive []int
	for _, id := range l.groups {
		if groupAlive(id) {
			alive = append(alive, id)
			_ = syscall.Kill(-id, syscall.SIGTERM) // it may have ended meanwhile
		}
	}
	if len(alive) > 0 {
		rest := awaitGone(alive, grace)
		for _, id := range rest {
			_ = syscall.Kill(-id, syscall.SIGKILL) // it may have ended meanwhile
		}
		awaitGone(rest, drain)
	}
	return len(alive)
}

// finish takes what is still printed, when whoever could has been ended.
func (l *leftovers) finish() {
	for _, o := range l.outputs {
		o.finish()
	}
}

// awaitGone waits for groups that were told to end, and returns those that
// take too long. There is no event for the end of a process that is not one's
// child, hence the polling.
func awaitGone(ids []int, limit time.Duration) []int {
	pause := time.Millisecond
	for start := time.Now(); time.Since(start) < limit; {
		rest := ids[:0:0]
		for _, id := range ids {
			if groupAlive(id) {
				rest = append(rest, id)
			}
		}
		if ids = rest; len(ids) == 0 {
			break
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
	return ids
}
