package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Scratch directories, and how a stale one is recognized.
const (
	scratchInHidden = "doctor-"
	scratchInStore  = ".hacky-doctor-"
)

// Thresholds of the time an fsync takes.
const (
	syncRounds  = 5
	slowSync    = 100 * time.Millisecond
	instantSync = 15 * time.Microsecond
)

// clockSlack is how far file times may be ahead: clocks of file servers, and
// file systems that count in two seconds.
const clockSlack = 3 * time.Second

// tryOut does on scratch files what hacky does with tasks.json.
func (e *examination) tryOut() {
	parent, pattern := e.store, scratchInStore
	if info, err := os.Lstat(e.hidden); e.found && err == nil && info.IsDir() && sameDevice(e.hidden, e.store) {
		parent, pattern = e.hidden, scratchInHidden
	}
	dir, err := os.MkdirTemp(parent, pattern+"*")
	if err != nil {
		e.add("write", Failed, "%s cannot be written: %s; %s", parent, fsutil.Reason(err), e.remedy(err))
		return
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			e.add("write", Warning, "the scratch directory %s cannot be removed: %s; remove it by hand", dir, fsutil.Reason(err))
		}
	}()
	if !e.trySync(dir) {
		return
	}
	e.tryExchange(dir)
	e.tryLocks(dir)
}

func (e *examination) remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "change its owner or mode"
	case fsutil.Code(err) == "ENOSPC" || fsutil.Code(err) == "EDQUOT":
		return "make room"
	case fsutil.Code(err) == "EROFS":
		return "mount it for writing"
	}
	return "look after the disk"
}

// trySync writes and syncs a few files and measures how long that takes.
func (e *examination) trySync(dir string) bool {
	var took []time.Duration
	for range syncRounds {
		d, err := e.syncOnce(filepath.Join(dir, "a"))
		if err == nil {
			err = e.FS.SyncDir(dir)
		}
		if err != nil {
			e.add("write", Failed, "writing and syncing a file in %s fails: %s; %s", e.store, fsutil.Reason(err), e.remedy(err))
			return false
		}
		took = append(took, d)
	}
	e.add("write", OK, "files can be written and synced, and so can the directory")
	slices.Sort(took)
	switch median := took[len(took)/2]; {
	case median > slowSync:
		e.add("sync-time", Warning, "fsync takes %s (median of %d), and what depends on a subtask waits for one; a faster disk makes runs faster", shortened(median), syncRounds)
	case median < instantSync:
		e.add("sync-time", OK, "fsync takes %s (median of %d), which is memory, or a cache that has to survive a power cut", shortened(median), syncRounds)
	default:
		e.add("sync-time", OK, "fsync takes %s (median of %d)", shortened(median), syncRounds)
	}
	return true
}

func shortened(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(100 * time.Microsecond)
}

func (e *examination) syncOnce(name string) (took time.Duration, err error) {
	f, err := e.FS.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(0); err != nil {
		return 0, err
	}
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

func (e *examination) tryExchange(dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	_, err := e.syncOnce(b)
	if err == nil {
		err = e.FS.Exchange(a, b)
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		e.add("exchange", Warning, "the file system cannot exchange two files, so a save by another program in the very instant of a flush could be overwritten; do not edit tasks.json during a run")
	case err != nil:
		e.add("exchange", Failed, "exchanging two files fails: %s; %s", fsutil.Reason(err), e.remedy(err))
	default:
		e.add("exchange", OK, "two files can be exchanged in one step, so a save by another program is never overwritten")
	}
}

// tryLocks takes a lock twice, in two open files: the second has to be refused.
func (e *examination) tryLocks(dir string) {
	name := filepath.Join(dir, "lock")
	_, unlock, err := e.FS.TryLock(name)
	if err != nil {
		e.add("file-locks", Failed, "a file cannot be locked: %s; use a file system that has flock", fsutil.Reason(err))
		return
	}
	_, second, err := e.FS.TryLock(name)
	if err == nil {
		err = second()
		e.add("file-locks", Failed, "a lock was given twice, so two runs would not notice each other; use a file system that has flock")
	} else if errors.Is(err, fsutil.ErrLocked) {
		e.add("file-locks", OK, "a lock keeps others out")
		err = nil
	}
	if err = errors.Join(err, unlock()); err != nil {
		e.add("file-locks", Failed, "locking a file fails: %s; use a file system that has flock", fsutil.Reason(err))
	}
}
