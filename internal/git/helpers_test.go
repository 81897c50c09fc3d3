package git

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	// Whatever starts the tests, a hook included, git is to see nothing of it.
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "GIT_") || name == "EMAIL" {
			os.Unsetenv(name)
		}
	}
	os.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	os.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	os.Exit(m.Run())
}

// place is a repository with a work tree.
type place struct {
	t testing.TB
	*Repo
}

// setUp makes a repository with one commit of these files.
func setUp(t testing.TB, files ...string) place {
	t.Helper()
	return setUpIn(t, t.TempDir(), files...)
}

func setUpIn(t testing.TB, dir string, files ...string) place {
	t.Helper()
	gitIn(t, dir, "init", "-q", "-b", "main")
	gitIn(t, dir, "config", "user.name", "Test")
	gitIn(t, dir, "config", "user.email", "test@example.com")
	p := open(t, dir)
	if len(files) > 0 {
		for _, f := range files {
			p.write(f, "one\n")
		}
		p.git("add", "-A")
		p.git("commit", "-q", "-m", "first")
	}
	return p
}

func open(t testing.TB, dir string) place {
	t.Helper()
	r, ok, err := Open(t.Context(), dir)
	if err != nil || !ok {
		t.Fatalf("Open(%s) = %v, %v", dir, ok, err)
	}
	return place{t, r}
}

func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p place) git(args ...string) string { p.t.Helper(); return gitIn(p.t, p.top, args...) }

func (p place) path(name string) string { return filepath.Join(p.top, name) }

func (p place) write(name, text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) remove(name string) {
	p.t.Helper()
	if err := os.RemoveAll(p.path(name)); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) hook(name, script string) {
	p.t.Helper()
	dir := filepath.Join(p.commonDir, "hooks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) snapshot() *Snapshot {
	p.t.Helper()
	s, err := p.Snapshot(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p place) try(s *Snapshot) (Result, error) {
	return p.Commit(p.t.Context(), s, Options{Message: "subtask\n\nwith a body", Exclude: exclude})
}

func exclude(path string) bool { return path == "state.json" || strings.HasPrefix(path, "artifacts/") }

// commits commits and checks what is in it and what was left out.
func (p place) commits(s *Snapshot, files, leftOut []string) Result {
	p.t.Helper()
	res, err := p.try(s)
	if err != nil {
		p.t.Fatal(err)
	}
	if !slices.Equal(res.Files, files) || !slices.Equal(res.LeftOut, leftOut) {
		p.t.Errorf("committed %q, left out %q; want %q, %q", res.Files, res.LeftOut, files, leftOut)
	}
	if (res.Hash != "") != (len(files) > 0) {
		p.t.Errorf("hash %q", res.Hash)
	}
	if res.Hash != "" {
		if got := strings.TrimSpace(p.git("rev-parse", "HEAD")); got != res.Hash {
			p.t.Errorf("HEAD is %s, the hash %s", got, res.Hash)
		}
		got := strings.Split(strings.TrimSuffix(p.git("show", "--format=", "--name-only", "--no-renames", "-z", "HEAD"), "\x00"), "\x00")
		slices.Sort(got)
		if !slices.Equal(got, files) {
			p.t.Errorf("the commit has %q, want %q", got, files)
		}
	}
	return res
}

// is checks git status, one line a path.
func (p place) is(want ...string) {
	p.t.Helper()
	got := strings.Split(strings.TrimSuffix(p.git("status", "--porcelain", "-z", "-uall", "--no-renames"), "\x00"), "\x00")
	slices.Sort(got)
	if len(want) == 0 {
		want = []string{""}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.t.Errorf("git status is %q, want %q", got, want)
	}
}

func (p place) head() string {
	p.t.Helper()
	h, err := p.Head(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}
