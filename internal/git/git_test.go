package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOpenWithoutRepository(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if _, ok, err := Open(t.Context(), dir); ok || err != nil {
		t.Errorf("no repository: %v, %v", ok, err)
	}
	gitIn(t, dir, "init", "-q", "--bare")
	if _, ok, err := Open(t.Context(), dir); ok || err != nil {
		t.Errorf("a bare one: %v, %v", ok, err)
	}
	if _, ok, err := Open(t.Context(), filepath.Join(dir, "missing")); ok || err == nil {
		t.Errorf("no directory: %v, %v", ok, err)
	}
	t.Setenv("PATH", dir)
	if _, ok, err := Open(t.Context(), dir); ok || err != nil {
		t.Errorf("no git: %v, %v", ok, err)
	}
}

func TestOpen(t *testing.T) {
	p := setUpIn(t, mkdir(t, filepath.Join(t.TempDir(), "new\nline ")), "a/b/c")
	real, err := filepath.EvalSymlinks(p.top)
	if err != nil || real != p.top {
		t.Errorf("Top is %q, not resolved", p.top)
	}
	// As from a hook of another repository.
	t.Setenv("GIT_DIR", "/elsewhere")
	t.Setenv("GIT_INDEX_FILE", "/elsewhere/index")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(p.path("a"), link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{p.top, p.path("a/b"), link} {
		q := open(t, dir)
		if n := q.snapshot().Dirty(); n > 0 {
			t.Errorf("from %q: %d are dirty", dir, n)
		}
		if q.Top() != p.Top() || q.GitDir() != p.path(".git") {
			t.Errorf("from %q: %q, %q", dir, q.Top(), q.GitDir())
		}
	}
	if err := os.Symlink("elsewhere", p.path("a/out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b", p.path("a/in")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		p.path("a/in"): "a/in",
		p.top:          ".", p.path("a/b"): "a/b", p.path("a/new/deep"): "a/new/deep", filepath.Join(link, "b/c"): "a/b/c", link: "a",
		p.path("a/out"): "a/out", filepath.Dir(p.top): "", "/": "",
	} {
		if got, ok := p.Rel(path); got != want || ok != (want != "") {
			t.Errorf("Rel(%q) = %q, %v, want %q", path, got, ok, want)
		}
	}
}

func TestHead(t *testing.T) {
	p := setUp(t)
	if got := p.head(); got != "" {
		t.Errorf("before the first commit it is %q", got)
	}
	p.write("a", "one\n")
	p.git("add", "a")
	p.git("commit", "-qm", "first")
	fast := func(want bool, where string) {
		t.Helper()
		expected := strings.TrimSpace(p.git("rev-parse", "HEAD"))
		if got := p.head(); got != expected {
			t.Errorf("%s: Head = %q, want %q", where, got, expected)
		}
		if got, ok := p.readHead(); ok != want || ok && got != expected {
			t.Errorf("%s: readHead = %q, %v", where, got, ok)
		}
	}
	fast(true, "loose")
	p.git("commit", "-q", "--allow-empty", "-m", "once more")
	fast(true, "another commit")
	p.git("checkout", "-q", "-b", "other", "HEAD^")
	fast(true, "another branch")
	p.git("checkout", "-q", "main")
	fast(true, "and back")
	p.git("branch", "xmain")
	p.git("branch", "z/main")
	p.git("commit", "-q", "--allow-empty", "-m", "second")
	p.git("pack-refs", "--all")
	fast(true, "packed")
	p.git("tag", "-a", "-m", "m", "v1")
	p.git("pack-refs", "--all") // with a line for what the tag points to
	p.git("checkout", "-q", "z/main")
	fast(true, "packed, first commit")
	p.git("commit", "-q", "--allow-empty", "-m", "third")
	fast(true, "loose over packed")
	p.git("checkout", "-q", "--detach")
	fast(true, "detached")
	p.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	p.git("symbolic-ref", "HEAD", "refs/heads/alias")
	fast(false, "alias")
	p.git("symbolic-ref", "HEAD", "refs/heads/ain")
	if got := p.head(); got != "" {
		t.Errorf("a branch without commits is at %q", got)
	}
	p.write("outside", strings.Repeat("0", 40)+"\n")
	p.write(".git/HEAD", "ref: refs/heads/../../../outside\n")
	if got, ok := p.readHead(); ok {
		t.Errorf("outside of the repository is %q", got)
	}
	p.write(".git/HEAD", "garbage\n")
	if got, err := p.Head(t.Context()); err == nil {
		t.Errorf("garbage is %q", got)
	}
}

func TestSHA256(t *testing.T) {
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q", "--object-format=sha256")
	p := setUpIn(t, dir, "a")
	s := p.snapshot()
	p.write("b", "two\n")
	if st, err := p.DiffStat(t.Context(), "", nil); err != nil || st != (Stat{Files: 1, Insertions: 1, Untracked: 1}) {
		t.Errorf("DiffStat = %+v, %v", st, err)
	}
	if res := p.commits(s, []string{"b"}, nil); len(res.Hash) != 64 {
		t.Errorf("hash %q", res.Hash)
	}
}

func TestDiffStat(t *testing.T) {
	p := setUp(t, "changed", "removed", "moved", "binary")
	before := p.head()
	if st, err := p.DiffStat(t.Context(), before, nil); err != nil || st != (Stat{}) {
		t.Errorf("clean: %+v, %v", st, err)
	}
	p.write("changed", "1\n2\n3\n")
	p.remove("removed")
	p.git("mv", "moved", "moved away")
	p.write("binary", "\x00\x01")
	p.write("committed since", "one\ntwo\n")
	p.git("add", "committed since")
	p.git("commit", "-qm", "by the agent", "committed since")
	p.write("un/tracked", "x\n")
	p.write("un/tracked2", "x\n")
	p.write(".gitignore", "ignored\n")
	p.write("ignored", "x\n")
	want := Stat{Files: 6, Insertions: 3 + 1 + 2, Deletions: 1 + 1 + 1, Untracked: 3}
	if st, err := p.DiffStat(t.Context(), before, nil); err != nil || st != want {
		t.Errorf("%+v, %v, want %+v", st, err, want)
	}
	for _, bad := range []string{"main", "--output=x", strings.Repeat("0", 40)} {
		if _, err := p.DiffStat(t.Context(), bad, nil); err == nil {
			t.Errorf("DiffStat of %q", bad)
		}
	}
	if _, err := os.Lstat(p.path("x")); err == nil {
		t.Error("an option was taken from a hash")
	}
}

func TestReadingTakesNoLocks(t *testing.T) {
	p := setUp(t, "a")
	old := time.Now().Add(-time.Hour)
	os.Chtimes(p.path("a"), old, old) // git would note that in the index
	index, err := os.ReadFile(p.path(".git/index"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(".git/index.lock", "")
	p.snapshot()
	if _, err := p.DiffStat(t.Context(), p.head(), nil); err != nil {
		t.Error(err)
	}
	os.Remove(p.path(".git/index.lock"))
	p.snapshot()
	if after, err := os.ReadFile(p.path(".git/index")); err != nil || string(after) != string(index) {
		t.Error("the index was written")
	}
}
