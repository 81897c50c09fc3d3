package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/proc"
	"github.com/hacky-run/hacky/internal/supervise"
)

// orphans are the processes that commands leave behind: their parents ended.
// The kernel gives them to this process, so they cannot get lost, whatever
// sessions they made or environments they cleared, and their numbers are
// nobody else's until they are reaped here.
//
// It gives them to the first thread, whose list of children therefore holds
// all orphans, besides a few leaders that are waited for elsewhere. Reading it
// is one call into the kernel: what an attempt without orphans pays.
type orphans struct {
	children int                                 // descriptor of /proc/self/task/<first thread>/children
	session  int                                 // this process's own; a process can leave its session, but not join one
	known    map[int]*orphan                     // by number; under Runner.mu
	environ  func(pid int) (proc.Environ, error) // proc.ReadEnviron, but for tests
	stop     chan struct{}
	stopped  chan struct{}
}

// orphan is a living one.
type orphan struct {
	owner string // the attempt whose command left it; "" if that cannot be told
	slot  supervise.Slot
	noted bool // in the supervisor's table
	empty int  // how often its environment was seen to be empty
}

// secondLooks is how often an empty environment is looked at again, with longer
// and longer pauses, some 60 ms in all: a process that is about to execute a
// program has none for an instant, and one that cleared its own has none for
// ever.
const secondLooks = 6

// tending is how often orphans that ended are reaped while attempts go on for
// hours, and others are made known to the supervisor.
const tending = time.Second

// Adopt makes the run complete: s, which may be nil, learns of every process
// group, and, on Linux, what commands leave behind becomes this process's to
// be ended, with the attempt that it belongs to or in Finish. It is called
// before the first Execute, and by one Runner of a process at a time: children
// that others start in sessions of their own would be taken for orphans. The
// error says why there is no way to see orphans; the groups are still noted.
func (r *Runner) Adopt(s *supervise.Supervisor) error {
	r.supervisor = s
	session, err := unix.Getsid(0)
	if err != nil {
		return os.NewSyscallError("getsid", err)
	}
	name := "/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children"
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return errors.Join(fmt.Errorf("become the parent of orphans: %w", err), unix.Close(fd))
	}
	r.orphans = &orphans{children: fd, session: session, known: map[int]*orphan{}, environ: proc.ReadEnviron, stop: make(chan struct{}), stopped: make(chan struct{})}
	go r.tend()
	return nil
}

// disown undoes Adopt.
func (r *Runner) disown() error {
	o := r.orphans
	if o == nil {
		return nil
	}
	close(o.stop)
	<-o.stopped
	r.starting.Lock() // a Kill may be looking
	defer r.starting.Unlock()
	r.orphans = nil
	return errors.Join(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), unix.Close(o.children))
}

func (r *Runner) tend() {
	defer close(r.orphans.stopped)
	tick := time.NewTicker(tending)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look(func(*orphan) bool { return false }, nil)
		case <-r.orphans.stop:
			return
		}
	}
}

// Finish ends whatever commands left behind and no attempt could be held
// responsible for, and returns how many processes that were. It is called when
// no attempt is going on any more.
func (r *Runner) Finish() int { return r.endOrphansThat(func(*orphan) bool { return true }) }

func owner(subtask, attempt string) string { return subtask + " attempt " + attempt }

// endOrphans ends those that an attempt's commands left behind.
func (r *Runner) endOrphans(subtask string, attempt int) int {
	if r.orphans == nil {
		return 0
	}
	of := owner(subtask, strconv.Itoa(attempt))
	if !r.mayHaveLeft(of) {
		return 0
	}
	return r.endOrphansThat(func(o *orphan) bool { return o.owner == of })
}

// mayHaveLeft reports whether there are children that are neither leaders nor
// known to be another attempt's orphans.
func (r *Runner) mayHaveLeft(owner string) bool {
	var space [32]int
	children := r.orphans.list(space[:0])
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pid := range children {
		if r.active[pid] != nil || pid == r.supervisor.PID() {
			continue
		}
		if o := r.orphans.known[pid]; o == nil || o.owner == "" || o.owner == owner {
			return true
		}
	}
	return false
}

