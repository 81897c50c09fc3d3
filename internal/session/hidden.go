package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
)

// Hidden is the path of a file in .hacky/, or with "" of the directory. It is
// beside the backlog itself, symbolic links resolved, so that all who come to
// one backlog take the same locks and read the same journal.
func (l Location) Hidden(name string) string { return hiddenOf(l.real(), name) }

// hiddenOf is Hidden for the path of a backlog that is no symbolic link.
func hiddenOf(path, name string) string {
	return filepath.Join(filepath.Dir(path), fsutil.PrivateDir, name)
}

// real is Path without symbolic links if it is one, and as the user would write
// it if not.
func (l Location) real() string {
	path := l.Path()
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
	}
	return path
}

// JournalPath is the path of the journal that a run writes: journal in .hacky/,
// and for a backlog of another name than tasks.json journal-NAME.
func (l Location) JournalPath() string {
	path := l.real()
	if name := filepath.Base(path); name != TasksFile {
		return hiddenOf(path, "journal-"+name)
	}
	return hiddenOf(path, "journal")
}

// JournalPaths are the files that may hold acknowledged updates, oldest first:
// the journal that a hacky up to version 0.9 kept beside tasks.json, and
// JournalPath.
func (l Location) JournalPaths() []string {
	return []string{l.real() + ".journal", l.JournalPath()}
}

// readJournal reads a session's journals as one; nil if there is none.
func readJournal(fsys fsutil.FS, l Location) (*journal.Contents, error) {
	var all *journal.Contents
	for _, path := range l.JournalPaths() {
		contents, err := readJournalFile(fsys, path)
		if err != nil {
			return nil, &JournalError{Backlog: l.Path(), err: err}
		}
		all = joined(all, contents)
	}
	return all, nil
}

// JournalError says why a session's journal cannot be read.
type JournalError struct {
	Backlog string // whose journal it is
	err     error
}

func (e *JournalError) Error() string { return e.err.Error() }

// Unwrap is the cause, a *journal.DamageError among them if it is damaged.
func (e *JournalError) Unwrap() error { return e.err }

// joined is what two journals say together. Where both have records, it is not
// certain which tasks.json they change.
func joined(older, newer *journal.Contents) *journal.Contents {
	switch {
	case older == nil:
		return newer
	case newer == nil:
		return older
	}
	out := *newer
	if len(out.Torn) == 0 {
		out.Torn, out.TornAt = older.Torn, older.TornAt
	}
	switch {
	case len(older.Records) == 0:
	case len(newer.Records) == 0:
		out.Base, out.Records = older.Base, older.Records
	default:
		out.Base, out.Records = journal.Base{}, slices.Concat(older.Records, newer.Records)
		slices.SortStableFunc(out.Records, func(a, b journal.Record) int { return a.At.Compare(b.At) })
	}
	return &out
}

func readJournalFile(fsys fsutil.FS, path string) (*journal.Contents, error) {
	contents, err := journal.Read(fsys, path)
	var damage *journal.DamageError
	switch {
	case errors.As(err, &damage) && damage.Newer:
		return nil, fmt.Errorf("%w; nothing was changed: use the newer hacky that wrote it", err)
	case errors.As(err, &damage):
		return nil, fmt.Errorf("%w; nothing was changed; %s", err, damage.Says())
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the journal %s cannot be read: permission denied", path)
	case err != nil:
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return contents, nil
}

// JournalWaiting reports whether a session has a journal that is not empty. If
// no run is alive, a dead one left it.
func JournalWaiting(l Location) bool { return journalWaiting(l.Files(), l) }

func journalWaiting(fsys fsutil.FS, l Location) bool {
	return slices.ContainsFunc(l.JournalPaths(), func(path string) bool {
		info, err := fsys.Lstat(path)
		return err == nil && info.Size() > 0
	})
}

// removeJournals removes journals whose records are all flushed, or in another.
// That they are gone is on stable storage: a power cut that brought one back
// would let it hold against what is written later.
func (s *Session) removeJournals(paths ...string) error {
	var errs []error
	for _, path := range paths {
		err := s.fs.Remove(path)
		if err == nil {
			err = s.fs.SyncDir(filepath.Dir(path))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// makeHidden makes .hacky/ if it is not there, with a .gitignore in it. Until
// syncHidden a power cut may take it away.
func (s *Session) makeHidden() error {
	err := s.fs.Mkdir(s.hidden(""), 0o777)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil {
		s.freshHidden.Store(true)
	}
	f, err := s.fs.OpenFile(s.hidden(".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		_, err = f.WriteString("*\n")
		if err = errors.Join(err, f.Close()); err != nil { // an empty one would stay for ever
			err = errors.Join(err, s.fs.Remove(s.hidden(".gitignore")))
		}
	}
	if err != nil {
		s.log.Debug().Err(err).Msg("cannot write .hacky/.gitignore")
	}
	return nil
}

// syncHidden makes a new .hacky/ last: a journal is of no use in a directory that
// a power cut takes away.
func (s *Session) syncHidden() error {
	if !s.freshHidden.Load() {
		return nil
	}
	err := s.fs.SyncDir(filepath.Dir(s.hidden("")))
	if err == nil {
		s.freshHidden.Store(false)
	}
	return err
}

// makeHiddenAgain is for when .hacky/ has been removed in the middle of a run.
func (s *Session) makeHiddenAgain() error {
	s.log.Warn().Str("directory", s.hidden("")).Msg("somebody has removed this directory with the locks; it is made again")
	if err := s.makeHidden(); err != nil {
		return err
	}
	return s.syncHidden()
}
