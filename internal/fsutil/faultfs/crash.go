package faultfs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash is a file system over real files that knows what of them is on stable
// storage. Clone writes down a state that a power cut may leave:
//
//   - What was written and then synced is there. What was written since is
//     there, or not, each sector for itself, in any combination.
//   - Of the creations, renames and removals since the directory was synced,
//     the first few have happened: journaling file systems keep their order.
//     They say nothing about the content of the files.
//   - What was written before a sync that failed may be there or not, for ever:
//     the kernel calls it clean, and a later sync that succeeds skips it.
//
// To be told of failed syncs it goes around the FS that fails, not inside:
// NewCrash(New(fsutil.OS(), fault), dir). The fault may call Clone, which then
// shows the state before the operation.
//
// It knows what goes through it and what was in the directory at the beginning,
// and takes that for stable.
type Crash struct {
	fsutil.FS
	root string

	mu     sync.Mutex
	inodes []*inode // in order of their creation, which numbers the choices
	now    map[string]*inode
	stable map[string]*inode
	ops    []dirOp // what makes now of stable
}

// dirOp is a change of directory entries that may or may not be stable yet.
type dirOp struct {
	dirs  []string
	apply func(map[string]*inode)
}

// inode is the content of a file: what is stable, and what was written since.
type inode struct {
	dir    bool
	stable []byte
	size   int64
	writes []write
}

type write struct {
	at     int64
	data   []byte
	cut    bool // a truncation to the size at
	synced bool // stable; behind one that is not
	lost   bool // before a sync that failed
}

// NewCrash wraps base for the files in the directory root.
func NewCrash(base fsutil.FS, root string) (*Crash, error) {
	c := &Crash{FS: base, root: filepath.Clean(root), now: map[string]*inode{}}
	err := filepath.WalkDir(c.root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name != c.root {
				c.now[name] = c.add(&inode{dir: true})
			}
		default:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			c.now[name] = c.add(&inode{stable: data, size: int64(len(data))})
		}
		return nil
	})
	c.stable = maps.Clone(c.now)
	return c, err
}

func (c *Crash) add(n *inode) *inode {
	c.inodes = append(c.inodes, n)
	return n
}

// Pending is how many choices Clone has.
func (c *Crash) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.ops)
	for _, node := range c.inodes {
		node.content(func() bool { n++; return false })
	}
	return n
}

// Clone writes to the directory dst what a power cut might leave now. It asks
// keep about everything that is not stable, by numbers from 0: first for the
// directory operations in order, of which those before the first false have
// happened, then for the sectors that were written.
func (c *Crash) Clone(dst string, keep func(i int) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, prefix := maps.Clone(c.stable), true
	for i, op := range c.ops {
		if prefix = prefix && keep(i); prefix {
			op.apply(entries)
		}
	}
	i := len(c.ops) - 1
	contents := map[*inode][]byte{}
	for _, node := range c.inodes {
		contents[node] = node.content(func() bool { i++; return keep(i) })
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		rel, err := filepath.Rel(c.root, name)
		if err != nil {
			return err
		}
		node, to := entries[name], filepath.Join(dst, rel)
		if node.dir {
			err = os.MkdirAll(to, 0o700)
		} else if err = os.MkdirAll(filepath.Dir(to), 0o700); err == nil {
			err = os.WriteFile(to, contents[node], 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// content is the stable content and what keep, asked once for each sector and
// each truncation, wants of the rest.
func (n *inode) content(keep func() bool) []byte {
	b := slices.Clone(n.stable)
	for _, w := range n.writes {
		b = w.apply(b, func() bool { return w.synced || keep() })
	}
	return b
}

func (w write) apply(b []byte, keep func() bool) []byte {
	resize := func(size int64) {
		if grow := size - int64(len(b)); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
	}
	if w.cut {
		if keep() {
			resize(w.at)
			b = b[:w.at]
		}
		return b
	}
	for at, data := w.at, w.data; len(data) > 0; {
		k := min(sector-at%sector, int64(len(data)))
		if keep() {
			resize(at + k)
			copy(b[at:], data[:k])
		}
		at, data = at+k, data[k:]
	}
	return b
}

func (c *Crash) write(n *inode, w write) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.cut && len(w.data) == 0 {
		return
	}
	w.data = slices.Clone(w.data)
	n.writes = append(n.writes, w)
	if n.size = max(n.size, w.at+int64(len(w.data))); w.cut {
		n.size = w.at
	}
}

// sync calls do and notes for what was written before whether it is stable.
func (c *Crash) sync(n *inode, do func() error) error {
	c.mu.Lock()
	count := len(n.writes)
	c.mu.Unlock()
	err := do()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n.writes[:count] {
		w := &n.writes[i]
		w.lost = w.lost || err != nil && !w.synced
		w.synced = !w.lost
	}
	for len(n.writes) > 0 && n.writes[0].synced {
		n.stable = n.writes[0].apply(n.stable, func() bool { return true })
		n.writes = n.writes[1:]
	}
	return err
}

// change notes that directory entries have changed.
func (c *Crash) change(apply func(map[string]*inode), names ...string) {
	op := dirOp{apply: apply}
	for _, name := range names {
		op.dirs = append(op.dirs, filepath.Dir(name))
	}
	apply(c.now)
	c.ops = append(c.ops, op)
}

// open finds or notes the inode of a file that has just been opened.
func (c *Crash) open(name string) *inode {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = filepath.Clean(name)
	if n := c.now[name]; n != nil {
		return n
	}
	n := c.add(&inode{})
	c.change(func(m map[string]*inode) { m[name] = n }, name)
	return n
}

// OpenFile is fsutil.FS's.
func (c *Crash) OpenFile(name string, flag int, perm fs.FileMode) (fsutil.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return f, nil
	}
	n := c.open(name)
	if flag&os.O_TRUNC != 0 {
		c.write(n, write{cut: true})
	}
	return &crashFile{File: f, c: c, n: n, appends: flag&os.O_APPEND != 0}, nil
}

// Mkdir is fsutil.FS's.
func (c *Crash) Mkdir(name string, perm fs.FileMode) error {
	err := c.FS.Mkdir(name, perm)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := c.add(&inode{dir: true})
		c.change(func(m map[string]*inode) { m[filepath.Clean(name)] = n }, name)
	}
	return err
}

// Remove is fsutil.FS's.
func (c *Crash) Remove(name string) error {
	err := c.FS.Remove(name)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change(func(m map[string]*inode) { delete(m, filepath.Clean(name)) }, name)
	}
	return err
}

