// Package validate looks for everything that is wrong with a session, and
// mends what is safe.
//
// Examine only reads and takes no lock. Repair takes both locks of the session
// and copies every file that it changes or removes into .hacky/backup-<time>/
// first; the last 5 backups are kept. It never drops a dependency on an item
// that exists, never touches a recovery file, whose updates "hacky recover"
// replays, and never a file of a version that it does not know. What it cannot
// mend stays a problem with a sentence on what to do. Repairing again finds
// nothing to do and makes no backup.
package validate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/session"
)

// Kind is what a Problem is about.
type Kind string

// The kinds.
const (
	Backlog    Kind = "backlog"    // tasks.json cannot be worked on
	RollUp     Kind = "rollUp"     // a parent's status does not follow from what is below it
	Journal    Kind = "journal"    //
	Recovery   Kind = "recovery"   // a recovery file
	Checkpoint Kind = "checkpoint" //
	Temp       Kind = "temp"       // a crash left it behind
	Attempts   Kind = "attempts"   // artifacts/attempts.ndjson
	Running    Kind = "running"    // a subtask is marked as running, and nothing runs
)

// Problem is one thing that is wrong, or, if Note is set, only worth knowing.
type Problem struct {
	Kind    Kind   `json:"kind" yaml:"kind"`
	File    string `json:"file" yaml:"file"`
	Line    int    `json:"line,omitempty" yaml:"line,omitempty"`
	Column  int    `json:"column,omitempty" yaml:"column,omitempty"`
	ID      string `json:"id,omitempty" yaml:"id,omitempty"`
	Message string `json:"message" yaml:"message"`               // one sentence, with what to do next
	Mend    string `json:"mend,omitempty" yaml:"mend,omitempty"` // what a repair does about it; "" if it cannot
	Note    bool   `json:"-" yaml:"-"`

	// What repair needs to know.
	damage *journal.DamageError
}

// Text is the problem as a line for people.
func (p Problem) Text() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	return where + ": " + p.Message
}

// Target is what to look at.
type Target struct {
	Session  session.Location
	Shelters []session.Shelter
	Hint     func(command string) string // how a command for the session is typed

	Strict bool // keys that look misspelt are problems, not notes

	FS  fsutil.FS // nil: the operating system's
	Log zerolog.Logger
	Now func() time.Time // nil: time.Now
}

// Report is what was found.
type Report struct {
	Items, Subtasks int // of the backlog; 0 if it cannot be read
	Problems        []Problem
	Notes           []Problem
	More            int // further problems of the backlog, which are not listed

	Repaired []Problem // what a repair has mended
	Backup   string    // where the files from before are; "" if nothing was changed
}

// examination is a Target on its way through the checks.
type examination struct {
	Target
	report Report
	b      *backlog.Backlog
	store  string // the directory of tasks.json, links resolved
	hidden string
	locked bool // a repair holds the session's locks: nobody else writes
}

// Examine makes every check. The error is about a session that cannot be
// looked at.
func Examine(t Target) (Report, error) {
	e := newExamination(t)
	err := e.examine()
	return e.report, err
}

func newExamination(t Target) *examination {
	if t.FS == nil {
		t.FS = t.Session.Files()
	}
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Hint == nil {
		t.Hint = func(command string) string { return "hacky " + command }
	}
	e := &examination{Target: t, store: t.Session.Dir}
	if path, err := filepath.EvalSymlinks(t.Session.Path()); err == nil {
		e.store = filepath.Dir(path)
	}
	e.hidden = e.Session.Hidden("")
	return e
}

func (e *examination) examine() error {
	if err := e.backlog(); err != nil {
		return err
	}
	e.journals()
	e.recovery()
	if err := errors.Join(e.artifacts(), e.temps()); err != nil {
		return err
	}
	return nil
}

func (e *examination) add(p Problem) {
	if p.Note {
		e.report.Notes = append(e.report.Notes, p)
		return
	}
	e.report.Problems = append(e.report.Problems, p)
}

