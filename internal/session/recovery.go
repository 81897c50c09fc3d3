package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/retry"
)

// The recovery file, tasks.json.failed, is one JSON object (§6):
//
//	version        "1.0"
//	timestamp      when it was written, RFC 3339
//	sessionPath    the session directory as the user wrote it
//	error          message, code (like "ENOSPC"), attempts: those really made
//	pendingCount   number of changes
//	changes        [{id, from, to, at, seq, work, title}]: what has to be replayed,
//	               and the work that it was given for (§5.7)
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
	s.mu.Lock()
	seq := s.seq
	kept := s.failure.Recovery != "" && s.kept == seq
	s.mu.Unlock()
	if kept {
		s.settle(seq, nil)
		return s.failure
	}
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
	for id, u := range s.superseded {
		if _, pending := s.batch[id]; !pending {
			ours = append(ours, u)
		}
	}
	seq := s.seq
	s.mu.Unlock()
	slices.SortFunc(ours, bySeq)

	failure := *s.failure
	if err := s.writeRecovery(doc, ours, &failure); err != nil {
		s.log.Error().Err(err).Msg("cannot write the recovery file")
		failure.Pending, failure.Recovery, failure.Volatile, failure.Unsaved = len(ours), "", false, ours
		if s.journal != nil && s.journal.Healthy() { // it has everything that was acknowledged
			failure.Pending, failure.Recovery, failure.Unsaved = s.journal.Live(), s.loc.JournalPath(), nil
		}
		seq = 0
	}
	s.mu.Lock()
	s.kept = seq
	s.mu.Unlock()
	s.failure = &failure
	if failure.Recovery != "" {
		s.settle(seq, nil)
	} else {
		s.settle(math.MaxUint64, s.failure)
	}
	return s.failure
}

// with are the statuses in the file with changes applied.
func (d *document) with(changes []Update) []backlog.Status {
	statuses := slices.Clone(d.disk)
	for _, c := range changes {
		_, other := otherWork(d.b, c)
		if i, ok := d.b.Lookup(c.ID); ok && !other {
			statuses[i] = c.To
		}
	}
	return d.b.RollUp(statuses)
}

// writeRecovery keeps our updates in the first place that takes them, together
// with what waits there already.
func (s *Session) writeRecovery(doc document, ours []Update, failure *FlushError) error {
	// Who writes at the same time without the lock overwrites what waits.
	patient := s.opts.Retry
	patient.Retries = max(patient.Retries, 3)
	var unlock func()
	_, err := retry.Do(context.Background(), patient, fsutil.Transient, s.logRetry("the recovery file cannot be locked, trying again"), func() (err error) {
		_, unlock, err = s.lockWrite(context.Background())
		return err
	})
	if err == nil {
		defer unlock()
	} // else: on a disk in this state, better without the lock than not at all
	kept := func(path string, volatile bool, changes []Update) {
		failure.Pending, failure.Recovery, failure.Volatile, failure.Unsaved = len(changes), path, volatile, nil
	}
	path := s.loc.RecoveryPath()
	var changes []Update
	if changes, err = s.addTo(path, doc, ours); err == nil {
		err = s.replaceRecovery(path, doc, changes, reason(failure))
	}
	if err == nil {
		kept(path, false, changes)
		return nil
	}
	errs := []error{err}
	if path, changes, err = s.writeReserve(doc, ours, reason(failure)); err == nil {
		kept(path, false, changes)
		return nil
	}
	errs = append(errs, err)
	for _, sh := range s.opts.Shelters {
		path, err := s.enter(sh)
		if err == nil {
			changes, err = s.addTo(path, doc, ours)
		}
		if err == nil {
			err = s.replaceRecovery(path, doc, changes, reason(failure))
		}
		if err == nil {
			kept(path, sh.Volatile, changes)
			return nil
		}
		errs = append(errs, fmt.Errorf("use %s: %w", sh.Dir, err))
	}
	return errors.Join(errs...)
}

func reason(failure *FlushError) recoveryError {
	return recoveryError{Message: failure.Err.Error(), Code: fsutil.Code(failure.Err), Attempts: failure.Attempts}
}

