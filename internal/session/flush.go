package session

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/retry"
)

// FlushError says that updates could not be written to tasks.json for good,
// and where they are now.
type FlushError struct {
	Err      error
	Attempts int
	Pending  int
	Backlog  string   // path of tasks.json
	Recovery string   // path of the file that keeps them; "" if there is none
	Volatile bool     // a reboot may remove that file
	Unsaved  []Update // the updates, if they are in no file
}

func (e *FlushError) Error() string {
	where := plural(e.Pending, "update waits", "updates wait") + " in " + e.Recovery
	if e.Volatile {
		where += ", which a reboot may remove"
	}
	if e.Recovery == "" {
		where = plural(e.Pending, "update could be kept in no file and follows", "updates could be kept in no file and follow") +
			" on standard error"
	}
	code := fsutil.Code(e.Err)
	if code != "" {
		code = " (" + code + ")"
	}
	return fmt.Sprintf("cannot write %s: %s%s after %s; %s", e.Backlog, fsutil.Reason(e.Err), code,
		plural(e.Attempts, "attempt", "attempts"), where)
}

// UnstableError says that what this session was told is settled, by another
// program's save perhaps, but not known to be on stable storage. Nothing waits:
// it has to be said again.
type UnstableError struct {
	Backlog string
	Err     error
}

func (e *UnstableError) Error() string {
	return fmt.Sprintf("%s cannot be made to last: %s; mend the cause, look what it says, and do this again", e.Backlog, fsutil.Reason(e.Err))
}

func (e *UnstableError) Unwrap() error { return e.Err }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (e *FlushError) Unwrap() error { return e.Err }

// flushShare is the part of the time that flushing may take.
const flushShare = 0.05

// flushLoop flushes when the interval is over or the batch is full, but never
// so often that it takes more than flushShare of the time. Where there is
// nothing to flush it looks whether others have changed anything.
func (s *Session) flushLoop() {
	timer := time.NewTimer(s.opts.Interval)
	defer timer.Stop()
	var rest time.Time // until then it is too early, however full the batch is
	for {
		select {
		case <-s.closing:
			return
		case <-timer.C:
		case <-s.kick:
			if early := time.Until(rest); early > 0 {
				timer.Reset(early)
				continue
			}
		}
		var took time.Duration
		if s.waiting() {
			var err error
			if took, err = s.flush(context.Background()); err != nil && s.gaveUp.Load() {
				return // opts.Failed has been told
			}
		} else if s.opts.Changed != nil {
			start := time.Now()
			s.Refresh()
			took = time.Since(start)
		}
		pause := time.Duration(float64(took) * (1 - flushShare) / flushShare)
		rest = time.Now().Add(pause)
		timer.Reset(max(s.opts.Interval, pause))
	}
}

// Flush writes the batch into tasks.json and returns when it is on stable
// storage. If another program has saved the file since, that is merged even
// with an empty batch: it may have brought back old statuses. The error is a
// *FlushError: the updates are then in the recovery file, and every later Flush
// fails in the same way without trying. Or it is an *UnstableError.
func (s *Session) Flush(ctx context.Context) error {
	_, err := s.flush(ctx)
	return err
}

// Derive is Flush that also derives the statuses of all parents anew, those
// whose subtasks did not change included.
func (s *Session) Derive(ctx context.Context) error {
	s.flushing.Lock()
	s.derive = true
	s.flushing.Unlock()
	return s.Flush(ctx)
}

// flush is Flush; it also tells how long its last attempt took.
func (s *Session) flush(ctx context.Context) (took time.Duration, err error) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	// All attempts on one thread: who injects faults or traces (strace) counts
	// calls per thread, and "the first two renames" shall mean what it says.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if s.failure != nil {
		return 0, s.failure
	}
	if !s.waiting() && !s.derive && !s.overwritten() {
		return 0, nil
	}
	attempts, err := retry.Do(ctx, s.opts.Retry, mayPass, s.logRetry("flush failed, trying again"), func() error {
		start := time.Now()
		defer func() { took = time.Since(start) }()
		return s.write(ctx)
	})
	if err == nil {
		s.mu.Lock()
		s.stable = s.seq - uint64(len(s.batch))
		clear(s.superseded)
		s.mu.Unlock()
		return took, nil
	}
	s.mu.Lock()
	pending, seq, accepted := len(s.batch), s.seq, s.seq > s.stable
	s.mu.Unlock()
	if pending == 0 { // merging left nothing to write, or there never was
		s.log.Warn().Err(err).Msg("cannot look after tasks.json, which another program has changed; nothing is pending")
		s.settle(seq, err)
		if accepted || s.derive {
			return took, &UnstableError{Backlog: s.loc.Path(), Err: err}
		}
		return took, nil
	}
	s.failure = &FlushError{Err: err, Attempts: attempts, Backlog: s.loc.Path()}
	s.gaveUp.Store(true)
	if s.opts.Failed != nil { // before the saving, which may take its time
		s.opts.Failed(s.failure)
	}
	return took, s.preserveLocked()
}

