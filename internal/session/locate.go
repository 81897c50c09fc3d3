package session

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

// Location is where a session is.
type Location struct {
	Dir  string // the session directory, as the user would write it
	Name string // the backlog's file name in it, usually tasks.json
}

// TasksFile is the usual name of a backlog.
const TasksFile = "tasks.json"

// ErrNoSession says that no session was named and none is where it is looked for.
var ErrNoSession = errors.New("no session found: there is no tasks.json here and no plan/NNN_hash/tasks.json below; " +
	"name one with --session, or make one with \"hacky init --example\"")

// Path is the backlog's path.
func (l Location) Path() string { return filepath.Join(l.Dir, l.Name) }

// RecoveryPath is the recovery file's path.
func (l Location) RecoveryPath() string { return l.Path() + ".failed" }

// Locate finds the session that the user means: a directory, a session's name
// or hash under plan/, a path of a tasks.json; or, with "", the current
// directory, else the highest session under ./plan, an incomplete one in its
// bugfix/ before itself. The error says what was looked for.
func Locate(name string) (Location, error) {
	if name != "" {
		return locateNamed(name)
	}
	if _, err := os.Lstat(TasksFile); err == nil {
		return Location{".", TasksFile}, nil
	}
	if dirs := sessionsIn("plan"); len(dirs) > 0 {
		highest := dirs[len(dirs)-1]
		fixes := sessionsIn(filepath.Join(highest, "bugfix"))
		slices.Reverse(fixes)
		for _, dir := range fixes {
			if incomplete(Location{dir, TasksFile}) {
				return Location{dir, TasksFile}, nil
			}
		}
		return Location{highest, TasksFile}, nil
	}
	return Location{}, ErrNoSession
}

func locateNamed(name string) (Location, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir() && filepath.Base(name) != TasksFile:
		if _, err := os.Lstat(filepath.Join(name, TasksFile)); err != nil {
			return Location{}, fmt.Errorf("the session %s holds no tasks.json", name)
		}
		return Location{filepath.Clean(name), TasksFile}, nil
	case err == nil, filepath.Base(name) == TasksFile:
		if _, err := os.Lstat(name); err != nil {
			return Location{}, fmt.Errorf("the session %s does not exist", name)
		}
		return Location{filepath.Dir(name), filepath.Base(name)}, nil
	}
	for _, dir := range sessionsIn("plan") {
		base := filepath.Base(dir)
		if _, hash, _ := strings.Cut(base, "_"); base == name || hash == name {
			return Location{dir, TasksFile}, nil
		}
	}
	return Location{}, fmt.Errorf("the session %q was not found: it is no directory, no path of a tasks.json, and no name or hash under plan/", name)
}

// sessionsIn lists the NNN_hash directories with a backlog, lowest first.
func sessionsIn(parent string) []string {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil // no plan/ is the usual case
	}
	type numbered struct {
		n   int
		dir string
	}
	shape := regexp.MustCompile(`^(\d{1,9})_[0-9A-Za-z]+$`)
	var found []numbered
	for _, e := range entries {
		m := shape.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if _, err := os.Lstat(filepath.Join(dir, TasksFile)); err != nil {
			continue
		}
		n, _ := strconv.Atoi(m[1]) // at most nine digits
		found = append(found, numbered{n, dir})
	}
	slices.SortStableFunc(found, func(a, b numbered) int { return a.n - b.n })
	dirs := make([]string, len(found))
	for i, f := range found {
		dirs[i] = f.dir
	}
	return dirs
}

// incomplete reports whether a session has work left. One that cannot be read
// has: the user wants to hear of it.
func incomplete(l Location) bool {
	b, err := Read(l)
	if err != nil {
		return true
	}
	for i := range b.Items {
		if b.Items[i].Kind == backlog.Subtask && !b.Items[i].Status.Satisfied() {
			return true
		}
	}
	return false
}

// Read loads and checks a session's backlog. It takes no lock and writes
// nothing: writers replace the file whole.
func Read(l Location) (*backlog.Backlog, error) {
	return read(l.Files(), l)
}

func read(fsys fsutil.FS, l Location) (*backlog.Backlog, error) {
	src, _, err := readFile(fsys, l.Path())
	if err != nil {
		return nil, explain(l.Path(), err)
	}
	return backlog.Parse(l.Path(), src)
}

// readFile reads a regular file of at most backlog.MaxSize bytes. Opening does
// not wait for the other end of a pipe.
func readFile(fsys fsutil.FS, path string) (src string, info fs.FileInfo, err error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err = f.Stat()
	if err != nil {
		return "", nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "", nil, fmt.Errorf("%s is a directory; it has to be a file", path)
	case mode&fs.ModeNamedPipe != 0:
		return "", nil, fmt.Errorf("%s is a named pipe; it has to be a regular file", path)
	case !mode.IsRegular():
		return "", nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > backlog.MaxSize:
		return "", nil, fmt.Errorf("%s has %d bytes; hacky reads at most %d", path, info.Size(), backlog.MaxSize)
	}
	// Read to where it belongs: a copy of 50 MB is not free.
	data := make([]byte, 0, info.Size()+512)
	for {
		n, rerr := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(rerr, io.EOF):
			return unsafe.String(unsafe.SliceData(data), len(data)), info, nil // nobody writes to data any more
		case rerr != nil:
			return "", nil, rerr
		case len(data) > backlog.MaxSize:
			return "", nil, fmt.Errorf("%s grew over %d bytes while it was read", path, backlog.MaxSize)
		case len(data) == cap(data): // it grew while it was read
			data = slices.Grow(data, len(data))
		}
	}
}

// explain says in plain words why a backlog could not be read.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if target, lerr := os.Readlink(path); lerr == nil {
			return fmt.Errorf("%s is a symbolic link to %s, which does not exist", path, target)
		}
		return fmt.Errorf("%s does not exist; \"hacky init --example\" makes a session", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be read: permission denied", path)
	case errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%s is not a regular file", path)
	}
	return err
}
