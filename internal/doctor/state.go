package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/session"
)

// stuck is how long a writer may keep the lock until it counts as stuck: it
// holds it for one write of tasks.json.
const stuck = 2 * time.Second

// locks looks who has the session. A lock is tried and given back at once; the
// files are not made if they are not there.
func (e *examination) locks(ctx context.Context) {
	name := filepath.Join(e.hidden, "run.lock")
	switch held, err := e.held(name); {
	case err != nil:
		e.add("run-lock", Failed, "%s cannot be locked: %s; change the owner or mode of .hacky/", name, fsutil.Reason(err))
	case held:
		e.add("run-lock", OK, "a run has the session (%s); a second one exits with 4", holder(e.FS, name))
	default:
		e.add("run-lock", OK, "no run has the session")
	}

	name = filepath.Join(e.hidden, "write.lock")
	held, err := e.held(name)
	for end := time.Now().Add(stuck); held && err == nil && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(20 * time.Millisecond)
		held, err = e.held(name)
	}
	switch {
	case err != nil:
		e.add("write-lock", Failed, "%s cannot be locked: %s; change the owner or mode of .hacky/", name, fsutil.Reason(err))
	case held:
		e.add("write-lock", Warning, "a process has been writing tasks.json for more than %v; if it is stopped, let it go on or end it: \"fuser %s\" names it", stuck, name)
	default:
		e.add("write-lock", OK, "no writer is stuck")
	}
}

// held reports whether another process has a lock, without making its file.
func (e *examination) held(name string) (bool, error) {
	if _, err := e.FS.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	_, unlock, err := e.FS.TryLock(name)
	switch {
	case err == nil:
		return false, unlock()
	case errors.Is(err, fsutil.ErrLocked):
		return true, nil
	}
	return false, err
}

// holder is what the holder of a lock wrote about itself.
func holder(fsys fsutil.FS, name string) string {
	f, err := fsys.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "it does not say who it is"
	}
	defer f.Close() //nolint:errcheck // only read from
	buf := make([]byte, 200)
	n, _ := f.Read(buf) // empty says as much as an error
	text, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(buf[:n]), "?")), "\n")
	if text == "" {
		return "it does not say who it is"
	}
	return text
}

// permissions looks whether this user can replace tasks.json.
func (e *examination) permissions() {
	const name = "permissions"
	if err := access(e.store, unix.W_OK|unix.X_OK); err != nil {
		e.add(name, Failed, "%s cannot be written by you: %s; %s", e.store, fsutil.Reason(err), e.remedy(err))
		return
	}
	if fixed(e.store) {
		e.add(name, Failed, "%s is immutable or append-only, so tasks.json cannot be replaced; type: %s %s", e.store, unfix, quote(e.store))
		return
	}
	if !e.found {
		e.add(name, OK, "%s can be written", e.store)
		return
	}
	if info, err := os.Stat(e.hidden); err == nil {
		if err := access(e.hidden, unix.W_OK|unix.X_OK); err != nil || !info.IsDir() {
			e.add(name, Failed, "%s has to be a directory that you can write; change its owner or mode, or remove it when no run is going on", e.hidden)
			return
		}
	}
	if e.tasks == "" {
		e.add(name, Failed, "%s does not exist or leads nowhere; put it back, or make a session with: hacky init --example", e.Session.Path())
		return
	}
	if err := access(e.tasks, unix.R_OK); err != nil {
		e.add(name, Failed, "%s cannot be read by you: %s; change its owner or mode", e.tasks, fsutil.Reason(err))
		return
	}
	if fixed(e.tasks) {
		e.add(name, Failed, "%s is immutable or append-only and cannot be replaced; type: %s %s", e.tasks, unfix, quote(e.tasks))
		return
	}
	e.ownership(name)
}

// ownership looks whether a flush would change whose file it is, or fail
// because of that.
func (e *examination) ownership(name string) {
	file, ok := statOf(e.tasks)
	dir, dirOK := statOf(e.store)
	me := os.Geteuid()
	switch {
	case !ok || !dirOK || int(file.Uid) == me:
		e.add(name, OK, "tasks.json and its directory can be written")
	case me == 0:
		e.add(name, OK, "tasks.json can be written and stays the file of user %d", file.Uid)
	case dir.Mode&syscall.S_ISVTX != 0 && int(dir.Uid) != me:
		e.add(name, Failed, "tasks.json belongs to user %d and the directory lets only owners replace their files (sticky bit); run hacky as that user, or move the session", file.Uid)
	default:
		e.add(name, Warning, "tasks.json belongs to user %d, and after a flush it is yours (user %d); run hacky as that user, or type: chown %d %s", file.Uid, me, me, quote(e.tasks))
	}
}

func access(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}

