package cmd_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// straceMissing says why system calls cannot be failed here; "" if they can.
var straceMissing = sync.OnceValue(func() string {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return "strace is not installed (Debian package strace)"
	}
	if out, err := exec.Command(strace, "-f", "-o", os.DevNull, "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		return "strace does not work here: " + strings.TrimSpace(string(out))
	}
	return ""
})

// faulty runs hacky under strace with a fault and returns the trace, too.
func faulty(t *testing.T, dir, trace, inject string, args ...string) (result, string) {
	t.Helper()
	if why := straceMissing(); why != "" {
		t.Skip(why)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log := filepath.Join(t.TempDir(), "trace")
	c := cleanCommand(ctx, dir, "strace", append([]string{"-f", "-o", log, "-e", "trace=" + trace, "-e", "inject=" + inject, binary(t)}, args...)...)
	return finish(t, c), read(t, log)
}

// warning is a log line about a retry.
type warning struct {
	Level, Error, Code, Message string
	Attempt, Max, Pending       int
	Delay                       float64 // ms
}

func warnings(t *testing.T, r result) []warning {
	t.Helper()
	var out []warning
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var w warning
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if w.Level == "warn" && !strings.HasPrefix(w.Message, "the recovery file") {
			out = append(out, w)
		}
	}
	return out
}

// retried checks the log lines of n retries with the contract's backoff.
func retried(t *testing.T, r result, n int, code string) {
	t.Helper()
	ws := warnings(t, r)
	if len(ws) != n {
		t.Fatalf("%d warnings, want %d:\n%s", len(ws), n, r.stderr)
	}
	base := 100.0
	for i, w := range ws {
		if w.Attempt != i+1 || w.Max != 4 || w.Code != code || w.Pending != 2 || w.Error == "" {
			t.Errorf("warning %d: %+v", i+1, w)
		}
		if w.Delay < base || w.Delay > 1.1*base+1 {
			t.Errorf("warning %d: a delay of %v ms, want %v to %v", i+1, w.Delay, base, 1.1*base)
		}
		base *= 2
	}
}

// recovery is a recovery file as far as tests look at it.
type recovery struct {
	Version, Timestamp, SessionPath, Base string
	PendingUpdates                        *struct{ Backlog []any }
	Error                                 struct {
		Message, Code string
		Attempts      int
	}
	PendingCount int
	Changes      []struct {
		ID, From, To, At string
		Seq              int
	}
}

func recoveryOf(t *testing.T, dir string) recovery {
	t.Helper()
	var f recovery
	path := filepath.Join(dir, "tasks.json.failed")
	if err := json.Unmarshal([]byte(read(t, path)), &f); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the recovery file's mode is %v", info.Mode())
	}
	if f.Version != "1.0" || f.Timestamp == "" || f.SessionPath != "." || len(f.Base) != 64 || f.PendingCount != len(f.Changes) {
		t.Errorf("recovery file: %+v", f)
	}
	return f
}

const renames = "rename,renameat,renameat2"

func TestFirstTwoRenamesBusy(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	r, trace := faulty(t, dir, renames, renames+":error=EBUSY:when=1..2", "run")
	r.wants(t, 0)
	retried(t, r, 2, "EBUSY")
	if all, bad := strings.Count(trace, "hacky-tmp\""), strings.Count(trace, "INJECTED"); all != 3 || bad != 2 {
		t.Errorf("%d renames of which %d failed, want 3 and 2:\n%s", all, bad, trace)
	}
	temps := map[string]bool{}
	for field := range strings.FieldsSeq(trace) {
		if strings.Contains(field, "hacky-tmp") {
			temps[field] = true
		}
	}
	if len(temps) != 3 {
		t.Errorf("a retry has to use a new temp file: %v", temps)
	}
	done(t, dir)
}

func TestFirstFsyncFails(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	r, trace := faulty(t, dir, "fsync,"+renames, "fsync:error=EIO:when=1", "run")
	r.wants(t, 0)
	// strace counts for every thread of its own: the journal's and the flush's.
	n := strings.Count(trace, "INJECTED")
	if n < 1 || n > 2 {
		t.Errorf("%d calls failed, want 1 on a thread:\n%s", n, trace)
	}
	if ws := warnings(t, r); len(ws) != n || ws[0].Code != "EIO" || ws[0].Attempt != 1 || ws[0].Max != 4 {
		t.Errorf("warnings %+v", ws)
	}
	first := strings.Index(trace, "INJECTED")
	if rename := strings.Index(trace, "rename"); rename >= 0 && rename < first {
		t.Errorf("the first fsync has to come before the first rename:\n%s", trace)
	}
	done(t, dir)
}

// A rename that is always busy: all attempts, then the recovery file. That is
// renamed into place as well, so it fails too, and the updates are printed.
func TestRenameAlwaysBusy(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	before := read(t, filepath.Join(dir, "tasks.json"))
	r, _ := faulty(t, dir, renames, renames+":error=EBUSY", "run", "--progress", "none")
	r.wants(t, 3)
	retried(t, r, 3, "EBUSY")
	contains(t, "standard error", r.stderr, "cannot write tasks.json: device or resource busy (EBUSY) after 4 attempts")
	recoverLines(t, dir, before, r)
}

