package cmd_test

import (
	"context"
	"errors"
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
)

// terminal opens a pseudo-terminal of that size.
func terminal(t *testing.T, columns, rows uint16) (master, slave *os.File) {
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
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// inTerminal starts hacky as a shell would in a terminal of 60 columns that
// cannot do much, and returns what it prints.
func inTerminal(t *testing.T, dir string, args ...string) (r *running, master *os.File) {
	t.Helper()
	return inSizedTerminal(t, dir, 60, 24, nil, args...)
}

// inSizedTerminal is inTerminal with more variables.
func inSizedTerminal(t *testing.T, dir string, columns, rows uint16, env []string, args ...string) (r *running, master *os.File) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return onTerminal(t, command(ctx, t, dir, args...), columns, rows, env)
}

// onTerminal starts a command on a terminal of its own.
func onTerminal(t *testing.T, c *exec.Cmd, columns, rows uint16, env []string) (r *running, master *os.File) {
	t.Helper()
	master, slave := terminal(t, columns, rows)
	r = &running{Cmd: c, t: t, dir: c.Dir, marker: "HACKY_TEST_MARKER=" + c.Dir}
	t.Cleanup(r.endAll)
	r.Env = append(append(r.Env, r.marker, "HACKY_LOG_FORMAT=auto"), env...)
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
	time.Sleep(1100 * time.Millisecond) // later than what counts as the same
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
		for line := range strings.Lines(uncoloured(r.stderr.String())) {
			if line = strings.TrimRight(line, "\r\n"); len([]rune(line)) > 60 {
				t.Errorf("%s: %d columns: %s", args, len([]rune(line)), line)
			}
		}
	}
}

// The live view fits the window, gives way to the summary, and leaves nothing
// behind that hides the cursor or changes a mode.
func TestLiveView(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ columns, rows uint16 }{{80, 24}, {40, 10}, {120, 50}, {20, 5}} {
		t.Run(fmt.Sprint(size.columns), func(t *testing.T) {
			t.Parallel()
			list := []subtask{{run: `"echo $HACKY_TASK_ID says something rather long, so that it has to be cut somewhere; until test -e go-on; do sleep 0.02; done"`},
				{run: `"until test -e go-on; do sleep 0.02; done; exit 3"`}, {run: `"true"`, deps: `["P1.M1.T1.S1"]`}}
			dir := session(t, oneTask(list...))
			r, master := inSizedTerminal(t, dir, size.columns, size.rows, []string{"TERM=xterm", "LANG=C"}, "run")
			r.says("0/3, 2 running")
			if size.columns >= 80 {
				r.says("P1.M1.T1.S1 says something")
			}
			if err := resize(master, size.columns+10, size.rows); err != nil {
				t.Fatal(err)
			}
			hacky(t, dir, "set", "P1.M1.T1.S3", "Failed").wants(t, 0) // what is logged stands above
			write(t, filepath.Join(dir, "go-on"), "")
			r.ends(1)
			eventually(t, "all output is read", func() bool { return strings.Contains(r.stderr.String(), "mend what failed") })
			text := r.stderr.String()
			contains(t, "the terminal", text, "\x1b[31mfailed\x1b[0m", "\x1b[32mcomplete\x1b[0m", "2 of 3 subtasks done, 1 failed")
			// A frame turns autowrap off and on again; there is nothing else to restore.
			modes := strings.ReplaceAll(text, "\x1b[?7h", "\x1b[?7l")
			if on, off := strings.Count(text, "\x1b[?7h"), strings.Count(text, "\x1b[?7l"); on != off || strings.Count(modes, "\x1b[?") != on+off ||
				strings.LastIndex(text, "\x1b[?7h") < strings.LastIndex(text, "\x1b[?7l") {
				t.Errorf("a mode is left changed:\n%q", text)
			}
			if strings.ContainsAny(text, "█░") {
				t.Errorf("blocks are shown that the locale has not:\n%q", text)
			}
			for line := range strings.SplitSeq(text, "\n") {
				_, line, _ = cutLast(line, "\x1b[K")
				line = strings.NewReplacer("\r", "", "\x1b[?7l", "", "\x1b[?7h", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(line)
				if strings.HasPrefix(line, "[") && len([]rune(line)) > int(size.columns)+10 {
					t.Errorf("%d columns: %q", len([]rune(line)), line)
				}
			}
		})
	}
}

// Without a terminal that can do it, or where lines are wanted, there is none.
func TestNoLiveView(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{{"TERM=dumb"}, {"TERM=xterm", "CI=true"}, {"TERM=xterm", "ACCESSIBLE=1"}, {"TERM=xterm", "HACKY_PROGRESS=plain"}, nil} {
		dir := session(t, two())
		r, _ := inSizedTerminal(t, dir, 80, 24, env, "run")
		r.ends(0)
		eventually(t, "all output is read", func() bool { return strings.Contains(r.stderr.String(), "2 of 2 subtasks done") })
		if text := r.stderr.String(); strings.Contains(uncoloured(text), "\x1b[") || (env == nil || env[0] == "TERM=dumb") && strings.Contains(text, "\x1b") {
			t.Errorf("%v: %q", env, text)
		}
	}
}

