package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// LockedError says that another run has the session.
type LockedError struct {
	Dir    string
	Holder string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the session %s is locked by another run (%s); wait for it, or stop it", e.Dir, e.Holder)
}

func (s *Session) lockRun() error {
	name := s.hidden("run.lock")
	f, unlock, err := s.fs.TryLock(name)
	for start := time.Now(); errors.Is(err, fsutil.ErrLocked) && time.Since(start) < runLockPatience; {
		time.Sleep(10 * time.Millisecond)
		f, unlock, err = s.fs.TryLock(name)
	}
	if errors.Is(err, fsutil.ErrLocked) {
		return &LockedError{Dir: s.loc.Dir, Holder: s.holder(name)}
	}
	if err != nil {
		return fmt.Errorf("the session %s cannot be locked: %s", s.loc.Dir, fsutil.Reason(err))
	}
	s.releaseRun = unlock
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteString(s.opts.Holder + "\n")
	}
	if err != nil { // the lock holds all the same
		s.log.Debug().Err(err).Msg("cannot write the holder into the run lock")
	}
	return nil
}

// Lock takes both locks of a session, for who mends its files: no run goes on
// meanwhile, and no other writer. The error is a *LockedError if a run has the
// session.
func Lock(l Location, opts Options) (unlock func() error, err error) {
	s := &Session{loc: l, path: resolved(l), opts: opts, fs: opts.FS, log: opts.Log}
	if s.fs == nil {
		s.fs = l.Files()
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.lockRun(); err != nil {
		return nil, err
	}
	_, release, err := s.lockWrite(context.Background())
	if err != nil {
		return nil, errors.Join(err, s.releaseRun())
	}
	return func() error { release(); return s.releaseRun() }, nil
}

// holder is what the holder of a lock says about itself.
func (s *Session) holder(name string) string {
	f, err := s.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "unknown"
	}
	defer f.Close() //nolint:errcheck // only read from
	buf := make([]byte, 300)
	n, _ := f.Read(buf)
	if text := strings.TrimSpace(string(buf[:n])); text != "" {
		return text
	}
	return "unknown"
}

// lockPatience is how long to wait for another writer. Each holds the lock for
// one write of the file.
const lockPatience = time.Minute

// lockWrite takes the lock under which tasks.json is read again and replaced.
func (s *Session) lockWrite(ctx context.Context) (lock fsutil.File, unlock func(), err error) {
	name := s.hidden("write.lock")
	pause := time.Millisecond
	for start := time.Now(); ; {
		lock, release, err := s.fs.TryLock(name)
		if err == nil {
			return lock, func() {
				if err := release(); err != nil { // nothing was written to it, and closing gives the lock back
					s.log.Debug().Err(err).Msg("cannot close the write lock")
				}
			}, nil
		}
		if errors.Is(err, fs.ErrNotExist) && s.makeHiddenAgain() == nil {
			continue
		}
		if !errors.Is(err, fsutil.ErrLocked) {
			return nil, nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if time.Since(start) > lockPatience {
			return nil, nil, fmt.Errorf("lock %s: another process has kept it for %v", name, lockPatience)
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}
