package doctor_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/doctor"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/session"
)

const backlog = `{"backlog":[{"id":"P1","type":"Phase","title":"A","status":"Planned","description":"","milestones":[]}]}`

// scene makes a session with these files beside tasks.json.
func scene(t *testing.T, files ...string) doctor.Target {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append([]string{"tasks.json", ".hacky/.gitignore"}, files...) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(backlog), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return target(dir)
}

func target(dir string) doctor.Target {
	return doctor.Target{Session: session.Location{Dir: dir, Name: session.TasksFile},
		Look: func(name string) (string, error) {
			if name == "sh" {
				return exec.LookPath(name)
			}
			return "", exec.ErrNotFound
		}}
}

// wants examines a target and looks for one check.
func wants(t *testing.T, target doctor.Target, name string, status doctor.Status, detail ...string) {
	t.Helper()
	checks := doctor.Examine(t.Context(), target)
	for _, c := range checks {
		if c.Name != name {
			continue
		}
		if c.Status != status {
			t.Errorf("%s is %s, want %s: %s", name, c.Status, status, c.Detail)
		}
		for _, d := range detail {
			if !strings.Contains(c.Detail, d) {
				t.Errorf("%s lacks %q: %s", name, d, c.Detail)
			}
		}
		return
	}
	t.Errorf("there is no check %s in %+v", name, checks)
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path + " " + d.Type().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// All is well in a plain session, and nothing is left behind there, nor in a
// directory without one.
func TestExamine(t *testing.T) {
	s := scene(t)
	empty := doctor.Target{Dir: t.TempDir(), Look: s.Look}
	for dir, target := range map[string]doctor.Target{s.Session.Dir: s, empty.Dir: empty} {
		before := tree(t, dir)
		checks := doctor.Examine(t.Context(), target)
		for _, c := range checks {
			if c.Detail == "" || c.Name == "" {
				t.Errorf("%+v", c)
			}
			// What this machine's disk is like, and whether it has git, is not
			// known to a test.
			if c.Status != doctor.OK && c.Name != "file-system" && c.Name != "sync-time" && c.Name != "exchange" && c.Name != "git" {
				t.Errorf("%s: %s: %s", c.Name, c.Status, c.Detail)
			}
		}
		if doctor.Worst(checks) == doctor.Failed {
			t.Error("the whole counts as failed")
		}
		if after := tree(t, dir); after != before {
			t.Errorf("before\n%safter\n%s", before, after)
		}
	}
}

func TestWorst(t *testing.T) {
	of := func(s ...doctor.Status) []doctor.Check {
		var out []doctor.Check
		for _, st := range s {
			out = append(out, doctor.Check{Status: st})
		}
		return out
	}
	for want, checks := range map[doctor.Status][]doctor.Check{
		doctor.OK:      of(doctor.OK, doctor.OK),
		doctor.Warning: of(doctor.OK, doctor.Warning, doctor.OK),
		doctor.Failed:  of(doctor.Warning, doctor.Failed, doctor.Warning),
	} {
		if got := doctor.Worst(checks); got != want {
			t.Errorf("%v: %s", checks, got)
		}
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	s := scene(t)
	hidden := filepath.Join(s.Session.Dir, ".hacky")
	wants(t, s, "run-lock", doctor.OK, "no run has the session")
	if _, err := os.Stat(filepath.Join(hidden, "run.lock")); err == nil {
		t.Error("looking at the lock has made its file")
	}
	f, unlock, err := fsutil.OS().TryLock(filepath.Join(hidden, "run.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := f.WriteString("process 42, since yesterday\n"); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "run-lock", doctor.OK, "process 42, since yesterday")
	_, unlockWrite, err := fsutil.OS().TryLock(filepath.Join(hidden, "write.lock"))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, s, "write-lock", doctor.Warning, "more than 2s; if it is stopped", "fuser")
	if err := unlockWrite(); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "write-lock", doctor.OK)
	_, again, err := fsutil.OS().TryLock(filepath.Join(hidden, "write.lock"))
	if err != nil {
		t.Fatalf("the check has kept the lock: %v", err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

func TestLeftovers(t *testing.T) {
	s := scene(t, ".tasks.json.0123456789abcdef.hacky-tmp", "tasks.json.journal")
	temp := filepath.Join(s.Session.Dir, ".tasks.json.0123456789abcdef.hacky-tmp")
	wants(t, s, "stale-files", doctor.OK) // it may be a flush that is going on
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(temp, old, old); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "stale-files", doctor.Warning, ".tasks.json.0123456789abcdef.hacky-tmp", `"hacky run"`)
	path := filepath.Join(s.Session.Dir, "tasks.json.journal")
	wants(t, s, "journal", doctor.Failed, "tasks.json.journal", "type: hacky validate --repair")
	records := []journal.Record{{ID: "P1.M1.T1.S1", At: old, Seq: 1}, {ID: "P1.M1.T1.S2", At: old, Seq: 2}}
	j, err := journal.Create(fsutil.OS(), path, journal.Base{}, records, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "journal", doctor.Warning, "tasks.json.journal", "2 updates")
	wants(t, s, "recovery-file", doctor.OK)
	s.Hint = func(command, _ string) string { return "hacky " + command + " --session there" }
	for _, name := range []string{"tasks.json.failed.damaged-20260101T000000.000", "tasks.json.failed"} {
		if err := os.WriteFile(filepath.Join(s.Session.Dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "tasks.json.failed" {
			wants(t, s, "recovery-file", doctor.Warning, name, "type: hacky recover --session there")
		} else {
			wants(t, s, "recovery-file", doctor.Warning, name, "could not be read")
		}
	}
	_, unlock, err := fsutil.OS().TryLock(filepath.Join(s.Session.Dir, ".hacky", "run.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	wants(t, s, "journal", doctor.OK, "going on")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "journal", doctor.OK, "nothing")
}

func TestClock(t *testing.T) {
	s := scene(t)
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(s.Session.Path(), future, future); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "clock", doctor.Warning, "in the future", "touch ")
	s.Now = func() time.Time { return time.Unix(0, 0) }
	wants(t, s, "clock", doctor.Failed, "1970", "set the clock")
}

// faultyFS is a file system that lacks something.
type faultyFS struct {
	fsutil.FS
	exchange error
	locks    bool // gives every lock to everybody
}

func (f faultyFS) Exchange(a, b string) error {
	if f.exchange != nil {
		return f.exchange
	}
	return f.FS.Exchange(a, b)
}

func (f faultyFS) TryLock(name string) (fsutil.File, func() error, error) {
	if f.locks {
		return nil, func() error { return nil }, nil
	}
	return f.FS.TryLock(name)
}

func TestPoorFileSystem(t *testing.T) {
	s := scene(t)
	s.FS = faultyFS{FS: fsutil.OS(), exchange: errors.ErrUnsupported}
	wants(t, s, "exchange", doctor.Warning, "do not edit tasks.json during a run")
	s.FS = faultyFS{FS: fsutil.OS(), exchange: fs.ErrPermission}
	wants(t, s, "exchange", doctor.Failed)
	s.FS = faultyFS{FS: fsutil.OS(), locks: true}
	wants(t, s, "file-locks", doctor.Failed, "given twice")
}

func TestPermissions(t *testing.T) {
	s := scene(t)
	wants(t, s, "permissions", doctor.OK)
	gone := target(filepath.Join(t.TempDir(), "gone"))
	wants(t, gone, "file-system", doctor.Failed)
	wants(t, gone, "write", doctor.Failed)
	if err := os.Remove(s.Session.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", s.Session.Path()); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "permissions", doctor.Failed, "leads nowhere")
	if os.Geteuid() == 0 {
		t.Skip("the rest needs a user who is not allowed everything")
	}
	s = scene(t)
	if err := os.Chmod(s.Session.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.Session.Dir, 0o755) }) // so that it can be removed
	wants(t, s, "permissions", doctor.Failed, "cannot be written by you")
}

// A tasks.json that is a link is examined where it really is.
func TestLinkedBacklog(t *testing.T) {
	real, linked := scene(t), scene(t)
	if err := os.Remove(linked.Session.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real.Session.Path(), linked.Session.Path()); err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(real.Session.Dir)
	if err != nil {
		t.Fatal(err)
	}
	c := doctor.Examine(t.Context(), linked)[0]
	if !strings.HasPrefix(c.Detail, dir+" is on ") {
		t.Errorf("%+v", c)
	}
}

func TestTools(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for name, script := range map[string]string{
		"git": "echo git version 9.9", "claude": "printf '1.2.3\\033[1m (x)\\nmore\\n'", "codex": "exit 3", "amp": "sleep 60 & sleep 60", "aider": "true",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := scene(t)
	sh := s.Look
	s.Look = func(name string) (string, error) {
		path := filepath.Join(bin, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		return sh(name)
	}
	start := time.Now()
	checks := map[string]doctor.Check{}
	for _, c := range doctor.Examine(t.Context(), s) {
		checks[c.Name] = c
	}
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("it took %v", took)
	}
	for name, want := range map[string]struct {
		status doctor.Status
		detail string
	}{
		"git": {doctor.OK, ": git version 9.9"}, "sh": {doctor.OK, "sh"}, "claude": {doctor.OK, ": 1.2.3 [1m (x)"}, "codex": {doctor.Warning, "exit status 3"},
		"amp": {doctor.Warning, "within 5s"}, "aider": {doctor.OK, "does not tell"},
	} {
		if c := checks[name]; c.Status != want.status || !strings.Contains(c.Detail, want.detail) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if _, ok := checks["agents"]; ok {
		t.Error("there are agents")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Look = func(string) (string, error) { return "", exec.ErrNotFound }
	for _, c := range doctor.Examine(ctx, s) {
		if c.Name == "sh" && c.Status != doctor.Failed || c.Name == "git" && c.Status != doctor.Warning || c.Name == "agents" && c.Status != doctor.OK {
			t.Errorf("without any program: %+v", c)
		}
	}
}
