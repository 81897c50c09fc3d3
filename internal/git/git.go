package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Repo is a work tree. It may be used by many goroutines.
type Repo struct {
	program   string
	environ   []string
	top       string
	gitDir    string
	commonDir string // of all work trees of the repository

	mu   sync.Mutex
	seen seenHead
}

// seenHead is HEAD as it was read, and the files that said so: git replaces
// them, so while they are the same, so is what they say.
type seenHead struct {
	ref      string // relative to commonDir
	head, at identity
	hash     string
}

// Open finds the work tree around dir. Without git, or without a repository
// there, ok is false and err nil; so it is in a repository without work tree.
func Open(ctx context.Context, dir string) (r *Repo, ok bool, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, false, nil //nolint:nilerr // git is not needed to run a backlog
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, false, fmt.Errorf("look for a repository: %w", err)
	}
	if !info.IsDir() {
		return nil, false, fmt.Errorf("look for a repository: %s is not a directory", dir)
	}
	r = &Repo{program: program, environ: environment(os.Environ()), top: dir}
	for _, place := range []struct {
		option string
		put    *string
	}{{"--absolute-git-dir", &r.gitDir}, {"--git-common-dir", &r.commonDir}, {"--show-toplevel", &r.top}} {
		path, err := r.line(ctx, "rev-parse", place.option)
		if err != nil && exitCode(err) == 128 && isNoRepository(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if !filepath.IsAbs(path) { // relative to where git was asked
			path = filepath.Join(dir, path)
		}
		if *place.put, err = filepath.Abs(path); err != nil {
			return nil, false, err
		}
	}
	return r, true, nil
}

// isNoRepository tells "there is none" from "there is one that git refuses",
// one of another owner for example.
func isNoRepository(err error) bool {
	return strings.Contains(err.Error(), "not a git repository") || strings.Contains(err.Error(), "must be run in a work tree")
}

// Top is the work tree's top directory, absolute, symlinks resolved.
func (r *Repo) Top() string { return r.top }

// GitDir is where this work tree's HEAD and index are, absolute.
func (r *Repo) GitDir() string { return r.gitDir }

// Rel is path relative to Top, with slashes, as Exclude and Result have it ("."
// is Top); ok is false if it lies outside. Symlinks on the way to it are
// resolved, and path need not exist.
func (r *Repo) Rel(path string) (rel string, ok bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	// A link inside is itself what git tracks; a link to the inside is followed.
	link := filepath.Join(resolve(filepath.Dir(abs)), filepath.Base(abs))
	for _, p := range []string{link, resolve(abs)} {
		if rel, err := filepath.Rel(r.top, p); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), true
		}
	}
	return "", false
}

// resolve resolves the symlinks of as much of path as exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// Head is the hash of the commit that HEAD is at, "" before the first one.
//
// It is asked for at every attempt, so it reads the files itself where they are
// of the usual kind, and only looks at them where they are the same as before: a
// hundredth of the time of a process and less, see BenchmarkHead.
func (r *Repo) Head(ctx context.Context) (string, error) {
	if hash, ok := r.readHead(); ok {
		return hash, nil
	}
	hash, err := r.line(ctx, reading("rev-parse", "--verify", "--quiet", "HEAD^{commit}")...)
	if exitCode(err) == 1 {
		return "", nil
	}
	return hash, err
}

// readHead follows HEAD to a branch, loose or packed. Anything else is left to
// git, also that there is no such branch.
func (r *Repo) readHead() (string, bool) {
	head := identifyFile(filepath.Join(r.gitDir, "HEAD"))
	r.mu.Lock()
	seen := r.seen
	r.mu.Unlock()
	if seen.hash != "" && seen.head == head && seen.at == identifyFile(filepath.Join(r.commonDir, seen.ref)) {
		return seen.hash, true
	}
	text, err := readSmall(filepath.Join(r.gitDir, "HEAD"), 4<<10)
	if err != nil {
		return "", false
	}
	ref, symbolic := strings.CutPrefix(text, "ref: ")
	if !symbolic {
		return asHash(text)
	}
	ref = strings.TrimSuffix(ref, "\n")
	if !strings.HasPrefix(ref, "refs/heads/") || !filepath.IsLocal(ref) {
		return "", false
	}
	// Packing writes packed-refs before it removes the file, so this order
	// misses nothing.
	at := identifyFile(filepath.Join(r.commonDir, ref))
	if text, err = readSmall(filepath.Join(r.commonDir, ref), 4<<10); err == nil {
		hash, ok := asHash(text)
		if ok && at != (identity{}) && head != (identity{}) {
			r.mu.Lock()
			r.seen = seenHead{ref, head, at, hash}
			r.mu.Unlock()
		}
		return hash, ok
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false
	}
	packed, err := readSmall(filepath.Join(r.commonDir, "packed-refs"), 4<<20)
	if err != nil {
		return "", false
	}
	before, _, found := strings.Cut(packed, " "+ref+"\n")
	if !found {
		return "", false
	}
	return asHash(before[strings.LastIndexByte(before, '\n')+1:])
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return buf.String(), err
}

// asHash is a whole hash, SHA-1 or SHA-256, with or without a newline.
func asHash(text string) (string, bool) {
	text = strings.TrimSuffix(text, "\n")
	if len(text) != 40 && len(text) != 64 || strings.Trim(text, "0123456789abcdef") != "" {
		return "", false
	}
	return text, true
}