// Rename is fsutil.FS's.
func (c *Crash) Rename(oldName, newName string) error {
	err := c.FS.Rename(oldName, newName)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		from, to := filepath.Clean(oldName), filepath.Clean(newName)
		c.change(func(m map[string]*inode) {
			for name, n := range maps.Clone(m) { // of a directory, also what is in it
				if name == from || strings.HasPrefix(name, from+string(filepath.Separator)) {
					m[to+name[len(from):]] = n
					delete(m, name)
				}
			}
		}, from, to)
	}
	return err
}

// Link is fsutil.FS's.
func (c *Crash) Link(oldName, newName string) error {
	err := c.FS.Link(oldName, newName)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := c.now[filepath.Clean(oldName)]
		c.change(func(m map[string]*inode) { m[filepath.Clean(newName)] = n }, newName)
	}
	return err
}

// Exchange is fsutil.FS's.
func (c *Crash) Exchange(a, b string) error {
	err := c.FS.Exchange(a, b)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		a, b := filepath.Clean(a), filepath.Clean(b)
		c.change(func(m map[string]*inode) { m[a], m[b] = m[b], m[a] }, a, b)
	}
	return err
}

// SyncDir is fsutil.FS's. It makes stable what happened to the directory, and
// what happened elsewhere before that.
func (c *Crash) SyncDir(name string) error {
	c.mu.Lock()
	count := len(c.ops)
	c.mu.Unlock()
	if err := c.FS.SyncDir(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for count > 0 && !slices.Contains(c.ops[count-1].dirs, filepath.Clean(name)) {
		count--
	}
	for _, op := range c.ops[:count] {
		op.apply(c.stable)
	}
	c.ops = c.ops[count:]
	if len(c.ops) == 0 { // nobody can name the others any more
		named := map[*inode]bool{}
		for _, n := range c.now {
			named[n] = true
		}
		c.inodes = slices.DeleteFunc(c.inodes, func(n *inode) bool { return !named[n] })
	}
	return nil
}

// TryLock is fsutil.FS's.
func (c *Crash) TryLock(name string) (fsutil.File, func() error, error) {
	f, unlock, err := c.FS.TryLock(name)
	if err != nil {
		return nil, nil, err
	}
	return &crashFile{File: f, c: c, n: c.open(name)}, unlock, nil
}

// crashFile is an open file of a Crash.
type crashFile struct {
	fsutil.File
	c       *Crash
	n       *inode
	at      int64
	appends bool
}

func (f *crashFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.at += int64(n)
	return n, err
}

func (f *crashFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if f.appends {
		f.c.mu.Lock()
		f.at = f.n.size
		f.c.mu.Unlock()
	}
	f.c.write(f.n, write{at: f.at, data: p[:n]})
	f.at += int64(n)
	return n, err
}

func (f *crashFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(p, at)
	f.c.write(f.n, write{at: at, data: p[:n]})
	return n, err
}

func (f *crashFile) Truncate(size int64) error {
	err := f.File.Truncate(size)
	if err == nil {
		f.c.write(f.n, write{at: size, cut: true})
	}
	return err
}

func (f *crashFile) Sync() error     { return f.c.sync(f.n, f.File.Sync) }
func (f *crashFile) SyncData() error { return f.c.sync(f.n, f.File.SyncData) }
