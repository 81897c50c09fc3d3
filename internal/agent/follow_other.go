//go:build unix && !linux

package agent

import "syscall"

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

func join(*syscall.SysProcAttr, int) {}

// follow moves the output of a process into its log until the process ends,
// and reaps it.
func follow(pid int, _ *int, out *output) (syscall.WaitStatus, error) {
	return followByReading(pid, out)
}
