package supervise

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the supervisor, as hacky is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Arg {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func started(t *testing.T, lost func(error)) *Supervisor {
	t.Helper()
	s, err := Start("run-of-"+t.Name(), lost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func neverLost(t *testing.T) func(error) {
	return func(err error) { t.Errorf("the supervisor is lost: %v", err) }
}

// victim is a command as the agent starts it.
func victim(t *testing.T, line string, env ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", line)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

// ended waits for the signal that ended a command.
func ended(t *testing.T, c *exec.Cmd) syscall.Signal {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() {
		t.Errorf("%v goes on", c)
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	})
	defer timer.Stop()
	_ = c.Wait() // the state tells
	return c.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// hackyDies closes hacky's end of the pipe, as its death would, and waits for
// the supervisor to have done its work.
func (s *Supervisor) hackyDies(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if err := syscall.Close(s.pipe); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Error("the supervisor does not end")
	}
}

func TestGroups(t *testing.T) {
	s := started(t, neverLost(t))
	first, gone, second := victim(t, "exec sleep 60"), victim(t, "exit 0"), victim(t, "sleep 60 & exec sleep 60")
	s.Began(first.Process.Pid)
	slot := s.Began(gone.Process.Pid)
	_ = ended(t, gone)
	s.Ended(slot)
	if again := s.Began(second.Process.Pid); again != slot {
		t.Errorf("slot %d is not used again, but %d", slot, again)
	}
	bystander := victim(t, "exec sleep 60")
	s.hackyDies(t)
	for _, c := range []*exec.Cmd{first, second} {
		if sig := ended(t, c); sig != syscall.SIGTERM {
			t.Errorf("it was ended by %v", sig)
		}
	}
	if err := syscall.Kill(bystander.Process.Pid, 0); err != nil {
		t.Errorf("the bystander: %v", err)
	}
}

func TestStubborn(t *testing.T) {
	s := started(t, neverLost(t))
	ready := t.TempDir() + "/ready"
	c := victim(t, `trap '' TERM; touch `+ready+`; while :; do sleep 0.01; done`)
	s.Began(c.Process.Pid)
	for _, err := os.Stat(ready); err != nil; _, err = os.Stat(ready) {
		time.Sleep(time.Millisecond)
	}
	s.hackyDies(t)
	if sig := ended(t, c); sig != syscall.SIGKILL {
		t.Errorf("it was ended by %v", sig)
	}
}

// Kill saves the grace.
func TestKill(t *testing.T) {
	s := started(t, neverLost(t))
	c := victim(t, "exec sleep 60")
	s.Began(c.Process.Pid)
	s.Kill()
	s.hackyDies(t)
	if sig := ended(t, c); sig != syscall.SIGKILL {
		t.Errorf("it was ended by %v", sig)
	}
}

// At the end of a run the supervisor goes at once, and ends nothing.
func TestClose(t *testing.T) {
	s := started(t, neverLost(t))
	c := victim(t, "exec sleep 60", "HACKY_RUN_ID=run-of-"+t.Name())
	s.Began(c.Process.Pid)
	pid := s.PID()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) || s.PID() != 0 {
		t.Errorf("the supervisor is still there: %v, %d", err, s.PID())
	}
	s.Kill()
	s.Ended(s.Began(1234567)) // nobody hears it, and it does no harm
	if err := syscall.Kill(c.Process.Pid, 0); err != nil {
		t.Errorf("a command was ended: %v", err)
	}
}

// Only SIGKILL ends a supervisor, and that is told once.
func TestLost(t *testing.T) {
	lost := make(chan error, 2)
	s := started(t, func(err error) { lost <- err })
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		for !ignores(t, s.PID(), sig) { // it has just been started
			time.Sleep(time.Millisecond)
		}
		if err := syscall.Kill(s.PID(), sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-lost; err == nil || err.Error() != "supervisor: signal: killed" {
		t.Errorf("it is lost: %v", err)
	}
	s.Ended(s.Began(1234567))
	s.Kill()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(lost) > 0 {
		t.Errorf("it is lost twice: %v", <-lost)
	}
}

func TestNone(t *testing.T) {
	var s *Supervisor
	s.Ended(s.Began(1))
	s.Kill()
	if err := s.Close(); err != nil || s.PID() != 0 {
		t.Errorf("%v, %d", err, s.PID())
	}
}

func TestCannotStart(t *testing.T) {
	if _, err := start(t.TempDir()+"/none", "run", neverLost(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// What is called by hand says what it is.
func TestByHand(t *testing.T) {
	for _, args := range [][]string{{Arg}, {Arg, "run"}, {Arg, "run", "more"}} {
		c := exec.Command(os.Args[0], args...)
		out, _ := c.CombinedOutput()
		if c.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "type: hacky run") {
			t.Errorf("%q: exit %d, %s", args, c.ProcessState.ExitCode(), out)
		}
	}
}

// A damaged table never makes it signal everybody.
func TestEntries(t *testing.T) {
	var table []byte
	for _, group := range []int{0, 5, 1, -7, 9} {
		b := entry{group, 3}.bytes()
		table = append(table, b[:]...)
	}
	got := entries(strings.NewReader(string(table) + "cut off"))
	if len(got) != 2 || got[0] != (entry{5, 3}) || got[1] != (entry{9, 3}) {
		t.Errorf("%+v", got)
	}
}
