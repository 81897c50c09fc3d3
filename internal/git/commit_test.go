package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCommitTakesWhatChangedSince(t *testing.T) {
	p := setUp(t, "changed", "removed", "mode", "linked", "old name", "untouched", "dir/became file", "file")
	p.write("mine.txt", "untracked before\n")
	p.write("untouched", "dirty before\n")
	s := p.snapshot()
	if s.Dirty() != 2 {
		t.Errorf("%d are dirty", s.Dirty())
	}
	p.write("changed", "two\n")
	p.remove("removed")
	os.Chmod(p.path("mode"), 0o755)
	p.remove("linked")
	os.Symlink("changed", p.path("linked"))
	os.Rename(p.path("old name"), p.path("new name"))
	p.write("new/deep/file", "new\n")
	p.write("state.json", "the session's\n")
	p.write("artifacts/log", "the session's\n")
	p.remove("dir")
	p.write("dir", "a file now\n")
	p.remove("file")
	p.write("file/is dir", "now\n")
	p.commits(s, []string{"changed", "dir", "dir/became file", "file", "file/is dir", "linked", "mode", "new name", "new/deep/file", "old name", "removed"}, nil)
	p.is("?? artifacts/log", "?? mine.txt", "?? state.json", " M untouched")
	if got := p.git("ls-tree", "HEAD", "mode", "linked"); !strings.Contains(got, "100755") || !strings.Contains(got, "120000") {
		t.Errorf("modes: %s", got)
	}
	if got := p.git("log", "-1", "--format=%B%an <%ae>"); got != "subtask\n\nwith a body\nTest <test@example.com>\n" {
		t.Errorf("the commit says %q", got)
	}
	if got, err := exec.Command("git", "-C", p.top, "diff-files", "--name-only").Output(); err != nil || string(got) != "untouched\n" {
		t.Errorf("the index does not know the files: %q, %v", got, err)
	}
	s = p.snapshot()
	p.commits(s, nil, nil)
	p.remove("new name")
	p.write("new name/x", "excluded with the directory\n")
	res, err := p.Commit(t.Context(), s, Options{Message: "m", Exclude: func(path string) bool { return path == "new name/x" }})
	if err != nil || len(res.Files) > 0 || len(res.LeftOut) != 1 || res.LeftOut[0] != "new name" {
		t.Errorf("a file that became an excluded directory: %+v, %v", res, err)
	}
}

func TestCommitLeavesWhatWasThere(t *testing.T) {
	p := setUp(t, "staged", "staged and more", "dirty", "gone", "agent")
	p.write("staged", "staged\n")
	p.write("staged and more", "staged\n")
	p.write("staged new", "staged\n")
	p.git("add", "-A")
	p.write("staged and more", "more\n")
	p.write("dirty", "dirty\n")
	p.write("untracked", "mine\n")
	p.write("will be clean", "mine\n")
	p.remove("gone")
	p.write("meant to add", "later\n")
	p.git("add", "-N", "meant to add")
	s := p.snapshot()
	staged := p.git("ls-files", "--stage", "staged", "staged and more", "staged new")

	p.write("agent", "two\n")
	p.write("dirty", "changed further\n")
	p.write("untracked", "changed further\n")
	p.remove("will be clean")
	p.commits(s, []string{"agent"}, []string{"dirty", "untracked"})
	p.is("M  staged", "MM staged and more", "A  staged new", " M dirty", "?? untracked", " D gone", " A meant to add")
	if got := p.git("ls-files", "--stage", "staged", "staged and more", "staged new"); got != staged {
		t.Errorf("staged is\n%s, was\n%s", got, staged)
	}
}

func TestCommitOfNothing(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.commits(s, nil, nil)
	p.write("artifacts/only", "excluded\n")
	p.commits(s, nil, nil)
	p.write("a", "staged, then taken back\n")
	p.git("add", "a")
	p.write("a", "one\n")
	p.hook("pre-commit", "exit 0\n")
	p.commits(s, nil, nil)
	now := time.Now().Add(time.Hour)
	os.Chtimes(p.path("a"), now, now)
	p.git("reset", "-q")
	p.commits(s, nil, nil)
	if _, err := p.Commit(t.Context(), s, Options{Message: " \x00\n"}); err == nil {
		t.Error("a commit without message")
	}
}

