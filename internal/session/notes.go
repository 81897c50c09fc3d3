package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// The write lock's file holds the notes: which status each hacky gave an item,
// and when by the session's clock. An old status in tasks.json, from an editor
// that had read the file earlier or from `git reset --hard`, has no note of its
// own, or one from before the last.
//
// Each line is a fact for itself, and ends with the CRC-32 of the text before it:
//
//	note ID STATUS NANOSECONDS CRC             about to be written into tasks.json
//	kept ID STATUS NANOSECONDS BOOT WORK CRC   tasks.json has had it, for that work
//
// "note" lines are appended, under the write lock, before tasks.json is
// replaced, as readers take no lock; "kept" lines follow after the replacement,
// so that a note whose flush failed brings no status back. WORK is the work
// digest. Any subset of the lines is true, so a file that a crash left half
// written, or that is read while it is compacted, misleads nobody. Damaged lines
// are passed over; ID STATUS NANOSECONDS, without a checksum, is a note of an
// older version.
//
// Notes are not on stable storage: a power cut may take the last ones away and
// leave older ones. BOOT tells that: a note that was kept before the machine was
// started anew gives an order, but brings no status back.
//
// Rejected: the identity of the last file written by a hacky. It says nothing
// any more when an editor saves, and too much when a hacky saves a status that
// an editor brought back. And notes that are synced: one more fsync per flush.

// said is a status that a hacky gave an item.
type said struct {
	id string
	to backlog.Status
}

// mark is when a status was noted last.
type mark struct {
	at   time.Time
	kept bool   // tasks.json has had it since the machine was started
	work string // the work digest it was given for; "" if that is not known
}

// notes are those that were read.
type notes struct {
	boot   string
	marks  map[said]mark
	ids    map[string]uint8 // the statuses that are noted, a bit each
	latest time.Time
	size   int64  // of the file's part that was read
	sum    uint32 // of that part
}

func newNotes(boot string) *notes {
	return &notes{boot: boot, marks: map[said]mark{}, ids: map[string]uint8{}}
}

// bootOf shortens the system's name of the time since it was started.
func bootOf(system string) string {
	if system == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(system))
	return hex.EncodeToString(sum[:4])
}

// add takes up a note, unless there is a later one of that status.
func (n *notes) add(id string, to backlog.Status, m mark) {
	key := said{id, to}
	old, ok := n.marks[key]
	if ok && (m.at.Before(old.at) || m.at.Equal(old.at) && !m.kept) {
		return
	}
	n.marks[key] = m
	n.ids[id] |= 1 << to
	if m.at.After(n.latest) {
		n.latest = m.at
	}
}

// when reports whether a hacky has given an item this status after at, or at
// least before.
func (n *notes) when(id string, to backlog.Status, at time.Time) (after, before bool) {
	m, ok := n.marks[said{id, to}]
	return ok && m.at.After(at), ok && !m.at.After(at)
}

// of yields the notes of an item.
func (n *notes) of(id string) func(yield func(backlog.Status, mark) bool) {
	return func(yield func(backlog.Status, mark) bool) {
		for bits, s := n.ids[id], backlog.Status(0); bits>>s != 0; s++ {
			if bits>>s&1 == 1 && !yield(s, n.marks[said{id, s}]) {
				return
			}
		}
	}
}

// later reports whether a hacky has said anything of an item after at.
func (n *notes) later(id string, at time.Time) bool {
	for _, m := range n.of(id) {
		if m.at.After(at) {
			return true
		}
	}
	return false
}

// last is the last status that a hacky gave an item. ok is false if that tells
// nothing: there is none, it is that of an attempt in progress, which is
// nobody's result, or a crash keeps us from knowing whether tasks.json had it.
func (n *notes) last(id string) (to backlog.Status, m mark, ok bool) {
	for s, is := range n.of(id) {
		if !ok || is.at.After(m.at) {
			to, m, ok = s, is, true
		}
	}
	return to, m, ok && m.kept && !to.Running()
}

