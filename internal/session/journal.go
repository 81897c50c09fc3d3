package session

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/retry"
)

// runLockPatience is how long a run waits for the run lock: another writer may
// hold it for a moment, to replay what a dead run left in its journal.
const runLockPatience = 300 * time.Millisecond

// View loads a session's backlog as Read does, and the statuses as they are
// acknowledged: those of the file with what the journal says. It takes no lock.
func View(l Location) (*backlog.Backlog, []backlog.Status, error) {
	doc, _, _, err := view(l)
	if err != nil {
		return nil, nil, err
	}
	return doc.b, doc.target(), nil
}

// view is a session's document with the journal applied, what that was, and
// what in the journal is of other work.
func view(l Location) (doc document, fromJournal []replayedUpdate, others []Update, err error) {
	fsys := l.Files()
	for {
		src, info, err := readFile(fsys, l.Path())
		if err != nil {
			return doc, nil, nil, explain(l.Path(), err)
		}
		read := peekJournal(fsys, l) // not before tasks.json: a flush moves records from the one to the other
		base := hash(src, journalWaiting(fsys, l))
		b, err := backlog.Parse(l.Path(), src)
		if err != nil {
			return doc, nil, nil, err
		}
		doc = newDocument(b, info)
		p := read()
		if p.err != nil {
			return doc, nil, nil, p.err
		}
		said, err := notesOf(fsys, l)
		if err != nil {
			return doc, nil, nil, err
		}
		// A flush in between has moved records from the one to the other.
		now, err := os.Stat(l.Path())
		if err != nil || fsutil.IdentityOf(now) != doc.identity {
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return doc, nil, nil, err
		}
		for _, u := range restored(&doc, said) {
			doc.now[u.item] = u.To
		}
		updates, others := replayed(&doc, p.contents, base, said, zerolog.Nop())
		for _, u := range updates {
			doc.now[u.item] = u.To
		}
		return doc, updates, others, nil
	}
}

// peek is a journal that was read in the background, while the backlog was
// parsed.
type peek struct {
	identity fsutil.Identity // before it was read
	age      time.Duration   // of its last change then
	contents *journal.Contents
	err      error
}

// settledAge is how old a journal's last change has to be for its identity to
// tell a later change: file systems keep times in ticks, and an append changes
// neither the size nor the name of a file that was allocated ahead.
const settledAge = 2 * time.Second

// peekJournal begins to read a journal, if there is one that is not empty.
func peekJournal(fsys fsutil.FS, l Location) func() peek {
	older, newer := l.JournalPaths()[0], l.JournalPath()
	info, err := fsys.Stat(newer)
	if err != nil || info.Size() == 0 || present(fsys, older) {
		return func() peek {
			contents, err := readJournal(fsys, l)
			return peek{contents: contents, err: err}
		}
	}
	p := peek{identity: fsutil.IdentityOf(info), age: time.Since(info.ModTime())}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.contents, p.err = readJournal(fsys, l)
	}()
	return func() peek { <-done; return p }
}

// contents reads the journal, or takes what was read in the background if the
// file is the same still. The run lock is held.
func (s *Session) contents() (*journal.Contents, error) {
	p := s.peeked()
	if info, err := s.fs.Stat(s.loc.JournalPath()); err == nil && p.age > settledAge && fsutil.IdentityOf(info) == p.identity && p.err == nil {
		return p.contents, nil
	}
	return readJournal(s.fs, s.loc)
}

