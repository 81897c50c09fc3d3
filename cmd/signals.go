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

	"golang.org/x/sys/unix"

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
	step   int       // 0 nothing yet, 1 drain, 2 stop, 3 exit
	took   time.Time // when the step last went up
	first  os.Signal
	reason error // to drain, before there was an engine
	engine *local.Engine
	runner *agent.Runner
	s      *session.Session

	supervisor *supervise.Supervisor
	display    *display
	over       bool          // nothing runs any more; only printing is left
	said       chan string   // what is to be printed, by a goroutine that may hang
	printed    chan struct{} // all of that is
}

// listen begins to handle signals. SIGPIPE is taken too: a reader of our
// output that goes away must not end the run, and ignoring it would be
// inherited by every command.
func (j *job) listen(stop context.CancelCauseFunc) *signals {
	s := &signals{app: j.app, stop: stop, in: make(chan os.Signal, 8), done: make(chan struct{}), said: make(chan string, 8), printed: make(chan struct{})}
	wanted := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGCONT, syscall.SIGWINCH}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	j.guard()
	signal.Notify(s.in, wanted...)
	said := s.said
	go func() { // a terminal may take nothing, and that must keep nobody from stopping the run
		defer close(s.printed)
		for text := range said {
			_, _ = fmt.Fprintln(s.app.messages, text)
		}
	}()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.said)
	s.said = nil
	select {
	case <-s.printed:
	case <-time.After(exitPatience):
	}
}

// say prints a line as soon as it can be printed.
func (s *signals) say(text string) {
	select {
	case s.said <- text:
	default: // there are others that nobody reads, or it is over
	}
}

// attach says what the signals act on.
func (s *signals) attach(e *local.Engine, r *agent.Runner, ses *session.Session, sup *supervise.Supervisor, d *display) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.runner, s.s, s.supervisor, s.display = e, r, ses, sup, d
	// The leader of a session has no shell that could continue it.
	if sid, err := unix.Getsid(0); d.live != nil && err == nil && sid != unix.Getpgrp() {
		signal.Notify(s.in, syscall.SIGTSTP)
	}
	if s.reason != nil {
		e.Drain(s.reason)
	}
}

// ended says that nothing runs any more: a signal from now on only keeps hacky
// from waiting for readers of its output.
func (s *signals) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
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
	switch sig {
	case syscall.SIGPIPE:
		return
	case syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGTSTP:
		s.redraw(sig)
		return
	}
	s.mu.Lock() // not released before an exit: nothing may start any more
	if s.first == nil {
		s.first = sig
	}
	before := s.step
	s.advance(sig, time.Now())
	if s.step >= 2 || s.over {
		s.app.hurry()
	}
	if s.step == before {
		s.mu.Unlock()
		return
	}
	if s.engine == nil { // nothing runs yet, and what is being written is written whole
		os.Exit(codeOf(s.first))
	}
	switch s.step {
	case 1:
		s.drainLocked(errors.New("interrupted"))
		s.tell("letting running subtasks finish; Ctrl+C again stops them", "Ctrl+C again stops what runs")
	case 2:
		s.drainLocked(errors.New("interrupted"))
		s.stop(errors.New("interrupted"))
		s.tell("stopping running subtasks", "stopping; Ctrl+C again exits now")
	default:
		s.mu.Unlock() // the flush may want to tell us that it fails
		s.exit()
		return
	}
	s.mu.Unlock()
}

// sameWish is how long after a stop signal another one counts as the same:
// timeout(1) signals its child and then the whole group, wrappers forward what
// the group has received already, and a service manager sends SIGHUP right after
// SIGTERM.
const sameWish = time.Second

// advance takes the step that a signal asks for. A signal less than sameWish
// after the last step only makes it as urgent as its own kind is. now has to
// carry a monotonic clock.
func (s *signals) advance(sig os.Signal, now time.Time) {
	step := 1
	if sig != syscall.SIGINT {
		step = 2
	}
	if s.step > 0 && now.Sub(s.took) >= sameWish {
		step = max(step, s.step+1)
	}
	if step > s.step {
		s.step, s.took = step, now
	}
}

// tell says what a signal has done, and in short where the run is shown.
func (s *signals) tell(text, short string) {
	s.say("hacky: " + text)
	if l := s.display.live; l != nil {
		l.Stopping(short)
	}
}

// redraw is for a window that has another size, or that others write to while
// hacky is stopped.
func (s *signals) redraw(sig os.Signal) {
	s.mu.Lock()
	d := s.display
	s.mu.Unlock()
	if d == nil || d.live == nil {
		return
	}
	switch sig {
	case syscall.SIGWINCH:
		d.live.Resized()
	case syscall.SIGTSTP:
		d.live.Suspend()
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // a signal once taken has no default action any more
	case syscall.SIGCONT:
		d.live.Resume()
	}
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
	s.display.end()
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