// addTo is what a file will hold: what waits in it already, and ours. One that
// cannot be read may hold updates that hacky cannot see: it is moved aside.
func (s *Session) addTo(path string, doc document, ours []Update) ([]Update, error) {
	waiting, err := readRecovery(s.fs, path)
	if fsutil.Transient(err) {
		waiting, err = readRecovery(s.fs, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ours, nil
	case err != nil || waiting.Damage != nil:
		aside := path + ".damaged-" + stamp()
		if err := s.fs.Rename(path, aside); err != nil {
			return nil, err
		}
		s.log.Warn().Str("file", aside).Msg("the recovery file there is damaged; it was moved aside")
		return ours, nil
	}
	return mergeChanges(waiting.changesOn(doc.b, doc.disk), ours), nil
}

// head is the recovery file at path without pendingUpdates.
func (s *Session) head(path string, doc document, changes []Update, reason recoveryError) recoveryFile {
	sum := sha256.New()
	_ = doc.b.Render(sum, doc.disk) // a hash does not fail
	dir := s.loc.Dir
	if abs, err := filepath.Abs(dir); err == nil && filepath.Dir(path) != filepath.Clean(dir) {
		dir = abs // who finds the file elsewhere has to know where it belongs
	}
	return recoveryFile{
		Version: "1.0", Timestamp: time.Now().UTC(), SessionPath: dir, Error: reason,
		PendingCount: len(changes), Changes: changes, Base: hex.EncodeToString(sum.Sum(nil)),
		PendingUpdates: json.RawMessage("null"),
	}
}

// writeReserve writes a small recovery file, as dense as it gets, over the
// reserve. What waits beside it stays: the rename must not replace it.
func (s *Session) writeReserve(doc document, ours []Update, reason recoveryError) (path string, changes []Update, err error) {
	if changes, err = s.addTo(s.loc.RecoveryPath(), doc, ours); err != nil {
		return "", nil, err
	}
	targets, beside := []string{s.loc.RecoveryPath()}, besideReserve(s.path)
	switch waiting, err := readRecovery(s.fs, beside); {
	case errors.Is(err, fs.ErrNotExist):
		targets = append(targets, beside)
	case err == nil && waiting.Damage == nil:
		changes = mergeChanges(waiting.changesOn(doc.b, doc.disk), changes)
		targets = append(targets, beside)
	} // else it may hold updates that hacky cannot see: it stays
	content, err := s.small(s.loc.RecoveryPath(), doc, changes, reason)
	if err != nil {
		return "", nil, err
	}
	path, err = s.useReserve(content, targets)
	return path, changes, err
}

// small is a recovery file without pendingUpdates, as dense as it gets.
func (s *Session) small(path string, doc document, changes []Update, reason recoveryError) ([]byte, error) {
	content, err := json.Marshal(s.head(path, doc, changes, reason))
	if err != nil {
		return nil, fmt.Errorf("encode recovery file: %w", err)
	}
	return append(content, '\n'), nil
}

// replaceRecovery writes a recovery file, without pendingUpdates if there is
// only room for a small one.
func (s *Session) replaceRecovery(path string, doc document, changes []Update, reason recoveryError) error {
	target := doc.with(changes)
	head, err := json.MarshalIndent(s.head(path, doc, changes, reason), "", "  ")
	if err != nil {
		return fmt.Errorf("encode recovery file: %w", err)
	}
	full := func(w io.Writer) error {
		if _, err := io.WriteString(w, strings.TrimSuffix(string(head), "null\n}")); err != nil {
			return err
		}
		if err := doc.b.Render(&withoutBOM{w: w}, target); err != nil {
			return err
		}
		_, err := io.WriteString(w, "}\n")
		return err
	}
	small := func(w io.Writer) error {
		_, err := w.Write(append(head, '\n'))
		return err
	}
	var errs []error
	for _, write := range []func(io.Writer) error{full, small} {
		_, err := retry.Do(context.Background(), s.opts.Retry, fsutil.Transient, s.logRetry("the recovery file cannot be written, trying again"), func() error {
			_, err := fsutil.Replace(s.fs, fsutil.Replacement{Path: path, Perm: 0o600, Write: write, Stage: s.stageFor(path)})
			return err
		})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if fsutil.Transient(err) {
			break // a small one would fail for the same reason
		}
	}
	// Where a file can be made, but not renamed: a reader that finds half of it
	// knows it for damaged, and reads what there is.
	err = fsutil.WriteNew(s.fs, path, 0o600, full)
	if err == nil {
		return nil
	}
	return errors.Join(append(errs, err)...)
}

// stageFor is where a file that is to be at path is written: in .hacky/, unless
// it goes to a shelter.
func (s *Session) stageFor(path string) string {
	if filepath.Dir(path) != filepath.Dir(s.loc.RecoveryPath()) {
		return ""
	}
	return s.hidden("")
}

// withoutBOM drops a byte order mark at the beginning.
type withoutBOM struct {
	w     io.Writer
	begun bool
}

func (b *withoutBOM) Write(p []byte) (int, error) { return b.WriteString(string(p)) }

// WriteString expects the mark, if there is one, in one piece, as Render writes it.
func (b *withoutBOM) WriteString(s string) (int, error) {
	n := len(s)
	if !b.begun && n > 0 {
		b.begun = true
		s = strings.TrimPrefix(s, "\ufeff")
	}
	_, err := io.WriteString(b.w, s)
	return n, err
}

func bySeq(a, b Update) int { return cmp.Compare(a.Seq, b.Seq) }

// mergeChanges adds newer changes to those that wait already, one per id and
// work. The older From stays: it is what the file on disk still says.
func mergeChanges(waiting, newer []Update) []Update {
	at := map[string][]int{}
	out := slices.Clone(waiting)
	for i, c := range out {
		at[c.ID] = append(at[c.ID], i)
	}
	for _, c := range newer {
		k := slices.IndexFunc(at[c.ID], func(i int) bool {
			return !c.Recorded() || !out[i].Recorded() || c.Same(out[i].Work)
		})
		if k < 0 {
			at[c.ID] = append(at[c.ID], len(out))
			out = append(out, c)
			continue
		}
		if i := at[c.ID][k]; !c.At.Before(out[i].At) {
			c.From = out[i].From
			out[i] = c
		}
	}
	for i := range out {
		out[i].Seq = uint64(i + 1)
	}
	return out
}

// MarkedLine is the line for a change that could be kept in no file.
func MarkedLine(u Update) string {
	data, err := json.Marshal(u)
	if err != nil { // an Update always encodes
		return MarkedPrefix + u.ID
	}
	return MarkedPrefix + string(data)
}
