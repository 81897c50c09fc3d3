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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// AttemptRecord is one line of artifacts/attempts.ndjson.
type AttemptRecord struct {
	ID       string
	Attempt  int
	Class    string
	Exit     int
	Reason   string
	Started  time.Time
	Ended    time.Time
	Commands []CommandRecord
	Log      string // relative to the session directory
	RunID    string

	Skipped    int       // stages and gates that had passed in an earlier attempt
	Credential string    // class quota: whose
	Until      time.Time // class quota: when it may serve again; zero if that is not known
	Head       HeadRecord
	Warnings   []string // sentences for people
}

// HeadRecord is what an attempt did to the repository around it.
type HeadRecord struct {
	Before, After                           string // commits; "" where nobody looked
	Compared                                bool   // whether the changes were counted
	Files, Insertions, Deletions, Untracked int
	Commit                                  string // what hacky committed
}

// CommandRecord is the part of one command in an attempt.
type CommandRecord struct {
	Stage string
	Gate  int // level; 0: a stage
	Exit  int
	Log   string

	Digest       string // hex SHA-256 of what it printed, as the log has it
	Duration     time.Duration
	Agent        string // the rest only of an agent
	AgentSession string
	TokensIn     int64
	TokensOut    int64
	CostUSD      float64
}

// attemptLog appends to artifacts/attempts.ndjson. The file is evidence, not
// state: lines are gathered, written before the journal or a flush says that
// their subtasks are complete, and not synced.
type attemptLog struct {
	files fsutil.FS
	dir   string

	mu      sync.Mutex
	f       fsutil.File
	pending bytes.Buffer
	failing bool // the last write failed, and that was said
}

// gathered is how much is written without waiting for a commit, and retained how
// much is kept while it cannot be written.
const (
	gathered = 64 << 10
	retained = 1 << 20
)

// RecordAttempt notes an attempt that ended. The error says that lines cannot
// be written at the moment; that is said once, and they are kept for later.
func (s *Session) RecordAttempt(r AttemptRecord) error {
	l := &s.attempts
	l.mu.Lock()
	defer l.mu.Unlock()
	l.encode(r)
	if l.pending.Len() < gathered {
		return nil
	}
	return l.write()
}

// encode appends a line. zerolog's encoder serves because encoding/json costs
// 3% of a run of 10,000 commands that do nothing.
func (l *attemptLog) encode(r AttemptRecord) {
	encoder := zerolog.New(&l.pending)
	e := encoder.Log().Str("id", r.ID).Int("attempt", r.Attempt).Str("class", r.Class).Int("exit", r.Exit)
	optional := func(e *zerolog.Event, key, value string) *zerolog.Event {
		if value != "" {
			e = e.Str(key, value)
		}
		return e
	}
	e = optional(e, "reason", r.Reason).
		Str("started", r.Started.UTC().Format(time.RFC3339Nano)).Str("ended", r.Ended.UTC().Format(time.RFC3339Nano))
	commands := e.CreateArray()
	for _, c := range r.Commands {
		d := e.CreateDict().Str("stage", c.Stage)
		if c.Gate > 0 {
			d = d.Int("gate", c.Gate)
		}
		d = optional(optional(d.Int("exit", c.Exit).Int64("durationMs", c.Duration.Milliseconds()), "log", c.Log), "sha256", c.Digest)
		if c.Agent != "" {
			d = optional(d.Str("agent", c.Agent), "session", c.AgentSession).Int64("tokensIn", c.TokensIn).Int64("tokensOut", c.TokensOut).Float64("costUsd", c.CostUSD)
		}
		commands = commands.Dict(d)
	}
	e = optional(optional(e.Array("commands", commands), "log", r.Log), "runId", r.RunID)
	if r.Skipped > 0 {
		e = e.Int("skipped", r.Skipped)
	}
	if e = optional(e, "credential", r.Credential); !r.Until.IsZero() {
		e = e.Str("until", r.Until.UTC().Format(time.RFC3339))
	}
	if h := r.Head; h != (HeadRecord{}) {
		d := e.CreateDict().Str("before", h.Before).Str("after", h.After)
		if h.Compared {
			d = d.Int("files", h.Files).Int("insertions", h.Insertions).Int("deletions", h.Deletions).Int("untracked", h.Untracked)
		}
		e = e.Dict("git", optional(d, "commit", h.Commit))
	}
	if len(r.Warnings) > 0 {
		e = e.Strs("warnings", r.Warnings)
	}
	e.Send()
}

