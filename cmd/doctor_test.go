package cmd_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

type check struct{ Name, Status, Detail string }

func checksOf(t *testing.T, r result) map[string]check {
	t.Helper()
	var doc struct{ Checks []check }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	out := map[string]check{}
	for _, c := range doc.Checks {
		if c.Status != "ok" && c.Status != "warning" && c.Status != "failed" || c.Detail == "" {
			t.Errorf("%+v", c)
		}
		out[c.Name] = c
	}
	return out
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	r := hacky(t, empty, "doctor", "-o", "json")
	r.wants(t, 0)
	checks := checksOf(t, r)
	if _, ok := checks["run-lock"]; ok || checks["space"].Status != "ok" {
		t.Errorf("without a session: %+v", checks)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}

	dir := session(t, oneTask(subtask{run: `["true"]`}))
	r = hacky(t, dir, "doctor")
	r.wants(t, 0)
	contains(t, "table", r.stdout, "CHECK", "STATUS", "DETAIL", "run-lock", "session tasks.json: ", " ok, ", " 0 failed\n")

	write(t, filepath.Join(dir, "tasks.json.failed"), "{}")
	r = hacky(t, empty, "doctor", "--session", dir, "-o", "yaml")
	r.wants(t, 0) // a warning is no failure
	contains(t, "yaml", r.stdout, "checks:\n", "name: recovery-file\n", "status: warning\n", "type: hacky recover --session "+dir)
}

func TestDoctorFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "tasks.json")); err != nil {
		t.Fatal(err)
	}
	r := hacky(t, dir, "doctor", "-o", "json")
	r.wants(t, 1)
	if c := checksOf(t, r)["permissions"]; c.Status != "failed" {
		t.Errorf("%+v", c)
	}
	r = hacky(t, dir, "doctor")
	r.wants(t, 1)
	contains(t, "table", r.stdout, "leads nowhere", "1 failed\n")
}

func TestDoctorWrongCalls(t *testing.T) {
	dir := session(t, oneTask(subtask{run: `["true"]`}))
	before := snapshot(t, dir)
	for _, c := range []struct{ call, want string }{
		{"doctor here", `hacky: "hacky doctor" takes no arguments, but got "here"`},
		{"doctor -o tree", `hacky: --output: "tree" is not one of table, json, yaml`},
		{"doctor --session nowhere", `hacky: --session: the session "nowhere" was not found`},
		{"doctor --seed 3", "hacky: --seed is for --torture only"},
		{"doctor --time 3s", "hacky: --time is for --torture only"},
		{"doctor --torture --time -3s", `hacky: --time: "-3s" is not a duration above 0`},
		{"doctor --torture --time soon", `hacky: --time: "soon" is not a duration such as 30s or 5m`},
		{"doctor --torture a b", "takes one directory, but got 2"},
		{"doctor --torture .", "hacky: torture: . is not empty: it holds tasks.json; name a new or an empty directory"},
	} {
		r := hacky(t, dir, strings.Fields(c.call)...)
		r.wants(t, 2)
		contains(t, "standard error of "+c.call, r.stderr, c.want)
		if r.stdout != "" {
			t.Errorf("on standard output of %s: %s", c.call, r.stdout)
		}
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("something was written: before\n%safter\n%s", before, after)
	}
}

// tally is what a torture prints with -o json.
type tally struct {
	Dir                         string
	Kept, Interrupted           bool
	Seed                        uint64
	Rounds, Kills, Acknowledged int
	Losses                      []struct{ ID, Expected, Found string }
}

func tallyOf(t *testing.T, r result) tally {
	t.Helper()
	var out tally
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		t.Fatalf("%v in %s\n%s", err, r.stdout, r.stderr)
	}
	return out
}

// The real thing: nothing that was acknowledged is lost.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("it tortures for three seconds")
	}
	dir := t.TempDir()
	r := hacky(t, dir, "doctor", "--torture", "--time", "3s", "-o", "json")
	out := tallyOf(t, r)
	if n := len(out.Losses); n > 0 {
		t.Fatalf("%d losses with seed %d, like %+v", n, out.Seed, out.Losses[:min(n, 10)])
	}
	r.wants(t, 0)
	if out.Rounds < 1 || out.Kills < 1 || out.Acknowledged < 1 || out.Kept {
		t.Errorf("%+v", out)
	}
	if entries, err := os.ReadDir(dir); !t.Failed() && (err != nil || len(entries) > 0) {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A sh that claims to have done what it has not: exit code 1, and the evidence
// stays.
func TestTortureLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	dir, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink("/bin/true", filepath.Join(bin, "sh")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lying := func(args ...string) result {
		c := command(ctx, t, dir, append([]string{"doctor", "--torture", "--time", "1ms", "--seed", "4"}, args...)...)
		c.Env = append(c.Env, "PATH="+bin+":"+os.Getenv("PATH"))
		return finish(t, c)
	}
	r := lying("scratch")
	r.wants(t, 1)
	contains(t, "table", r.stdout, "EXPECTED", "that it is executed before its completion is printed", "seed 4: ", "everything was kept in ")
	contains(t, "standard error", r.stderr, "seed 4; Ctrl+C ends it")
	if !exists(filepath.Join(dir, "scratch", "round-1", "session", "tasks.json")) {
		t.Error("the evidence is gone")
	}
	r = lying("-o", "json")
	r.wants(t, 1)
	if out := tallyOf(t, r); !out.Kept || out.Seed != 4 || len(out.Losses) == 0 {
		t.Errorf("%+v", out)
	}
}

// Ctrl+C ends a torture, and nothing stays.
func TestTortureInterrupted(t *testing.T) {
	dir := t.TempDir()
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancel(t.Context())
		c := command(ctx, t, dir, "doctor", "--torture", "--time", "1m", "--seed", "1")
		c.Cancel = func() error { return c.Process.Signal(sig) }
		go func() {
			defer cancel()
			for k := 0; k < 1000 && !begun(dir); k++ {
				time.Sleep(5 * time.Millisecond)
			}
		}()
		r := finish(t, c)
		if strings.Contains(r.stdout, "nothing was lost") {
			r.wants(t, code)
			contains(t, "table", r.stdout, "interrupted; ")
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		} else {
			t.Errorf("%s%s", r.stdout, r.stderr)
		}
		if out, err := exec.Command("mount").Output(); err == nil && strings.Contains(string(out), dir) {
			t.Error("something is still mounted")
		}
	}
}

func begun(dir string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "*", "round-1", "session"))
	return err == nil && len(found) > 0
}
