package doctor

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// toolPatience is how long a program may take to tell its version.
const toolPatience = 5 * time.Second

// agents are the programs that are looked for.
func agents() []string { return []string{"claude", "codex", "gemini", "opencode", "aider", "amp"} }

// tools looks for programs that hacky, or its commands, may want.
func (e *examination) tools(ctx context.Context) {
	look := e.Look
	if look == nil {
		look = exec.LookPath
	}
	if path, err := look("git"); err != nil {
		e.add("git", Warning, "git is not on PATH; hacky does without, but install it if your commands or agents use it")
	} else {
		e.checks = append(e.checks, versionOf(ctx, "git", path))
	}
	if path, err := look("sh"); err != nil {
		e.add("sh", Failed, "sh is not on PATH, and every \"run\" that is a shell line needs it; mend PATH")
	} else {
		e.checks = append(e.checks, shell(ctx, path))
	}

	found := make([]*Check, len(agents()))
	var wg sync.WaitGroup
	for i, name := range agents() {
		path, err := look(name)
		if err != nil {
			continue
		}
		wg.Go(func() {
			c := versionOf(ctx, name, path)
			found[i] = &c
		})
	}
	wg.Wait()
	none := true
	for _, c := range found {
		if c != nil {
			none = false
			e.checks = append(e.checks, *c)
		}
	}
	if none {
		e.add("agents", OK, "none of %s is on PATH; only stages with an agent need one", strings.Join(agents(), ", "))
	}
}

// shell tries sh with a command, as not every shell tells its version.
func shell(ctx context.Context, path string) Check {
	out, err := say(ctx, path, "-c", "echo works")
	if err != nil || out != "works" {
		return Check{"sh", Failed, path + " does not run a command; every \"run\" that is a shell line needs it: mend it"}
	}
	name := path
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		name += " (" + filepath.Base(target) + ")"
	}
	if v, err := say(ctx, path, "--version"); err == nil && v != "" {
		name += ": " + v
	}
	return Check{"sh", OK, name}
}

func versionOf(ctx context.Context, name, path string) Check {
	out, err := say(ctx, path, "--version")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Check{name, Warning, path + " did not tell its version within " + toolPatience.String() + "; try it by hand: " + name + " --version"}
	case err != nil:
		return Check{name, Warning, path + " --version fails (" + err.Error() + "); try it by hand"}
	case out == "":
		return Check{name, OK, path + ", which does not tell its version"}
	}
	return Check{name, OK, path + ": " + out}
}

// say runs a program and returns the first line it prints. When time is up the
// program and what it started are killed.
func say(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolPatience)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = &limited{buf: &out}, nil
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	err := c.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(out.String(), "?")), "\n")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	return strings.TrimSpace(line), err
}

// limited keeps the beginning of what is written to it.
type limited struct{ buf *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := 1000 - l.buf.Len(); room > 0 {
		l.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