// Only exchanging and renaming onto tasks.json is busy: the recovery file says so.
func TestExchangeAlwaysBusy(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	r, _ := faulty(t, dir, "renameat2", "renameat2:error=EBUSY", "run", "--progress", "none")
	r.wants(t, 3)
	retried(t, r, 3, "EBUSY")
	contains(t, "standard error", r.stderr,
		"hacky: cannot write tasks.json: device or resource busy (EBUSY) after 4 attempts; 2 updates wait in tasks.json.failed\n",
		"hacky: mend the cause, then type: hacky recover\n")
	f := recoveryOf(t, dir)
	if f.Error.Code != "EBUSY" || f.Error.Attempts != 4 || len(f.Changes) != 2 || f.PendingUpdates == nil {
		t.Errorf("recovery file: %+v", f)
	}
	noLitter(t, dir)

	// Retrying turned off: one attempt.
	second := session(t, two())
	r, _ = faulty(t, second, "renameat2", "renameat2:error=EBUSY", "run", "--progress", "none", "--flush-retries", "0")
	r.wants(t, 3)
	retried(t, r, 0, "")
	if f := recoveryOf(t, second); f.Error.Attempts != 1 {
		t.Errorf("recovery file: %+v", f)
	}

	hacky(t, dir, "recover").wants(t, 0)
	done(t, dir)
}

// A full disk is not retried. Nothing can be synced, so the updates are
// printed; from there they can be recovered.
func TestNoSpaceAtAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ calls, fault string }{
		{"fsync", "fsync:error=ENOSPC"},
		{renames, renames + ":error=ENOSPC"},
	} {
		dir := session(t, two())
		before := read(t, filepath.Join(dir, "tasks.json"))
		r, _ := faulty(t, dir, c.calls, c.fault, "run")
		r.wants(t, 3)
		for _, w := range warnings(t, r) {
			if w.Delay != 0 {
				t.Errorf("a full disk is tried again: %+v", w)
			}
		}
		contains(t, "standard error", r.stderr, "cannot write tasks.json: no space left on device (ENOSPC) after 1 attempt;")
		recoverLines(t, dir, before, r)
	}
}

// recoverLines replays what was printed because no file could be written.
func recoverLines(t *testing.T, dir, before string, r result) {
	t.Helper()
	if read(t, filepath.Join(dir, "tasks.json")) != before {
		t.Error("tasks.json has changed")
	}
	if strings.Contains(r.stderr, "wait in .hacky/journal\n") { // which needs no rename
		contains(t, "standard error", r.stderr, "then type: hacky recover\n")
		hacky(t, dir, "recover").wants(t, 0)
		done(t, dir)
		return
	}
	if exists(filepath.Join(dir, "tasks.json.failed")) { // made under its own name
		hacky(t, dir, "recover").wants(t, 0)
		done(t, dir)
		return
	}
	noLitter(t, dir)
	contains(t, "standard error", r.stderr, "hacky-recovery: {\"id\":\"P1.M1.T1.S1\"", "then type: hacky recover --file FILE\n")
	log := filepath.Join(t.TempDir(), "log")
	write(t, log, r.stderr)
	hacky(t, dir, "recover", "--file", log).wants(t, 0)
	if s := statuses(t, dir); !strings.HasPrefix(s, "Complete ") {
		t.Errorf("what was printed is not there: %s", s)
	}
	hacky(t, dir, "run").wants(t, 0) // what waited for the first
	done(t, dir)
}

// The same for `hacky set` and `hacky recover`.
func TestFaultsOfSetAndRecover(t *testing.T) {
	t.Parallel()
	dir := session(t, two())
	set := []string{"set", "P1.M1.T1.S1", "P1.M1.T1.S2", "Complete"}
	r, _ := faulty(t, dir, "renameat2", "renameat2:error=ENOSPC", set...)
	r.wants(t, 3)
	contains(t, "standard error", r.stderr, "2 updates wait in tasks.json.failed", "type: hacky recover\n")
	if r.stdout != "" {
		t.Errorf("set claims success: %s", r.stdout)
	}
	r, _ = faulty(t, dir, "renameat2", "renameat2:error=ENOSPC", "recover")
	r.wants(t, 3)
	if n := strings.Count(r.stderr, "hacky: cannot write tasks.json"); n != 1 {
		t.Errorf("it says %d times what is wrong:\n%s", n, r.stderr)
	}
	if f := recoveryOf(t, dir); len(f.Changes) != 2 {
		t.Errorf("recovery file: %+v", f)
	}
	r, _ = faulty(t, dir, renames, renames+":error=EBUSY:when=1..2", "recover")
	r.wants(t, 0)
	retried(t, r, 2, "EBUSY")
	done(t, dir)

	dir = session(t, two())
	r, _ = faulty(t, dir, renames, renames+":error=EBUSY:when=1..2", set...)
	r.wants(t, 0)
	retried(t, r, 2, "EBUSY")
	done(t, dir)
}
