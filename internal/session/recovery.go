package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// The recovery file, tasks.json.failed, is one JSON object (§6):
//
//	version        "1.0"
//	timestamp      when it was written, RFC 3339
//	sessionPath    the session directory as the user wrote it
//	error          message, code (like "ENOSPC"), attempts: those really made
//	pendingCount   number of changes
//	changes        [{id, from, to, at, seq}]: what has to be replayed
//	base           hex SHA-256 of the tasks.json the changes were made on
//	pendingUpdates the whole tasks.json as it should have been written; null
//	               when only a small file could be written
//
// The large member comes last, so that of a file that was cut off the changes
// can still be read. Other tools write files without changes and base.
//
// Where not even this file can be written, the changes are printed, a line
// each: MarkedPrefix and one change as JSON. ReadRecovery reads that, too.
type recoveryFile struct {
	Version        string          `json:"version"`
	Timestamp      time.Time       `json:"timestamp"`
	SessionPath    string          `json:"sessionPath"`
	Error          recoveryError   `json:"error"`
	PendingCount   int             `json:"pendingCount"`
	Changes        []Update        `json:"changes"`
	Base           string          `json:"base,omitempty"`
	PendingUpdates json.RawMessage `json:"pendingUpdates"`
}

type recoveryError struct {
	Message  string `json:"message"`
	Code     string `json:"code"`
	Attempts int    `json:"attempts"`
}

// MarkedPrefix begins a line of standard error that holds a change which could
// be kept in no file.
const MarkedPrefix = "hacky-recovery: "

// preserve puts everything pending into the recovery file, after the flush
// failed for good.
func (s *Session) preserve() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	return s.preserveLocked()
}

// preserveLocked returns s.failure, brought up to date; s.flushing is held.
func (s *Session) preserveLocked() error {
	s.mu.Lock()
	doc := s.doc
	ours := make([]Update, 0, len(s.batch))
	for _, u := range s.batch {
		ours = append(ours, u)
	}
	target := doc.target()
	s.mu.Unlock()
	slices.SortFunc(ours, func(a, b Update) int { return int(a.Seq) - int(b.Seq) })

	failure := *s.failure
	failure.Pending, failure.Recovery, failure.Unsaved = len(ours), s.loc.RecoveryPath(), nil
	if err := s.writeRecovery(doc, ours, target, &failure); err != nil {
		s.log.Error().Err(err).Msg("cannot write the recovery file")
		failure.Recovery, failure.Unsaved = "", ours
	}
	s.failure = &failure
	return s.failure
}

// with are the statuses in the file with changes applied.
func (d *document) with(changes []Update) []backlog.Status {
	statuses := slices.Clone(d.disk)
	for _, c := range changes {
		if i, ok := d.b.Lookup(c.ID); ok {
			statuses[i] = c.To
		}
	}
	return d.b.RollUp(statuses)
}

// writeRecovery adds our updates to what waits already.
func (s *Session) writeRecovery(doc document, ours []Update, target []backlog.Status, failure *FlushError) error {
	if unlock, err := s.lockWrite(context.Background()); err == nil {
		defer unlock() //nolint:errcheck // closing a lock file
	} // else: on a disk in this state, better without the lock than not at all
	path := s.loc.RecoveryPath()
	changes := ours
	waiting, err := ReadRecovery(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil || waiting.Damage != nil:
		// It may hold updates that hacky cannot see: it is not overwritten.
		aside := path + ".damaged-" + stamp()
		if err := s.fs.Rename(path, aside); err != nil {
			return err
		}
		s.log.Warn().Str("file", aside).Msg("the recovery file there is damaged; it was moved aside")
	default:
		changes = mergeChanges(waiting.changesOn(doc.b, doc.disk), ours)
		target = doc.with(changes)
	}
	failure.Pending = len(changes)
	return s.replaceRecovery(path, doc, changes, target, recoveryError{
		Message: failure.Err.Error(), Code: fsutil.Code(failure.Err), Attempts: failure.Attempts})
}

