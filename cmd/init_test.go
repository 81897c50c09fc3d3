package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/configs"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// whole says what is wrong with a session that looks whole and is not.
func whole(dir string) error {
	tasks, err := os.ReadFile(filepath.Join(dir, "tasks.json"))
	if err != nil {
		return nil //nolint:nilerr // nobody takes that for a session
	}
	if _, err := backlog.Parse("tasks.json", string(tasks)); err != nil {
		return nil //nolint:nilerr // nor that
	}
	if conf, err := os.ReadFile(filepath.Join(dir, "hacky.yaml")); err != nil || !bytes.Equal(conf, configs.Referring(configs.HackyYAML, "hacky")) {
		return fmt.Errorf("tasks.json is whole, and hacky.yaml is %d bytes, %w", len(conf), err)
	}
	for _, name := range []string{"tasks", "hacky"} {
		if text, err := os.ReadFile(filepath.Join(dir, configs.SchemaDir, name+".schema.json")); err != nil || !bytes.Equal(text, configs.Schema(name)) {
			return fmt.Errorf("tasks.json is whole, and the schema %s is %d bytes, %w", name, len(text), err)
		}
	}
	return nil
}

// TestInitFaults fails every operation of init in turn, once and for ever.
func TestInitFaults(t *testing.T) {
	for name, fault := range map[string]error{
		"EBUSY": syscall.EBUSY, "EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EACCES": syscall.EACCES,
		"torn": faultfs.Torn(syscall.ENOSPC),
	} {
		for _, dead := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/dead %v", name, dead), func(t *testing.T) {
				for n := 1; ; n++ {
					root := t.TempDir()
					dir := filepath.Join(root, "a", "b")
					when := faultfs.Nth(n, fault)
					if dead {
						when = faultfs.From(n, fault)
					}
					ffs := faultfs.New(fsutil.OS(), when)
					written, err := makeExample(ffs, dir)
					if len(ffs.Ops()) < n {
						if err != nil || len(written) != 5 {
							t.Fatalf("%q, %v", written, err)
						}
						return
					}
					where := fmt.Sprintf("%s (%d) failed: %v", ffs.Ops()[n-1].Name, n, err)
					if !errors.Is(err, fault) {
						t.Errorf("%s: not the fault", where)
					}
					if err := whole(dir); err != nil {
						t.Errorf("%s: %v", where, err)
					}
					if dead {
						continue
					}
					if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
						t.Errorf("%s: left %v, %v", where, left, err)
					}
					if _, err := makeExample(fsutil.OS(), dir); err != nil {
						t.Errorf("%s: not made the second time: %v", where, err)
					}
				}
			})
		}
	}
}

// TestInitPowerCut: after a power cut at any moment there is no session, or all
// of it, and all of it when init has returned.
func TestInitPowerCut(t *testing.T) {
	root := t.TempDir()
	clones := t.TempDir()
	r := rand.New(rand.NewPCG(5, 6))
	var crash *faultfs.Crash
	states := 0
	cut := func(op faultfs.Op) error {
		for _, p := range []float64{0, 1, 0.1, 0.5, 0.7, 0.9, 0.98} {
			states++
			clone := filepath.Join(clones, fmt.Sprint(states))
			if err := crash.Clone(clone, func(int) bool { return r.Float64() < p }); err != nil {
				t.Fatal(err)
			}
			if err := whole(filepath.Join(clone, "a", "b")); err != nil {
				t.Errorf("before %s (%d): %v", op.Name, op.N, err)
			}
		}
		return nil
	}
	crash, err := faultfs.NewCrash(faultfs.New(fsutil.OS(), cut), root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := makeExample(crash, filepath.Join(root, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := crash.Clone(clones, func(int) bool { return false }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"tasks.json": configs.Referring(configs.Example, "tasks"), "hacky.yaml": configs.Referring(configs.HackyYAML, "hacky")} {
		if got, err := os.ReadFile(filepath.Join(clones, "a", "b", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d bytes, %v", name, len(got), err)
		}
	}
}

// TestInitOverwritesNothing, not even what comes while it works.
func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{"tasks.json", "hacky.yaml"} {
		for _, method := range []string{"Lstat", "Mkdir", "OpenFile"} {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
				if op.Name == method {
					return os.WriteFile(path, []byte("mine"), 0o600)
				}
				return nil
			})
			if _, err := makeExample(ffs, dir); err == nil {
				t.Errorf("%s before %s: no error", name, method)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "mine" {
				t.Errorf("%s before %s: %q, %v", name, method, got, err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("%s before %s: %v is left", name, method, left)
			}
		}
	}
}
