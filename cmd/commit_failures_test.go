package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCommitThatFails: a subtask whose work could not be committed is not
// Complete, whatever kept the commit from being made, and the reason is told.
// When the cause is gone, the work is committed without being done again.
func TestCommitThatFails(t *testing.T) {
	t.Parallel()
	hook := func(w *workshop, text string) {
		path := filepath.Join(w.dir, ".git", "hooks", "pre-commit")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	type git func(args ...string) string
	for name, c := range map[string]struct {
		run    string // beside the work
		before func(w *workshop, g git)
		after  func(w *workshop, g git)
		args   []string
		says   string
	}{
		"signing fails": {
			before: func(_ *workshop, g git) { g("config", "commit.gpgsign", "true"); g("config", "gpg.program", "false") },
			after:  func(_ *workshop, g git) { g("config", "commit.gpgsign", "false") },
			says:   "gpg failed to sign",
		},
		"a stale lock": {
			run:   "touch .git/index.lock",
			after: func(w *workshop, _ git) { _ = os.Remove(filepath.Join(w.dir, ".git", "index.lock")) },
			says:  "index.lock",
		},
		"a hook that refuses": {
			before: func(w *workshop, _ git) { hook(w, "echo not this; exit 1") },
			after:  func(w *workshop, _ git) { hook(w, "exit 0") },
			args:   []string{"--fix-attempts", "0"},
			says:   "not this",
		},
		"a hook that hangs": {
			before: func(w *workshop, _ git) { hook(w, "sleep 600") },
			after:  func(w *workshop, _ git) { hook(w, "exit 0") },
			args:   []string{"--timeout", "2s"},
			says:   "timed out after 2s",
		},
		"a hook that is silent": {
			before: func(w *workshop, _ git) { hook(w, "sleep 600") },
			after:  func(w *workshop, _ git) { hook(w, "exit 0") },
			args:   []string{"--idle-timeout", "2s"},
			says:   "2s",
		},
		"no identity": {
			run:   "git config --unset user.name",
			after: func(_ *workshop, g git) { g("config", "user.name", "t") },
			says:  "git does not know who commits",
		},
		"an unfinished merge": {
			run:   "touch .git/MERGE_HEAD",
			after: func(w *workshop, _ git) { _ = os.Remove(filepath.Join(w.dir, ".git", "MERGE_HEAD")) },
			says:  "a merge is unfinished",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, oneTask(subtask{run: "null"}), "stages: [{name: implement, run: \"echo x >> made; "+strings.ReplaceAll(c.run, `"`, `\"`)+"\"}]\n",
				"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
			g := w.repository()
			g("add", "tasks.json")
			g("commit", "-qm", "begin")
			if c.before != nil {
				c.before(w, g)
			}
			r := w.hacky(nil, append([]string{"run", "--commit", "--no-retry"}, c.args...)...)
			r.wants(t, 1)
			contains(t, "the summary", r.stdout, "commit", c.says)
			if got := statuses(t, w.dir); got != "Failed" {
				t.Errorf("the status is %s", got)
			}
			contains(t, "the evidence", read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson")), `"stage":"commit"`)
			c.after(w, g)
			w.hacky(nil, "run", "--commit").wants(t, 0)
			if got := g("show", "--format=", "--name-only"); got != "made\n" {
				t.Errorf("committed:\n%s", got)
			}
			if got := read(t, filepath.Join(w.dir, "made")); got != "x\n" {
				t.Errorf("the work was done again: %q", got)
			}
		})
	}
}

// TestCommitStops: a run that is stopped does not wait for a hook, and its
// subtask is Planned again.
func TestCommitStops(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, oneTask(subtask{run: `"echo > made"`}), "", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	w.repository()
	path := filepath.Join(w.dir, ".git", "hooks", "pre-commit")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\ntouch .git/hangs; sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, w.dir, "--commit")
	eventually(t, "the hook runs", func() bool { return exists(filepath.Join(w.dir, ".git", "hangs")) })
	r.send(syscall.SIGTERM)
	r.ends(143)
	if got := statuses(t, w.dir); got != "Planned" {
		t.Errorf("the status is %s", got)
	}
}