// replaceRecovery writes a recovery file, without pendingUpdates if there is
// only room for a small one.
func (s *Session) replaceRecovery(path string, doc document, changes []Update, target []backlog.Status, reason recoveryError) error {
	sum := sha256.New()
	_ = doc.b.Render(sum, doc.disk) // a hash does not fail
	head, err := json.MarshalIndent(recoveryFile{
		Version: "1.0", Timestamp: time.Now().UTC(), SessionPath: s.loc.Dir, Error: reason,
		PendingCount: len(changes), Changes: changes, Base: hex.EncodeToString(sum.Sum(nil)),
		PendingUpdates: json.RawMessage("null"),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode recovery file: %w", err)
	}
	full := func(w io.Writer) error {
		whole := strings.TrimPrefix(string(doc.b.Bytes(target)), "\ufeff")
		_, err := io.WriteString(w, strings.TrimSuffix(string(head), "null\n}")+whole+"}\n")
		return err
	}
	small := func(w io.Writer) error {
		_, err := w.Write(append(head, '\n'))
		return err
	}
	var errs []error
	for _, write := range []func(io.Writer) error{full, small} {
		_, err := fsutil.Replace(s.fs, fsutil.Replacement{Path: path, Perm: 0o600, Write: write})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// mergeChanges adds newer changes to those that wait already. The older From
// stays: it is what the file on disk still says.
func mergeChanges(waiting, newer []Update) []Update {
	at := map[string]int{}
	out := slices.Clone(waiting)
	for i, c := range out {
		at[c.ID] = i
	}
	for _, c := range newer {
		i, ok := at[c.ID]
		switch {
		case !ok:
			at[c.ID] = len(out)
			out = append(out, c)
		case !c.At.Before(out[i].At):
			c.From = out[i].From
			out[i] = c
		}
	}
	for i := range out {
		out[i].Seq = uint64(i + 1)
	}
	return out
}

// Recovery is what a recovery file holds.
type Recovery struct {
	Path      string
	Timestamp time.Time
	Changes   []Update // empty in a file of another tool
	Base      string
	Damage    error // why not everything could be read; nil if it could

	whole *backlog.Backlog // pendingUpdates
}

// maxRecovery bounds a recovery file: a backlog and its changes.
const maxRecovery = 2 * backlog.MaxSize

// ReadRecovery reads a recovery file, or with path "-" standard input. A file
// that is damaged is no error: Damage says so, and what could be read is
// there.
func ReadRecovery(path string) (*Recovery, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(io.LimitReader(os.Stdin, maxRecovery))
	} else {
		var info fs.FileInfo
		if info, err = os.Stat(path); err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", path)
		}
		if info.Size() > maxRecovery {
			return nil, fmt.Errorf("%s has %d bytes; hacky reads at most %d", path, info.Size(), maxRecovery)
		}
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	r := DecodeRecovery(data)
	r.Path = path
	return r, nil
}

// DecodeRecovery reads the content of a recovery file; see ReadRecovery.
func DecodeRecovery(data []byte) *Recovery {
	text := strings.TrimPrefix(string(data), "\ufeff")
	if trimmed := strings.TrimSpace(text); !strings.HasPrefix(trimmed, "{") {
		return decodeMarked(text)
	}
	r := &Recovery{}
	dec := json.NewDecoder(strings.NewReader(text))
	seen := map[string]bool{}
	r.Damage = r.members(dec, seen)
	switch {
	case r.Damage != nil:
	case !seen["changes"] && r.whole == nil:
		r.Damage = errors.New(`it has neither "changes" nor "pendingUpdates"`)
	}
	return r
}

// members reads one member after the other and keeps what it got when one is
// broken.
func (r *Recovery) members(dec *json.Decoder, seen map[string]bool) error {
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if seen[name] {
			return fmt.Errorf("the key %q stands twice", name)
		}
		switch name {
		case "timestamp":
			err = dec.Decode(&r.Timestamp)
		case "base":
			err = dec.Decode(&r.Base)
		case "changes":
			err = r.readChanges(dec)
		case "pendingUpdates":
			var raw json.RawMessage
			if err = dec.Decode(&raw); err == nil && string(raw) != "null" {
				r.whole, err = backlog.Parse("pendingUpdates", string(raw))
			}
		default:
			var ignored json.RawMessage
			err = dec.Decode(&ignored)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		seen[name] = true
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after its end")
	}
	return nil
}

func (r *Recovery) readChanges(dec *json.Decoder) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open == nil {
		return nil // null
	}
	if open != json.Delim('[') {
		return errors.New("must be a list")
	}
	for dec.More() {
		var u Update
		if err := dec.Decode(&u); err != nil {
			return err
		}
		if _, err := backlog.ParseID(u.ID); err != nil {
			return err
		}
		r.Changes = append(r.Changes, u)
	}
	_, err = dec.Token()
	return err
}

// decodeMarked reads the lines that were printed because no file could be
// written, among any other lines.
func decodeMarked(text string) *Recovery {
	r := &Recovery{}
	for line := range strings.Lines(text) {
		_, change, ok := strings.Cut(strings.TrimRight(line, "\r\n"), MarkedPrefix)
		if !ok {
			continue
		}
		var u Update
		err := json.Unmarshal([]byte(change), &u)
		if err == nil {
			_, err = backlog.ParseID(u.ID)
		}
		if err != nil {
			r.Damage = err
			continue
		}
		r.Changes = append(r.Changes, u)
	}
	if len(r.Changes) == 0 && r.Damage == nil {
		r.Damage = errors.New("it is no recovery file: neither a JSON object nor lines that begin with " + MarkedPrefix)
	}
	return r
}

// MarkedLine is the line for a change that could be kept in no file.
func MarkedLine(u Update) string {
	data, err := json.Marshal(u)
	if err != nil { // an Update always encodes
		return MarkedPrefix + u.ID
	}
	return MarkedPrefix + string(data)
}

// changesOn are the file's changes. A file without them means: every subtask
// whose status differs from the backlog's.
func (r *Recovery) changesOn(b *backlog.Backlog, disk []backlog.Status) []Update {
	if len(r.Changes) > 0 || r.whole == nil {
		return r.Changes
	}
	var out []Update
	for i := range r.whole.Items {
		it := &r.whole.Items[i]
		if it.Kind != backlog.Subtask {
			continue
		}
		n, ok := b.Lookup(it.ID)
		if ok && disk[n] == it.Status {
			continue
		}
		// What it started from is not known; To stands for "nothing else".
		out = append(out, Update{ID: it.ID, From: it.Status, To: it.Status, At: r.Timestamp, Seq: uint64(len(out) + 1)})
	}
	return out
}

// RecoveryWaiting reports whether a session has a recovery file.
func RecoveryWaiting(l Location) bool {
	_, err := os.Lstat(l.RecoveryPath())
	return err == nil
}
