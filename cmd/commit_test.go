package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes one of the workshop, empty as yet.
func (w *workshop) repository() (git func(args ...string) string) {
	w.t.Helper()
	git = func(args ...string) string {
		w.t.Helper()
		c := exec.Command("git", args...)
		c.Dir = w.dir
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := c.CombinedOutput()
		if err != nil {
			w.t.Fatalf("git %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	git("config", "user.name", "t")
	git("config", "user.email", "t@example.com")
	return git
}

// TestCommitAcrossAttempts: what attempts changed that did not pass belongs to
// the commit of the one that does, also in another run; what the user changed
// in between does not.
func TestCommitAcrossAttempts(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"echo $HACKY_ATTEMPT >> all; echo > only.$HACKY_ATTEMPT; test $HACKY_ATTEMPT -gt 1 || exit 75; test -e .git/go"`}), "")
	git := w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	write(t, filepath.Join(w.dir, "mine"), "before")
	w.hacky(nil, "run", "--commit", "--retry-backoff", "100ms").wants(t, 1)
	write(t, filepath.Join(w.dir, "mine, later"), "in between")
	write(t, filepath.Join(w.dir, "only.1"), "touched by the user")
	write(t, filepath.Join(w.dir, ".git", "go"), "")
	r := w.hacky(nil, "run", "--commit")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "1 files that its earlier attempts changed were changed since, and will not be committed: only.1")
	if got := git("show", "--format=", "--name-only"); got != "all\nonly.2\nonly.3\n" {
		t.Errorf("committed:\n%s", got)
	}
	if exists(filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "uncommitted.json")) {
		t.Error("it is still noted what is not committed")
	}
}

// TestCommitAfterAKill: of an attempt that was cut off, what was there when its
// stage ended is committed, and it is said that the rest is not.
func TestCommitAfterAKill(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, staged(1), `stages: [{name: implement, run: "echo > made"}]
gates: [{level: 1, run: "test -e .git/go || { echo > late; touch .git/go; kill -9 $PPID; sleep 60; }"}]
`)
	git := w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	if r := w.hacky(nil, "run", "--commit"); r.code == 0 {
		t.Fatal("it was not killed")
	}
	r := w.hacky(nil, "run", "--commit")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "goes on after implement", "was cut off")
	if got := git("show", "--format=", "--name-only"); got != "made\n" {
		t.Errorf("committed:\n%s", got)
	}
}

// TestCannotCommit: where nothing could be committed, nothing is started.
func TestCannotCommit(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"touch ran"`}, subtask{run: `"touch ran"`}), "", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	refused := func(want string) {
		t.Helper()
		r := w.hacky(nil, "run", "--commit")
		r.wants(t, 2)
		contains(t, "standard error", r.stderr, "P1.M1.T1.S1", want)
		if exists(filepath.Join(w.dir, "ran")) {
			t.Error("something was started")
		}
	}
	refused("is in no git repository")
	git := w.repository()
	git("config", "--unset", "user.name")
	refused("git does not know who commits")
	git("config", "user.name", "t")
	w.hacky(nil, "run", "--commit").wants(t, 0)
}

// TestCleanedAway: a command that removes all that git does not track, hacky's
// own files with it, costs no status.
func TestCleanedAway(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"git clean -fdxq"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S1"]`}), "")
	git := w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	r := w.hacky(nil, "run", "--flush-interval", "1h")
	r.wants(t, 0)
	contains(t, "the log", r.stderr, "somebody has removed this directory with the locks")
	done(t, w.dir)

	// The journal is gone with the rest, and what is completed then is in another.
	w = newWorkshop(t, oneTask(subtask{run: `"git clean -fdxq"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"kill -9 $PPID; sleep 60"`, deps: `["P1.M1.T1.S2"]`}), "")
	git = w.repository()
	git("add", "tasks.json")
	git("commit", "-qm", "begin")
	if r := w.hacky(nil, "run", "--flush-interval", "1h"); r.code != -1 || !strings.Contains(r.stdout, "complete  P1.M1.T1.S2") {
		t.Errorf("exit code %d:\n%s", r.code, r.stdout)
	}
	if got := statuses(t, w.dir); got != "Complete Complete Planned" {
		t.Errorf("after a kill: %s", got)
	}
}

// TestEvidenceOfGit: HEAD stands in the evidence of every attempt in a
// repository, and the session's own files are nobody's changes.
func TestEvidenceOfGit(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"true"`}, subtask{run: "null"}), `agents: {mine: {argv: [sh, -c, "echo >> tasks.json; echo > code"]}}
stages: [{name: implement, agent: mine}]
`)
	git := w.repository()
	git("add", "tasks.json", "hacky.yaml")
	git("commit", "-qm", "begin")
	head := strings.TrimSpace(git("rev-parse", "HEAD"))
	w.hacky(nil, "run", "--parallelism", "1").wants(t, 0)
	lines := strings.Split(read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson")), "\n")
	// A busy machine may make even true last so long that changes are counted.
	long := strings.Replace(lines[0], `,"files":0,"insertions":0,"deletions":0,"untracked":0}}`, "}}", 1)
	for line, want := range map[string]string{long: `}}`, lines[1]: `,"files":0,"insertions":0,"deletions":0,"untracked":1`} {
		contains(t, "the evidence", line, `"git":{"before":"`+head+`","after":"`+head+`"`+want)
	}
}