// waiting reports whether anything waits for a flush: updates, also those that
// gave way to what is not known to be on stable storage, or somebody for the
// acknowledgement of what another flush or a merge has settled meanwhile.
func (s *Session) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batch)+len(s.owed) > 0 || s.seq > s.stable
}

// overwritten reports whether somebody has saved the file since this session
// wrote it: an editor that had read it before, perhaps, with the old statuses.
func (s *Session) overwritten() bool {
	s.mu.Lock()
	identity, wrote := s.doc.identity, len(s.written) > 0
	s.mu.Unlock()
	if !wrote {
		return false
	}
	info, err := s.fs.Stat(s.path)
	return err == nil && fsutil.IdentityOf(info) != identity
}

// mayPass tells which failures of a flush are worth another attempt. A file
// that is not in order is one: an editor may be just writing it.
func mayPass(err error) bool {
	var invalid *backlog.InvalidError
	return fsutil.Transient(err) || errors.Is(err, fsutil.ErrChanged) || errors.As(err, &invalid)
}

// stamp is a time that makes a file's name unique.
func stamp() string { return time.Now().UTC().Format("20060102T150405.000000000") }

func (s *Session) logRetry(message string) func(retry.Attempt) {
	return func(a retry.Attempt) {
		s.log.Warn().
			Int("attempt", a.N).Int("max", s.opts.Retry.Retries+1).Dur("delay", a.Delay).
			Err(a.Err).Str("code", fsutil.Code(a.Err)).Int("pending", s.Pending()).
			Msg(message)
	}
}

