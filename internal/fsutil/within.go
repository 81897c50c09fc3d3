package fsutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ArtifactsDir is the name of the directory in a session for the evidence of
// its attempts.
const ArtifactsDir = "artifacts"

// Within is OS for the files of a session, which may come from a stranger's
// repository. In each of dirs it trusts the path of the directory itself and
// nothing below: the directory's own files and all of .hacky/ and artifacts/ are
// reached without following a symbolic link, and only regular files are opened,
// never waiting for the other end of a pipe. Everything else is refused with a
// *RefusedError before it is opened. free, the backlog, may be a symbolic link.
// Paths elsewhere are those of OS.
//
// If the process is root, what it makes there gets the directory's owner, so
// that the owner's next command can go on.
func Within(free string, dirs ...string) FS {
	w := within{free: filepath.Clean(free)}
	for _, dir := range dirs {
		if dir = filepath.Clean(dir); !slices.Contains(w.dirs, dir) {
			w.dirs = append(w.dirs, dir)
		}
	}
	return w
}

// RefusedError says that a path in a session is not what hacky opens.
type RefusedError struct {
	Path string
	Is   string // "a symbolic link"
	Want string // "a regular file"
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is %s; hacky uses only %s there: check where it came from, remove it, and run the command again", e.Path, e.Is, e.Want)
}

// Refuse returns a *RefusedError for a file in a session that is not regular, or
// with dir for one that is not a directory; nil if it is what it should be.
func Refuse(path string, mode fs.FileMode, dir bool) error {
	if dir && mode.IsDir() || !dir && mode.IsRegular() {
		return nil
	}
	e := &RefusedError{Path: path, Is: "a regular file", Want: "a regular file"}
	if dir {
		e.Want = "a real directory"
	}
	switch {
	case mode&fs.ModeSymlink != 0:
		e.Is = "a symbolic link"
	case mode.IsDir():
		e.Is = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		e.Is = "a named pipe"
	case mode&fs.ModeSocket != 0:
		e.Is = "a socket"
	case mode&fs.ModeDevice != 0:
		e.Is = "a device"
	case !mode.IsRegular():
		e.Is = "a special file"
	}
	return e
}

type within struct {
	osFS
	free string
	dirs []string
}

// spot is where a guarded path is: a name in an open directory that was
// reached without a link.
type spot struct {
	root *os.Root
	dir  string // the session's directory
	base string
}

func (p *spot) close() { _ = p.root.Close() } // only a directory, only read from

// find returns nil for a path that is not guarded.
func (w within) find(name string) (*spot, error) {
	if filepath.Clean(name) == w.free {
		return nil, nil
	}
	for _, dir := range w.dirs {
		rel, err := filepath.Rel(dir, name)
		if err != nil || rel == "." || !filepath.IsLocal(rel) {
			continue
		}
		first, _, below := strings.Cut(rel, string(filepath.Separator))
		if below && first != PrivateDir && first != ArtifactsDir {
			return nil, nil
		}
		return descend(dir, rel)
	}
	return nil, nil
}

func descend(dir, rel string) (*spot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	for at := dir; ; {
		first, rest, below := strings.Cut(rel, string(filepath.Separator))
		if !below {
			return &spot{root, dir, first}, nil
		}
		at = filepath.Join(at, first)
		info, err := root.Lstat(first)
		if err == nil {
			err = Refuse(at, info.Mode(), true)
		}
		next := root
		if err == nil {
			next, err = root.OpenRoot(first)
		}
		if err != nil {
			return nil, errors.Join(named(err, at), root.Close())
		}
		_ = root.Close() // only a directory
		root, rel = next, rest
	}
}

// named makes an error speak of the whole path.
func named(err error, path string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	return err
}

// give gives something new to the owner of the session. Where that is not
// allowed, in a user namespace, it stays root's.
func (p *spot) give(chown func(uid, gid int) error) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Stat(p.dir)
	if err != nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && (st.Uid != 0 || st.Gid != 0) {
		_ = chown(int(st.Uid), int(st.Gid))
	}
}

func (w within) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	p, err := w.find(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return w.osFS.OpenFile(name, flag|syscall.O_NONBLOCK, perm)
	}
	defer p.close()
	f, err := p.open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (p *spot) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	info, err := p.root.Lstat(p.base)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil && flag&os.O_EXCL == 0 { // with it, whatever is there is an error
		err = Refuse(name, info.Mode(), false)
	}
	if err != nil && !fresh {
		return nil, named(err, name)
	}
	f, err := p.root.OpenFile(p.base, flag|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, perm)
	if err != nil {
		return nil, named(err, name)
	}
	info, err = f.Stat()
	if err == nil {
		err = Refuse(name, info.Mode(), false) // changed since the look
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if fresh && flag&os.O_CREATE != 0 {
		p.give(f.Chown)
	}
	return f, nil
}