func (e *examination) backlog() error {
	b, err := session.Read(e.Session)
	var invalid *backlog.InvalidError
	if errors.As(err, &invalid) {
		e.report.More = invalid.More
		for _, p := range invalid.Problems {
			e.add(Problem{Kind: Backlog, File: e.Session.Path(), Line: p.Line, Column: p.Column, Message: p.Message, Mend: p.Mend})
		}
		return nil
	}
	if err != nil {
		return err
	}
	e.b, e.report.Items = b, b.Len()
	for _, w := range b.Warnings() {
		e.add(Problem{Kind: Backlog, File: e.Session.Path(), Line: w.Line, Column: w.Column, Message: w.Message, Note: !e.Strict})
	}
	statuses := b.Statuses()
	running := 0
	for i, st := range b.RollUp(statuses) {
		it := &b.Items[i]
		if it.Kind == backlog.Subtask {
			e.report.Subtasks++
			if st.Running() {
				running++
			}
			continue
		}
		if st != statuses[i] {
			e.add(Problem{Kind: RollUp, File: e.Session.Path(), ID: it.ID, Note: true, Mend: "write " + st.String(),
				Message: fmt.Sprintf("%s is %s, but its subtasks make it %s; the next change below it sets that", it.ID, statuses[i], st)})
		}
	}
	if running > 0 && !e.runs() {
		e.add(Problem{Kind: Running, File: e.Session.Path(), Note: true,
			Message: fmt.Sprintf("%d subtasks are marked as running, and no run has the session; the next \"%s\" starts them again", running, e.Hint("run"))})
	}
	return nil
}

// runs reports whether a run has the session.
func (e *examination) runs() bool {
	if e.locked {
		return false
	}
	name := filepath.Join(e.hidden, "run.lock")
	if _, err := e.FS.Lstat(name); err != nil {
		return false
	}
	_, unlock, err := e.FS.TryLock(name)
	if err != nil {
		return errors.Is(err, fsutil.ErrLocked)
	}
	_ = unlock() // nothing was written to it
	return false
}

func (e *examination) journals() {
	for _, path := range e.Session.JournalPaths() {
		e.journal(path)
	}
}

func (e *examination) journal(path string) {
	c, err := journal.Read(e.FS, path)
	var damage *journal.DamageError
	switch {
	case errors.As(err, &damage) && damage.Newer:
		e.add(Problem{Kind: Journal, File: path, Message: damage.What + "; use the newer hacky that wrote it"})
	case errors.As(err, &damage):
		e.add(Problem{Kind: Journal, File: path, damage: damage, Mend: "keep a backup, put what can be read into tasks.json, start anew",
			Message: fmt.Sprintf("it is damaged at byte %d: %s; %s; updates in the part that cannot be read, if there were any, are not known",
				damage.Offset, damage.What, damage.Says()) + gaps(damage)})
	case err != nil:
		e.add(Problem{Kind: Journal, File: path, Message: "it cannot be read: " + fsutil.Reason(err)})
	case c == nil || e.runs():
	default:
		if len(c.Torn) > 0 {
			e.add(Problem{Kind: Journal, File: path, Note: true, Mend: "keep it aside",
				Message: fmt.Sprintf("a crash cut off its last record at byte %d, which was not acknowledged; the next writer keeps it aside", c.TornAt)})
		}
		if len(c.Records) > 0 {
			e.add(Problem{Kind: Journal, File: path, Note: true, Mend: "put them into tasks.json",
				Message: fmt.Sprintf("%d updates of a run that did not end well wait in it; they count, and the next \"%s\" puts them into tasks.json", len(c.Records), e.Hint("run"))})
		}
	}
}

