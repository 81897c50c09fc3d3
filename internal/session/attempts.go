package session

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// AttemptRecord is one line of artifacts/attempts.ndjson.
type AttemptRecord struct {
	ID       string    `json:"id"`
	Attempt  int       `json:"attempt"`
	Class    string    `json:"class"`
	Exit     int       `json:"exit"`
	Reason   string    `json:"reason,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Commands any       `json:"commands,omitempty"`
	Log      string    `json:"log,omitempty"`
	RunID    string    `json:"runId,omitempty"`
}

// attemptLog appends to artifacts/attempts.ndjson. The file is evidence, not
// state: it is written as attempts end and not synced.
type attemptLog struct {
	dir string

	mu sync.Mutex
	f  *os.File
}

// RecordAttempt appends a line about an attempt that ended.
func (s *Session) RecordAttempt(r AttemptRecord) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode attempt: %w", err)
	}
	return s.attempts.write(append(line, '\n'))
}

func attemptsPath(dir string) string { return filepath.Join(dir, "artifacts", "attempts.ndjson") }

func (l *attemptLog) write(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	_, err := l.f.Write(line)
	return err
}

func (l *attemptLog) open() error {
	name := attemptsPath(l.dir)
	if err := os.Mkdir(filepath.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	// A crash may have cut the last line off; it must not swallow the next one.
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], info.Size()-1); err == nil && last[0] != '\n' {
			if _, err := f.WriteString("\n"); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	l.f = f
	return nil
}

func (l *attemptLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}

// maxAttemptLine bounds a line that is read back.
const maxAttemptLine = 1 << 20

// Attempts counts the attempts of every subtask so far: the highest number on
// record. Lines that are no record are passed over: the file is evidence that
// people may have edited.
func Attempts(l Location) (map[string]int, error) {
	out := map[string]int{}
	f, err := os.Open(attemptsPath(l.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	lines := bufio.NewReaderSize(f, 1<<16)
	for {
		line, rerr := readLine(lines)
		var r struct {
			ID      string `json:"id"`
			Attempt int    `json:"attempt"`
		}
		if json.Unmarshal(line, &r) == nil && r.ID != "" {
			out[r.ID] = max(out[r.ID], r.Attempt)
		}
		if rerr != nil {
			if !errors.Is(rerr, io.EOF) {
				err = fmt.Errorf("read attempts: %w", rerr)
			}
			return out, errors.Join(err, f.Close())
		}
	}
}

// readLine reads a line; what is over maxAttemptLine is dropped.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) <= maxAttemptLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
