package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/retry"
)

// Update is one status change of one item. It is absolute ("is now To"), so
// that applying it twice is harmless.
type Update struct {
	ID   string         `json:"id"`
	From backlog.Status `json:"from"`
	To   backlog.Status `json:"to"`
	At   time.Time      `json:"at"`
	Seq  uint64         `json:"seq"`

	backlog.Work `yaml:",inline"` // for which it was given; not recorded by older versions
}

// Options say how a session is written.
type Options struct {
	FS       fsutil.FS // nil: the operating system's
	Log      zerolog.Logger
	Retry    retry.Policy     // of a flush
	Interval time.Duration    // flush at least so often while there is something; 0: only Flush and Close do
	Batch    int              // flush when so many updates are pending; 0: never because of that
	Run      bool             // take the run lock
	Holder   string           // who we are, for a second run to read
	Shelters []Shelter        // where updates are kept if not in the session, best first
	Unsafe   bool             // leave the journal's fdatasync out, to measure what it costs
	Now      func() time.Time // the wall clock; nil: time.Now
	Boot     string           // another text whenever the machine was started anew; "": the system's

	// Check, if not nil, is called with the backlog and its statuses before
	// anything is written, and again should they have changed before the run
	// lock was ours. Its error is Open's.
	Check func(*backlog.Backlog, []backlog.Status) error

	// Changed, if not nil, is called with the ids of subtasks to which another
	// program has given a status that holds. It must not call the session, and not
	// wait for who does.
	Changed func(ids []string)

	// Failed, if not nil, is called once when a flush has failed for good, maybe
	// from another goroutine, before the updates are put into the recovery file.
	Failed func(error)
}

// Session is a session opened for writing.
type Session struct {
	loc  Location
	path string // of the backlog, symbolic links resolved
	opts Options
	fs   fsutil.FS
	log  zerolog.Logger

	peeked      func() peek // the journal as load found it
	releaseRun  func() error
	journal     *journal.Journal // of a run, else nil
	replayed    []Update         // what Open found in a dead run's journal
	base        journal.Base     // digest of tasks.json as the journal was last told; guarded by flushing
	flushing    turn             // one flush at a time
	holding     sync.Mutex       // one write of the holds at a time
	derive      bool             // all parents are to be derived; guarded by flushing
	clock       clock
	notes       *notes             // what hackys have said last; guarded by flushing
	notesEnd    int64              // of the notes' file; guarded by flushing
	judged      map[said]time.Time // what others wrote and is to hold, not noted yet; guarded by flushing
	freshHidden atomic.Bool        // .hacky/ is new and perhaps not on stable storage
	rewrite     bool               // the file has to be written though it says what it should
	foreign     bool               // the file is another program's and perhaps not on stable storage; guarded by flushing

	mu         sync.Mutex
	doc        document
	batch      map[string]Update // pending, by id
	written    map[string]Update // what this session has flushed, by id
	superseded map[string]Update // gave way to statuses of others that are not known to be on stable storage
	reopened   map[string]bool   // the ids whose last change here is meant to turn a Complete back
	read       time.Time         // by the clock, when Open had read file, notes and journal
	recorded   map[string]bool   // the ids in the journal
	others     []Update          // given for other work, not kept aside yet
	aside      string            // the file that keeps those
	stable     uint64            // at least so many updates are on stable storage
	seq        uint64
	through    uint64      // all updates up to this Seq were flushed
	owed       []owed      // acknowledgements that wait for a flush
	gaveUp     atomic.Bool // a flush has failed for good
	closed     bool
	failure    *FlushError // the flush that failed for good
	kept       uint64      // Seq of the last update that is in the recovery file
	attempts   attemptLog

	kick    chan struct{}
	closing chan struct{}
	loops   sync.WaitGroup
}

// turn is a mutex that may be held for long: over fsyncs and the waits between
// attempts. Unlike with a sync.Mutex, a simulation (testing/synctest) sees that
// whoever waits for it waits.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

func (t turn) TryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// document is tasks.json as this session last read or wrote it.
type document struct {
	b        *backlog.Backlog
	disk     []backlog.Status // by item number: what the file says
	now      []backlog.Status // disk with the batch applied
	seen     []uint8          // statuses that the file had under our eyes, a bit each
	identity fsutil.Identity
	base     func() journal.Base // digest of the file; only of one that Open read
}

func newDocument(b *backlog.Backlog, info fs.FileInfo) document {
	d := document{b: b, disk: b.Statuses(), now: b.Statuses(), seen: make([]uint8, b.Len()), identity: fsutil.IdentityOf(info)}
	d.note()
	return d
}

// note remembers what the file says now.
func (d *document) note() {
	for i, s := range d.disk {
		d.seen[i] |= 1 << s
	}
}

