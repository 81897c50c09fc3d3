package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal of 60 columns.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() }) // also by the test itself
	// Not Fd, after which Close would wait for a Read that goes on.
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if cerr != nil || err != nil {
		t.Skipf("there are no pseudo-terminals here: %v %v", cerr, err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// inTerminal starts hacky as a shell would, and returns what it prints.
func inTerminal(t *testing.T, dir string, args ...string) (r *running, master *os.File) {
	t.Helper()
	master, slave := terminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r = &running{Cmd: command(ctx, t, dir, args...), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + dir}
	t.Cleanup(r.endAll)
	r.Env = append(r.Env, r.marker, "HACKY_LOG_FORMAT=auto")
	r.Stdin, r.Stdout, r.Stderr = slave, slave, slave
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	go func() { // until the other side is closed
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			_, _ = r.stderr.Write(buf[:n]) // a buffer
			if err != nil {
				return
			}
		}
	}()
	return r, master
}

// Ctrl+C in a terminal reaches hacky and not the subtasks.
func TestControlC(t *testing.T) {
	t.Parallel()
	dir := session(t, twoAndOne())
	r, master := inTerminal(t, dir, "run")
	r.appears(bothStarted...)
	press := func() {
		t.Helper()
		if _, err := master.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
	}
	press()
	r.says("letting running subtasks finish; Ctrl+C again stops them")
	write(t, filepath.Join(dir, "go-on"), "")
	r.ends(130)
	wantStatuses(t, dir, "Complete Complete Planned")

	dir = session(t, twoAndOne())
	r, master = inTerminal(t, dir, "run")
	r.appears(bothStarted...)
	press()
	r.says("letting running subtasks finish")
	press()
	r.says("stopping running subtasks")
	r.ends(130)
	wantStatuses(t, dir, "Planned Planned Planned")
}

// A terminal that is closed stops the run, and its state is saved.
func TestTerminalCloses(t *testing.T) {
	t.Parallel()
	dir := session(t, twoAndOne())
	r, master := inTerminal(t, dir, "run")
	r.appears(bothStarted...)
	if err := master.Close(); err != nil {
		t.Fatal(err)
	}
	r.ends(143)
	wantStatuses(t, dir, "Planned Planned Planned")
}

// Tables fit the terminal.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	dir := session(t, strings.ReplaceAll(two(), `"A phase"`, `"`+strings.Repeat("A very long title ", 20)+`"`))
	for _, args := range []string{"status", "status -o tree", "config", "recover", "version"} {
		r, _ := inTerminal(t, dir, strings.Fields(args)...)
		r.ends(0)
		eventually(t, "all output is read", func() bool { return strings.HasSuffix(r.stderr.String(), "\n") })
		for line := range strings.Lines(r.stderr.String()) {
			if line = strings.TrimRight(line, "\r\n"); len([]rune(line)) > 60 {
				t.Errorf("%s: %d columns: %s", args, len([]rune(line)), line)
			}
		}
	}
}

// cutLast is strings.Cut at the last sep; without one, after is s.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// status --watch draws over what was there, follows what changes, and leaves
// the terminal as it was.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	r, master := inTerminal(t, dir, "status", "--watch")
	r.says("\x1b[?25l")
	r.says("2 subtasks: 2 Planned")
	hacky(t, dir, "set", "P1.M1.T1.S2", "Failed").wants(t, 0)
	r.says("2 subtasks: 1 Planned, 1 Failed")
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	r.ends(0)
	eventually(t, "the cursor is shown again", func() bool { return strings.HasSuffix(r.stderr.String(), "\x1b[?25h") })
	for line := range strings.SplitSeq(r.stderr.String(), "\n") {
		_, line, _ = cutLast(line, "\x1b[H") // a frame begins there
		if line = strings.NewReplacer("\x1b[K", "", "\x1b[2J", "", "\x1b[J", "", "\x1b[?25l", "", "\r", "").Replace(line); len([]rune(line)) > 60 {
			t.Errorf("%d columns: %q", len([]rune(line)), line)
		}
	}
}
