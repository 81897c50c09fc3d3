package doctor_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/doctor"
)

func torture(t *testing.T, ctx context.Context, o doctor.TortureOptions) doctor.Tally {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	tally, err := doctor.Torture(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// A hacky that keeps its promises comes through, whatever is done to it.
func TestTortureHonest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's new")
	tally := torture(t, t.Context(), doctor.TortureOptions{Dir: dir, Time: 3 * time.Second, Seed: 7, Binary: fakeBinary(t, honest)})
	for _, l := range tally.Losses {
		t.Errorf("loss: %+v", l)
	}
	if tally.Rounds < 1 || tally.Kills < 1 || tally.Acknowledged < 50 || tally.Kept || tally.Seed != 7 {
		t.Errorf("tally: %+v", tally)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) && !t.Failed() {
		t.Errorf("the directory was not removed: %v", err)
	}
}

// Every promise that is broken is noticed.
func TestTortureNotices(t *testing.T) {
	for _, c := range []struct{ lie, expected string }{
		{forgets, "Complete, as was printed"},
		{deaf, `as "hacky set" said with exit code 0`},
		{overwrite, `as "hacky set" said with exit code 0`},
		{repeats, "that it is not executed again"},
		{tears, "a whole tasks.json"},
		{litters, "no litter"},
		{journals, "an empty journal or none"},
		{lazy, "Complete, as the last run ended with exit code 0"},
		{panics, "does not crash"},
		{invents, "that it is executed before its completion is printed"},
	} {
		t.Run(c.lie, func(t *testing.T) {
			dir := t.TempDir()
			var all []doctor.Loss
			for seed := range uint64(10) {
				tally := torture(t, t.Context(), doctor.TortureOptions{Dir: filepath.Join(dir, strconv.FormatUint(seed, 10)), Time: 400 * time.Millisecond, Seed: seed, Binary: fakeBinary(t, c.lie)})
				all = append(all, tally.Losses...)
				i := slices.IndexFunc(tally.Losses, func(l doctor.Loss) bool { return strings.Contains(l.Expected, c.expected) })
				if i < 0 {
					continue
				}
				if l := tally.Losses[i]; l.Seed != seed || l.Round < 1 || l.Found == "" {
					t.Errorf("loss: %+v", l)
				}
				if _, err := os.Stat(tally.Dir); err != nil || !tally.Kept {
					t.Errorf("the evidence was not kept: %v, kept %v", err, tally.Kept)
				}
				return
			}
			t.Errorf("not noticed; losses: %+v", all)
		})
	}
}

// The processes are all at home in the directory, and configured by nothing.
func TestTortureStaysInside(t *testing.T) {
	dir, spy := t.TempDir(), filepath.Join(t.TempDir(), "spy")
	t.Setenv("HACKY_SESSION", "/elsewhere")
	t.Setenv("XDG_DATA_HOME", "/elsewhere")
	script := "#!/bin/sh\nenv > \"$TMPDIR/env\"\npwd > \"$TMPDIR/cwd\"\n"
	if err := os.WriteFile(spy, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tally := torture(t, t.Context(), doctor.TortureOptions{Dir: dir, Time: time.Millisecond, Binary: spy})
	if len(tally.Losses) == 0 {
		t.Fatal("a script that does nothing loses nothing")
	}
	env, err := os.ReadFile(filepath.Join(dir, "tmp", "env"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(env)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		inside := strings.HasPrefix(value, tally.Dir)
		if strings.HasPrefix(name, "HACKY_") || slices.Contains([]string{"HOME", "TMPDIR", "PWD"}, name) && !inside || strings.HasPrefix(name, "XDG_") && !inside {
			t.Errorf("%s=%s leads out of %s", name, value, tally.Dir)
		}
	}
	cwd, err := os.ReadFile(filepath.Join(dir, "tmp", "cwd"))
	if err != nil || strings.TrimSpace(string(cwd)) != tally.Dir {
		t.Errorf("it runs in %s, %v", cwd, err)
	}
}

func TestTortureDirectory(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := doctor.TortureOptions{Dir: full, Time: time.Millisecond, Binary: "/no/such/program"}
	if _, err := doctor.Torture(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is not empty: it holds mine") {
		t.Errorf("a directory with files: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(full, "mine")); err != nil || string(data) != "x" {
		t.Errorf("the file there: %q, %v", data, err)
	}
	o.Dir = filepath.Join(full, "no", "parent")
	if _, err := doctor.Torture(t.Context(), o); err == nil {
		t.Error("a directory without a parent was made")
	}
	o.Dir = filepath.Join(full, "mine")
	if _, err := doctor.Torture(t.Context(), o); err == nil {
		t.Error("a file was taken for a directory")
	}
	// An empty directory is left empty, also when nothing works.
	o.Dir = t.TempDir()
	if _, err := doctor.Torture(t.Context(), o); err == nil {
		t.Error("there is no such program")
	}
	if entries, err := os.ReadDir(o.Dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Whenever it is interrupted, nothing stays: no file, no mount, no process.
func TestTortureInterrupted(t *testing.T) {
	binary := fakeBinary(t, honest)
	for k := range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(200+k*350)*time.Millisecond)
		dir := filepath.Join(t.TempDir(), "d")
		tally := torture(t, ctx, doctor.TortureOptions{Dir: dir, Time: time.Minute, Seed: uint64(k), Binary: binary})
		cancel()
		if !tally.Interrupted || len(tally.Losses) > 0 {
			t.Errorf("tally: %+v", tally)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("the directory is still there: %v", err)
		}
		if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil && strings.Contains(string(mounts), dir) {
			t.Error("it is still mounted")
		}
	}
}
