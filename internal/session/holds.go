package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Hold is a credential whose quota is used up until a time.
type Hold struct {
	Credential string    `json:"credential" yaml:"credential"`
	Until      time.Time `json:"until" yaml:"until"`
}

// The holds of a session are in .hacky/holds.json, a list of Hold, so that the
// next run does not ask an agent that has said no. The file is written whole
// and atomically. It is no state of the backlog: one that cannot be read is
// as good as none.

// maxHolds bounds the file.
const maxHolds = 1 << 20

func holdsPath(path string) string {
	return hiddenOf(path, "holds.json")
}

// Holds are the holds of a session that have not ended at now, the first to
// end first.
func Holds(l Location, now time.Time) ([]Hold, error) {
	return readHolds(l.Files(), resolved(l), now)
}

func readHolds(fsys fsutil.FS, path string, now time.Time) (holds []Hold, err error) {
	f, err := fsys.OpenFile(holdsPath(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxHolds))
	if err == nil {
		err = json.Unmarshal(data, &holds)
	}
	if err != nil {
		return nil, fmt.Errorf("read holds: %s: %w", holdsPath(path), err)
	}
	holds = slices.DeleteFunc(holds, func(h Hold) bool { return h.Credential == "" || !h.Until.After(now) })
	slices.SortStableFunc(holds, func(a, b Hold) int { return a.Until.Compare(b.Until) })
	return holds, nil
}

// SetHold keeps a hold for later runs, instead of an earlier one of the same
// credential. A zero time ends it.
func (s *Session) SetHold(credential string, until time.Time) error {
	s.holding.Lock()
	defer s.holding.Unlock()
	holds, err := readHolds(s.fs, s.path, time.Now())
	if err != nil {
		s.log.Debug().Err(err).Msg("the holds cannot be read; starting anew")
	}
	holds = slices.DeleteFunc(holds, func(h Hold) bool { return h.Credential == credential })
	if !until.IsZero() {
		holds = append(holds, Hold{credential, until.Round(0)})
	}
	if len(holds) == 0 {
		if err := s.fs.Remove(holdsPath(s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write holds: %w", err)
		}
		return nil
	}
	data, err := json.Marshal(holds)
	if err != nil {
		return fmt.Errorf("write holds: %w", err)
	}
	_, err = fsutil.Replace(s.fs, fsutil.Replacement{Path: holdsPath(s.path), Fresh: 0o666,
		Write: func(w io.Writer) error { _, err := w.Write(append(data, '\n')); return err }})
	if err != nil {
		return fmt.Errorf("write holds: %w", err)
	}
	return nil
}
