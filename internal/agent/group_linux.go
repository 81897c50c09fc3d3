package agent

import (
	"syscall"

	"github.com/hacky-run/hacky/internal/proc"
)

// groupAlive reports whether a process group has members that are not
// zombies: those stay until this process, or in a container a first one that
// may never do it, reaps them.
func groupAlive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	pids, err := proc.PIDs()
	if err != nil {
		return true
	}
	for _, pid := range pids {
		if p, err := proc.Read(pid); err == nil && p.Group == group && !p.Dead() {
			return true
		}
	}
	return false
}
