package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/proc"
)

// ignores reports whether a process ignores a signal.
func ignores(t *testing.T, pid int, sig syscall.Signal) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits&(1<<(sig-1)) != 0
		}
	}
	return false
}

// A process is found by its environment and by its ancestors, wherever it went.
func TestFarAway(t *testing.T) {
	s := started(t, neverLost(t))
	dir := t.TempDir()
	run := "HACKY_RUN_ID=run-of-" + t.Name()
	c := victim(t, `cd `+dir+`
		setsid sh -c 'echo $$ > session; exec sleep 60' &
		(setsid sh -c 'echo $$ > daemon; exec sleep 60' &)
		setsid env -i sh -c 'echo $$ > hidden; exec sleep 60' &
		(trap "" TERM; setsid sh -c 'echo $$ > stubborn; while :; do sleep 0.01; done' &)
		wait`, run)
	other := victim(t, "sleep 60", run+"-and-more", "NOT_"+run)
	pids := map[string]int{}
	for _, name := range []string{"session", "daemon", "hidden", "stubborn"} {
		for pids[name] == 0 {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			pids[name], _ = strconv.Atoi(strings.TrimSpace(string(text)))
			time.Sleep(time.Millisecond)
		}
		t.Cleanup(func() { _ = syscall.Kill(pids[name], syscall.SIGKILL) })
	}
	s.hackyDies(t)
	_ = ended(t, c)
	for name, pid := range pids {
		if p, err := proc.Read(pid); err == nil && !p.Dead() {
			t.Errorf("%s lives: %+v", name, p)
		}
	}
	if p, err := proc.Read(other.Process.Pid); err != nil || p.Dead() {
		t.Errorf("the process of another run was ended: %v", err)
	}
}

// A number that was given to somebody else is not ours.
func TestInGroup(t *testing.T) {
	read := func(leader ...proc.Process) func(int) (proc.Process, bool) {
		return func(pid int) (proc.Process, bool) {
			for _, p := range leader {
				if p.PID == pid {
					return p, true
				}
			}
			return proc.Process{}, false
		}
	}
	member := proc.Process{PID: 9, Group: 7, Started: 500}
	noted := entry{group: 7, entered: 100}
	for name, c := range map[string]struct {
		p    proc.Process
		read func(int) (proc.Process, bool)
		want bool
	}{
		"with its leader":       {member, read(proc.Process{PID: 7, Group: 7, Started: 100}), true},
		"its leader is gone":    {member, read(), true},
		"another leader":        {member, read(proc.Process{PID: 7, Group: 7, Started: 101}), false},
		"the other leader":      {proc.Process{PID: 7, Group: 7, Started: 101}, read(proc.Process{PID: 7, Group: 7, Started: 101}), false},
		"the leader":            {proc.Process{PID: 7, Group: 7, Started: 99}, read(proc.Process{PID: 7, Group: 7, Started: 99}), true},
		"another group":         {proc.Process{PID: 9, Group: 8, Started: 50}, read(), false},
		"the number as process": {proc.Process{PID: 7, Group: 3, Started: 50}, read(), false},
	} {
		if got := inGroup(c.p, noted, c.read); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// In the supervisor nothing is open but its two descriptors.
func TestDescriptors(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETFD, 0); err != nil { // as if hacky had it from its parent
		t.Fatal(err)
	}
	s := started(t, neverLost(t))
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := read.Read(make([]byte, 1)); n > 0 || err == nil { // its end, when nobody has it any more
		t.Errorf("%d bytes, %v", n, err)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.PID(), fd.Name()))
		switch {
		case fd.Name() == "0" && strings.HasPrefix(to, "pipe:"):
		case fd.Name() == "1" && to == "/dev/null", fd.Name() == "2" && to == "/dev/null":
		case fd.Name() == "3" && strings.Contains(to, "hacky-groups"):
		default:
			info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", s.PID(), fd.Name()))
			if err != nil || strings.Contains(string(info), "flags:\t02") { // closed on exec: the Go runtime's
				continue
			}
			t.Errorf("descriptor %s is %s", fd.Name(), to)
		}
	}
	if env, err := proc.ReadEnviron(s.PID()); err != nil || len(env) > 0 {
		t.Errorf("environment %q, %v", env, err)
	}
	if p, err := proc.Read(s.PID()); err != nil || p.Session != p.PID {
		t.Errorf("%+v, %v", p, err)
	}
}

// In a control group a process cannot get lost: not even one that cleared its
// environment, made a session of its own and lost its parent at once.
func TestCgroup(t *testing.T) {
	s := started(t, neverLost(t))
	fd, ok := s.Cgroup()
	if !ok {
		t.Skip("no control group (cgroup v2) can be made here")
	}
	dir := t.TempDir()
	c := exec.Command("/bin/sh", "-c", `env -i setsid sh -c 'env -i setsid sh -c "trap : TERM; echo \$\$ > lost; while :; do sleep 0.1; done" &'; exit 0`)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: fd}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for pid == 0 {
		text, _ := os.ReadFile(filepath.Join(dir, "lost"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		time.Sleep(time.Millisecond)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	s.hackyDies(t)
	if p, err := proc.Read(pid); err == nil && !p.Dead() {
		t.Errorf("it lives: %+v", p)
	}
	if _, err := os.Stat(s.cgroup.dir); err == nil {
		t.Errorf("%s is left", s.cgroup.dir)
	}
}

// What is left in the group when the run ends is ended, and the group removed.
func TestCgroupClose(t *testing.T) {
	s := started(t, neverLost(t))
	fd, ok := s.Cgroup()
	if !ok {
		t.Skip("no control group (cgroup v2) can be made here")
	}
	c := exec.Command("/bin/sh", "-c", `trap "" TERM; sleep 60 & wait`)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: fd}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.cgroup.dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if sig := ended(t, c); sig != syscall.SIGKILL {
		t.Errorf("ended by %v", sig)
	}
	if _, err := os.Stat(s.cgroup.dir); err == nil {
		t.Errorf("%s is left", s.cgroup.dir)
	}
}

func TestCgroupDir(t *testing.T) {
	const mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw\n" +
		"36 30 0:32 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	for _, tt := range []struct{ mounts, groups, want string }{
		{mounts, "4:memory:/x\n0::/\n", "/sys/fs/cgroup/unified"},
		{mounts, "0::/user.slice/a b\n", "/sys/fs/cgroup/unified/user.slice/a b"},
		{mounts, "4:memory:/x\n", ""},
		{"30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", "0::/\n", ""},
		{"36 30 0:32 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/1/x\n", "/sys/fs/cgroup/x"},
		{"36 30 0:32 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/2\n", ""},
		{"", "", ""},
	} {
		got, err := cgroupDir(tt.mounts, tt.groups)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v; want %q", tt.groups, got, err, tt.want)
		}
	}
}