// A user who presses Ctrl+C three times gets the prompt on a line of its own.
func TestLiveViewLeft(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"trap '' TERM; touch started; while :; do sleep 0.05; done"`}))
	r, master := inSizedTerminal(t, dir, 80, 24, []string{"TERM=xterm"}, "run")
	r.appears("started")
	r.says("0/1, 1 running")
	for k, said := range []string{"letting running subtasks finish", "stopping running subtasks", ""} {
		time.Sleep(1100 * time.Millisecond) // later than what counts as the same
		if _, err := master.WriteString("\x03"); err != nil {
			t.Fatal(k, err)
		}
		if said != "" {
			r.says(said)
		}
	}
	r.ends(130)
	eventually(t, "the block is gone", func() bool {
		_, last, _ := cutLast(r.stderr.String(), "\x1b[K")
		return !strings.Contains(last, "running,")
	})
}

func resize(master *os.File, columns, rows uint16) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
	return errors.Join(cerr, err)
}

// cutLast is strings.Cut at the last sep; without one, after is s.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// A terminal that takes nothing any more (a connection that hangs) stops neither
// the run nor who wants to stop it.
func TestTerminalHangs(t *testing.T) {
	t.Parallel()
	list := []subtask{{run: `"until test -e go-on; do sleep 0.02; done"`}}
	for range 200 { // more lines than a terminal takes that nobody reads
		list = append(list, subtask{run: `["true"]`})
	}
	dir := session(t, oneTask(list...))
	_, slave := terminal(t, 80, 24)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &running{Cmd: command(ctx, t, dir, "run"), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + dir}
	t.Cleanup(r.endAll)
	r.Env = append(r.Env, r.marker, "TERM=xterm")
	r.Stdin, r.Stdout, r.Stderr = slave, slave, slave
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	complete := func() int { return strings.Count(read(t, filepath.Join(dir, "tasks.json")), `"Complete"`) }
	eventually(t, "the run goes on", func() bool { return complete() == 200 })
	r.send(syscall.SIGTERM)
	eventually(t, "the subtask is stopped", func() bool {
		return strings.Contains(read(t, filepath.Join(dir, "tasks.json")), `"Subtask 1","status":"Planned"`)
	})
	r.ends(143)
	if n := complete(); n != 200 {
		t.Errorf("%d are Complete", n)
	}
}

// In a CI system failures come in groups, and on GitHub as annotations, the tenth
// of which says how many more there are; --progress json stays as it is.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	var list []subtask
	for range 11 {
		list = append(list, subtask{run: `"echo broken glass; exit 3"`})
	}
	for variable, want := range map[string][]string{
		"GITHUB_ACTIONS": {"::group::last lines of P1.M1.T1.S1 Subtask 1\n          | broken glass\n          the whole output: artifacts/P1.M1.T1.S1/attempt-1/run.log\n::endgroup::\n",
			"::error title=P1.M1.T1.S9 Subtask 9::exit 3: broken glass\n", "::error title=hacky::2 more failed; the summary at the end of the log names them\n"},
		"GITLAB_CI": {"hacky_P1.M1.T1.S1_1[collapsed=true]\r\x1b[0Klast lines of P1.M1.T1.S1 Subtask 1\n          | broken glass\n"},
	} {
		dir := session(t, oneTask(list...))
		c := command(t.Context(), t, dir, "run", "--parallelism", "1")
		c.Env = append(c.Env, variable+"=true")
		r := finish(t, c)
		r.wants(t, 1)
		contains(t, variable, r.stdout, want...)
		if n := strings.Count(r.stdout, "broken glass"); n != 11+strings.Count(r.stdout, "::error title=P1") {
			t.Errorf("%s: output stands there %d times", variable, n)
		}
		if n := strings.Count(r.stdout, "::error"); variable == "GITHUB_ACTIONS" && n != 10 || variable == "GITLAB_CI" && n != 0 {
			t.Errorf("%s: %d annotations", variable, n)
		}
		c = command(t.Context(), t, dir, "run", "--progress", "json")
		c.Env = append(c.Env, variable+"=true")
		if r := finish(t, c); misprinted([]string{"run", "--progress", "json"}, r.stdout) != nil || !strings.HasPrefix(r.stdout, "{") {
			t.Errorf("%s: %s", variable, r.stdout)
		}
	}
}

// A bash without the bash-completion package, as macOS has, completes at the Tab
// key and says nothing else.
func TestBashCompletesAtTab(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir := session(t, twoAndOne())
	write(t, filepath.Join(dir, "hacky.bash"), hacky(t, dir, "completion", "bash").stdout)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := cleanCommand(ctx, dir, bash, "--norc", "--noprofile", "-i")
	c.Env = append(c.Env, "PATH="+filepath.Dir(binary(t))+":"+os.Getenv("PATH"), "PS1=> ", "TERM=dumb", "INPUTRC=/dev/null")
	r, master := onTerminal(t, c, 200, 24, nil)
	typed := func(text string) {
		t.Helper()
		if _, err := master.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	typed(". ./hacky.bash; echo rea''dy\n")
	r.says("ready")
	typed("hacky sta\t--help >/dev/null; echo status is $? $_\n")
	r.says("hacky status --help")
	r.says("status is 0")
	typed("hacky run --progress=pl\t--dry-run >dry; echo written $?\n")
	r.says("--progress=plain --dry-run")
	r.says("written 0")
	typed("hacky --session t\t\n") // a file of the shell's
	r.says("hacky --session tasks.json")
	typed("exit 0\n")
	r.ends(0)
	if said := r.stderr.String(); strings.Contains(said, "command not found") || strings.Contains(said, "bash: ") {
		t.Errorf("it said %s", said)
	}
}