func TestCommitAfterTheAgentsOwn(t *testing.T) {
	p := setUp(t, "a", "b", "c", "moved")
	s := p.snapshot()
	p.git("mv", "moved", "away")
	p.write("a", "two\n")
	p.git("commit", "-qm", "by the agent", "a")
	p.write("b", "two\n")
	p.git("add", "b")
	p.write("new", "staged by the agent\n")
	p.git("add", "new")
	p.git("rm", "-q", "c")
	p.commits(s, []string{"away", "b", "c", "moved", "new"}, nil)
	p.is()
	if got := p.git("log", "--format=%s"); got != "subtask\nby the agent\nfirst\n" {
		t.Errorf("log: %q", got)
	}
}

func TestFilesThatGoAwayMeanwhile(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.write("a", "two\n")
	p.write("temporary", "there when git lists it\n")
	goes := func(string) bool { p.remove("temporary"); return false }
	res, err := p.Commit(t.Context(), s, Options{Message: "m", Exclude: goes})
	if err != nil || len(res.Files) != 1 || res.Files[0] != "a" {
		t.Errorf("Commit = %+v, %v", res, err)
	}
}

func TestFirstCommit(t *testing.T) {
	p := setUp(t)
	p.write("mine", "staged\n")
	p.git("add", "mine")
	s := p.snapshot()
	p.write("new", "new\n")
	p.commits(s, []string{"new"}, nil)
	p.is("A  mine")
}

func TestHostileNames(t *testing.T) {
	names := []string{"new\nline", `quo"te`, "-dash", "--amend", ":(exclude)x", "star*", "tab\tb", " space ", "back\\slash", "ü", "a b/\nc", ":x", "#hash"}
	if runtime.GOOS == "linux" { // others refuse the name
		names = append(names, "not\xff\xfeUTF-8")
	}
	p := setUp(t, append(names, "starfish", "x")...)
	p.write("starfish", "mine\n")
	p.write("x", "mine\n")
	s := p.snapshot()
	for _, name := range names {
		p.write(name, "two\n")
		p.write(name+".new", "new\n")
	}
	res, err := p.try(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Files) != 2*len(names) {
		t.Errorf("committed %q", res.Files)
	}
	p.is(" M starfish", " M x")
	for _, name := range names {
		p.remove(name)
	}
	if res, err = p.try(s); err != nil || len(res.Files) != len(names) {
		t.Errorf("committed %q, %v", res.Files, err)
	}
	if st, err := p.DiffStat(t.Context(), res.Hash, nil); err != nil || st != (Stat{Files: 2, Insertions: 2, Deletions: 2}) {
		t.Errorf("DiffStat = %+v, %v", st, err)
	}
}

func TestHooks(t *testing.T) {
	p := setUp(t, "a", "b")
	p.write("b", "staged by the user\n")
	p.git("add", "b")
	s := p.snapshot()
	p.write("a", "two\n")
	p.write("new", "new\n")
	before, index := p.head(), p.git("ls-files", "--stage")
	for _, hook := range []string{"pre-commit", "commit-msg"} {
		p.hook(hook, "echo to stdout; echo 'line 3: too long' >&2; exit 3\n")
		_, err := p.try(s)
		var refused *HookError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", hook, err)
		}
		if len(refused.Hooks) != 1 || refused.Hooks[0] != hook || !strings.Contains(refused.Output, "to stdout") || !strings.Contains(refused.Output, "line 3: too long") {
			t.Errorf("%s: %+v", hook, refused)
		}
		if want := "the commit was refused by a hook (" + hook + "): line 3: too long"; err.Error() != want {
			t.Errorf("it says %q, want %q", err, want)
		}
		if p.head() != before || p.git("ls-files", "--stage") != index {
			t.Errorf("%s: HEAD or the index changed", hook)
		}
		p.is(" M a", "M  b", "?? new")
		p.remove(filepath.Join(".git/hooks", hook))
	}
	p.hook("pre-commit", "echo formatted >a; echo made >made; git add a made; git diff --cached --name-only >.git/seen\n")
	p.hook("commit-msg", "echo 'Signed: me' >>\"$1\"\n")
	p.hook("post-commit", "exit 1\n")
	p.commits(s, []string{"a", "made", "new"}, nil)
	p.is("M  b")
	if got := p.git("log", "-1", "--format=%B"); !strings.Contains(got, "Signed: me") {
		t.Errorf("message: %q", got)
	}
	if got, _ := os.ReadFile(p.path(".git/seen")); string(got) != "a\nmade\nnew\n" {
		t.Errorf("the hook saw %q", got)
	}
	if got := p.git("show", "HEAD:a"); got != "formatted\n" {
		t.Errorf("a is %q", got)
	}
}