func statOf(path string) (*syscall.Stat_t, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

func sameDevice(a, b string) bool {
	x, xOK := statOf(a)
	y, yOK := statOf(b)
	return xOK && yOK && x.Dev == y.Dev
}

// Years that a clock may show.
const (
	firstYear = 2025
	lastYear  = 2100
)

// clock looks whether times can be trusted: of two changes to one item the
// later one wins.
func (e *examination) clock() {
	now := e.Now()
	if y := now.Year(); y < firstYear || y > lastYear {
		e.add("clock", Failed, "the clock says %s, and of two changes the later one wins; set the clock", now.Format(time.DateTime))
		return
	}
	if e.tasks != "" {
		if info, err := os.Stat(e.tasks); err == nil && info.ModTime().After(now.Add(clockSlack)) {
			e.add("clock", Warning, "tasks.json was changed %s in the future, at %s: this clock or that of the writer was wrong; set the clock, then type: touch %s",
				info.ModTime().Sub(now).Round(time.Second), info.ModTime().Format(time.DateTime), quote(e.tasks))
			return
		}
	}
	e.add("clock", OK, "it says %s, and no file is from the future", now.Format("2006-01-02 15:04:05 MST"))
}

// freshTemp is how old a temp file may be and still belong to a write that is
// going on.
const freshTemp = 10 * time.Second

// leftovers looks for what a crash has left, and for what waits.
func (e *examination) leftovers() {
	stale, waiting, err := e.find()
	switch {
	case err != nil:
		e.add("stale-files", Failed, "the session cannot be searched: %s; %s", fsutil.Reason(err), e.remedy(err))
	case len(stale) > 0:
		e.add("stale-files", Warning, "a crash left %s behind; the next \"%s\" removes temp files, \"rm -r\" the others", list(stale), e.command("run"))
	default:
		e.add("stale-files", OK, "no temp file was left behind")
	}
	var found []string
	for _, p := range session.Waiting(e.Session, e.Shelters) {
		found = append(found, p.Path)
	}
	switch {
	case len(found) > 0:
		e.add("recovery-file", Warning, "updates wait in %s; type: %s", list(append(found, waiting...)), e.command("recover"))
	case len(waiting) > 0:
		e.add("recovery-file", Warning, "%s may hold updates that could not be read; look into it, then remove it", list(waiting))
	default:
		e.add("recovery-file", OK, "no updates wait")
	}
	e.journal()
}

// find lists stale temp files, and recovery files that were damaged and moved
// aside.
func (e *examination) find() (stale, waiting []string, err error) {
	dirs := []string{e.Session.Dir}
	if e.tasks != "" && !sameFile(e.store, e.Session.Dir) {
		dirs = append(dirs, e.store)
	}
	dirs = append(dirs, e.hidden)
	for _, dir := range dirs {
		entries, err := e.FS.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir == e.hidden {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			info, err := entry.Info()
			if err != nil {
				continue // gone meanwhile
			}
			old := e.Now().Sub(info.ModTime()) > freshTemp
			switch {
			case old && strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".hacky-tmp"),
				old && entry.IsDir() && strings.HasPrefix(name, scratchInStore),
				old && entry.IsDir() && dir == e.hidden && strings.HasPrefix(name, scratchInHidden):
				stale = append(stale, filepath.Join(dir, name))
			case strings.HasPrefix(name, e.Session.Name+".failed.damaged"):
				waiting = append(waiting, filepath.Join(dir, name))
			}
		}
	}
	return stale, waiting, nil
}

// journal looks for one that no run is going to flush.
func (e *examination) journal() {
	if !session.JournalWaiting(e.Session) {
		e.add("journal", OK, "nothing is in the journal")
		return
	}
	if running, _ := e.held(filepath.Join(e.hidden, "run.lock")); running { // an error was told by the check of the lock
		e.add("journal", OK, "the run that is going on writes it")
		return
	}
	for _, path := range e.Session.JournalPaths() {
		e.leftJournal(path)
	}
}

// leftJournal looks at a journal that a dead run may have left.
func (e *examination) leftJournal(path string) {
	c, err := journal.Read(e.FS, path)
	var damage *journal.DamageError
	switch {
	case errors.As(err, &damage):
		next := "type: " + e.command("validate --repair")
		if damage.Newer {
			next = "use the newer hacky that wrote it"
		}
		e.add("journal", Failed, "%v; nothing is guessed: to keep a backup and go on with what can be read of it, %s", damage, next)
	case err != nil:
		e.add("journal", Failed, "%s cannot be read: %s; %s", path, fsutil.Reason(err), e.remedy(err))
	case c != nil:
		e.add("journal", Warning, "%s is of a process that did not end well, and %d updates in it wait to be put into tasks.json; they count, and the next \"%s\" does it", path, len(c.Records), e.command("run"))
	}
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func list(names []string) string {
	const most = 3
	if len(names) > most {
		names = append(names[:most:most], "and more")
	}
	return strings.Join(names, ", ")
}

// quote makes a path safe to be pasted into a shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
