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
	"os"
	"slices"
	"strings"
	"syscall"
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
	s.mu.Lock()
	kept := s.failure.Recovery != "" && s.kept == s.seq
	s.mu.Unlock()
	if kept {
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
	target, seq := doc.target(), s.seq
	s.mu.Unlock()
	slices.SortFunc(ours, bySeq)

	failure := *s.failure
	failure.Pending, failure.Recovery, failure.Unsaved = len(ours), s.loc.RecoveryPath(), nil
	if err := s.writeRecovery(doc, ours, target, &failure); err != nil {
		s.log.Error().Err(err).Msg("cannot write the recovery file")
		failure.Pending, failure.Recovery, failure.Unsaved = len(ours), "", ours
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
		if i, ok := d.b.Lookup(c.ID); ok {
			statuses[i] = c.To
		}
	}
	return d.b.RollUp(statuses)
}

// writeRecovery adds our updates to what waits already.
func (s *Session) writeRecovery(doc document, ours []Update, target []backlog.Status, failure *FlushError) error {
	if _, unlock, err := s.lockWrite(context.Background()); err == nil {
		defer unlock()
	} // else: on a disk in this state, better without the lock than not at all
	path := s.loc.RecoveryPath()
	changes := ours
	waiting, err := readRecovery(s.fs, path)
	if fsutil.Transient(err) {
		waiting, err = readRecovery(s.fs, path)
	}
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
			_, err := fsutil.Replace(s.fs, fsutil.Replacement{Path: path, Perm: 0o600, Write: write})
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

// mergeChanges adds newer changes to those that wait already, one per id. The
// older From stays: it is what the file on disk still says.
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
	Changes   []Update // as they stand there; nil in a file of another tool, which has none
	Base      string
	Damage    error // why not everything could be read; nil if it could

	whole *backlog.Backlog // pendingUpdates
}

// maxRecovery bounds a recovery file: a backlog and its changes.
const maxRecovery = 2 * backlog.MaxSize

// ReadRecovery reads a recovery file, or with path "-" standard input. A file
// that is damaged is no error: Damage says so, and what could be read is
// there.
func ReadRecovery(path string) (*Recovery, error) { return readRecovery(fsutil.OS(), path) }

func readRecovery(fsys fsutil.FS, path string) (*Recovery, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := fsys.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read from
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", path)
		}
		if info.Size() > maxRecovery {
			return nil, fmt.Errorf("%s has %d bytes; hacky reads at most %d", path, info.Size(), maxRecovery)
		}
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxRecovery))
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
	// No line of a JSON document can begin like that, but a log that holds
	// marked lines may begin like a JSON document.
	marked := strings.HasPrefix(text, MarkedPrefix) || strings.Contains(text, "\n"+MarkedPrefix)
	if trimmed := strings.TrimSpace(text); marked || !strings.HasPrefix(trimmed, "{") {
		return decodeMarked(text)
	}
	r := &Recovery{}
	dec := json.NewDecoder(strings.NewReader(text))
	seen := map[string]bool{}
	r.Damage = r.members(dec, seen)
	if r.Damage == nil && r.Changes == nil && r.whole == nil {
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

// readChanges keeps the good ones of a list in which some are not.
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
	r.Changes = []Update{}
	var bad error
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		u, err := decodeChange(raw)
		if err != nil {
			bad = cmp.Or(bad, fmt.Errorf("%s: %w", raw, err))
			continue
		}
		r.Changes = append(r.Changes, u)
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	return bad
}

// decodeChange reads one change. What is missing is not made up, except that
// without "from" nothing is known of what it started from; To stands for that.
func decodeChange(data []byte) (Update, error) {
	var c struct {
		ID   string
		From *backlog.Status
		To   *backlog.Status
		At   time.Time
		Seq  uint64
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return Update{}, err
	}
	if _, err := backlog.ParseID(c.ID); err != nil {
		return Update{}, err
	}
	if c.To == nil {
		return Update{}, errors.New(`it has no "to"`)
	}
	return Update{ID: c.ID, From: *cmp.Or(c.From, c.To), To: *c.To, At: c.At, Seq: c.Seq}, nil
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
		u, err := decodeChange([]byte(change))
		if err != nil {
			r.Damage = cmp.Or(r.Damage, fmt.Errorf("%s: %w", change, err))
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

// changesOn are the file's changes, one per id: a file may hold the steps of an
// item one by one. A file without changes means: every subtask whose status
// differs from the backlog's.
func (r *Recovery) changesOn(b *backlog.Backlog, disk []backlog.Status) []Update {
	if r.Changes != nil || r.whole == nil {
		return mergeChanges(nil, slices.SortedStableFunc(slices.Values(r.Changes), bySeq))
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
	_, err := os.Stat(l.RecoveryPath())
	return !errors.Is(err, fs.ErrNotExist)
}
