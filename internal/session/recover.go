package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Verdict is what recovery does with a change.
type Verdict string

// The verdicts.
const (
	Applied      Verdict = "applied"       // tasks.json says it now, or will
	AlreadyThere Verdict = "already there" // tasks.json said it before
	Conflict     Verdict = "conflict"      // it would move the item backwards, it was given for other work, or there is no such item
	Discarded    Verdict = "discarded"     // a conflict that was dropped
)

// Decision is a change of a recovery file and what becomes of it.
type Decision struct {
	Update  `yaml:",inline"`
	Disk    string       `json:"disk"` // the status in tasks.json; "" if there is no such item
	Verdict Verdict      `json:"verdict"`
	Why     string       `json:"why,omitempty"`
	Is      backlog.Work // that of the item in tasks.json
}

// OtherWork reports whether a conflict is one because the item is other work now.
func (d Decision) OtherWork() bool {
	return d.Verdict == Conflict && d.Disk != "" && d.Recorded() && !d.Same(d.Is)
}

// RecoverOptions say how conflicts are settled.
type RecoverOptions struct {
	Force   bool // the recovery file is right
	Discard bool // tasks.json is right; the conflicts are dropped
}

// plan decides every change against the backlog, merging three ways by id: what
// the change started from, what it wants, what the file says now.
//
//   - the file says it already: nothing to do;
//   - it was given for other work than the item is now: a conflict;
//   - the file still says what the change started from: it is applied;
//   - the file says something else, less far than the change: it is applied;
//   - else it would move the item backwards: a conflict, unless what moved it on
//     was the journal: that was accepted when the recovery file had been written.
//
// What the file says counts as moved on, too, if a hacky has noted that it said
// so after the change was made, even if it had said so all along: a later
// Complete is not turned back. A change that moves on from there still holds.
//
// Of what several files say about an item the latest counts.
func plan(files []*Recovery, b *backlog.Backlog, disk []backlog.Status, replayed []Update, said *notes, opts RecoverOptions) []Decision {
	later := make(map[string]time.Time, len(replayed))
	for _, u := range replayed {
		later[u.ID] = u.At
	}
	var changes []Update
	for _, r := range files {
		changes = mergeChanges(changes, r.changesOn(b, disk))
	}
	var out []Decision
	for _, u := range changes {
		d := Decision{Update: u}
		i, ok := b.Lookup(u.ID)
		if ok {
			d.Disk = disk[i].String()
			d.Is, _ = b.WorkOf(u.ID)
		}
		at, journaled := later[u.ID]
		meant := false
		if ok && !u.At.IsZero() { // older tools do not say when
			meant, _ = said.when(u.ID, disk[i], u.At)
		}
		switch {
		case !ok:
			d.Verdict, d.Why = Conflict, "there is no such item any more"
		case b.Items[i].Kind != backlog.Subtask:
			d.Verdict, d.Why = AlreadyThere, "a parent's status follows from its subtasks"
		case disk[i] == u.To:
			d.Verdict = AlreadyThere
		case u.Recorded() && !u.Same(d.Is) && !opts.Force:
			d.Verdict, d.Why = Conflict, otherWorkText(u.Work, d.Is)
		case !meant && disk[i] == u.From, rank(u.To) > rank(disk[i]):
			d.Verdict = Applied
		case journaled && !at.Before(u.At):
			d.Verdict, d.Why = AlreadyThere, "the journal had a later status"
		case opts.Force:
			d.Verdict, d.Why = Applied, "by force"
		default:
			d.Verdict, d.Why = Conflict, fmt.Sprintf("tasks.json says %s, which is newer or further", disk[i])
		}
		if d.Verdict == Conflict && opts.Discard || d.Verdict == Conflict && !ok && opts.Force {
			d.Verdict = Discarded
		}
		out = append(out, d)
	}
	return out
}

// rank orders statuses by how far an item has come.
func rank(s backlog.Status) int {
	return [...]int{
		backlog.Planned: 0, backlog.Researching: 1, backlog.Implementing: 2, backlog.Retrying: 2,
		backlog.Failed: 3, backlog.Complete: 4, backlog.Obsolete: 4,
	}[s]
}

