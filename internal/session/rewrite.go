package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/retry"
)

// Rewrite replaces the text of a session's backlog by what change makes of it,
// under the write lock and atomically, so that it works while a run is in
// progress. change gets the backlog as it is in the file at that moment, and is
// called again if another program saves the file meanwhile. A text that is not a
// valid backlog is not written; an unchanged one neither. Transient failures of
// the disk are retried.
func Rewrite(ctx context.Context, l Location, opts Options, change func(*backlog.Backlog) (string, error)) error {
	s := &Session{loc: l, path: resolved(l), opts: opts, fs: opts.FS, log: opts.Log}
	if s.fs == nil {
		s.fs = l.Files()
	}
	if _, err := read(s.fs, l); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	placed := ""
	_, err := retry.Do(ctx, opts.Retry, fsutil.Transient, s.logRetry("cannot write the backlog, trying again"), func() error {
		_, unlock, err := s.lockWrite(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		for start := time.Now(); ; {
			err := s.rewriteOnce(&placed, change)
			if !errors.Is(err, fsutil.ErrChanged) || time.Since(start) > mergePatience {
				return err
			}
		}
	})
	return err
}

// rewriteOnce is one attempt. placed is the text that an attempt before has put
// in place without knowing that it lasts: it is written again, not changed twice.
func (s *Session) rewriteOnce(placed *string, change func(*backlog.Backlog) (string, error)) error {
	src, info, err := readFile(s.fs, s.path)
	if err != nil {
		return explain(s.loc.Path(), err)
	}
	b, err := backlog.Parse(s.loc.Path(), src)
	if err != nil {
		return err
	}
	text := *placed
	if text == "" || text != src {
		text, err = change(b)
		if err != nil || text == src {
			return err
		}
	}
	if _, err := backlog.Parse(s.loc.Path(), text); err != nil {
		return fmt.Errorf("the backlog would no longer be valid; nothing was changed: %w", err)
	}
	info, err = fsutil.Replace(s.fs, fsutil.Replacement{
		Path:  s.path,
		Base:  fsutil.IdentityOf(info),
		Stage: s.hidden(""),
		Write: func(w io.Writer) error { _, err := io.WriteString(w, text); return err },
	})
	if err != nil && info != nil {
		*placed = text
	}
	return err
}
