package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unread is a pipe that takes one page; nobody reads from it.
func unread(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	if _, err := unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

// full reports whether a pipe takes nothing more.
func full(t *testing.T, f *os.File) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 0
}

// Output that nobody reads, standard error included, holds a run up, but does
// not keep a signal from ending it.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	list := []subtask{{run: work}}
	for range 40 {
		list = append(list, subtask{run: `"touch $HACKY_TASK_ID; sleep 600 &"`}) // hacky says that it ends this
	}
	for name, c := range map[string]struct {
		args   []string
		stderr bool // that, and not standard output
	}{
		"json":         {args: []string{"--progress", "json"}},
		"plain":        {args: []string{"--progress", "plain"}},
		"the messages": {args: []string{"--progress", "none"}, stderr: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := session(t, oneTask(list...))
			_, writer := unread(t)
			if c.stderr {
				if _, err := writer.Write(make([]byte, 4000)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			r := &running{Cmd: command(ctx, t, dir, append([]string{"run"}, c.args...)...), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + dir}
			t.Cleanup(r.endAll)
			r.Env = append(r.Env, r.marker)
			r.Stdout, r.Stderr = writer, &r.stderr
			if c.stderr {
				r.Stdout, r.Stderr = &r.stdout, writer
			}
			if err := r.Start(); err != nil {
				t.Fatal(err)
			}
			r.appears(bothStarted[0])
			eventually(t, "the pipe is full", func() bool { return full(t, writer) })
			r.send(syscall.SIGTERM)
			r.ends(143)
			if s := statuses(t, dir); !strings.HasPrefix(s, "Planned ") || strings.Contains(s, "Implementing") {
				t.Errorf("the session was not saved: %s", s)
			}
			noLitter(t, dir)
		})
	}
}

// logs -f ends with a signal, whoever reads it.
func TestNobodyReadsLogs(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"seq 3000; touch ready; until test -e go-on; do sleep 0.02; done"`}))
	run := start(t, dir)
	run.appears("ready")
	_, writer := unread(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := command(ctx, t, dir, "logs", "-f", "P1.M1.T1.S1")
	c.Stdout = writer
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pipe is full", func() bool { return full(t, writer) })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // the code tells
	if code := c.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	write(t, filepath.Join(dir, "go-on"), "")
	run.ends(0)
}
