package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds of waiting for processes. A command of a scratch backlog takes a few
// milliseconds; on a busy machine more.
const (
	processPatience = 2 * time.Minute
	orphanPatience  = 20 * time.Second
)

// process is a hacky that was started.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	lines   chan int      // how many lines came, as they come; never blocks the reader
	ended   chan struct{} // the process is reaped and its output read
	alive   *os.File      // ends when the process and all it started are gone
	killed  bool          // it was; read after ended

	mu        sync.Mutex
	completed []string // ids whose completion was printed as a whole line
	stderr    string   // path
}

// start starts hacky. Its standard output is read as progress, its standard
// error goes to a file.
func (t *torture) start(stderr string, env []string, name string, args ...string) (p *process, err error) {
	log, err := os.OpenFile(stderr, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// Whoever inherits the writing end keeps it open: hacky, and the commands
	// that it starts. So its end tells that no orphan is left.
	alive, inherited, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p = &process{alive: alive, stderr: stderr, lines: make(chan int, 1), ended: make(chan struct{}), started: time.Now()}
	p.cmd = exec.Command(name, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = t.dir, env, log
	p.cmd.ExtraFiles = []*os.File{inherited}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl+C is for us
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err = errors.Join(err, inherited.Close()); err != nil {
		return nil, errors.Join(err, alive.Close())
	}
	go func() {
		p.read(out)
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// read takes every whole line; what a kill has cut off was not printed.
func (p *process) read(out io.Reader) {
	r := bufio.NewReaderSize(out, 1<<16)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var ev struct{ Type, ID, Status string }
		if json.Unmarshal(line, &ev) == nil && ev.Type == "subtaskFinished" && ev.Status == "Complete" {
			p.mu.Lock()
			p.completed = append(p.completed, ev.ID)
			p.mu.Unlock()
		}
		select {
		case <-p.lines:
		default:
		}
		p.lines <- n
	}
}

// kill kills the process, and only that, if it is still there. What it has
// started ends by itself.
func (p *process) kill() {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Kill() // it may be ending just now
	}
	<-p.ended
	ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	p.killed = ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// finish waits until the process and everything it started are gone, for at
// most so long; a context that ends kills it. It returns what went wrong with
// that, in words; "" if nothing did.
func (p *process) finish(ctx context.Context) (trouble string) {
	defer p.alive.Close() //nolint:errcheck // only read from
	limit := time.NewTimer(processPatience)
	defer limit.Stop()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
	case <-limit.C:
		p.kill()
		trouble = fmt.Sprintf("%s did not end within %v", p, processPatience)
	}
	_ = p.alive.SetReadDeadline(time.Now().Add(orphanPatience)) // without, it waits longer
	if _, rerr := p.alive.Read(make([]byte, 1)); !errors.Is(rerr, io.EOF) && trouble == "" {
		trouble = fmt.Sprintf("a process that %s started still runs after %v", p, orphanPatience)
	}
	return trouble
}

func (p *process) String() string {
	return filepath.Base(p.cmd.Args[0]) + " " + strings.Join(p.cmd.Args[1:], " ")
}

// code is the exit code; -1 after a signal.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// said is the end of what the process wrote to standard error.
func (p *process) said() string {
	data, err := os.ReadFile(p.stderr)
	if err != nil || len(data) == 0 {
		return "it said nothing"
	}
	text := strings.TrimSpace(string(data[max(0, len(data)-400):]))
	return strings.ReplaceAll(text, "\n", "; ")
}

// output runs hacky to its end and returns what it printed.
func (t *torture) output(ctx context.Context, env []string, args ...string) (stdout []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, processPatience)
	defer cancel()
	c := exec.CommandContext(ctx, t.opts.Binary, args...)
	c.Dir, c.Env, c.WaitDelay = t.dir, env, time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = &endedError{exit.ExitCode(), strings.ReplaceAll(strings.TrimSpace(string(exit.Stderr)), "\n", "; ")}
	}
	return out, err
}

// endedError is the end of a hacky with another exit code than 0.
type endedError struct {
	code int
	said string
}

func (e *endedError) Error() string { return fmt.Sprintf("exit %d: %s", e.code, e.said) }
