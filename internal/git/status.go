package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Stat is how much a work tree differs from a commit.
type Stat struct {
	Files      int // tracked files changed, added or deleted; a rename is two
	Insertions int // lines; a binary file has none
	Deletions  int
	Untracked  int // files that git neither tracks nor ignores, their lines not counted
}

// DiffStat compares the work tree with the commit of that whole hash; "", as
// Head returns it before the first commit, is the empty tree. Paths for which
// exclude, which may be nil, says so are not counted. It keeps nothing but the
// numbers.
func (r *Repo) DiffStat(ctx context.Context, before string, exclude func(path string) bool) (Stat, error) {
	var st Stat
	if before == "" {
		empty, err := r.line(ctx, "hash-object", "-t", "tree", os.DevNull)
		if err != nil {
			return st, err
		}
		before = empty
	}
	if _, ok := asHash(before); !ok {
		return st, fmt.Errorf("diff stat: %q is not the hash of a commit", before)
	}
	changed := &records{each: func(rec string) error {
		counts := strings.SplitN(rec, "\t", 3)
		if len(counts) != 3 {
			return fmt.Errorf("not a line of numstat: %q", rec)
		}
		if exclude != nil && exclude(counts[2]) {
			return nil
		}
		st.Files++
		for i, put := range []*int{&st.Insertions, &st.Deletions} {
			if n, err := strconv.Atoi(counts[i]); err == nil { // "-" for a binary file
				*put += n
			}
		}
		return nil
	}}
	err := r.run(ctx, call{stdout: changed, args: reading("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv",
		"--ignore-submodules=dirty", "--end-of-options", before, "--")})
	if err != nil {
		return st, err
	}
	untracked := &records{each: func(path string) error {
		if exclude == nil || !exclude(path) {
			st.Untracked++
		}
		return nil
	}}
	err = r.run(ctx, call{stdout: untracked, args: reading("ls-files", "--others", "--exclude-standard", "-z")})
	return st, err
}

// Snapshot is what was dirty at one moment: tracked files that differ from
// HEAD in the index or the work tree, and untracked ones that are not ignored.
//
// A path's content is known by its file's mode, size, modification time and
// inode. That reads no file, and is all that is needed: what was dirty is not
// committed anyway, a change of it is only reported. It misses a rewrite in
// place to the same size that puts the time back, or falls into the same tick of
// the file system's clock; a file that was only touched counts as changed.
type Snapshot struct {
	dirty map[string]identity
}

// Dirty is how many paths were dirty.
func (s *Snapshot) Dirty() int { return len(s.dirty) }

type identity struct {
	mode  os.FileMode
	size  int64
	time  time.Time
	inode uint64
}

// identify looks at a path; a deleted file's identity is the zero value.
func (r *Repo) identify(path string) identity { return identifyFile(filepath.Join(r.top, path)) }

func identifyFile(path string) identity {
	info, err := os.Lstat(path)
	if err != nil {
		return identity{}
	}
	return identity{info.Mode(), info.Size(), info.ModTime(), inode(info)}
}

// Snapshot notes what is dirty now.
func (r *Repo) Snapshot(ctx context.Context) (*Snapshot, error) {
	now, err := r.status(ctx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{dirty: make(map[string]identity, len(now))}
	for path := range now {
		s.dirty[path] = r.identify(path)
	}
	return s, nil
}

// state is how a dirty path is dirty.
type state struct {
	untracked bool // not in the index
	unmerged  bool
	submodule bool
	nested    bool // an untracked directory that is a repository of its own
}

// status lists what is dirty.
func (r *Repo) status(ctx context.Context) (map[string]state, error) {
	dirty := map[string]state{}
	parse := &records{each: func(rec string) error {
		fields := 2 // including the path
		switch {
		case strings.HasPrefix(rec, "1 "):
			fields = 9
		case strings.HasPrefix(rec, "u "):
			fields = 11
		case !strings.HasPrefix(rec, "? "):
			return fmt.Errorf("not a line of git status: %q", rec)
		}
		parts := strings.SplitN(rec, " ", fields)
		if len(parts) != fields {
			return fmt.Errorf("not a line of git status: %q", rec)
		}
		path, isDir := strings.CutSuffix(parts[fields-1], "/")
		st := dirty[path] // a file removed from the index only is listed twice
		st.untracked = st.untracked || rec[0] == '?'
		st.unmerged = st.unmerged || rec[0] == 'u'
		st.submodule = st.submodule || rec[0] != '?' && strings.HasPrefix(parts[2], "S")
		st.nested = st.nested || isDir
		dirty[path] = st
		return nil
	}}
	err := r.run(ctx, call{stdout: parse, args: reading("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignored=no", "--no-renames", "--ignore-submodules=dirty")})
	return dirty, err
}