// Recover replays recovery files into the session: it flushes what is to be
// applied, reads tasks.json again to see that it is there, and then removes the
// files, or leaves each its conflicts. keep leaves a copy beside a file; of a
// damaged one there always is one. Standard input is not removed.
func (s *Session) Recover(ctx context.Context, files []*Recovery, opts RecoverOptions, keep bool) ([]Decision, error) {
	if s.gaveUp.Load() { // what waits in the files waits there still
		return nil, s.Flush(ctx)
	}
	said, err := notesOf(s.fs, s.loc)
	if err != nil {
		return nil, err
	}
	for _, r := range files {
		for _, u := range r.Changes {
			s.clock.read(u.At)
		}
	}
	s.mu.Lock()
	decisions := plan(files, s.doc.b, s.doc.disk, s.replayed, said, opts)
	s.mu.Unlock()
	var changes []Change
	for _, d := range decisions {
		if d.Verdict == Applied {
			changes = slices.DeleteFunc(changes, func(c Change) bool { return c.ID == d.ID }) // by force, for two works
			changes = append(changes, Change{ID: d.ID, To: d.To})
		}
	}
	if err := s.Apply(nil, changes...); err != nil {
		return decisions, err
	}
	if err := s.Flush(ctx); err != nil {
		return decisions, err
	}
	if err := s.verify(changes); err != nil {
		return decisions, err
	}
	for _, r := range files {
		if r.Path == "-" {
			continue
		}
		if keep || r.Damage != nil { // what could not be read may still be worth something
			if err := s.copyRecovery(r.Path); err != nil {
				return decisions, err
			}
		}
		if err := s.leaveConflicts(r, decisions); err != nil {
			return decisions, err
		}
	}
	return decisions, nil
}

// verify reads tasks.json again and looks for the changes.
func (s *Session) verify(changes []Change) error {
	b, err := read(s.fs, s.loc)
	if err != nil {
		return fmt.Errorf("verify recovery: %w", err)
	}
	for _, c := range changes {
		i, ok := b.Lookup(c.ID)
		if !ok || b.Items[i].Status != c.To {
			return fmt.Errorf("verify recovery: %s is not %s in %s; another program changed it meanwhile: run \"hacky recover\" again",
				c.ID, c.To, s.loc.Path())
		}
	}
	return nil
}

// copyRecovery keeps a copy beside the recovery file, which is never a name
// that is taken.
func (s *Session) copyRecovery(path string) error {
	_, err := fsutil.Replace(s.fs, fsutil.Replacement{Path: path + ".kept-" + stamp(), Perm: 0o600, Stage: s.stageFor(path),
		Write: func(w io.Writer) error {
			from, err := s.fs.OpenFile(path, os.O_RDONLY, 0)
			if err != nil {
				return err
			}
			_, err = io.Copy(w, from)
			return errors.Join(err, from.Close())
		}})
	return err
}

// leaveConflicts removes the recovery file, or writes one that holds only the
// conflicts. Under the write lock: a failing flush may be adding to it.
func (s *Session) leaveConflicts(r *Recovery, decisions []Decision) error {
	_, unlock, err := s.lockWrite(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	s.mu.Lock()
	doc := s.doc
	s.mu.Unlock()
	now, err := readRecovery(s.fs, r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var left []Update
	mine := setOf(r.changesOn(doc.b, doc.disk))
	for _, d := range decisions {
		if d.Verdict == Conflict && mine[keyOf(d.Update)] {
			left = append(left, d.Update)
		}
	}
	// What was added since it was read has not been replayed.
	read := setOf(r.Changes)
	for _, u := range now.Changes {
		if !read[keyOf(u)] {
			left = append(left, u)
		}
	}
	if len(left) == 0 {
		if err := s.fs.Remove(r.Path); err != nil {
			return err
		}
		return s.fs.SyncDir(filepath.Dir(r.Path))
	}
	there := setOf(now.Changes)
	if len(left) == len(now.Changes) && !slices.ContainsFunc(left, func(u Update) bool { return !there[keyOf(u)] }) {
		return nil // the file says it already
	}
	return s.replaceRecovery(r.Path, doc, left, recoveryError{
		Message: "conflicts that \"hacky recover\" left: settle them with --force or --discard"})
}

// updateKey tells one update from another.
type updateKey struct {
	id string
	to backlog.Status
	at int64
}

func keyOf(u Update) updateKey { return updateKey{u.ID, u.To, u.At.UnixNano()} }

func setOf(updates []Update) map[updateKey]bool {
	set := make(map[updateKey]bool, len(updates))
	for _, u := range updates {
		set[keyOf(u)] = true
	}
	return set
}
