package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/session"
)

// keptBackups is how many backups stay.
const keptBackups = 5

const backupPrefix = "backup-"

// Repair mends what is safe and reports what is left. opts are how the session
// is written. The error is a *session.LockedError if a run has the session, a
// *session.FlushError if updates could not be written, or says what failed;
// every file is then the old or the new one, and the old ones are in
// Report.Backup.
func Repair(ctx context.Context, t Target, opts session.Options) (Report, error) {
	before, err := Examine(t)
	if err != nil || len(before.mendable()) == 0 {
		return before, err
	}
	e := newExamination(t)
	opts.FS, opts.Log, opts.Holder = e.FS, e.Log, "hacky validate --repair"
	unlock, err := session.Lock(t.Session, opts)
	if err != nil {
		return before, err
	}
	e.locked = true
	if err = e.examine(); err == nil { // once more, now that nobody changes anything
		err = e.mendFiles()
	}
	if err = errors.Join(err, unlock()); err == nil {
		err = e.settle(ctx, opts)
	}
	after, aerr := Examine(t)
	after.Backup = e.report.Backup
	if err = errors.Join(err, aerr); err != nil {
		return after, err
	}
	left := map[string]bool{}
	for _, p := range slices.Concat(after.Problems, after.Notes) {
		left[p.Text()] = true
	}
	for _, p := range e.report.mendable() {
		if !left[p.Text()] {
			after.Repaired = append(after.Repaired, p)
		}
	}
	return after, nil
}

// mendable are the problems and notes that a repair does something about.
func (r *Report) mendable() []Problem {
	return slices.DeleteFunc(slices.Concat(r.Problems, r.Notes), func(p Problem) bool { return p.Mend == "" })
}

// mendFiles makes the backup and then changes files. The locks are held.
func (e *examination) mendFiles() error {
	todo := e.report.mendable()
	if len(todo) == 0 {
		return nil
	}
	if err := e.backup(todo); err != nil {
		return fmt.Errorf("make backup, nothing was changed: %w", err)
	}
	if slices.ContainsFunc(todo, func(p Problem) bool { return p.Kind == Backlog }) {
		if err := e.mendBacklog(); err != nil {
			return fmt.Errorf("mend %s: %w", e.Session.Path(), err)
		}
	}
	for _, p := range todo {
		var err error
		switch {
		case p.Kind == Checkpoint, p.Kind == Temp:
			err = e.putAway(p.File)
		case p.Kind == Journal && p.damage != nil:
			err = e.mendJournal(p.File, p.damage)
		}
		if err != nil {
			return fmt.Errorf("mend %s: %w", p.File, err)
		}
	}
	return e.prune()
}

// backup copies what is going to be changed into a new directory and makes
// that durable. What is put away is moved there later.
func (e *examination) backup(todo []Problem) error {
	dir := filepath.Join(e.hidden, backupPrefix+e.Now().UTC().Format("20060102T150405.000000000Z"))
	if err := e.FS.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := e.fill(dir, todo); err != nil { // half a backup would only push out a whole one
		return errors.Join(err, e.removeBackup(dir))
	}
	e.report.Backup = dir
	return nil
}

func (e *examination) fill(dir string, todo []Problem) error {
	var copied []string
	for _, p := range todo {
		var files []string
		switch p.Kind {
		case Backlog, RollUp:
			files = []string{e.Session.Path()}
		case Journal:
			files = []string{p.File, e.Session.Path()}
		}
		for _, file := range files {
			if slices.Contains(copied, file) {
				continue
			}
			copied = append(copied, file)
			if err := e.copyTo(dir, file); err != nil {
				return err
			}
		}
	}
	return errors.Join(e.FS.SyncDir(dir), e.FS.SyncDir(e.hidden))
}

func (e *examination) copyTo(dir, file string) (err error) {
	from, err := e.FS.OpenFile(file, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return fsutil.WriteNew(e.FS, filepath.Join(dir, filepath.Base(file)), 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
}

// putAway moves a file into the backup, under its path in the session.
func (e *examination) putAway(file string) error {
	name, err := filepath.Rel(e.Session.Dir, file)
	if err != nil || strings.HasPrefix(name, "..") {
		name = filepath.Base(file)
	}
	name = strings.ReplaceAll(name, string(filepath.Separator), "%")
	err = e.FS.Rename(file, filepath.Join(e.report.Backup, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, e.FS.SyncDir(e.report.Backup), e.FS.SyncDir(filepath.Dir(file)))
}

// mendBacklog corrects the text of tasks.json. An editor that saves meanwhile
// wins: the error is fsutil.ErrChanged.
func (e *examination) mendBacklog() error {
	path, err := filepath.EvalSymlinks(e.Session.Path())
	if err != nil {
		return err
	}
	info, err := e.FS.Stat(path)
	if err != nil {
		return err
	}
	src, err := readAll(e.FS, path)
	if err != nil {
		return err
	}
	mended, done := backlog.Mend(path, src)
	if len(done) == 0 {
		return nil
	}
	_, err = fsutil.Replace(e.FS, fsutil.Replacement{Path: path, Base: fsutil.IdentityOf(info), Stage: e.hidden,
		Write: func(w io.Writer) error { _, err := io.WriteString(w, mended); return err }})
	return err
}

func readAll(fsys fsutil.FS, path string) (string, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, backlog.MaxSize+1))
	return string(data), errors.Join(err, f.Close())
}

// mendJournal puts a journal in the place of a damaged one that holds what
// could be read of it; settle replays it like that of any run that died.
func (e *examination) mendJournal(path string, damage *journal.DamageError) error {
	if len(damage.Readable) == 0 {
		return journal.Remove(e.FS, path)
	}
	// With a base that fits no file: what they were made on is not certain.
	j, err := journal.Create(e.FS, path, journal.Base{}, damage.Readable, journal.Options{})
	if err != nil {
		return err
	}
	return j.Close()
}

// settle lets a session replay the journal and derive the parents' statuses, if
// the backlog is in order now.
func (e *examination) settle(ctx context.Context, opts session.Options) error {
	if !slices.ContainsFunc(e.report.mendable(), func(p Problem) bool { return p.Kind == RollUp || p.Kind == Journal || p.Kind == Backlog }) {
		return nil
	}
	if _, err := session.Read(e.Session); err != nil {
		return nil //nolint:nilerr // what is wrong with it is reported
	}
	opts.Run, opts.Interval, opts.Batch = false, 0, 0
	s, err := session.Open(e.Session, opts)
	if err != nil {
		return err
	}
	err = s.Derive(ctx)
	return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
}

// prune removes the oldest backups; the new one is stable.
func (e *examination) prune() error {
	entries, err := e.FS.ReadDir(e.hidden)
	if err != nil {
		return fmt.Errorf("remove old backups: %w", err)
	}
	var backups []string
	for _, entry := range entries {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), backupPrefix) {
			backups = append(backups, filepath.Join(e.hidden, entry.Name()))
		}
	}
	slices.Sort(backups) // by their time
	for len(backups) > keptBackups {
		if err := e.removeBackup(backups[0]); err != nil {
			return fmt.Errorf("remove old backups: %w", err)
		}
		backups = backups[1:]
	}
	return nil
}

func (e *examination) removeBackup(dir string) error {
	files, err := e.FS.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := e.FS.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return e.FS.Remove(dir)
}