// replayed decides what a journal's records change in a document, by the rules
// of §5.5 and §5.7:
//
//   - what was given for other work than the item is now changes nothing. The
//     last of it is in others, unless no result would be lost with it;
//   - the document is the one that the records change: the last record holds;
//   - the document says for the item what a hacky has noted later: that stays;
//   - it says what one of the records started from or led to, or what a hacky
//     has noted earlier, or that it is running, which a flush may have said
//     meanwhile and is over now: the last record holds;
//   - it says less than the record, and no hacky has noted that: it is an old
//     status that an editor or git has brought back, and the record holds;
//   - else somebody has changed it whom the run had not heard: that stays.
func replayed(doc *document, c *journal.Contents, base func() journal.Base, said *notes, log zerolog.Logger) (out []replayedUpdate, others []Update) {
	if c == nil || len(c.Records) == 0 {
		return nil, nil
	}
	// By item number: what the records say of it, and the last of them.
	items := make([]int32, len(c.Records))
	known := make([]uint8, doc.b.Len())
	last := make([]int32, doc.b.Len())
	is := make([]backlog.Work, doc.b.Len())
	for k, r := range c.Records {
		i, ok := doc.b.Lookup(r.ID)
		if !ok || doc.b.Items[i].Kind != backlog.Subtask {
			items[k] = -1
			log.Warn().Str("id", r.ID).Stringer("status", r.To).Msg("the journal has a status of an item that is no longer in tasks.json; it is dropped")
			continue
		}
		if !is[i].Recorded() {
			is[i] = doc.b.Work(i)
		}
		if r.Recorded() && !r.Same(is[i]) {
			items[k] = -1
			if u := Update(r); worth(u) {
				others = append(others, u)
			}
			continue
		}
		items[k], last[i] = i, int32(k)
		known[i] |= 1<<r.From | 1<<r.To
	}
	same := c.Base == base()
	out = make([]replayedUpdate, 0, len(c.Records))
	for k, r := range c.Records {
		i := items[k]
		if i < 0 || last[i] != int32(k) {
			continue
		}
		disk := doc.disk[i]
		meant, earlier := said.when(r.ID, disk, r.At)
		if holds, stale := said.stale(doc.b, r.ID, disk); stale && holds.At.After(r.At) {
			continue // restored does that
		}
		switch {
		case disk == r.To:
			continue
		case !meant && (same || earlier || known[i]&(1<<disk) != 0), disk.Running() && !said.later(r.ID, r.At):
		case !meant && rank(disk) < rank(r.To):
			log.Warn().Str("id", r.ID).Stringer("ours", r.To).Stringer("theirs", disk).
				Msg("tasks.json has an old status of this item, from an editor or git; that of the journal is kept")
		default:
			log.Warn().Str("id", r.ID).Stringer("ours", r.To).Stringer("theirs", disk).
				Msg("the journal and another program disagree about a status; theirs is kept")
			continue
		}
		out = append(out, replayedUpdate{Update{ID: r.ID, From: disk, To: r.To, At: r.At, Work: is[i]}, i})
	}
	return out, mergeChanges(nil, others)
}

// replayedUpdate is an update that a journal makes to an item.
type replayedUpdate struct {
	Update
	item int32
}

// hash is the digest of a file's content; soon begins to compute it in the
// background, while the content is parsed: of 50 MB it takes a third as long.
func hash(src string, soon bool) (base func() journal.Base) {
	base = sync.OnceValue(func() journal.Base {
		return sha256.Sum256(unsafe.Slice(unsafe.StringData(src), len(src))) // which only reads
	})
	if soon {
		go base()
	}
	return base
}

// digest is the SHA-256 of the file with these statuses.
func digest(b *backlog.Backlog, statuses []backlog.Status) journal.Base {
	sum := sha256.New()
	w := bufio.NewWriterSize(sum, 1<<16)
	_ = b.Render(w, statuses) // a hash does not fail
	_ = w.Flush()
	return journal.Base(sum.Sum(nil))
}

// digesting passes text on and computes its digest.
type digesting struct {
	io.Writer
	sum *bufio.Writer
}

func (d digesting) WriteString(s string) (int, error) {
	_, _ = d.sum.WriteString(s) // a hash does not fail
	return io.WriteString(d.Writer, s)
}