// endOrphansThat ends orphans, and those that they leave behind in their turn:
// SIGTERM, and when the grace is over, SIGKILL.
func (r *Runner) endOrphansThat(match func(*orphan) bool) int {
	if r.orphans == nil {
		return 0
	}
	asked := map[int]bool{} // processes, and groups with a minus
	count := 0
	pause := time.Millisecond
	for start := time.Now(); ; {
		kill := time.Since(start) >= r.grace || r.isKilled()
		left := r.look(match, func(p proc.Process) {
			if !asked[p.PID] {
				count++
			}
			switch {
			case kill:
				signalGroup(p, syscall.SIGKILL)
			case !asked[-p.Group]:
				signalGroup(p, syscall.SIGTERM)
			case !asked[p.PID]:
				_ = syscall.Kill(p.PID, syscall.SIGTERM)
			}
			asked[p.PID], asked[-p.Group] = true, true
		})
		if !left || time.Since(start) >= r.grace+unkillable {
			return count
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// signalGroup sends a signal to an orphan and to what it started itself: a
// group is of one session, and so of one command.
func signalGroup(p proc.Process, sig syscall.Signal) {
	to := -p.Group
	if p.Group <= 1 { // led from outside of a container
		to = p.PID
	}
	_ = syscall.Kill(to, sig) // it may be refused to us, and a zombie is no error
}

// unkillable is how long SIGKILL may take before it is taken to be in vain.
const unkillable = 2 * time.Second

// look reaps the orphans that ended, and calls do for those that live and
// match. Their numbers stay theirs meanwhile. It reports whether there were any,
// or whether one may turn out to be.
func (r *Runner) look(match func(*orphan) bool, do func(proc.Process)) bool {
	r.starting.Lock() // what is being started is no orphan, but looks like one
	defer r.starting.Unlock()
	return r.lookLocked(match, do)
}

func (r *Runner) lookLocked(match func(*orphan) bool, do func(proc.Process)) (found bool) {
	for _, pid := range r.orphans.list(nil) {
		r.mu.Lock()
		leader, o := r.active[pid] != nil, r.orphans.known[pid]
		r.mu.Unlock()
		if leader || pid == r.supervisor.PID() {
			continue
		}
		p, err := proc.Read(pid)
		if err != nil || p.Session == r.orphans.session {
			continue // some other part of hacky started it and waits for it
		}
		if p.Dead() {
			r.reap(pid, o)
			continue
		}
		if o == nil {
			o = &orphan{}
			r.mu.Lock()
			r.orphans.known[pid] = o
			r.mu.Unlock()
		}
		unclear := r.identify(p, o)
		found = found || unclear
		if match(o) {
			found = true
			do(p)
		}
	}
	return found
}

// identify finds out whose orphan it is. One that cannot be told might not be
// found by its environment if hacky was killed, so its group is noted. unclear
// says that another look may tell.
func (r *Runner) identify(p proc.Process, o *orphan) (unclear bool) {
	if o.owner != "" {
		return false
	}
	env, err := r.orphans.environ(p.PID)
	if err == nil && env.Get("HACKY_RUN_ID") == r.runID {
		r.mu.Lock()
		o.owner = owner(env.Get("HACKY_TASK_ID"), env.Get("HACKY_ATTEMPT"))
		r.mu.Unlock()
	}
	if o.owner == "" && !o.noted {
		o.slot, o.noted = r.supervisor.Began(p.Group), true
	}
	if err != nil || len(env) > 0 || o.empty >= secondLooks {
		return false
	}
	o.empty++
	return true
}

// reap takes the end of an orphan.
func (r *Runner) reap(pid int, o *orphan) {
	_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // how it ended is nobody's business
	if o == nil {
		return
	}
	if o.noted {
		r.supervisor.Ended(o.slot)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orphans.known, pid)
}

// killOrphans is for Kill, which keeps commands from being started.
func (r *Runner) killOrphans() {
	if r.orphans == nil {
		return
	}
	r.lookLocked(func(*orphan) bool { return true }, func(p proc.Process) {
		signalGroup(p, syscall.SIGKILL)
	})
}

// list appends the children of the first thread to pids. The kernel may skip
// one when another is reaped in the middle of the list, so it is read until it
// is twice the same; where there is none, or only one, nothing can be skipped.
func (o *orphans) list(pids []int) []int {
	var space [2][256]byte
	last := o.read(space[0][:0])
	for k := 1; bytes.Count(last, []byte{' '}) > 1; k++ {
		next := o.read(space[k%2][:0])
		if bytes.Equal(last, next) {
			break
		}
		last = next
	}
	for field := range bytes.FieldsSeq(last) {
		if pid, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// read reads the whole list; what cannot be read is not there.
func (o *orphans) read(buf []byte) []byte {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		space := buf[len(buf):cap(buf)]
		n, err := unix.Pread(o.children, space, int64(len(buf)))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return buf
		}
		buf = buf[:len(buf)+n]
		if n < len(space) && n < pageSize {
			return buf
		}
	}
}

// pageSize is how much the kernel prints at once: less than that, and less
// than was asked for, is all.
const pageSize = 4096
