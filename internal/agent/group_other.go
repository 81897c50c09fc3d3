//go:build unix && !linux

package agent

import "syscall"

// groupAlive reports whether a process group has members.
func groupAlive(group int) bool { return syscall.Kill(-group, 0) == nil }
