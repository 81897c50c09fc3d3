package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// A new session under plan/ is made in a directory .init-*, file by file and
// each synced, which then is renamed: there is all of it or nothing, whenever
// the power fails. Whoever makes one holds a lock on plan/ itself, so that no
// two take one number; where a directory cannot be locked, as on some network
// file systems, two at the same instant might. A .init-* that is found with the
// lock held is a dead one's, and removed.

// PRDSnapshot is the copy of the PRD in a session.
const PRDSnapshot = "prd_snapshot.md"

const (
	hashDigits    = 12
	unfinished    = ".init-"
	createRetries = 5
)

// EmptyBacklog is one to begin with.
const EmptyBacklog = "{\n  \"backlog\": []\n}\n"

// ErrNoBacklog says that the directory for a PRD is there, but is no session.
var ErrNoBacklog = errors.New("holds no " + TasksFile)

// ReadInput reads a file that a session is to be made from, a regular one of
// at most backlog.MaxSize bytes.
func ReadInput(path string) (string, error) {
	src, _, err := readFile(fsutil.OS(), path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s does not exist", path)
	case err != nil:
		return "", explain(path, err)
	}
	return src, nil
}

// ReadBacklog reads a backlog that a session is to be made from, and checks it.
// The error may be a *backlog.InvalidError.
func ReadBacklog(path string) (string, error) {
	src, err := ReadInput(path)
	if err == nil {
		_, err = backlog.Parse(path, src)
	}
	return src, err
}

// Create makes a session for a PRD in the directory plan, which must be there:
// NNN_<first 12 hex digits of the SHA-256 of the PRD>, with the next free
// number. tasks is its backlog, and more is what else is in it. When it returns,
// all of it is on stable storage. If the directory has one with this hash, made
// is false and nothing is written; the error is ErrNoBacklog if that is no
// session. On any other error nothing of the new session is left.
func Create(fsys fsutil.FS, plan, prd, tasks string, more ...File) (l Location, made bool, err error) {
	files := append([]File{{PRDSnapshot, prd}, {TasksFile, tasks}}, more...)
	if unlock, err := lockDir(plan); err == nil {
		defer unlock()
		sweepUnfinished(fsys, plan, files)
	}
	for range createRetries {
		l, found, err := find(fsys, plan, prd)
		if found || err != nil {
			return l, false, err
		}
		err = makeWhole(fsys, l.Dir, files)
		if !errors.Is(err, fs.ErrExist) { // else somebody was faster
			return l, err == nil, err
		}
	}
	return Location{}, false, fmt.Errorf("others make sessions in %s all the time; try again", plan)
}

// Find is Create that only looks: where the session for a PRD is, if there is
// one. The directory plan may be missing.
func Find(fsys fsutil.FS, plan, prd string) (l Location, found bool, err error) {
	l, found, err = find(fsys, plan, prd)
	if errors.Is(err, fs.ErrNotExist) {
		return Location{}, false, nil
	}
	return l, found, err
}

// find finds the session for a PRD, or says where the next one belongs.
func find(fsys fsutil.FS, plan, prd string) (l Location, found bool, err error) {
	sum := sha256.Sum256([]byte(prd))
	hash := hex.EncodeToString(sum[:])[:hashDigits]
	name, number, err := lookFor(fsys, plan, hash)
	if err != nil {
		return Location{}, false, err
	}
	if name == "" {
		return Location{filepath.Join(plan, fmt.Sprintf("%03d_%s", number, hash)), TasksFile}, false, nil
	}
	l = Location{filepath.Join(plan, name), TasksFile}
	_, err = fsys.Lstat(l.Path())
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is for this PRD, but %w; remove it, or put its backlog back", l.Dir, ErrNoBacklog)
	}
	return l, true, err
}

// lookFor finds the session with a hash, and the number after the highest.
func lookFor(fsys fsutil.FS, plan, hash string) (name string, next int, err error) {
	entries, err := fsys.ReadDir(plan)
	if err != nil {
		return "", 0, err
	}
	shape := regexp.MustCompile(`^(\d{1,9})_(.*)$`)
	highest := 0
	for _, e := range entries {
		m := shape.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		if m[2] == hash {
			return e.Name(), 0, nil
		}
		n, _ := strconv.Atoi(m[1]) // at most nine digits
		highest = max(highest, n)
	}
	return "", highest + 1, nil
}

// File is a file of a new session. Its name may begin with directories.
type File struct{ Name, Content string }

// makeWhole makes a directory that must not be there, with files.
func makeWhole(fsys fsutil.FS, dir string, files []File) (err error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	temp := filepath.Join(filepath.Dir(dir), unfinished+hex.EncodeToString(random[:]))
	if err := fsys.Mkdir(temp, 0o777); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeWith(fsys, temp, files))
		}
	}()
	below := dirsOf(files)
	for _, name := range below {
		if err := fsys.Mkdir(filepath.Join(temp, name), 0o777); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := writeSynced(fsys, filepath.Join(temp, f.Name), f.Content); err != nil {
			return err
		}
	}
	for _, name := range append(below, ".") {
		if err := fsys.SyncDir(filepath.Join(temp, name)); err != nil {
			return err
		}
	}
	if _, err := fsys.Lstat(dir); err == nil { // a rename would replace an empty directory
		return &fs.PathError{Op: "make", Path: dir, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.Rename(temp, dir); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
		return errors.Join(err, fsys.Rename(dir, temp))
	}
	return nil
}

// dirsOf are the directories that files are in, each behind the one it is in.
func dirsOf(files []File) []string {
	var dirs []string
	for _, f := range files {
		for dir := filepath.Dir(f.Name); dir != "."; dir = filepath.Dir(dir) {
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return dirs
}

func writeSynced(fsys fsutil.FS, path, content string) error {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeWith removes a directory with these files in it, as far as they are
// there, and nothing else.
func removeWith(fsys fsutil.FS, dir string, files []File) error {
	names := append([]string{"."}, dirsOf(files)...)
	for _, f := range files {
		names = append(names, f.Name)
	}
	var errs []error
	for _, name := range slices.Backward(names) {
		if err := fsys.Remove(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweepUnfinished removes what others that died have left. What cannot be
// removed stays: it is in nobody's way.
func sweepUnfinished(fsys fsutil.FS, plan string, files []File) {
	entries, err := fsys.ReadDir(plan)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), unfinished) {
			_ = removeWith(fsys, filepath.Join(plan, e.Name()), files)
		}
	}
}

// lockDir takes the lock of a directory. It waits for who has it: they write a
// few files.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = d.Close() }, nil // only the lock was wanted
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK) || time.Since(start) > lockPatience:
			return nil, errors.Join(err, d.Close())
		}
	}
}