// Open reads a session and opens it for writing. Nothing is written if the
// backlog is not in order. The error is a *backlog.InvalidError, a
// *LockedError, or says why the directory cannot be written. That a dead run's
// journal cannot be flushed is for Flush and Close to tell.
func Open(l Location, opts Options) (*Session, error) {
	s := &Session{loc: l, opts: opts, fs: opts.FS, log: opts.Log,
		batch: map[string]Update{}, written: map[string]Update{}, superseded: map[string]Update{}, reopened: map[string]bool{}, recorded: map[string]bool{}, judged: map[said]time.Time{}, notes: newNotes(""),
		flushing: make(turn, 1), kick: make(chan struct{}, 1), closing: make(chan struct{}),
		releaseRun: func() error { return nil }}
	if s.fs == nil {
		s.fs = l.Files()
	}
	if s.clock.now = opts.Now; opts.Now == nil {
		s.clock.now = time.Now
	}
	if opts.Boot == "" {
		s.opts.Boot = systemBoot()
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if opts.Run {
		if err := s.lockRun(); err != nil {
			return nil, err
		}
		// Whoever had the lock a moment ago may have written once more.
		if err := s.reload(); err != nil {
			return nil, errors.Join(err, s.releaseRun())
		}
	}
	if err := s.sweep(); err != nil {
		return nil, errors.Join(err, s.releaseRun())
	}
	s.attempts = attemptLog{files: l.Files(), dir: l.Dir}
	if err := s.openJournal(); err != nil {
		return nil, errors.Join(err, s.releaseRun())
	}
	s.restoreAll()
	if opts.Interval > 0 {
		s.loops.Go(s.flushLoop)
	}
	return s, nil
}

func (s *Session) load() error {
	src, info, err := readFile(s.fs, s.loc.Path())
	if err != nil {
		return explain(s.loc.Path(), err)
	}
	s.peeked = peekJournal(s.fs, s.loc)
	base := hash(src, s.opts.Run || JournalWaiting(s.loc))
	b, err := backlog.Parse(s.loc.Path(), src)
	if err != nil {
		return err
	}
	if s.path, err = filepath.EvalSymlinks(s.loc.Path()); err != nil {
		return fmt.Errorf("resolve backlog: %w", err)
	}
	doc := newDocument(b, info)
	doc.base = base
	p := s.peeked()
	if p.err != nil { // an update that is not later than those in there would be lost
		return p.err
	}
	n, err := notesSince(s.fs, s.loc, newNotes(bootOf(s.opts.Boot)))
	if err != nil {
		return err
	}
	s.takeNotes(n)
	if p.contents != nil {
		for _, r := range p.contents.Records {
			s.clock.read(r.At)
		}
	}
	if r, err := readRecovery(s.fs, s.loc.RecoveryPath()); err == nil { // else there is none, or nothing to learn from it
		for _, u := range r.Changes {
			s.clock.read(u.At)
		}
	}
	s.read = s.clock.latest()
	if s.opts.Check != nil {
		updates, _ := replayed(&doc, p.contents, base, n, zerolog.Nop())
		for _, u := range append(restored(&doc, n), updates...) {
			doc.now[u.item] = u.To
		}
		if err := s.opts.Check(b, doc.now); err != nil {
			return err
		}
		doc.now = b.Statuses()
	}
	s.doc, s.foreign = doc, true
	return nil
}

func (s *Session) reload() error {
	info, err := s.fs.Stat(s.path)
	if err == nil && fsutil.IdentityOf(info) == s.doc.identity {
		return nil
	}
	return s.load()
}

// hidden is a file in .hacky/ beside the backlog itself: whoever comes to it
// through a symbolic link takes the same locks.
func (s *Session) hidden(name string) string {
	return hiddenOf(s.path, name)
}

// prepare makes .hacky/ with what belongs into it.
func (s *Session) prepare() error {
	// Before anything runs, and also where .hacky/ is there from better times.
	err := unix.Faccessat(unix.AT_FDCWD, filepath.Dir(s.path), unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("the session directory %s cannot be written: %s; nothing was changed", filepath.Dir(s.path), fsutil.Reason(err))
	}
	if err := s.makeHidden(); err != nil {
		if refused(err) != nil {
			return err
		}
		return fmt.Errorf("the session directory %s cannot be written: %s; nothing was changed", s.loc.Dir, fsutil.Reason(err))
	}
	return nil
}

// sweep removes temp files of processes that died while they wrote.
func (s *Session) sweep() error {
	_, unlock, err := s.lockWrite(context.Background())
	if err != nil {
		return err
	}
	files := []string{s.path, s.loc.RecoveryPath(), s.hidden(filepath.Base(s.path)), s.hidden(filepath.Base(s.loc.RecoveryPath()))}
	if s.opts.Run { // else a run may be just writing these
		files = append(append(files, s.loc.JournalPaths()...), holdsPath(s.path), s.hidden("checkpoints.json"))
	}
	for _, file := range files {
		removed, serr := fsutil.SweepTemps(s.fs, filepath.Dir(file), filepath.Base(file))
		for _, name := range removed {
			s.log.Info().Str("file", name).Msg("removed a temporary file that a crash left behind")
		}
		if serr != nil {
			s.log.Warn().Err(serr).Msg("cannot remove stale temporary files")
		}
	}
	s.arm()
	unlock()
	return nil
}

// Location is where the session is.
func (s *Session) Location() Location { return s.loc }

// Backlog is tasks.json as last read. A flush may replace it when others have
// edited the file; item numbers are then different, ids are not.
func (s *Session) Backlog() *backlog.Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc.b
}

