package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tmux is a real terminal: it wraps, scrolls, keeps what has scrolled away, and
// lays lines out anew when it is resized.
type tmux struct {
	t      *testing.T
	socket string
}

// inTmux starts a shell in dir in a terminal of that size. make deps installs
// tmux.
func inTmux(t *testing.T, dir string, columns, rows int) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: what the live view looks like in a real terminal was not compared")
	}
	short, err := os.MkdirTemp("/tmp", "hacky-test-") // the name of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	m := &tmux{t, filepath.Join(short, "s")}
	write(t, m.socket+".conf", "set -g status off\nset -g history-limit 5000\n")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", m.socket, "kill-server").Run() })
	m.do("-f", m.socket+".conf", "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), "-c", dir,
		"env", "-i", "PATH="+filepath.Dir(binary(t))+":/usr/bin:/bin", "HOME=/no-home", "TERM=screen", "LANG=C.UTF-8", "PS1=> ", "sh")
	m.shows("the prompt", func(s string) bool { return strings.HasPrefix(s, ">") })
	return m
}

func (m *tmux) do(args ...string) string {
	m.t.Helper()
	c := exec.Command("tmux", append([]string{"-u", "-S", m.socket}, args...)...)
	c.Env = []string{"PATH=/usr/bin:/bin", "TERM=screen", "LANG=C.UTF-8", "SHELL=/bin/sh"}
	out, err := c.CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (m *tmux) types(keys ...string) { m.t.Helper(); m.do(append([]string{"send-keys"}, keys...)...) }

func (m *tmux) resize(columns, rows int) {
	m.t.Helper()
	m.do("resize-window", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows))
}

var (
	ticking  = regexp.MustCompile(`\b\d\d:\d\d:\d\d\b|\b(\d+m)?\d+(\.\d+)?m?s\b`)
	progress = regexp.MustCompile(`(?m)^(\[[█░]+ .*\] )?(\d+/\d+.*?)(, Ns)?$`)
	bars     = regexp.MustCompile(`[█░]+ +`)
)

// all is what is on the screen and above it, without what changes as time goes
// on: clocks, durations, how long the bar is beside them.
func (m *tmux) all() string {
	m.t.Helper()
	text := m.do("capture-pane", "-p", "-J", "-S", "-")
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(ticking.ReplaceAllStringFunc(line, func(s string) string {
			if strings.Contains(s, ":") {
				return "HH:MM:SS"
			}
			return "Ns"
		}), " \n"))
	}
	text = strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
	return bars.ReplaceAllString(progress.ReplaceAllString(text, "$1$2"), "BAR ")
}

// shows waits for a picture.
func (m *tmux) shows(what string, want func(string) bool) {
	m.t.Helper()
	seen := ""
	defer func() {
		if m.t.Failed() {
			m.t.Logf("the terminal at last, waiting for %s:\n%s", what, seen)
		}
	}()
	eventually(m.t, what, func() bool { seen = m.all(); return want(seen) })
}

// shown waits until everything on the terminal is this. Subtasks that run may
// stand in any order, as they begin at the same time.
func (m *tmux) shown(what, want string) {
	m.t.Helper()
	want = strings.TrimPrefix(want, "\n")
	m.shows(what+":\n"+want, func(s string) bool {
		lines := strings.SplitAfter(s, "\n")
		slices.SortStableFunc(lines, func(a, b string) int {
			if strings.HasPrefix(a, "  P1.") && strings.HasPrefix(b, "  P1.") {
				return strings.Compare(a, b)
			}
			return 0
		})
		return strings.Join(lines, "") == want
	})
}

