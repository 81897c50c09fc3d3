package session

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Holder is the run that has a session.
type Holder struct {
	Says  string    // what it says about itself
	Since time.Time // when it took the lock
}

// Held tells which run has a session now; nil if none has. It makes no file,
// and keeps no run from starting: the lock is tried as one that may be shared,
// given back at once, and a run waits longer than that for its own.
func Held(l Location) (*Holder, error) {
	f, err := l.Files().OpenFile(l.Hidden("run.lock"), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the run lock: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	switch err := fsutil.Probe(f); {
	case err == nil:
		return nil, nil
	case !errors.Is(err, fsutil.ErrLocked):
		return nil, fmt.Errorf("look at the run lock: %w", err)
	}
	h := &Holder{Says: "unknown"}
	if info, err := f.Stat(); err == nil {
		h.Since = info.ModTime()
	}
	text, _ := io.ReadAll(io.LimitReader(f, 300)) // what cannot be read is not said
	if said := strings.TrimSpace(string(text)); said != "" {
		h.Says = said
	}
	return h, nil
}
