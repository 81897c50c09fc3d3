package session

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Ids are positions, so every status carries the work it was given for (§5.7).
// A status that was given for other work than its item has now is never
// credited: it is logged with both titles, and kept in a file of its own.

// OtherWorkError says that a status was not accepted, because its item is other
// work now than the work it was given for.
type OtherWorkError struct {
	ID      string
	To      backlog.Status
	Was, Is backlog.Work
}

func (e *OtherWorkError) Error() string {
	return fmt.Sprintf("%s is not marked %s: %s", e.ID, e.To, otherWorkText(e.Was, e.Is))
}

// otherWorkText tells two works apart in words for people.
func otherWorkText(was, is backlog.Work) string {
	if was.Title == is.Title {
		return fmt.Sprintf("it was given for %q as it was before; what that executes or shows to its commands has changed since", is.Title)
	}
	return fmt.Sprintf("it was given for %q, and the item is %q now", was.Title, is.Title)
}

// otherWork reports whether an update was given for other work than its item
// has in b, and which that is. Of an update without work nothing is known.
func otherWork(b *backlog.Backlog, u Update) (is backlog.Work, other bool) {
	if !u.Recorded() {
		return is, false
	}
	is, ok := b.WorkOf(u.ID)
	return is, ok && !u.Same(is)
}

// worth reports whether losing an update of other work would lose a result.
func worth(u Update) bool { return u.To != backlog.Planned && !u.To.Running() }

// refuse logs an update of other work, and remembers it for keepOthers. s.mu is
// held.
func (s *Session) refuse(u Update, is backlog.Work) {
	if !worth(u) {
		return
	}
	s.log.Warn().Str("id", u.ID).Stringer("status", u.To).Str("title", u.Title).Str("titleNow", is.Title).
		Msg("a status was given for other work than this item is now; it is not credited")
	s.others = append(s.others, u)
}

// keepOthers writes what refuse remembered into a recovery file of its own. The
// journal is trimmed only after that.
func (s *Session) keepOthers() {
	s.mu.Lock()
	others, doc := mergeChanges(nil, s.others), s.doc
	s.mu.Unlock()
	if len(others) == 0 {
		return
	}
	path := s.hidden("journal-other-" + stamp())
	content, err := s.small(path, doc, others, recoveryError{Message: "these statuses were given for other work than the items are now"})
	if err == nil {
		_, err = fsutil.Replace(s.fs, fsutil.Replacement{Path: path, Perm: 0o600, Stage: s.hidden(""),
			Write: func(w io.Writer) error { _, err := w.Write(content); return err }})
	}
	if err != nil {
		s.log.Warn().Err(err).Int("updates", len(others)).Msg("statuses of other work could not be kept aside")
		return
	}
	s.mu.Lock()
	s.others = s.others[:0]
	s.aside = path
	s.mu.Unlock()
	s.log.Warn().Int("updates", len(others)).Str("kept", filepath.ToSlash(path)).
		Msg("statuses of other work are kept aside; hacky recover --file shows and settles them")
}

// Aside is the recovery file with the statuses in the journal that were given
// for other work than their items are now; "" if there were none.
func (s *Session) Aside() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aside
}

// creditable gives a change the work that it is for, and refuses one for other
// work than its item is now. s.mu is held.
func (s *Session) creditable(c Change) (backlog.Work, error) {
	is, ok := s.doc.b.WorkOf(c.ID)
	if !ok || !c.Work.Recorded() || c.Work.Same(is) {
		return is, nil
	}
	return is, &OtherWorkError{ID: c.ID, To: c.To, Was: c.Work, Is: is}
}

// IsOtherWork reports whether a change was refused for the work it was for.
func IsOtherWork(err error) bool {
	var other *OtherWorkError
	return errors.As(err, &other)
}