// TestLiveFrames: the live view in a real terminal, at several sizes, before and
// after these change, with a subtask that fails, and at the end. Nothing of a
// frame is left behind.
func TestLiveFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		columns, rows         int
		begin, failed, resume string // resume: at another size
		other                 [2]int
		end                   string
	}{
		{80, 24, `
> hacky run --parallelism 3
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S2  Subtask 2  Ns
  P1.M1.T1.S3  Subtask 3  Ns
[BAR 0%] 0/4, 3 running
`, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2  Subtask 2: exit 3 (Ns)
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S3  Subtask 3  Ns
[BAR 0%] 0/4, 1 failed, 1 blocked, 2 running
`, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2  Subtask 2: exit 3 (Ns)
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S3  Subtask 3  Ns
0/4, 1 failed, 1 blocked, 2 running
`, [2]int{40, 10}, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2  Subtask 2: exit 3 (Ns)
HH:MM:SS complete  P1.M1.T1.S1 (Ns)
HH:MM:SS complete  P1.M1.T1.S3 (Ns)

failed    P1.M1.T1.S2  Subtask 2: exit 3
          | broken glass
          the whole output: artifacts/P1.M1.T1.S2/attempt-1/run.log
blocked   P1.M1.T1.S4: by P1.M1.T1.S2

2 of 4 subtasks done, 1 failed, 1 blocked; this run: 2 completed in Ns
mend what failed and run it again; what is done is not repeated
>
`},
		{40, 8, `
> hacky run --parallelism 3
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S2  Subtask 2  Ns
  P1.M1.T1.S3  Subtask 3  Ns
[BAR 0%] 0/4, 3 running
`, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2: exit 3
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S3  Subtask 3  Ns
0/4, 1 failed, 1 blocked, 2 running
`, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2: exit 3
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S3  Subtask 3  Ns
[BAR 0%] 0/4, 1 failed, 1 blocked, 2 running
`, [2]int{120, 30}, `
> hacky run --parallelism 3
HH:MM:SS failed    P1.M1.T1.S2: exit 3
HH:MM:SS complete  P1.M1.T1.S1  Subtask 1 (Ns)
HH:MM:SS complete  P1.M1.T1.S3  Subtask 3 (Ns)

failed    P1.M1.T1.S2  Subtask 2: exit 3 (attempt 1, Ns)
          | broken glass
          the whole output: artifacts/P1.M1.T1.S2/attempt-1/run.log
blocked   P1.M1.T1.S4  Subtask 4: waits for P1.M1.T1.S2, which failed

2 of 4 subtasks done, 1 failed, 1 blocked; this run: 2 completed in Ns
mend what failed and run it again; what is done is not repeated
>
`},
		{20, 6, `
> hacky run --parallelism 3
  P1.M1.T1.S1  Ns
  P1.M1.T1.S2  Ns
  P1.M1.T1.S3  Ns
0/4, 3 running
`, `
> hacky run --parallelism 3
failed    P1.M1.T...
  P1.M1.T1.S1  Ns
  P1.M1.T1.S3  Ns
0/4, 1 failed
`, `
> hacky run --parallelism 3
failed    P1.M1.T...
  P1.M1.T1.S1  Subtask 1  Ns  short
  P1.M1.T1.S3  Subtask 3  Ns
[BAR 0%] 0/4, 1 failed, 1 blocked, 2 running
`, [2]int{80, 24}, `
> hacky run --parallelism 3
failed    P1.M1.T...
HH:MM:SS complete  P1.M1.T1.S1  Subtask 1 (Ns)
HH:MM:SS complete  P1.M1.T1.S3  Subtask 3 (Ns)

failed    P1.M1.T1.S2  Subtask 2: exit 3 (attempt 1, Ns)
          | broken glass
          the whole output: artifacts/P1.M1.T1.S2/attempt-1/run.log
blocked   P1.M1.T1.S4  Subtask 4: waits for P1.M1.T1.S2, which failed

2 of 4 subtasks done, 1 failed, 1 blocked; this run: 2 completed in Ns
mend what failed and run it again; what is done is not repeated
>
`},
	} {
		t.Run(fmt.Sprint(c.columns), func(t *testing.T) {
			t.Parallel()
			dir := session(t, oneTask(subtask{run: `"echo short; until test -e go1; do sleep 0.02; done"`},
				subtask{run: `"until test -e go2; do sleep 0.02; done; echo broken glass; exit 3"`},
				subtask{run: `"until test -e go3; do sleep 0.02; done"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S2"]`}))
			m := inTmux(t, dir, c.columns, c.rows)
			m.types("hacky run --parallelism 3", "Enter")
			m.shown("at first", c.begin)
			write(t, filepath.Join(dir, "go2"), "")
			m.shown("after a failure", c.failed)
			m.resize(c.other[0], c.other[1])
			m.shown("at another size", c.resume)
			write(t, filepath.Join(dir, "go1"), "")
			m.shows("the first ends", func(s string) bool { return strings.Contains(s, "complete  P1.M1.T1.S1") })
			write(t, filepath.Join(dir, "go3"), "")
			m.shown("the end", c.end)
		})
	}
}

