package cmd_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// screen is what a terminal shows of hacky's output: only what status --watch
// uses is known.
func screen(t *testing.T, out string) []string {
	t.Helper()
	lines := []string{""}
	row, begin := 0, true // of the line
	escape := regexp.MustCompile(`^\x1b\[(\d*)([A-Z])`)
	for out != "" {
		switch m := escape.FindStringSubmatch(out); {
		case m != nil && m[2] == "A":
			n := 0
			for _, d := range m[1] {
				n = n*10 + int(d-'0')
			}
			if row -= n; row < 0 {
				t.Fatalf("the cursor goes above where it began")
			}
			out = out[len(m[0]):]
		case m != nil && m[2] == "K":
			if begin {
				lines[row] = ""
			}
			out = out[len(m[0]):]
		case m != nil && m[2] == "J":
			lines = append(lines[:row], "")
			out = out[len(m[0]):]
		case out[0] == '\x1b':
			t.Fatalf("unknown: %q", out[:min(len(out), 20)])
		case out[0] == '\r':
			begin = true
			out = out[1:]
		case out[0] == '\n':
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
			begin = true
			out = out[1:]
		default:
			end := strings.IndexAny(out, "\r\n\x1b")
			if end < 0 {
				end = len(out)
			}
			lines[row], begin = out[:end], false
			out = out[end:]
		}
	}
	return lines
}

// watchIn starts hacky in a terminal of this name.
func watchIn(t *testing.T, dir, name string) (*running, *os.File) {
	t.Helper()
	master, slave := terminal(t, 60, 24)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &running{Cmd: command(ctx, t, dir, "status", "--watch"), t: t, dir: dir, marker: "HACKY_TEST_MARKER=" + dir}
	t.Cleanup(r.endAll)
	r.Env = append(r.Env, r.marker, "HACKY_LOG_FORMAT=auto", "TERM="+name)
	r.Stdin, r.Stdout, r.Stderr = slave, slave, slave
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	go func() { // until the other side is closed
		_, _ = io.Copy(&r.stderr, master)
	}()
	return r, master
}

// The picture is drawn in place, follows what happens, and stays when it ends.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	r, master := watchIn(t, dir, "xterm")
	eventually(t, "the first picture", func() bool { return strings.Contains(r.stderr.String(), "\x1b[J") })
	hacky(t, dir, "set", "P1.M1.T1.S1", "Complete").wants(t, 0)
	eventually(t, "what was set is shown", func() bool { return strings.Contains(r.stderr.String(), "1 Complete") })
	whole := read(t, filepath.Join(dir, "tasks.json"))
	write(t, filepath.Join(dir, "tasks.json"), whole[:100]) // somebody is saving
	r.says("as it was before; now: ")
	write(t, filepath.Join(dir, "tasks.json"), strings.ReplaceAll(whole, `"Planned"`, `"Obsolete"`))
	eventually(t, "what was edited is shown", func() bool { return strings.Contains(uncoloured(r.stderr.String()), "1 Complete, 1 Obsolete") })
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	r.ends(130)
	eventually(t, "all output is read", func() bool { return strings.HasSuffix(r.stderr.String(), "\r\x1b[K") })
	lines := screen(t, uncoloured(r.stderr.String())) // nothing is left of the ^C that the terminal echoes
	shown := strings.Join(lines, "\n")
	if strings.Count(shown, "PROGRESS") != 1 || strings.Count(shown, "2 subtasks: 1 Complete, 1 Obsolete") != 1 || lines[len(lines)-1] != "" {
		t.Errorf("the screen shows\n%s", shown)
	}
	for _, line := range lines {
		if len([]rune(line)) > 59 {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
}

func TestWatchDumb(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	for _, name := range []string{"", "dumb"} {
		r, _ := watchIn(t, dir, name)
		r.ends(2)
		r.says("--watch needs a terminal that can move the cursor")
	}
}

// uncoloured leaves out what only colours text.
func uncoloured(text string) string {
	return regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(text, "")
}