// stale reports whether the status that tasks.json has for an item is an old
// one (§5.5), and returns the one that holds. A status is old if its own note
// is from before the last one, or if it has none and is behind the last one:
// less far on the way from Planned to Complete. The last one holds only for the
// work that it was given for (§5.7).
func (n *notes) stale(b *backlog.Backlog, id string, disk backlog.Status) (holds Update, ok bool) {
	to, m, ok := n.last(id)
	if !ok || to == disk {
		return Update{}, false
	}
	own, noted := n.marks[said{id, disk}]
	if noted && !own.at.Before(m.at) || !noted && rank(disk) >= rank(to) {
		return Update{}, false
	}
	w, ok := b.WorkOf(id)
	if !ok || m.work != workOf(w) {
		return Update{}, false
	}
	return Update{ID: id, From: disk, To: to, At: m.at, Work: w}, true
}

// workOf is a work digest as notes have it: long enough to tell the work of one
// item in two backlogs apart, if nobody seeks a collision. The title counts as
// it stands: of an item whose title was changed nothing is brought back.
func workOf(w backlog.Work) string {
	sum := sha256.Sum256([]byte(string(w.Digest) + "\n" + w.Title))
	return hex.EncodeToString(sum[:8])
}

// notesSize bounds the notes: about 100,000 items. What is too old for them is
// taken for an editor's.
const notesSize = 16 << 20

// readNotes reads the notes that came after before, or all of them if the file
// was compacted since.
func readNotes(f io.Reader, before *notes) (*notes, error) {
	data, err := io.ReadAll(io.LimitReader(f, 2*notesSize))
	if err != nil {
		return nil, err
	}
	n := before
	if int64(len(data)) < n.size || crc32.ChecksumIEEE(data[:n.size]) != n.sum {
		n = newNotes(before.boot)
	}
	whole := max(n.size, int64(bytes.LastIndexByte(data, '\n')+1))
	for line := range strings.Lines(string(data[n.size:whole])) {
		n.take(strings.TrimSuffix(line, "\n"))
	}
	n.size, n.sum = whole, crc32.Update(n.sum, crc32.IEEETable, data[n.size:whole])
	return n, nil
}

// take takes up a line, if it is whole.
func (n *notes) take(line string) {
	fields := strings.Split(line, " ")
	if len(fields) == 3 { // of an older version
		fields = slices.Insert(fields, 0, "note")
	} else {
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 || line[cut+1:] != sumOf(line[:cut]) {
			return
		}
		fields = fields[:len(fields)-1]
	}
	kept := fields[0] == "kept"
	if (!kept || len(fields) != 6) && (fields[0] != "note" || len(fields) != 4) {
		return
	}
	var to backlog.Status
	ns, err := strconv.ParseInt(fields[3], 10, 64)
	at := time.Unix(0, ns)
	if err != nil || to.UnmarshalText([]byte(fields[2])) != nil || at.After(latestTime.Add(time.Hour)) {
		return
	}
	m := mark{at: at}
	if kept && n.boot != "" && fields[4] == n.boot {
		m.kept, m.work = true, fields[5]
	}
	n.add(fields[1], to, m)
}

func sumOf(text string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text)))
}

func noteLine(b []byte, words ...string) []byte {
	text := strings.Join(words, " ")
	return append(append(append(append(b, text...), ' '), sumOf(text)...), '\n')
}

func appendNote(b []byte, key said, at time.Time) []byte {
	return noteLine(b, "note", key.id, key.to.String(), strconv.FormatInt(at.UnixNano(), 10))
}

func (n *notes) appendKept(b []byte, key said, m mark) []byte {
	return noteLine(b, "kept", key.id, key.to.String(), strconv.FormatInt(m.at.UnixNano(), 10), n.boot, m.work)
}

// compacted are the latest notes, as far as there is room.
func (n *notes) compacted() (text []byte) {
	latest := func(a, b said) int { return n.marks[b].at.Compare(n.marks[a].at) }
	for _, key := range slices.SortedFunc(maps.Keys(n.marks), latest) {
		if m := n.marks[key]; m.kept {
			text = n.appendKept(text, key, m)
		} else {
			text = appendNote(text, key, m.at)
		}
		if len(text) > notesSize/2 {
			break
		}
	}
	return text
}