// TestLiveWide: characters of which terminals do not agree how wide they are
// leave nothing behind, frame after frame.
func TestLiveWide(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("👍🏽🇩🇪हिन्दी👨‍👩‍👧‍👦", 12)
	dir := session(t, strings.Replace(oneTask(subtask{run: `"echo ` + wide + `; until test -e go; do sleep 0.02; done"`}), `"Subtask 1"`, `"`+wide+`"`, 1))
	m := inTmux(t, dir, 60, 8)
	m.types("hacky run", "Enter")
	m.shows("a few frames", func(string) bool { return strings.Contains(m.do("capture-pane", "-p"), ", 3s") })
	if lines := strings.Split(strings.TrimSpace(m.all()), "\n"); len(lines) != 3 {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	write(t, filepath.Join(dir, "go"), "")
	m.shows("the end", func(s string) bool {
		return strings.HasSuffix(s, "1 of 1 subtask done; this run: 1 completed in Ns\n>\n")
	})
}

// TestLiveKeys: Ctrl+C leaves its echo below the block and nothing else, and says
// in the block what comes next; Ctrl+Z and fg leave what the shell printed
// meanwhile; a terminal that is stopped with Ctrl+S stops nothing.
func TestLiveKeys(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"until test -e go1; do sleep 0.02; done"`}, subtask{run: `"until test -e go2; do sleep 0.02; done"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"touch third"`, deps: `["P1.M1.T1.S2"]`}))
	m := inTmux(t, dir, 76, 20)
	m.types("set -m; hacky run", "Enter")
	m.shows("it runs", func(s string) bool { return strings.HasSuffix(s, "] 0/3, 1 running\n") })
	m.types("C-z")
	m.shows("it is stopped", func(s string) bool { return strings.HasSuffix(s, "\n>\n") })
	m.types("echo mine; fg", "Enter")
	m.shows("it goes on", func(s string) bool {
		return strings.Contains(s, "\nmine\nhacky run\n  P1.M1.T1.S1  Subtask 1  Ns\n[") && strings.HasSuffix(s, "] 0/3, 1 running\n")
	})
	m.types("C-s")
	write(t, filepath.Join(dir, "go1"), "")
	eventually(t, "the run goes on behind the terminal's back", func() bool { return strings.Contains(read(t, filepath.Join(dir, "tasks.json")), "Complete") })
	m.types("C-q")
	m.shows("what was missed", func(s string) bool {
		return strings.Contains(s, "HH:MM:SS complete  P1.M1.T1.S1  Subtask 1 (Ns)\n") && strings.HasSuffix(s, "] 1/3, 1 running\n")
	})
	m.types("C-c")
	const block = "\nhacky: letting running subtasks finish; Ctrl+C again stops them\n  P1.M1.T1.S2  Subtask 2  Ns\n[BAR 33%] 1/3, 1 running, Ns, Ctrl+C again stops what runs\n"
	m.shows("what comes next"+block, func(s string) bool { return strings.HasSuffix(s, block) && strings.Count(s, "P1.M1.T1.S2") == 1 })
	write(t, filepath.Join(dir, "go2"), "")
	m.shows("the end", func(s string) bool {
		return strings.HasSuffix(s, "\n2 of 3 subtasks done, 1 left; this run: 2 completed in Ns\nstopped: interrupted; run it again to go on, what is done is not repeated\n>\n") &&
			!strings.Contains(s, "running,")
	})
	if exists(filepath.Join(dir, "third")) {
		t.Error("the third was started")
	}
	m.types("stty -a", "Enter")
	m.shows("the terminal's modes", func(s string) bool { return strings.Contains(s, " echo ") && strings.Contains(s, " icanon ") })
}
