package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Arg is the first argument that makes hacky a supervisor. The second is the
// run's id.
const Arg = "__supervise"

// Grace is how long processes may take from SIGTERM to their end once hacky is
// gone. It is short: nobody waits for what they would still do.
const Grace = 2 * time.Second

// tableFD is the table's descriptor in the supervisor.
const tableFD = 3

// Supervisor is hacky's side. A nil Supervisor does nothing. Its methods may
// be called by many goroutines at once, and do not wait for the supervisor.
type Supervisor struct {
	process *exec.Cmd
	pipe    int // a bare descriptor: no finalizer may close it before the run ends
	table   *os.File
	cgroup  *cgroup       // nil: none could be had
	ended   chan struct{} // closed when the process has been waited for

	mu     sync.Mutex
	err    error // of the first write to the table that failed
	free   []int
	slots  int
	closed bool
}

// Start starts the supervisor of a run. When it ends before Close, lost is
// called once, from another goroutine, with the reason.
func Start(runID string, lost func(error)) (*Supervisor, error) {
	program, err := self()
	if err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	s, err := start(program, runID, lost)
	if err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	return s, nil
}

func start(program, runID string, lost func(error)) (s *Supervisor, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close() //nolint:errcheck // the supervisor has it
	defer writer.Close() //nolint:errcheck // the copy stays
	table, err := newTable()
	if err != nil {
		return nil, err
	}
	group, _ := newCgroup(runID) // most may not
	args := []string{Arg, runID}
	if group != nil {
		args = append(args, group.dir)
	}
	c := exec.Command(program, args...)
	c.Args[0] = os.Args[0]
	c.Dir, c.Env = "/", []string{} // nothing that could be taken for the run's own, and no secret
	c.Stdin, c.ExtraFiles = reader, []*os.File{table}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, table.Close(), group.end())
	}
	s = &Supervisor{process: c, table: table, cgroup: group, ended: make(chan struct{})}
	if s.pipe, err = unix.FcntlInt(writer.Fd(), unix.F_DUPFD_CLOEXEC, tableFD); err != nil {
		return nil, errors.Join(err, c.Process.Kill(), ignoreExit(c.Wait()), table.Close(), group.end())
	}
	go func() {
		why := c.Wait()
		close(s.ended)
		s.mu.Lock()
		early := !s.closed
		s.mu.Unlock()
		if early {
			if why == nil {
				why = errors.New("it ended by itself")
			}
			lost(fmt.Errorf("supervisor: %w", why))
		}
	}()
	return s, nil
}

func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// PID is the process number of the supervisor, 0 if there is none any more.
func (s *Supervisor) PID() int {
	if s == nil {
		return 0
	}
	select {
	case <-s.ended:
		return 0
	default:
		return s.process.Process.Pid
	}
}

// Cgroup is the descriptor of the control group to start commands in; ok is
// false where there is none.
func (s *Supervisor) Cgroup() (fd int, ok bool) {
	if s == nil || s.cgroup == nil {
		return -1, false
	}
	return s.cgroup.fd, true
}

// Slot is a group's place in the table.
type Slot int

// entry is what a slot holds: the group, 0 for none, and when it was entered.
type entry struct {
	group   int
	entered uint64 // as package proc counts
}

const entrySize = 16

func (e entry) bytes() (b [entrySize]byte) {
	binary.LittleEndian.PutUint64(b[:8], uint64(e.group))
	binary.LittleEndian.PutUint64(b[8:], e.entered)
	return b
}

// Began notes a process group whose leader has just been started.
func (s *Supervisor) Began(group int) Slot {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	var slot int
	if n := len(s.free); n > 0 {
		slot, s.free = s.free[n-1], s.free[:n-1]
	} else {
		slot = s.slots
		s.slots++
	}
	s.mu.Unlock()
	s.write(slot, entry{group, ticks()})
	return Slot(slot)
}

// Ended takes a group out of the table: nothing of it is left.
func (s *Supervisor) Ended(slot Slot) {
	if s == nil {
		return
	}
	s.write(int(slot), entry{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, int(slot))
}

// write keeps the first error for Close: a run does not fail for it.
func (s *Supervisor) write(slot int, e entry) {
	b := e.bytes()
	if _, err := s.table.WriteAt(b[:], int64(slot)*entrySize); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil && !s.closed {
			s.err = fmt.Errorf("note a process group: %w", err)
		}
	}
}

// now is the one message there is: do not ask, kill.
const now = 'k'

// Kill makes the supervisor end what is left with SIGKILL as soon as hacky is
// gone: for one that is about to exit and does not want to wait.
func (s *Supervisor) Kill() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_, _ = unix.Write(s.pipe, []byte{now}) // without it, there is a grace
	}
}

// Close ends the supervisor, and what is left in the run's control group;
// without one, what is left of the run lives on. Its error says what the
// supervisor could not have ended.
func (s *Supervisor) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	_ = s.process.Process.Kill() // it may be gone
	<-s.ended
	_ = unix.Close(s.pipe) // only now: its end is a message
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.err, s.table.Close(), s.cgroup.end())
}

// Main is the supervisor's side; args follow Arg: the run's id and, if there is
// one, the directory of its control group. It returns an exit code.
func Main(args []string) int {
	if len(args) < 1 || len(args) > 2 || !inherited(tableFD) {
		fmt.Fprintln(os.Stderr, "hacky: this is how hacky starts itself; type: hacky run")
		return 2
	}
	table := os.NewFile(tableFD, "table")
	ignoreSignals()
	closeInherited()
	kill := false
	for message := make([]byte, 16); ; {
		n, err := os.Stdin.Read(message)
		if n > 0 {
			kill = message[n-1] == now
			continue
		}
		if err != nil {
			break // hacky is gone
		}
	}
	grace := Grace
	if kill {
		grace = 0
	}
	var group *cgroup
	if len(args) == 2 {
		group = &cgroup{dir: args[1], fd: -1}
	}
	end(args[0], entries(table), group, grace)
	_ = group.end() // nobody is there to be told
	return 0
}

// closeInherited closes what hacky itself inherited and passes on: it may be a
// lock, or a pipe whose end somebody waits for.
func closeInherited() {
	fds, _ := os.ReadDir("/dev/fd") // where that is missing, it stays open
	for _, name := range fds {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd > tableFD && inherited(fd) {
			_ = unix.Close(fd) // never used here
		}
	}
}

// inherited tells a descriptor from those that the Go runtime opened, which
// are all closed on exec.
func inherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// entries are the groups in the table. What cannot be read is not there.
func entries(table io.ReaderAt) []entry {
	data, _ := io.ReadAll(io.NewSectionReader(table, 0, 1<<20))
	var out []entry
	for ; len(data) >= entrySize; data = data[entrySize:] {
		e := entry{int(binary.LittleEndian.Uint64(data)), binary.LittleEndian.Uint64(data[8:])}
		if e.group > 1 { // 0 and 1 would mean others than a group of ours
			out = append(out, e)
		}
	}
	return out
}
