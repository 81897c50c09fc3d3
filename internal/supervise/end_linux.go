package supervise

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/proc"
)

// self is a way to this program that works when its file was replaced, too.
func self() (string, error) { return "/proc/self/exe", nil }

// newTable makes a file that has no name and is in no file system.
func newTable() (*os.File, error) {
	fd, err := unix.MemfdCreate("hacky-groups", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "hacky-groups"), nil
}

func ticks() uint64 {
	t, _ := proc.Ticks() // 0 would only be a group that is not ended
	return t
}

// patience bounds what cannot be ended, in the middle of a broken disk's call.
const patience = time.Minute

// again is how long to wait before what was found nowhere is looked for once
// more: a process that was about to execute its program shows no environment.
const again = 20 * time.Millisecond

// end ends every process of a run.
func end(runID string, groups []entry, group *cgroup, grace time.Duration) {
	r := remains{runID: runID, groups: groups, cgroup: group, ours: map[int]uint64{}, asked: map[int]uint64{}}
	pause := time.Millisecond
	clean := 0
	for start := time.Now(); clean < 2 && time.Since(start) < patience; {
		found := r.find()
		clean++
		for _, p := range found {
			clean = 0
			switch {
			case time.Since(start) >= grace:
				send(p, syscall.SIGKILL)
			case r.asked[p.PID] != p.Started:
				r.asked[p.PID] = p.Started
				send(p, syscall.SIGTERM)
			}
		}
		if clean > 0 {
			pause = again
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// remains are what is left of a run: the processes in its groups and its
// control group, those whose environment names it, and what those have started. A process is known by its
// number and when it began.
type remains struct {
	runID  string
	groups []entry
	cgroup *cgroup
	member map[int]bool   // of the cgroup, at the last look
	ours   map[int]uint64 // found so far: their children may be found after them
	asked  map[int]uint64 // to end
}

// find are the living ones.
func (r *remains) find() []proc.Process {
	pids, _ := proc.PIDs() // without a table there is nothing to be found
	all := make(map[int]proc.Process, len(pids))
	for _, pid := range pids {
		if p, err := proc.Read(pid); err == nil && pid > 1 && pid != os.Getpid() {
			all[pid] = p
		}
	}
	r.member = r.cgroup.members()
	leaders := func(pid int) (p proc.Process, ok bool) { p, ok = all[pid]; return p, ok }
	is := map[int]bool{} // ours, as far as it is known
	var found []proc.Process
	for pid, p := range all {
		if !r.descends(p, all, is, leaders) {
			continue
		}
		r.ours[pid] = p.Started
		if !p.Dead() {
			found = append(found, p)
		}
	}
	return found
}

// descends reports whether a process or one of its ancestors is ours. What was
// read while processes came and went may even have circles.
func (r *remains) descends(p proc.Process, all map[int]proc.Process, is map[int]bool, leaders func(int) (proc.Process, bool)) bool {
	if known, ok := is[p.PID]; ok {
		return known
	}
	is[p.PID] = false
	if r.isOurs(p, leaders) {
		is[p.PID] = true
	} else if parent, ok := all[p.Parent]; ok {
		is[p.PID] = r.descends(parent, all, is, leaders)
	}
	return is[p.PID]
}

func (r *remains) isOurs(p proc.Process, leaders func(int) (proc.Process, bool)) bool {
	if r.ours[p.PID] == p.Started || r.member[p.PID] {
		return true
	}
	for _, e := range r.groups {
		if inGroup(p, e, leaders) {
			return true
		}
	}
	if p.Dead() {
		return false
	}
	env, err := proc.ReadEnviron(p.PID)
	return err == nil && env.Get("HACKY_RUN_ID") == r.runID
}

// inGroup reports whether a process is in a group that hacky noted, and not in
// somebody else's of the same number. The number of a group stays taken as
// long as it has members. So the group is another one only if the number was
// free in between, and then its leader began later than it was noted.
func inGroup(p proc.Process, e entry, leaders func(pid int) (proc.Process, bool)) bool {
	if p.Group != e.group {
		return false
	}
	leader, ok := leaders(e.group)
	return !ok || leader.Started <= e.entered
}

// send sends a signal to a process that, with a descriptor in hand, is looked
// at once more: it cannot become somebody else.
func send(p proc.Process, sig syscall.Signal) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, a sandbox
		_ = syscall.Kill(p.PID, sig) // it may have ended meanwhile
		return
	}
	if err != nil {
		return
	}
	defer unix.Close(fd) //nolint:errcheck // only a handle
	if same, err := proc.Read(p.PID); err == nil && same.Started == p.Started {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // it may have ended meanwhile
	}
}
