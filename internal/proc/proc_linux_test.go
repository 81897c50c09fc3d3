package proc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

func start(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	// A name with all that could be taken for something else.
	program := t.TempDir() + "/a) S 1 1"
	if err := os.Symlink("/bin/sleep", program); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "60")
	c.Env = env
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

func TestRead(t *testing.T) {
	before, err := Ticks()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t)
	pid := c.Process.Pid
	p, err := Read(pid)
	after, _ := Ticks()
	if err != nil || p.PID != pid || p.Parent != os.Getpid() || p.Group != pid || p.Session != pid || p.Dead() {
		t.Errorf("%+v, %v", p, err)
	}
	if p.Started < before || p.Started > after {
		t.Errorf("it started at %d, not between %d and %d", p.Started, before, after)
	}
	pids, err := PIDs()
	if err != nil || !slices.Contains(pids, pid) || !slices.Contains(pids, os.Getpid()) {
		t.Errorf("%v lacks %d, %v", pids, pid, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for !p.Dead() {
		if p, err = Read(pid); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Wait()
	if _, err := Read(pid); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("one that is gone: %v", err)
	}
}

func TestEnviron(t *testing.T) {
	c := start(t, "FIRST=1", "MORE=FIRST=2", "RUN=abc", "LAST=")
	var env Environ
	for env.Get("FIRST") == "" { // until it executes its program, it has our environment
		var err error
		if env, err = ReadEnviron(c.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"FIRST": "1", "MORE": "FIRST=2", "RUN": "abc", "LAST": "", "UN": "", "RU": "", "abc": ""} {
		if got := env.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestDamagedStat(t *testing.T) {
	for _, stat := range []string{"", "1", "1 (x)", "1 (x) S 1 2 3", "1 (x) S a 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"} {
		if p, err := parse(1, []byte(stat)); !errors.Is(err, ErrStat) {
			t.Errorf("%q is %+v, %v", stat, p, err)
		}
	}
}
