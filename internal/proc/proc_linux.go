package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process is what /proc/<pid>/stat says.
type Process struct {
	PID, Parent, Group, Session int
	State                       byte
	Started                     uint64 // in ticks since the system began; see Ticks
}

// Dead reports whether it has ended and only waits to be reaped.
func (p Process) Dead() bool { return p.State == 'Z' || p.State == 'X' }

// ErrStat says that /proc is not what it is known to be.
var ErrStat = errors.New("/proc/<pid>/stat is not understood")

// Read looks at one process. fs.ErrNotExist and ESRCH mean that it is gone.
func Read(pid int) (Process, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, err
	}
	return parse(pid, data)
}

// parse reads "pid (name) state ppid pgrp session ..."; the name may hold
// anything.
func parse(pid int, stat []byte) (Process, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Process{}, ErrStat
	}
	p := Process{PID: pid, State: fields[0][0]}
	var errs [4]error
	p.Parent, errs[0] = strconv.Atoi(string(fields[1]))
	p.Group, errs[1] = strconv.Atoi(string(fields[2]))
	p.Session, errs[2] = strconv.Atoi(string(fields[3]))
	p.Started, errs[3] = strconv.ParseUint(string(fields[19]), 10, 64)
	if errors.Join(errs[:]...) != nil {
		return Process{}, ErrStat
	}
	return p, nil
}

// PIDs are the numbers of all processes.
func PIDs() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read from
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Environ is the environment that a process was started with. One that is
// dead, or just about to execute its program, has none.
type Environ []byte

// ReadEnviron needs the rights of the process's user, and is refused for
// processes that forbid to be looked into.
func ReadEnviron(pid int) (Environ, error) {
	return os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
}

// Get is a variable's value, "" if it is not there.
func (e Environ) Get(name string) string {
	for entry := range bytes.SplitSeq(e, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// Ticks is now, in the unit of Process.Started. The kernel shows processes the
// same hundredths of a second on every architecture that Go knows.
func Ticks() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, err
	}
	return uint64(ts.Nano()) / 10_000_000, nil
}