// openJournal puts what a journal holds into the batch. A run then starts a
// journal of its own; another writer flushes and removes it, unless a run is
// alive, which looks after it itself.
func (s *Session) openJournal() error {
	path := s.loc.JournalPath()
	if !s.opts.Run {
		if !journalWaiting(s.fs, s.loc) {
			return nil
		}
		_, unlock, err := s.fs.TryLock(s.hidden("run.lock"))
		if errors.Is(err, fsutil.ErrLocked) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock session: %w", err)
		}
		defer unlock() //nolint:errcheck // nothing was written to it
		if err := s.reload(); err != nil {
			return err
		}
	}
	contents, err := s.contents()
	if err != nil {
		return err
	}
	var filled sync.WaitGroup
	if contents != nil {
		n, err := notesSince(s.fs, s.loc, s.notes)
		if err != nil {
			return err
		}
		s.takeNotes(n)
		updates := s.replay(contents)
		filled.Go(func() { s.fill(updates) }) // while the new journal is written
	}
	defer filled.Wait()
	if s.opts.Run {
		records := make([]journal.Record, len(s.replayed))
		for k, u := range s.replayed {
			records[k] = journal.Record(u)
		}
		for _, u := range s.others { // which could not be kept aside
			s.seq++
			u.Seq = s.seq
			records = append(records, journal.Record(u))
		}
		s.base = s.doc.base()
		// On one thread, as a flush is; see there.
		runtime.LockOSThread()
		_, err = retry.Do(context.Background(), s.opts.Retry, fsutil.Transient, s.logRetry("the journal cannot be started, trying again"), func() (err error) {
			if err := s.syncHidden(); err != nil {
				return err
			}
			s.journal, err = journal.Create(s.fs, path, s.base, records, journal.Options{Unsafe: s.opts.Unsafe, Ahead: s.keepEvidence, Home: s.makeHiddenAgain})
			return err
		})
		runtime.UnlockOSThread()
		if err != nil {
			s.journal = nil
			s.log.Warn().Err(err).Str("file", path).Msg("the journal cannot be written; a completion counts only when tasks.json has it, which takes longer")
			return nil
		}
		return s.removeJournals(s.loc.JournalPaths()[0]) // the new one holds its records
	}
	if contents == nil {
		return nil
	}
	filled.Wait()
	var failed *FlushError
	if err := s.Flush(context.Background()); errors.As(err, &failed) {
		return nil // Close tells, and keeps what is still to come with it
	} else if err != nil {
		return err
	}
	if len(s.others) > 0 { // they could not be kept aside
		return nil
	}
	return s.removeJournals(s.loc.JournalPaths()...)
}

// replay takes over a dead run's records. Open calls it, when nobody else knows
// the session yet; fill puts them into the batch.
func (s *Session) replay(contents *journal.Contents) []replayedUpdate {
	if len(contents.Torn) > 0 {
		s.keepTorn(contents)
	}
	updates, others := replayed(&s.doc, contents, s.doc.base, s.notes, s.log)
	s.mu.Lock()
	for _, u := range others {
		is, _ := s.doc.b.WorkOf(u.ID)
		s.refuse(u, is)
	}
	s.mu.Unlock()
	s.keepOthers()
	s.replayed = make([]Update, len(updates))
	for k := range updates {
		s.seq++
		updates[k].Seq = s.seq
		s.replayed[k] = updates[k].Update
	}
	if len(updates) > 0 {
		s.log.Info().Int("updates", len(updates)).Msg("replayed the journal of a run that did not end by itself")
	}
	return updates
}

func (s *Session) fill(updates []replayedUpdate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch, s.recorded = make(map[string]Update, len(updates)), make(map[string]bool, len(updates))
	for _, u := range updates {
		s.recorded[u.ID] = true
		s.batch[u.ID] = u.Update
		s.doc.now[u.item] = u.To
	}
}

// Replayed is what Open took from the journal of a dead run.
func (s *Session) Replayed() []Decision { return decided(s.replayed) }

func decided(updates []Update) []Decision {
	out := make([]Decision, len(updates))
	for k, u := range updates {
		out[k] = Decision{Update: u, Disk: u.From.String(), Verdict: Applied, Why: "from the journal"}
	}
	return out
}

// PlanRecovery is what Open and Recover would do: with the journal, and with
// recovery files. It changes nothing.
func PlanRecovery(l Location, files []*Recovery, opts RecoverOptions) ([]Decision, error) {
	doc, fromJournal, others, err := view(l)
	if err != nil {
		return nil, err
	}
	updates := make([]Update, len(fromJournal))
	for k, u := range fromJournal {
		updates[k] = u.Update
	}
	var decisions []Decision
	if !running(l) { // a run that is alive looks after its journal itself
		decisions = decided(updates)
		if len(others) > 0 {
			files = append(slices.Clone(files), &Recovery{Changes: others})
		}
	}
	said, err := notesOf(l.Files(), l)
	if err != nil {
		return nil, err
	}
	return append(decisions, plan(files, doc.b, doc.now, updates, said, opts)...), nil
}