// Evidence are the lines of artifacts/attempts.ndjson about one subtask, oldest
// first, as they stand there; the last most of them.
func Evidence(l Location, id string, most int) ([]json.RawMessage, error) {
	var out []json.RawMessage
	mark := []byte(strconv.Quote(id))
	err := AttemptLines(l, func(line []byte) {
		var r struct {
			ID string `json:"id"`
		}
		if bytes.Contains(line, mark) && json.Unmarshal(line, &r) == nil && r.ID == id {
			out = append(out, json.RawMessage(bytes.TrimSpace(bytes.Clone(line))))
			if len(out) > most {
				out = out[1:]
			}
		}
	})
	return out, err
}

func attemptsPath(dir string) string { return filepath.Join(dir, "artifacts", "attempts.ndjson") }

// keepEvidence writes the attempts that were gathered.
func (s *Session) keepEvidence() {
	if err := s.attempts.flush(); err != nil {
		s.log.Warn().Err(err).Msg("cannot keep the evidence of attempts")
	}
}

// flush writes what was gathered.
func (l *attemptLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write()
}

func (l *attemptLog) write() error {
	if l.pending.Len() == 0 {
		return nil
	}
	err := l.append()
	if err == nil {
		l.pending.Reset()
		l.failing = false
		return nil
	}
	if l.pending.Len() > retained {
		l.pending.Reset()
		return fmt.Errorf("write attempts: %w; what could not be written is lost", err)
	}
	if l.failing {
		return nil
	}
	l.failing = true
	return fmt.Errorf("write attempts: %w", err)
}

// append writes all that is pending, or nothing.
func (l *attemptLog) append() error {
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	n, err := l.f.Write(l.pending.Bytes())
	if err == nil {
		return nil
	}
	if info, serr := l.f.Stat(); serr == nil && n > 0 {
		_ = l.f.Truncate(info.Size() - int64(n)) // else open ends the line that was cut off
	}
	err = errors.Join(err, l.f.Close())
	l.f = nil
	return err
}

func (l *attemptLog) open() error {
	name := attemptsPath(l.dir)
	if err := l.files.Mkdir(filepath.Dir(name), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := l.files.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
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
	err := l.write()
	if n := l.pending.Len(); n > 0 {
		err = fmt.Errorf("%s could not be written to %s", plural(bytes.Count(l.pending.Bytes(), []byte("\n")), "attempt", "attempts"), attemptsPath(l.dir))
	}
	if l.f != nil {
		err = errors.Join(err, l.f.Close())
	}
	return err
}

// maxAttemptLine bounds a line that is read back.
const maxAttemptLine = 1 << 20

// Attempts counts the attempts of every subtask so far: the highest number on
// record, or, for the subtasks named, of which a run that died may not have
// written the last down, of a directory. Lines that are no record are passed
// over: the file is evidence that people may have edited.
func Attempts(l Location, ids []string) (map[string]int, error) {
	out := map[string]int{}
	countDirectories(l, ids, out)
	f, err := l.Files().OpenFile(attemptsPath(l.Dir), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read attempts: %w", err)
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

// countDirectories takes the numbers of attempts from their directories.
func countDirectories(l Location, ids []string, out map[string]int) {
	root, err := os.OpenRoot(filepath.Join(l.Dir, fsutil.ArtifactsDir))
	if err != nil {
		return // none has one
	}
	defer root.Close() //nolint:errcheck // only read from
	for _, id := range ids {
		d, err := root.OpenFile(id, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(-1)
		_ = d.Close() // only read from
		for _, name := range names {
			if n, err := strconv.Atoi(strings.TrimPrefix(name, "attempt-")); err == nil {
				out[id] = max(out[id], n)
			}
		}
	}
}

// readLine reads a line. One over maxAttemptLine is passed over: line is empty.
func readLine(r *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxAttemptLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// BadAttempts counts the lines of artifacts/attempts.ndjson that are no
// records.
func BadAttempts(l Location) (bad int, err error) {
	err = AttemptLines(l, func(line []byte) {
		var r struct {
			ID string `json:"id"`
		}
		if len(bytes.TrimSpace(line)) > 0 && (json.Unmarshal(line, &r) != nil || r.ID == "") {
			bad++
		}
	})
	return bad, err
}
