// Package doctor looks for what could cost hacky its state: on this machine, on
// the file system of a session, and in the session itself.
//
// A Check is one question with its answer: ok, a warning, or failed, in one
// sentence that says what to do next. Examine asks them all. What it writes to
// try the file system out is scratch and is removed again.
//
// Torture does not ask but proves: it runs the real program on scratch sessions
// again and again, kills it at random moments, fills its disk, and looks after
// each time whether everything that was acknowledged is still there. A Loss is
// something that is not.
//
// The package returns results; it prints nothing.
package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/session"
)

// Status is the answer of a check.
type Status string

// The answers.
const (
	OK      Status = "ok"
	Warning Status = "warning" // hacky works, but something may go wrong
	Failed  Status = "failed"  // hacky does not work here, or updates are in danger now
)

// Check is one question and its answer.
type Check struct {
	Name   string `json:"name" yaml:"name"`
	Status Status `json:"status" yaml:"status"`
	Detail string `json:"detail" yaml:"detail"`
}

// Target is what is examined.
type Target struct {
	Dir     string           // a directory, where there is no session
	Session session.Location // the session; zero if there is none

	Shelters []session.Shelter // where updates may wait outside the session

	FS   fsutil.FS                            // nil: the operating system's
	Look func(program string) (string, error) // nil: exec.LookPath
	Now  func() time.Time                     // nil: time.Now
	Hint func(command, session string) string // how a command for the session is typed; nil: without --session
}

// examination is a Target on the way through the checks.
type examination struct {
	Target
	found  bool   // there is a session
	tasks  string // its tasks.json, symbolic links resolved; "" if it is not there
	store  string // the directory that is written: tasks.json's, links resolved
	hidden string // the session's .hacky
	checks []Check
}

// Examine makes every check.
func Examine(ctx context.Context, t Target) []Check {
	e := newExamination(t)
	e.fileSystem()
	e.tryOut()
	e.space()
	if e.found {
		e.locks(ctx)
	}
	e.permissions()
	e.clock()
	if e.found {
		e.leftovers()
	}
	e.tools(ctx)
	return e.checks
}

func newExamination(t Target) *examination {
	e := &examination{Target: t, found: t.Session != session.Location{}, store: t.Dir}
	if e.FS == nil {
		e.FS = fsutil.OS()
		if e.found {
			e.FS = e.Session.Files()
		}
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.found {
		e.store = e.Session.Dir
		e.hidden = e.Session.Hidden("")
		if path, err := filepath.EvalSymlinks(e.Session.Path()); err == nil {
			e.tasks, e.store = path, filepath.Dir(path)
		}
	}
	if path, err := filepath.EvalSymlinks(e.store); err == nil {
		e.store = path
	}
	if path, err := filepath.Abs(e.store); err == nil {
		e.store = path
	}
	return e
}

func (e *examination) add(name string, status Status, format string, args ...any) {
	e.checks = append(e.checks, Check{name, status, fmt.Sprintf(format, args...)})
}

// command is what the user types to do something about the session.
func (e *examination) command(name string) string {
	if e.Hint == nil {
		return "hacky " + name
	}
	return e.Hint(name, e.Session.Path())
}

// size is the backlog's; 0 if there is none.
func (e *examination) size() int64 {
	if e.tasks == "" {
		return 0
	}
	info, err := os.Stat(e.tasks)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Worst is the worst answer of all.
func Worst(checks []Check) Status {
	worst := OK
	for _, c := range checks {
		if c.Status == Failed || c.Status == Warning && worst == OK {
			worst = c.Status
		}
	}
	return worst
}
