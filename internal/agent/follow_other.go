//go:build unix && !linux

package agent

import (
	"syscall"
	"time"
)

func pipe(fds []int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(fds); err != nil {
		return err
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return nil
}

func wantPidfd(*syscall.SysProcAttr) *int { return nil }

// follow moves the output of a process into its log until the process ends,
// and reaps it.
func follow(pid int, _ *int, out *output) (syscall.WaitStatus, error) {
	out.readOn()
	status, err := wait4(pid)
	select { // usually the output ends with the process
	case <-out.done:
		out.file = nil
	case <-time.After(drain):
	}
	return status, err
}
