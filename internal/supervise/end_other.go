//go:build unix && !linux

package supervise

import (
	"errors"
	"os"
	"syscall"
	"time"
)

func self() (string, error) { return os.Executable() }

// newTable makes a file that loses its name at once.
func newTable() (*os.File, error) {
	f, err := os.CreateTemp("", "hacky-groups-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ticks tells groups of the same number apart only where a process's age can
// be looked up.
func ticks() uint64 { return 0 }

// end ends every group: there is no way to find what left them.
func end(_ string, groups []entry, _ *cgroup, grace time.Duration) {
	deadline := time.Now().Add(grace)
	for _, e := range groups {
		_ = syscall.Kill(-e.group, syscall.SIGTERM) // it may have ended meanwhile
	}
	for alive(groups) && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, e := range groups {
		_ = syscall.Kill(-e.group, syscall.SIGKILL) // it may have ended meanwhile
	}
}

func alive(groups []entry) bool {
	for _, e := range groups {
		if syscall.Kill(-e.group, 0) == nil {
			return true
		}
	}
	return false
}