// gaps says which bytes cannot be read.
func gaps(d *journal.DamageError) string {
	var parts []string
	for _, g := range d.Gaps {
		parts = append(parts, fmt.Sprintf("%d to %d", g.From, g.To))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (bytes %s)", strings.Join(parts, ", "))
}

func (e *examination) recovery() {
	for _, place := range session.Waiting(e.Session, e.Shelters) {
		r, err := session.ReadRecovery(place.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			e.add(Problem{Kind: Recovery, File: place.Path, Message: "it cannot be read: " + fsutil.Reason(err)})
		case r.Damage != nil:
			e.add(Problem{Kind: Recovery, File: place.Path,
				Message: fmt.Sprintf("it is damaged (%v); to see what can be read, type: %s; to apply that, add --force", r.Damage, e.Hint("recover"))})
		default:
			e.add(Problem{Kind: Recovery, File: place.Path, Note: true, Message: fmt.Sprintf("updates wait in %s; type: %s", place.Path, e.Hint("recover"))})
		}
	}
}

// artifacts looks at the checkpoints of every subtask, and at the evidence.
func (e *examination) artifacts() error {
	dir := filepath.Join(e.Session.Dir, "artifacts")
	entries, err := e.FS.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read artifacts: %w", err)
	}
	gone := 0
	for _, entry := range entries {
		id := entry.Name()
		if _, err := backlog.ParseID(id); err != nil || !entry.IsDir() {
			continue
		}
		if e.b != nil {
			if _, ok := e.b.Lookup(id); !ok {
				gone++
			}
		}
		file := filepath.Join(e.Session.Dir, checkpoint.Path(id))
		list, err := checkpoint.Read(e.FS, e.Session.Dir, id)
		switch {
		case errors.Is(err, checkpoint.ErrVersion):
			e.add(Problem{Kind: Checkpoint, File: file, ID: id, Message: fmt.Sprintf("%v; use the newer hacky that wrote it", err)})
		case err != nil:
			e.add(Problem{Kind: Checkpoint, File: file, ID: id, Mend: "move it into the backup; the subtask starts over",
				Message: fmt.Sprintf("%v; without it the subtask starts over", err)})
		case len(list) > checkpoint.Kept:
			e.add(Problem{Kind: Checkpoint, File: file, ID: id, Note: true, Message: fmt.Sprintf("it holds %d checkpoints; hacky keeps %d", len(list), checkpoint.Kept)})
		}
	}
	if gone > 0 {
		e.add(Problem{Kind: Checkpoint, File: dir, Note: true, Message: fmt.Sprintf("%d directories in it are of items that are no longer in tasks.json", gone)})
	}
	bad, err := session.BadAttempts(e.Session)
	if err != nil {
		return err
	}
	if bad > 0 {
		e.add(Problem{Kind: Attempts, File: filepath.Join(dir, "attempts.ndjson"), Note: true,
			Message: fmt.Sprintf("%d lines of it are no records; they are passed over", bad)})
	}
	return nil
}

// freshTemp is how old a temp file has to be not to belong to a write that is
// going on. With the locks held none is.
const freshTemp = 10 * time.Second

func (e *examination) temps() error {
	for _, dir := range e.places() {
		entries, err := e.FS.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for temporary files: %w", err)
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || !info.Mode().IsRegular() || !fsutil.IsTemp(entry.Name()) || !e.locked && e.Now().Sub(info.ModTime()) < freshTemp {
				continue
			}
			e.add(Problem{Kind: Temp, File: filepath.Join(dir, entry.Name()), Mend: "remove it", Note: true,
				Message: "a crash left it behind; it is not needed"})
		}
	}
	return nil
}

// places are the directories in which hacky writes.
func (e *examination) places() []string {
	dirs := []string{e.Session.Dir}
	if a, aerr := os.Stat(e.store); aerr == nil {
		if b, berr := os.Stat(e.Session.Dir); berr == nil && !os.SameFile(a, b) {
			dirs = append(dirs, e.store)
		}
	}
	dirs = append(dirs, e.hidden)
	entries, err := e.FS.ReadDir(filepath.Join(e.Session.Dir, "artifacts"))
	if err != nil {
		return dirs
	}
	for _, entry := range entries {
		if _, err := backlog.ParseID(entry.Name()); err == nil && entry.IsDir() {
			dirs = append(dirs, filepath.Join(e.Session.Dir, "artifacts", entry.Name()))
		}
	}
	return dirs
}
