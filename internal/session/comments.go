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
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Comments are in artifacts/notes.ndjson, beside the attempts, and like them
// evidence: nothing depends on them, and who deletes the file loses only
// them. A line holds a comment on up to idsPerLine subtasks, as a text that
// goes with 100,000 changes must not be written 100,000 times; one on more
// takes more lines.

// Comment is what somebody said when they gave subtasks a status.
type Comment struct {
	At   time.Time
	To   backlog.Status
	Text string
	IDs  []string // the subtasks, of those that were asked about
}

// commentLine is a line of the file.
type commentLine struct {
	At   time.Time      `json:"at"`
	To   backlog.Status `json:"to"`
	Note string         `json:"note"`
	IDs  []string       `json:"ids"`
}

// MaxComment bounds the text of a comment, in bytes.
const MaxComment = 4096

const idsPerLine = 1000 // a line stays far below maxAttemptLine

// CheckComment says what is wrong with the text of a comment.
func CheckComment(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("there is no text")
	case len(text) > MaxComment:
		return fmt.Errorf("%d bytes are too long; at most %d are kept", len(text), MaxComment)
	case !utf8.ValidString(text):
		return errors.New("the text is not valid UTF-8")
	}
	return nil
}

// Comment keeps what is said about a change of subtasks. It is to be called
// before the change is made: a text that cannot be kept changes nothing, and
// one about a change that a crash prevented does no harm.
func (s *Session) Comment(text string, to backlog.Status, ids []string) (err error) {
	if err := CheckComment(text); err != nil {
		return err
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	now := time.Now().UTC().Round(0)
	for some := range slices.Chunk(ids, idsPerLine) {
		if err := enc.Encode(commentLine{now, to, text, some}); err != nil {
			return fmt.Errorf("write comment: %w", err)
		}
	}
	name := commentsPath(s.loc.Dir)
	files := s.loc.Files()
	if err := files.Mkdir(filepath.Dir(name), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write comment: %w", err)
	}
	f, err := files.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("write comment: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("write comment: %w", err)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	content := lines.Bytes()
	if info.Size() > 0 { // a crash may have cut the last line off; it must not swallow this one
		var last [1]byte
		if _, err := f.ReadAt(last[:], info.Size()-1); err == nil && last[0] != '\n' {
			content = append([]byte{'\n'}, content...)
		}
	}
	if _, err := f.Write(content); err != nil { // one call: others append, too
		return err
	}
	return f.Sync()
}

// Comments are what was said about an item, or about subtasks below it, oldest
// first; the last most of them.
func Comments(l Location, id string, most int) ([]Comment, error) {
	mark := []byte(`"` + id + `"`)
	if kind, err := backlog.ParseID(id); err == nil && kind != backlog.Subtask {
		mark = []byte(`"` + id + `.`)
	}
	return readComments(l, most, func(line []byte) bool { return bytes.Contains(line, mark) }, func(c *commentLine) {
		c.IDs = slices.DeleteFunc(c.IDs, func(other string) bool { return other != id && !strings.HasPrefix(other, id+".") })
	})
}

// CommentsBetween are what was said of any subtasks between two moments, oldest
// first; the last most of them.
func CommentsBetween(l Location, from, to time.Time, most int) ([]Comment, error) {
	return readComments(l, most, func([]byte) bool { return true }, func(c *commentLine) {
		if c.At.Before(from) || c.At.After(to) {
			c.IDs = nil
		}
	})
}

// readComments reads the lines that mark fits, of which narrow leaves the ids
// that are asked about. A comment that took several lines is one again. Lines
// that are no comments are passed over: people may edit the file.
func readComments(l Location, most int, mark func(line []byte) bool, narrow func(*commentLine)) ([]Comment, error) {
	f, err := l.Files().OpenFile(commentsPath(l.Dir), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read comments: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	var out []Comment
	lines := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := readLine(lines)
		var c commentLine
		if mark(line) && json.Unmarshal(line, &c) == nil && CheckComment(c.Note) == nil {
			narrow(&c)
			out = addComment(out, c, most)
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("read comments: %w", err)
		}
	}
}

func addComment(list []Comment, c commentLine, most int) []Comment {
	if len(c.IDs) == 0 {
		return list
	}
	if n := len(list); n > 0 && list[n-1].At.Equal(c.At) && list[n-1].To == c.To && list[n-1].Text == c.Note {
		list[n-1].IDs = append(list[n-1].IDs, c.IDs...)
		return list
	}
	if list = append(list, Comment{c.At, c.To, c.Note, c.IDs}); len(list) > most {
		list = list[1:]
	}
	return list
}

func commentsPath(dir string) string { return filepath.Join(dir, "artifacts", "notes.ndjson") }
