package session

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Past is what a line of artifacts/attempts.ndjson says of an attempt, as far
// as those need it who look at many.
type Past struct {
	ID         string    `json:"id"`
	Attempt    int       `json:"attempt"`
	Class      string    `json:"class"`
	Exit       int       `json:"exit"`
	Reason     string    `json:"reason"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	Log        string    `json:"log"`
	Credential string    `json:"credential"`
}

// EachPast calls do for every attempt on record of the subtasks that want
// accepts, oldest first. want is asked before a line is decoded, so that a few
// of many cost little. Lines that are no records are passed over: people may
// have edited them. No file is no error.
func EachPast(l Location, want func(id []byte) bool, do func(Past)) error {
	f, err := l.Files().OpenFile(attemptsPath(l.Dir), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	lines := bufio.NewReaderSize(f, 1<<18)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // a long one; the others are not copied
			head := bytes.Clone(line)
			var rest []byte
			if rest, err = readLine(lines); len(head)+len(rest) <= maxAttemptLine && rest != nil {
				line = slices.Concat(head, rest)
			} else {
				line = nil
			}
		}
		if id, sure := idOfLine(line); !sure || want(id) {
			var p Past
			if json.Unmarshal(line, &p) == nil && p.ID != "" && (sure && p.ID == string(id) || !sure && want([]byte(p.ID))) {
				do(p)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
	}
}

// idOfLine finds the id where hacky writes it. It is not sure about lines that
// somebody else has written.
func idOfLine(line []byte) (id []byte, sure bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"id":"`))
	if !ok {
		return nil, false
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 || bytes.IndexByte(rest[:end], '\\') >= 0 {
		return nil, false
	}
	return rest[:end], true
}

// LastAttempts are the latest attempts on record of these subtasks.
func LastAttempts(l Location, ids []string) (map[string]Past, error) {
	last := make(map[string]Past, len(ids))
	if len(ids) == 0 {
		return last, nil
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	err := EachPast(l, func(id []byte) bool { return wanted[string(id)] }, func(p Past) { last[p.ID] = p })
	return last, err
}

// Said returns when a hacky last said that an item has a status, as the notes in
// the write lock have it: they are made before tasks.json says so. Of what is
// too old for them, and of what others have written, it returns the zero time.
func Said(l Location) (when func(id string, to backlog.Status) time.Time, err error) {
	n, err := notesOf(l.Files(), l)
	if err != nil {
		n = newNotes("")
	}
	return func(id string, to backlog.Status) time.Time { return n.marks[said{id, to}].at }, err
}

// tail is how much of a log's end LastLine reads.
const tail = 4 << 10

// LastLine is the last line of a log that is not blank, as far as it stands in
// the last few kilobytes. What a carriage return has overwritten, as progress
// bars do, is left out. log is relative to the session, and nothing outside it is
// read. It is "" if there is none.
func LastLine(l Location, log string) string {
	if !filepath.IsLocal(log) {
		return ""
	}
	f, err := l.Files().OpenFile(filepath.Join(l.Dir, log), os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	buf := make([]byte, min(tail, info.Size()))
	n, _ := f.ReadAt(buf, info.Size()-int64(len(buf))) // what cannot be read is not shown
	text := bytes.TrimRight(buf[:n], " \t\r\n")
	if at := bytes.LastIndexAny(text, "\r\n"); at >= 0 {
		text = text[at+1:]
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(text)), "")
}

// Traces tells since when a subtask's newest attempt has left something in
// artifacts/<ID>/attempt-<n>: the start of its last command that printed
// anything. attempt is 0 if there is none.
func Traces(l Location, id string) (attempt int, since time.Time) {
	if _, err := backlog.ParseID(id); err != nil {
		return 0, time.Time{}
	}
	dir := filepath.Join(l.Dir, "artifacts", id)
	entries, err := l.Files().ReadDir(dir)
	if err != nil {
		return 0, time.Time{}
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "attempt-")
		if n, err := strconv.Atoi(number); ok && err == nil && n > attempt {
			if info, err := e.Info(); err == nil && info.IsDir() {
				attempt, since = n, info.ModTime()
			}
		}
	}
	return attempt, since
}