func TestTheContextEndsAHook(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.write("a", "two\n")
	fifo := p.path(".git/started")
	if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	p.hook("pre-commit", "sleep 1000 & echo $! >.git/child\necho >.git/started\nwait\nsleep 1000\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped with the run")
	go func() {
		os.ReadFile(fifo) // returns when the hook runs
		cancel(stop)
	}()
	_, err := p.Commit(ctx, s, Options{Message: "m"})
	if !errors.Is(err, stop) {
		t.Errorf("Commit = %v", err)
	}
	p.childIsGone()
	p.hook("pre-commit", "sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >.git/child\n")
	locks, _ := filepath.Glob(p.path(".git/*.lock"))
	if len(locks) > 0 {
		t.Errorf("left locks: %q", locks)
	}
	p.commits(s, []string{"a"}, nil)
	p.childIsGone()
}

// childIsGone checks that the process that a hook noted has ended. SIGKILL is sent, so
// it will, but it may take its time to go.
func (p place) childIsGone() {
	p.t.Helper()
	child, err := os.ReadFile(p.path(".git/child"))
	if err != nil {
		p.t.Fatal(err)
	}
	for range 500 {
		state, err := exec.Command("ps", "-o", "state=", "-p", strings.TrimSpace(string(child))).Output()
		if err != nil || strings.HasPrefix(strings.TrimSpace(string(state)), "Z") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Errorf("a process of the hook is left")
}

func TestTheContextEndsAfterTheCommit(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.write("a", "two\n")
	fifo := p.path(".git/started")
	if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	p.hook("post-commit", "echo >.git/started\nsleep 1000\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		os.ReadFile(fifo)
		cancel()
	}()
	res, err := p.Commit(ctx, s, Options{Message: "m"})
	if err != nil || res.Hash != p.head() || len(res.Files) != 1 {
		t.Errorf("Commit = %+v, %v", res, err)
	}
	p.is()
}

func TestUnfinished(t *testing.T) {
	for _, c := range []struct {
		what  string
		start func(p place)
	}{
		{"merge", func(p place) { exec.Command("git", "-C", p.top, "merge", "side").Run() }},
		{"merge", func(p place) { p.git("merge", "--no-ff", "--no-commit", "harmless") }},
		{"rebase", func(p place) { exec.Command("git", "-C", p.top, "rebase", "side").Run() }},
		{"cherry-pick", func(p place) { exec.Command("git", "-C", p.top, "cherry-pick", "side").Run() }},
		{"conflict", func(p place) {
			p.write("a", "stashed\n")
			p.git("stash", "-q")
			p.git("reset", "-q", "--hard", "side")
			exec.Command("git", "-C", p.top, "stash", "pop").Run()
		}},
		{"bisect", func(p place) { p.git("bisect", "start") }},
	} {
		p := setUp(t, "a", "b")
		p.git("checkout", "-qb", "harmless")
		p.write("other", "x\n")
		p.git("add", "-A")
		p.git("commit", "-qm", "harmless")
		p.git("checkout", "-qb", "side", "main")
		p.write("a", "side\n")
		p.git("commit", "-qam", "side")
		p.git("checkout", "-q", "main")
		p.write("a", "main\n")
		p.git("commit", "-qam", "main")
		c.start(p)
		s, before := p.snapshot(), p.head()
		p.write("b", "two\n")
		status := p.git("status", "--porcelain")
		_, err := p.try(s)
		var unfinished *UnfinishedError
		if !errors.As(err, &unfinished) || unfinished.What != c.what || !strings.Contains(err.Error(), p.top) {
			t.Errorf("%s: %v", c.what, err)
		}
		if p.head() != before || p.git("status", "--porcelain") != status {
			t.Errorf("%s: something changed", c.what)
		}
	}
}

func TestNobodyCommits(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.git("config", "--unset", "user.email")
	p.commits(s, nil, nil)
	p.write("a", "two\n")
	_, err := p.try(s)
	var who *IdentityError
	if !errors.As(err, &who) || !strings.Contains(err.Error(), "git config --global user.email") {
		t.Errorf("without user.email: %v", err)
	}
	p.is(" M a")
}

func TestTheIndexIsLocked(t *testing.T) {
	p := setUp(t, "a")
	s := p.snapshot()
	p.write("a", "two\n")
	lock := p.path(".git/index.lock")
	p.write(".git/index.lock", "")
	before := p.head()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if res, err := p.Commit(ctx, s, Options{Message: "m"}); !errors.Is(err, context.DeadlineExceeded) || res.Hash != "" || p.head() != before {
		t.Errorf("Commit = %+v, %v", res, err)
	}
	// While the commit waits, the other git ends.
	p.hook("post-commit", ": >.git/index.lock\n( sleep 0.2; rm .git/index.lock ) </dev/null >/dev/null 2>&1 &\nwait\n")
	os.Remove(lock)
	p.commits(s, []string{"a"}, nil)
	p.is()
}

// What was written in the same tick of the clock as the index is not taken for
// clean in the copy of it, which is younger.
func TestACopyOfTheIndexIsAsOld(t *testing.T) {
	p := setUp(t, "a")
	p.git("config", "core.trustctime", "false") // that time cannot be put back
	then := time.Now().Add(-time.Hour)
	os.Chtimes(p.path("a"), then, then)
	p.git("update-index", "--refresh")
	s := p.snapshot()
	p.write("a", "six\n")
	os.Chtimes(p.path("a"), then, then)
	os.Chtimes(p.path(".git/index"), then, then)
	p.commits(s, []string{"a"}, nil)
	if got := p.git("show", "HEAD:a"); got != "six\n" {
		t.Errorf("committed %q", got)
	}
}

func TestCommitsAtTheSameTime(t *testing.T) {
	p := setUp(t, "a")
	other := open(t, p.top)
	s := p.snapshot()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := p.Repo
			if n%2 == 0 {
				r = other.Repo
			}
			mine := fmt.Sprintf("file %d", n)
			if err := os.WriteFile(p.path(mine), nil, 0o644); err != nil {
				t.Error(err)
			}
			if _, err := r.Commit(context.Background(), s, Options{Message: "m", Exclude: func(path string) bool { return path != mine }}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := strings.Count(p.git("ls-tree", "-r", "--name-only", "HEAD"), "\n"); got != 9 {
		t.Errorf("%d files are committed:\n%s", got, p.git("log", "--stat"))
	}
	p.is()
}

func TestRepositoriesInside(t *testing.T) {
	p := setUp(t, "a")
	lib := setUp(t, "lib")
	p.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", lib.top, "sub")
	p.git("commit", "-qm", "with submodule")
	s := p.snapshot()
	sub := open(t, p.path("sub"))
	if sub.Top() != p.path("sub") || !strings.HasSuffix(sub.GitDir(), "/.git/modules/sub") {
		t.Errorf("the submodule is %s, %s", sub.Top(), sub.GitDir())
	}
	sub.write("lib", "dirty\n")
	p.commits(s, nil, nil)
	sub.git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qam", "in sub")
	setUpIn(t, mkdir(t, p.path("nested")), "inner")
	p.commits(s, []string{"sub"}, []string{"nested"})
	p.is("?? nested/")
}

func TestWorktree(t *testing.T) {
	p := setUp(t, "a")
	dir := filepath.Join(t.TempDir(), "second")
	p.git("worktree", "add", "-qb", "second", dir)
	w := open(t, dir)
	if w.Top() == p.Top() || w.GitDir() == p.GitDir() || w.head() != p.head() {
		t.Errorf("the worktree is %s, %s", w.Top(), w.GitDir())
	}
	s := w.snapshot()
	w.write("a", "two\n")
	w.write("new", "new\n")
	w.commits(s, []string{"a", "new"}, nil)
	w.is()
	p.is()
	if w.head() == p.head() {
		t.Error("the commit is in both")
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
