package session

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Recovery is what a recovery file holds.
type Recovery struct {
	Path      string
	Timestamp time.Time
	Changes   []Update // as they stand there; nil in a file of another tool, which has none
	Base      string
	Damage    error // why not everything could be read; nil if it could

	version string
	whole   []subtask        // of pendingUpdates; nil without
	backlog *backlog.Backlog // pendingUpdates, if it is in order
}

// subtask is one of a whole backlog.
type subtask struct {
	ID     string
	Status backlog.Status
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
	text := bufio.NewReader(in)
	most := int64(maxRecovery)
	if first, err := text.Peek(1); err == nil && first[0] == 0 {
		most = 1 << 10 // no text begins so; a gigabyte of zeros would take long
	}
	data, err := io.ReadAll(io.LimitReader(text, most))
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
	major, _, _ := strings.Cut(r.version, ".")
	if n, err := strconv.Atoi(major); r.Damage == nil && err == nil && n > 1 { // other tools may call theirs anything
		r.Damage = fmt.Errorf("it has format version %.20s; this hacky knows 1.0 and may not see all of it", r.version)
	}
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
	var bad error // of a backlog that is not in order, behind which other members may be
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
				bad = r.readWhole(raw)
			}
		default:
			var other json.RawMessage
			if err = dec.Decode(&other); name == "version" {
				r.version = strings.Trim(string(other), `"`)
			}
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
	return bad
}

// readWhole keeps the subtasks of a backlog, and of one that is not in order
// those that are.
func (r *Recovery) readWhole(raw json.RawMessage) error {
	b, err := backlog.Parse("pendingUpdates", string(raw))
	if err == nil {
		r.backlog = b
		r.whole = make([]subtask, 0, b.Len())
		for i := range b.Items {
			if it := &b.Items[i]; it.Kind == backlog.Subtask {
				r.whole = append(r.whole, subtask{it.ID, it.Status})
			}
		}
		return nil
	}
	err = fmt.Errorf("pendingUpdates: %w", err)
	var loose struct {
		Backlog []struct {
			Milestones []struct {
				Tasks []struct {
					Subtasks []json.RawMessage
				}
			}
		}
	}
	if json.Unmarshal(raw, &loose) != nil {
		return err
	}
	for _, phase := range loose.Backlog {
		for _, milestone := range phase.Milestones {
			for _, task := range milestone.Tasks {
				for _, text := range task.Subtasks {
					var item struct {
						ID     string
						Status *backlog.Status
					}
					if json.Unmarshal(text, &item) != nil || item.Status == nil {
						continue
					}
					if kind, err := backlog.ParseID(item.ID); err == nil && kind == backlog.Subtask {
						r.whole = append(r.whole, subtask{item.ID, *item.Status})
					}
				}
			}
		}
	}
	return err
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
	for n := 1; dec.More(); n++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		u, err := decodeChange(raw)
		if err != nil {
			bad = cmp.Or(bad, fmt.Errorf("number %d: %w", n, err))
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
		backlog.Work
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
	return Update{ID: c.ID, From: *cmp.Or(c.From, c.To), To: *c.To, At: c.At, Seq: c.Seq, Work: c.Work}, nil
}

// decodeMarked reads the lines that were printed because no file could be
// written, among any other lines.
func decodeMarked(text string) *Recovery {
	r := &Recovery{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		_, change, ok := strings.Cut(strings.TrimRight(line, "\r\n"), MarkedPrefix)
		if !ok {
			continue
		}
		u, err := decodeChange([]byte(change))
		if err != nil {
			r.Damage = cmp.Or(r.Damage, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		r.Changes = append(r.Changes, u)
	}
	if len(r.Changes) == 0 && r.Damage == nil {
		r.Damage = errors.New("it is no recovery file: neither a JSON object nor lines that begin with " + MarkedPrefix)
	}
	return r
}

// changesOn are the file's changes, one per id: a file may hold the steps of an
// item one by one. A file without changes means: every subtask whose status
// differs from the backlog's. A change that does not tell its work is for the
// work that the item has in the file's own backlog.
func (r *Recovery) changesOn(b *backlog.Backlog, disk []backlog.Status) []Update {
	if r.Changes != nil || r.whole == nil {
		changes := slices.SortedStableFunc(slices.Values(r.Changes), bySeq)
		for k := range changes {
			if !changes[k].Recorded() {
				changes[k].Work = r.workOf(changes[k].ID)
			}
		}
		return mergeChanges(nil, changes)
	}
	var out []Update
	for _, it := range r.whole {
		n, ok := b.Lookup(it.ID)
		if ok && disk[n] == it.Status {
			continue
		}
		// What it started from is not known; To stands for "nothing else".
		out = append(out, Update{ID: it.ID, From: it.Status, To: it.Status, At: r.Timestamp, Seq: uint64(len(out) + 1), Work: r.workOf(it.ID)})
	}
	return out
}

// workOf is the work that an item has in the file's own backlog, if that tells.
func (r *Recovery) workOf(id string) (w backlog.Work) {
	if r.backlog != nil {
		w, _ = r.backlog.WorkOf(id)
	}
	return w
}
