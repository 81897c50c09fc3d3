package agent

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func pipe(fds []int) error { return syscall.Pipe2(fds, syscall.O_CLOEXEC) }

// wantPidfd asks for a descriptor of the process to be started; it stays -1 on
// kernels that have none.
func wantPidfd(attr *syscall.SysProcAttr) *int {
	fd := -1
	attr.PidFD = &fd
	return &fd
}

// join makes the process to be started a member of a control group from its
// first instant.
func join(attr *syscall.SysProcAttr, cgroup int) { attr.UseCgroupFD, attr.CgroupFD = true, cgroup }

// follow moves the output of a process into its log until the process ends,
// and reaps it.
//
// One goroutine does both, with poll: a second one and the runtime's poller
// cost about a tenth of the time that starting a small process takes
// (BenchmarkExecute, with followByReading instead). Usually the end of the
// output comes first, and the process can be reaped at once.
func follow(pid int, pidfd *int, out *output) (syscall.WaitStatus, error) {
	if *pidfd < 0 {
		return followByReading(pid, out)
	}
	defer syscall.Close(*pidfd) //nolint:errcheck // only polled
	out.closeChild()
	fds := []unix.PollFd{
		{Fd: int32(out.fd), Events: unix.POLLIN},
		{Fd: int32(*pidfd), Events: unix.POLLIN},
	}
	for out.fd >= 0 {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return followByReading(pid, out)
		case fds[0].Revents == unix.POLLHUP: // nothing to read, and nobody left to write
			out.close()
		case fds[1].Revents != 0:
			out.read(true)
			if out.fd >= 0 {
				// Another worker's child has copies of all descriptors until it
				// executes its program; that is over in an instant.
				_, _ = unix.Poll(fds[:1], execPatience)
				out.read(true)
			}
			if out.fd >= 0 {
				out.readOn() // somebody else holds it open
			}
			return wait4(pid)
		case fds[0].Revents != 0:
			out.read(false)
		}
	}
	return wait4(pid)
}

// execPatience is how long, in milliseconds, to wait for another child to
// execute its program before its copy of the pipe is taken for a process that
// was left behind.
const execPatience = 5

// read takes what is there: some of it, or all that a pipe can hold. More than
// that comes from somebody who is still printing, perhaps for ever.
func (o *output) read(all bool) {
	buf := o.buffer()
	defer o.buffers.Put(buf)
	for left := bufferSize; left > 0; {
		n, err := syscall.Read(o.fd, *buf)
		switch {
		case n > 0:
			left -= n
			o.take((*buf)[:n])
			if !all {
				return
			}
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return
		default: // the end
			o.close()
			return
		}
	}
}