func (w within) TryLock(name string) (File, func() error, error) {
	p, err := w.find(name)
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return w.osFS.TryLock(name)
	}
	defer p.close()
	f, err := p.open(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, nil, err
	}
	return lockFile(f, name)
}

func (w within) Lstat(name string) (fs.FileInfo, error) {
	p, err := w.find(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return w.osFS.Lstat(name)
	}
	defer p.close()
	info, err := p.root.Lstat(p.base)
	return info, named(err, name)
}

func (w within) Stat(name string) (fs.FileInfo, error) {
	p, err := w.find(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return w.osFS.Stat(name)
	}
	defer p.close()
	info, err := p.root.Lstat(p.base)
	if err == nil && !info.IsDir() {
		err = Refuse(name, info.Mode(), false)
	}
	if err != nil {
		return nil, named(err, name)
	}
	return info, nil
}

// openDir opens a directory that is no link.
func (p *spot) openDir(name string) (*os.File, error) {
	info, err := p.root.Lstat(p.base)
	if err == nil {
		err = Refuse(name, info.Mode(), true)
	}
	if err != nil {
		return nil, named(err, name)
	}
	d, err := p.root.OpenFile(p.base, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	return d, named(err, name)
}

func (w within) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := w.find(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return w.osFS.ReadDir(name)
	}
	defer p.close()
	d, err := p.openDir(name)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, d.Close())
}

func (w within) SyncDir(name string) error {
	p, err := w.find(name)
	if err != nil {
		return err
	}
	if p == nil {
		return w.osFS.SyncDir(name)
	}
	defer p.close()
	d, err := p.openDir(name)
	if err != nil {
		return err
	}
	return syncDir(d)
}

func (w within) Mkdir(name string, perm fs.FileMode) error {
	p, err := w.find(name)
	if err != nil {
		return err
	}
	if p == nil {
		return w.osFS.Mkdir(name, perm)
	}
	defer p.close()
	if err := p.root.Mkdir(p.base, perm); err != nil {
		return named(err, name)
	}
	p.give(func(uid, gid int) error { return p.root.Lchown(p.base, uid, gid) })
	return nil
}

func (w within) Remove(name string) error {
	p, err := w.find(name)
	if err != nil {
		return err
	}
	if p == nil {
		return w.osFS.Remove(name)
	}
	defer p.close()
	return named(p.root.Remove(p.base), name)
}

func (w within) Rename(oldName, newName string) error {
	return w.both("rename", oldName, newName, w.osFS.Rename, renameAt)
}

func (w within) Link(oldName, newName string) error {
	return w.both("link", oldName, newName, w.osFS.Link, linkAt)
}

func (w within) Exchange(a, b string) error {
	return w.both("exchange", a, b, w.osFS.Exchange, func(fromDir int, from string, toDir int, to string) error {
		return unsupported(exchangeAt(fromDir, from, toDir, to))
	})
}

// both does something with two names: at their directories, of which those in a
// session are reached without a link. None of the operations follows one that
// is a name itself.
func (w within) both(op, from, to string, plain func(from, to string) error, at func(fromDir int, from string, toDir int, to string) error) error {
	p, err := w.find(from)
	if err != nil {
		return err
	}
	if p != nil {
		defer p.close()
	}
	q, err := w.find(to)
	if err != nil {
		return err
	}
	if q != nil {
		defer q.close()
	}
	if p == nil && q == nil {
		return plain(from, to)
	}
	d, fromBase, err := dirOf(p, from)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only a directory
	e, toBase, err := dirOf(q, to)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // only a directory
	if err := at(int(d.Fd()), fromBase, int(e.Fd()), toBase); err != nil {
		return &os.LinkError{Op: op, Old: from, New: to, Err: err}
	}
	return nil
}

// dirOf opens the directory that a name is in.
func dirOf(p *spot, name string) (d *os.File, base string, err error) {
	if p == nil {
		d, err = os.Open(filepath.Dir(name))
		return d, filepath.Base(name), err
	}
	d, err = p.root.Open(".")
	return d, p.base, err
}
