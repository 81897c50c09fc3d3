package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// grace is how long git may take from SIGTERM to its end.
const grace = 2 * time.Second

// call is one git process.
type call struct {
	args   []string
	env    []string // in addition
	stdin  []byte
	stdout io.Writer
	stderr *tail
}

// exitError is a git that ended with another exit code than 0.
type exitError struct {
	command string
	code    int // -1 when it was killed
	said    string
}

func (e *exitError) Error() string {
	said := strings.Join(strings.Fields(e.said), " ")
	if said == "" {
		said = fmt.Sprintf("exit %d", e.code)
	}
	return fmt.Sprintf("git %s: %s", e.command, said)
}

// exitCode is the exit code in err, -1 if it is not about one.
func exitCode(err error) int {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return -1
}

// reading begins what does not write: it takes no locks to save what it learned.
func reading(args ...string) []string { return append([]string{"--no-optional-locks"}, args...) }

// output runs git and returns what it printed, which has to be short.
func (r *Repo) output(ctx context.Context, args ...string) (string, error) {
	var out head
	err := r.run(ctx, call{args: args, stdout: &out})
	return string(out.kept), err
}

// line is output without the newline at its end; paths may hold others.
func (r *Repo) line(ctx context.Context, args ...string) (string, error) {
	out, err := r.output(ctx, args...)
	return strings.TrimSuffix(out, "\n"), err
}

// run runs git in the top directory, in a session of its own: a hook, ssh or
// gpg finds no terminal to ask on, and signals reach all of them.
func (r *Repo) run(ctx context.Context, c call) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("git %s: %w", name(c.args), context.Cause(ctx))
	}
	said := c.stderr
	if said == nil {
		said = &tail{}
	}
	cmd := exec.CommandContext(ctx, r.program, c.args...)
	cmd.Dir = r.top
	cmd.Env = append(slices.Clip(r.environ), c.env...)
	cmd.Stdout, cmd.Stderr = c.stdout, said
	if c.stdin != nil {
		cmd.Stdin = bytes.NewReader(c.stdin)
	}
	// A group of its own, to be ended whole, but not a session: a run takes
	// children in other sessions for what its commands have left behind, ends
	// them, and takes their exit status. What asks on the terminal all the same
	// is stopped by it, and ended with the context.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var late *time.Timer
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		late = time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) }) // it may have ended meanwhile
		return syscall.Kill(group, syscall.SIGTERM)
	}
	cmd.WaitDelay = grace + time.Second // also for who holds the output after git ended
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git %s: %w", name(c.args), err)
	}
	err := cmd.Wait()
	if late != nil {
		late.Stop()
	}
	// What a hook left behind in the background.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // usually there is nothing

	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("git %s: %w", name(c.args), context.Cause(ctx))
	case errors.As(err, &exit):
		return &exitError{name(c.args), exit.ExitCode(), said.String()}
	}
	return fmt.Errorf("git %s: %w", name(c.args), err)
}

// name is which of git's commands the arguments are for.
func name(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-c":
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// environment is what git gets of hacky's environment: nothing that points it to another
// repository, changes how names are read, or lets it ask. Variables that
// configure it (GIT_CONFIG_*, GIT_AUTHOR_*) are the user's word.
func environment(environ []string) []string {
	dropped := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR",
		"GIT_NAMESPACE", "GIT_PREFIX", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE",
		"GIT_QUARANTINE_PATH", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
		"GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_EDITOR", "GIT_ASKPASS", "SSH_ASKPASS", "GPG_TTY", "GIT_TERMINAL_PROMPT",
		"LC_ALL", "LANGUAGE",
	}
	var out []string
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(dropped, name) {
			out = append(out, kv)
		}
	}
	// C.UTF-8 speaks English like C, and does not keep hooks from reading UTF-8;
	// where it is not known, it is C.
	return append(out, "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=:", "LC_ALL=C.UTF-8")
}

// head keeps the first of what is written to it.
type head struct{ kept []byte }

const keptBytes = 8 << 10

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), keptBytes-len(h.kept))]...)
	return len(p), nil
}

// tail keeps the last of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - keptBytes; over > keptBytes {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return string(t.kept[max(0, len(t.kept)-keptBytes):])
}

// records calls each with what was written between NULs.
type records struct {
	each func(string) error
	rest []byte
}

func (s *records) Write(p []byte) (int, error) {
	for b := p; ; {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			if s.rest = append(s.rest, b...); len(s.rest) > 1<<20 {
				return 0, errors.New("a name without an end")
			}
			return len(p), nil
		}
		s.rest = append(s.rest, b[:i]...)
		if err := s.each(string(s.rest)); err != nil {
			return 0, err
		}
		s.rest, b = s.rest[:0], b[i+1:]
	}
}
