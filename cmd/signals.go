package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/engine/local"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/supervise"
)

// signals turns Ctrl+C and its relatives into steps: drain, stop, exit.
type signals struct {
	app  *app
	stop context.CancelCauseFunc
	in   chan os.Signal
	done chan struct{}

	mu     sync.Mutex
	step   int // 0 nothing yet, 1 drain, 2 stop, 3 exit
	first  os.Signal
	reason error // to drain, before there was an engine
	engine *local.Engine
	runner *agent.Runner
	s      *session.Session

	supervisor *supervise.Supervisor
	leave      func() // the terminal, in order
}

// listen begins to handle signals. SIGPIPE is taken too: a reader of our
// output that goes away must not end the run, and ignoring it would be
// inherited by every command.
func (j *job) listen(stop context.CancelCauseFunc) *signals {
	s := &signals{app: j.app, stop: stop, in: make(chan os.Signal, 8), done: make(chan struct{})}
	wanted := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(s.in, wanted...)
	go func() {
		for {
			select {
			case sig := <-s.in:
				s.handle(sig)
			case <-s.done:
				return
			}
		}
	}()
	return s
}

func (s *signals) end() {
	signal.Stop(s.in)
	close(s.done)
}

// attach says what the signals act on.
func (s *signals) attach(e *local.Engine, r *agent.Runner, ses *session.Session, sup *supervise.Supervisor, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.runner, s.s, s.supervisor, s.leave = e, r, ses, sup, leave
	if s.reason != nil {
		e.Drain(s.reason)
	}
}

// drain makes the run start nothing more.
func (s *signals) drain(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drainLocked(reason)
}

func (s *signals) drainLocked(reason error) {
	if s.engine == nil {
		s.reason = reason
		return
	}
	s.engine.Drain(reason)
}

func (s *signals) handle(sig os.Signal) {
	if sig == syscall.SIGPIPE {
		return
	}
	s.mu.Lock() // not released before an exit: nothing may start any more
	if s.first == nil {
		s.first = sig
	}
	s.step++
	if sig != syscall.SIGINT {
		s.step = max(s.step, 2)
	}
	if s.engine == nil { // nothing runs yet, and what is being written is written whole
		os.Exit(codeOf(s.first))
	}
	switch s.step {
	case 1:
		_, _ = fmt.Fprintln(s.app.messages, "hacky: letting running subtasks finish; Ctrl+C again stops them")
		s.drainLocked(errors.New("interrupted"))
	case 2:
		_, _ = fmt.Fprintln(s.app.messages, "hacky: stopping running subtasks")
		s.drainLocked(errors.New("interrupted"))
		s.stop(errors.New("interrupted"))
	default:
		s.mu.Unlock() // the flush may want to tell us that it fails
		s.exit()
		return
	}
	s.mu.Unlock()
}

// exitPatience bounds the last flush of a user who does not want to wait.
const exitPatience = time.Second

// exit leaves at once: no process stays behind. The journal has everything;
// what is in the batch gets one short chance all the same.
func (s *signals) exit() {
	s.supervisor.Kill() // what hides from Kill, as soon as we are gone
	if s.runner != nil {
		s.runner.Kill()
	}
	if s.s != nil {
		saved := make(chan struct{})
		go func() {
			defer close(saved)
			s.app.report(s.s.Flush(context.Background()))
		}()
		select {
		case <-saved:
		case <-time.After(exitPatience):
		}
	}
	s.leave()
	os.Exit(codeOf(s.first))
}

// code is the exit code of the signal that came first; 0 if none did.
func (s *signals) code() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return codeOf(s.first)
}

func codeOf(sig os.Signal) int {
	switch sig {
	case nil:
		return 0
	case syscall.SIGINT:
		return exitInterrupted
	}
	return exitTerminated
}