// write is one attempt of a flush, all of it: a retry repeats it with a new
// temp file.
func (s *Session) write(ctx context.Context) error {
	s.keepEvidence()
	lock, unlock, err := s.lockWrite(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := readNotes(lock, s.notes)
	if err != nil {
		return fmt.Errorf("read notes in the write lock: %w", err)
	}
	s.takeNotes(n)
	for start := time.Now(); ; {
		if err := s.refresh(); err != nil {
			return err
		}
		s.yield()
		s.keepOthers()
		err := s.replace(lock)
		// Whoever saved while we wrote gets merged, and we write once more. Who
		// never stops saving must not hold us for ever.
		if !errors.Is(err, fsutil.ErrChanged) || time.Since(start) > mergePatience {
			return err
		}
		s.log.Debug().Str("file", s.loc.Path()).Msg("another program saved the file at the last moment; merging that")
	}
}

// mergePatience is how long one attempt merges again and again what others save
// while it writes.
const mergePatience = 5 * time.Second

// Refresh takes over what another program saved, unless a flush is under way,
// which does so itself. A file that cannot be read now is left to the flush.
func (s *Session) Refresh() {
	if !s.flushing.TryLock() {
		return
	}
	defer s.flushing.Unlock()
	s.look()
}

// RefreshFully is Refresh that waits for a flush that is under way if the file
// is not as this session knows it: for before an attempt's end is noted, so that
// what was saved during the attempt is known as that.
func (s *Session) RefreshFully() {
	if info, err := s.fs.Stat(s.path); err == nil && s.knows(fsutil.IdentityOf(info)) {
		return
	}
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.look()
}

// knows reports whether this is the file that was last read or written.
func (s *Session) knows(identity fsutil.Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc.identity == identity
}

func (s *Session) look() {
	info, err := s.fs.Stat(s.path)
	if err == nil && fsutil.IdentityOf(info) == s.doc.identity {
		return
	}
	n, err := notesSince(s.fs, s.loc, s.notes)
	if err == nil {
		s.takeNotes(n)
		err = s.refresh()
	}
	if err != nil {
		s.log.Debug().Err(err).Msg("cannot look what another program saved")
	}
}

// refresh merges the file if it is not the one that was last read or written.
func (s *Session) refresh() error {
	info, err := s.fs.Stat(s.path)
	if err != nil {
		return err
	}
	if fsutil.IdentityOf(info) == s.doc.identity { // flushing guards identity
		return nil
	}
	return s.mergeFile()
}

// replace puts the batch into the file. lock is the write lock's file.
func (s *Session) replace(lock fsutil.File) error {
	s.mu.Lock()
	doc := s.doc
	sent, through := maps.Clone(s.batch), s.seq
	target := doc.target()
	if s.derive {
		target = doc.b.RollUp(doc.now)
	}
	s.mu.Unlock()
	fresh, err := s.leaveNotes(lock, sent)
	if err != nil {
		return err
	}
	if !s.rewrite && slices.Equal(target, doc.disk) {
		if err := s.stabilize(doc.identity); err != nil {
			return err
		}
		s.keepNotes(lock, fresh)
		if err := s.trim(through); err != nil {
			return err
		}
		s.flushed(sent, target, doc.identity)
		s.settleFlushed(through)
		return nil
	}
	sum := sha256.New()
	info, err := fsutil.Replace(s.fs, fsutil.Replacement{
		Path:  s.path,
		Base:  doc.identity,
		Stage: s.hidden(""),
		Write: func(w io.Writer) error {
			if s.journal == nil {
				return doc.b.Render(w, target)
			}
			sum.Reset()
			d := digesting{w, bufio.NewWriterSize(sum, 1<<16)}
			return errors.Join(doc.b.Render(d, target), d.sum.Flush())
		},
	})
	if err != nil {
		if info != nil { // the file is ours, but not for certain
			s.placed(target, fsutil.IdentityOf(info))
			s.rewrite = true
		}
		return err
	}
	s.rewrite, s.foreign = false, false
	s.keepNotes(lock, fresh)
	s.placed(target, fsutil.IdentityOf(info))
	if s.journal != nil {
		s.base = journal.Base(sum.Sum(nil))
	}
	if err := s.trim(through); err != nil {
		return err
	}
	s.flushed(sent, target, fsutil.IdentityOf(info))
	s.settleFlushed(through)
	return nil
}

// placed notes that the file now says target.
func (s *Session) placed(target []backlog.Status, identity fsutil.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc.disk, s.doc.identity = target, identity
	s.doc.note()
}

// trim drops from the journal what is flushed, as the directory is synced. A
// journal that takes no more records is removed: what it says would hold, after
// a crash, against what comes after it.
func (s *Session) trim(through uint64) error {
	if s.journal != nil {
		s.journal.Flushed(through, s.base)
	}
	if s.opts.Run && (s.journal == nil || !s.journal.Healthy() && s.journal.Live() == 0) {
		if err := s.removeJournals(s.loc.JournalPaths()...); err != nil {
			return err
		}
	}
	return nil
}

// stabilize syncs a file that another program wrote and that says already what
// it should: whoever wrote it may not have, or may have died before.
func (s *Session) stabilize(base fsutil.Identity) error {
	if !s.foreign {
		return nil
	}
	f, err := s.fs.OpenFile(s.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && fsutil.IdentityOf(info) != base {
		err = fsutil.ErrChanged
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fs.SyncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.foreign = false
	return nil
}

// target is what the file should say: the batch applied, and the parents that
// have to do with it derived. A parent whose subtasks did not change and whose
// derivation did not either keeps what somebody wrote there.
func (d *document) target() []backlog.Status {
	before, after := d.b.RollUp(d.disk), d.b.RollUp(d.now)
	touched := make([]bool, len(d.now))
	for i := len(d.now) - 1; i >= 0; i-- {
		it := &d.b.Items[i]
		if it.Kind == backlog.Subtask {
			touched[i] = d.now[i] != d.disk[i]
		} else if !touched[i] && after[i] == before[i] {
			after[i] = d.disk[i]
		}
		if touched[i] && it.Parent >= 0 {
			touched[it.Parent] = true
		}
	}
	return after
}

// flushed notes that the file now says target, and takes what was sent out of
// the batch.
func (s *Session) flushed(sent map[string]Update, target []backlog.Status, identity fsutil.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc.disk = target
	s.doc.identity = identity
	s.doc.note()
	for id, u := range sent {
		s.written[id] = u
		if s.batch[id].Seq == u.Seq {
			delete(s.batch, id)
		}
	}
	s.doc.now = slices.Clone(target)
	s.overlay()
}

// overlay applies the batch to the document's statuses.
func (s *Session) overlay() {
	for id, u := range s.batch {
		if i, ok := s.doc.b.Lookup(id); ok {
			s.doc.now[i] = u.To
		}
	}
}