// notesOf reads the notes without the lock.
func notesOf(fsys fsutil.FS, l Location) (*notes, error) {
	return notesSince(fsys, l, newNotes(bootOf(systemBoot())))
}

// notesSince is readNotes without the lock.
func notesSince(fsys fsutil.FS, l Location, before *notes) (n *notes, err error) {
	f, err := fsys.OpenFile(l.Hidden("write.lock"), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return before, nil
	}
	if err == nil {
		defer f.Close() //nolint:errcheck // only read from
		n, err = readNotes(f, before)
	}
	if err != nil {
		return nil, fmt.Errorf("read notes in the write lock: %w", err)
	}
	return n, nil
}

// takeNotes makes notes the session's.
func (s *Session) takeNotes(n *notes) {
	s.notes = n
	s.clock.read(n.latest)
}

// leaveNotes notes the updates that are about to be written. lock is the write
// lock's file, s.notes what it says. fresh are those that were not noted, for
// keepNotes.
//
// Where a journal would hold against them after a power cut they are synced,
// and the whole file is written for that: after a sync that failed, in whichever
// process, the kernel may never write what was appended before.
func (s *Session) leaveNotes(lock fsutil.File, sent map[string]Update) (fresh map[said]time.Time, err error) {
	fresh = map[said]time.Time{}
	add := func(key said, at time.Time) {
		if m, noted := s.notes.marks[key]; !noted || at.After(m.at) || at.Equal(m.at) && !m.kept {
			fresh[key] = at
		}
	}
	for key, at := range s.judged {
		if i, ok := s.doc.b.Lookup(key.id); ok && s.doc.disk[i] == key.to { // else it is over
			add(key, at)
		}
	}
	for id, u := range sent {
		add(said{id, u.To}, u.At)
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	stable := !s.opts.Run && journalWaiting(s.fs, s.loc)
	err = s.compactNotes(lock, stable)
	if err == nil {
		var text []byte
		for _, key := range sortedNotes(fresh) {
			text = appendNote(text, key, fresh[key])
		}
		err = s.appendNotes(lock, text)
	}
	if err == nil && stable {
		err = lock.SyncData()
	}
	if err != nil {
		return nil, fmt.Errorf("note in the write lock what is written: %w", err)
	}
	return fresh, nil
}

// keepNotes notes that tasks.json has what leaveNotes noted. Notes that are not
// kept bring nothing back, so a failure costs no more.
func (s *Session) keepNotes(lock fsutil.File, fresh map[said]time.Time) {
	clear(s.judged)
	if s.notes.boot == "" {
		return
	}
	var text []byte
	for _, key := range sortedNotes(fresh) {
		if w, ok := s.doc.b.WorkOf(key.id); ok {
			text = s.notes.appendKept(text, key, mark{at: fresh[key], work: workOf(w)})
		}
	}
	if err := s.appendNotes(lock, text); err != nil {
		s.log.Debug().Err(err).Msg("cannot note in the write lock that tasks.json is written")
	}
}

func sortedNotes(fresh map[said]time.Time) []said {
	return slices.SortedFunc(maps.Keys(fresh), func(a, b said) int { return fresh[a].Compare(fresh[b]) })
}

// compactNotes writes the notes anew when most of them are old, or in any case.
func (s *Session) compactNotes(lock fsutil.File, anyway bool) error {
	s.notesEnd = s.notes.size
	if !anyway && s.notes.size < min(notesSize, 256<<10+int64(len(s.notes.marks))*300) {
		return nil
	}
	text := s.notes.compacted()
	_, err := lock.WriteAt(text, 0)
	if err == nil {
		err = lock.Truncate(int64(len(text)))
	}
	if err == nil {
		s.notes.size, s.notesEnd, s.notes.sum = int64(len(text)), int64(len(text)), crc32.ChecksumIEEE(text)
	}
	return err
}

// appendNotes appends lines. The next read takes them up.
func (s *Session) appendNotes(lock fsutil.File, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if _, err := lock.WriteAt(text, s.notesEnd); err != nil {
		return errors.Join(err, lock.Truncate(s.notesEnd)) // half of a line must not swallow the next one
	}
	s.notesEnd += int64(len(text))
	return nil
}