// running reports whether a run has the session. The lock is tried and given
// back at once; its file is not made.
func running(l Location) bool {
	fsys, name := l.Files(), l.Hidden("run.lock")
	if _, err := fsys.Lstat(name); err != nil {
		return false
	}
	_, unlock, err := fsys.TryLock(name)
	if err == nil {
		_ = unlock() // nothing was written to it
	}
	return errors.Is(err, fsutil.ErrLocked)
}

// keepTorn keeps aside what a crash left of the last frame. It was not
// acknowledged.
func (s *Session) keepTorn(c *journal.Contents) {
	name := s.hidden("journal-torn-" + stamp())
	_, err := fsutil.Replace(s.fs, fsutil.Replacement{Path: name, Perm: 0o600,
		Write: func(w io.Writer) error { _, err := w.Write(c.Torn); return err }})
	ev := s.log.Warn().Int64("offset", c.TornAt).Int("bytes", len(c.Torn))
	if err != nil {
		ev.Err(err).Msg("the journal ends in a record that a crash cut off; it was not acknowledged, and could not be kept aside")
		return
	}
	ev.Str("kept", filepath.ToSlash(name)).Msg("the journal ended in a record that a crash cut off; it was not acknowledged, and is kept aside")
}

// record puts updates into the journal, if there is one, and acknowledges them.
func (s *Session) record(acked func(error), urgent bool, updates []Update) {
	if s.journal == nil {
		if !s.opts.Run {
			acked(nil) // whoever opened the session waits for its flush
			return
		}
		s.recordByFlush(acked, updates)
		return
	}
	records := make([]journal.Record, len(updates))
	s.mu.Lock()
	for k, u := range updates {
		records[k] = journal.Record(u)
		s.recorded[u.ID] = true
	}
	s.mu.Unlock()
	s.journal.Append(urgent, func(err error) {
		if err != nil { // tasks.json may still be writable
			s.log.Warn().Err(err).Int("records", len(updates)).Msg("the journal cannot be written any more; a completion counts when tasks.json has it")
			s.recordByFlush(acked, updates)
			return
		}
		acked(nil)
	}, records...)
}

// owed is an acknowledgement that a flush has to give.
type owed struct {
	seq   uint64
	acked func(error)
}

// recordByFlush acknowledges updates when the next flush, or else the recovery
// file, has them: the way of a run whose journal cannot be written.
func (s *Session) recordByFlush(acked func(error), updates []Update) {
	seq := updates[len(updates)-1].Seq
	s.mu.Lock()
	done := seq <= s.through // by a flush that was faster than the journal's failure
	if !done {
		s.owed = append(s.owed, owed{seq, acked})
	}
	s.mu.Unlock()
	if done {
		acked(nil)
		return
	}
	if s.gaveUp.Load() {
		_ = s.preserve() // tells those who wait
		return
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// settleFlushed acknowledges what a flush has put on stable storage: all
// updates up to seq.
func (s *Session) settleFlushed(seq uint64) {
	s.mu.Lock()
	s.through = max(s.through, seq)
	s.mu.Unlock()
	s.settle(seq, nil)
}

// settle acknowledges what is owed up to seq.
func (s *Session) settle(seq uint64, err error) {
	s.mu.Lock()
	var due []owed
	s.owed = slices.DeleteFunc(s.owed, func(o owed) bool {
		if o.seq <= seq {
			due = append(due, o)
		}
		return o.seq <= seq
	})
	s.mu.Unlock()
	for _, o := range due {
		o.acked(err)
	}
}

// closeJournal ends the journal. It is removed if everything in it is in
// tasks.json, or, after a failure, in the recovery file.
func (s *Session) closeJournal(preserved bool) error {
	if s.journal == nil {
		return nil
	}
	if preserved {
		s.mu.Lock()
		seq := s.seq
		s.mu.Unlock()
		s.journal.Flushed(seq, s.base)
	}
	err := s.journal.Close()
	if err == nil && s.journal.Live() == 0 { // also when it could not be written any more
		err = s.removeJournals(s.loc.JournalPaths()...)
	}
	return err
}