// Statuses are the statuses now, by the item numbers of Backlog.
func (s *Session) Statuses() []backlog.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]backlog.Status(nil), s.doc.now...)
}

// Status is an item's status now. ok is false for an id that is not there.
func (s *Session) Status(id string) (status backlog.Status, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.doc.b.Lookup(id)
	if !ok {
		return 0, false
	}
	return s.doc.now[i], true
}

// Pending is how many items wait to be flushed.
func (s *Session) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batch)
}

// Dirty reports whether anything waits to be flushed.
func (s *Session) Dirty() bool { return s.Pending() > 0 }

// Change asks for an item's new status.
type Change struct {
	ID string
	To backlog.Status

	// Work, if it is recorded, is the work that the status is for. If the item is
	// other work by now, the change is refused with an *OtherWorkError.
	Work backlog.Work

	// Reopens tells that the item was Complete, the journal included, when the
	// session was opened, and that this is meant to be undone: a run's flush may
	// just be putting that into the file, and it is not turned back unless meant.
	Reopens bool

	// Urgent tells that nothing else goes on until this is acknowledged.
	Urgent bool
}

// Apply accepts changes into the batch: subtasks only, as parents follow from
// them. acked, if not nil, is called exactly once when they are safe, which
// may be before Apply returns or later from another goroutine, or with the
// error that keeps them from being. Nothing is accepted if an id is unknown.
func (s *Session) Apply(acked func(error), changes ...Change) error {
	updates, err := s.accept(changes)
	if err != nil {
		return err
	}
	if acked == nil && s.supersedes(updates) {
		acked = func(error) {} // nobody waits, but the older record must not hold after a crash
	}
	if acked != nil {
		urgent := slices.ContainsFunc(changes, func(c Change) bool { return c.Urgent })
		s.record(acked, urgent, updates)
	}
	return nil
}

// supersedes reports whether the journal has an older status of one of the
// items.
func (s *Session) supersedes(updates []Update) bool {
	if s.journal == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(updates, func(u Update) bool { return s.recorded[u.ID] })
}

func (s *Session) accept(changes []Change) (updates []Update, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("the session %s is closed", s.loc.Dir)
	}
	works := make([]backlog.Work, len(changes))
	for k, c := range changes {
		i, ok := s.doc.b.Lookup(c.ID)
		if !ok {
			return nil, fmt.Errorf("%s is not in %s", c.ID, s.loc.Path())
		}
		if s.doc.b.Items[i].Kind != backlog.Subtask {
			return nil, fmt.Errorf("%s is a %s; its status follows from its subtasks", c.ID, strings.ToLower(s.doc.b.Items[i].Kind.String()))
		}
		if works[k], err = s.creditable(c); err != nil {
			return nil, err
		}
	}
	for k, c := range changes {
		i, _ := s.doc.b.Lookup(c.ID)
		s.seq++
		u := Update{ID: c.ID, From: s.doc.disk[i], To: c.To, At: s.clock.next(), Seq: s.seq, Work: works[k]}
		s.batch[c.ID] = u
		if delete(s.reopened, c.ID); c.Reopens {
			s.reopened[c.ID] = true
		}
		updates = append(updates, u)
		s.doc.now[i] = c.To
	}
	if s.opts.Batch > 0 && len(s.batch) >= s.opts.Batch {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	return updates, nil
}

// Close flushes what is pending, or puts it into the recovery file if a flush
// has failed for good, and releases the session. The error is a *FlushError if
// updates could not be written to tasks.json. Nothing is accepted any more;
// closing again does nothing.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	close(s.closing)
	s.loops.Wait()
	err := s.Flush(ctx)
	var failed *FlushError
	if errors.As(err, &failed) {
		err = s.preserve() // also what was accepted since
		errors.As(err, &failed)
	} else {
		s.rearm(context.WithoutCancel(ctx))
	}
	preserved := failed != nil && failed.Recovery == s.loc.RecoveryPath()
	err = errors.Join(err, s.closeJournal(preserved))
	// The journal may have refused something when it was flushed already.
	if failed == nil || preserved {
		s.settle(math.MaxUint64, nil)
	} else {
		s.settle(math.MaxUint64, failed)
	}
	if aerr := s.attempts.close(); aerr != nil { // evidence does not fail a run
		s.log.Warn().Err(aerr).Msg("the evidence of attempts is not complete")
	}
	return errors.Join(err, s.releaseRun())
}
