package session

import (
	"errors"
	"fmt"
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

// The write lock's file tells what hackys have said last, a line each: id,
// status, Unix nanoseconds. Whoever finds an old status in tasks.json can tell
// by it whether somebody meant that, or an editor that had read the file
// earlier has brought it back. A status is noted before tasks.json says it, as
// readers take no lock; so the older ones of an item stay. Rejected: the
// identity of the last file written by a hacky. It says nothing any more when
// an editor saves, and too much when a hacky saves what an editor brought back.
// What one hacky has judged to be later than its own word is noted like a word
// of its own, so that another does not judge otherwise.

// said is a status that a hacky gave an item.
type said struct {
	id string
	to backlog.Status
}

// notes are when it was said last.
type notes map[said]time.Time

// when reports whether a hacky has given an item this status after at, or at
// least before.
func (n notes) when(id string, to backlog.Status, at time.Time) (after, before bool) {
	t, ok := n[said{id, to}]
	return t.After(at), ok && !t.After(at)
}

// later reports whether a hacky has said anything of an item after at.
func (n notes) later(id string, at time.Time) bool {
	return slices.ContainsFunc(backlog.Statuses(), func(s backlog.Status) bool { return n[said{id, s}].After(at) })
}

// notesSize bounds the notes. What is too old for them is taken for an
// editor's.
const notesSize = 64 << 10

func readNotes(f io.Reader) (notes, error) {
	data, err := io.ReadAll(io.LimitReader(f, 2*notesSize))
	if err != nil {
		return nil, err
	}
	n := notes{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || !strings.HasSuffix(line, "\n") {
			continue
		}
		var to backlog.Status
		nano, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || to.UnmarshalText([]byte(fields[1])) != nil {
			continue
		}
		if key, at := (said{fields[0], to}), time.Unix(0, nano); at.After(n[key]) {
			n[key] = at
		}
	}
	return n, nil
}

// notesOf reads them without the lock.
func notesOf(fsys fsutil.FS, l Location) (n notes, err error) {
	f, err := fsys.OpenFile(l.Hidden("write.lock"), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		defer f.Close() //nolint:errcheck // only read from
		n, err = readNotes(f)
	}
	if err != nil {
		return nil, fmt.Errorf("read notes in the write lock: %w", err)
	}
	return n, nil
}

// leaveNotes adds what is about to be written. lock is the write lock's file,
// s.notes what it says.
func (s *Session) leaveNotes(lock fsutil.File, sent map[string]Update) error {
	for key, at := range s.judged {
		if at.After(s.notes[key]) {
			s.notes[key] = at
			s.news = true
		}
	}
	for id, u := range sent {
		if key := (said{id, u.To}); u.At.After(s.notes[key]) {
			s.notes[key] = u.At
			s.news = true
		}
	}
	if !s.news {
		return nil
	}
	var text strings.Builder
	latest := func(a, b said) int { return s.notes[b].Compare(s.notes[a]) }
	for _, key := range slices.SortedFunc(maps.Keys(s.notes), latest) {
		line := fmt.Sprintf("%s %s %d\n", key.id, key.to, s.notes[key].UnixNano())
		if text.Len()+len(line) > notesSize {
			delete(s.notes, key) // nobody else will know it either
			continue
		}
		text.WriteString(line)
	}
	_, err := lock.WriteAt([]byte(text.String()), 0)
	if err == nil {
		err = lock.Truncate(int64(text.Len()))
	}
	if err == nil && !s.opts.Run && slices.ContainsFunc(s.loc.JournalPaths(), func(path string) bool { return present(s.fs, path) }) {
		err = lock.SyncData() // what the journal says does not hold after a power cut either
	}
	if err != nil {
		return fmt.Errorf("note in the write lock what is written: %w", err)
	}
	s.news = false
	clear(s.judged)
	return nil
}
