package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/configs"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
	"github.com/hacky-run/hacky/internal/session"
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
					m, err := makeExample(ffs, dir)
					if len(ffs.Ops()) < n {
						if err != nil || len(m.written) != 5 {
							t.Fatalf("%q, %v", m.written, err)
						}
						return
					}
					where := fmt.Sprintf("%s (%d) failed: %v", ffs.Ops()[n-1].Name, n, err)
					if err == nil && ffs.Ops()[n-1].Name == "ReadDir" { // it looks for what others left
						if _, err := os.Stat(filepath.Join(dir, "tasks.json")); err != nil || whole(dir) != nil {
							t.Errorf("%s: %v, %v", where, err, whole(dir))
						}
						continue
					}
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

// TestInitPRDFaults: with --prd there is a session with all that it refers to,
// or nothing.
func TestInitPRDFaults(t *testing.T) {
	prd := filepath.Join(t.TempDir(), "PRD.md")
	if err := os.WriteFile(prd, []byte("# What is wanted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	init := func(fsys fsutil.FS, dir string) error {
		return (&app{stdout: io.Discard}).init(fsys, initOptions{prd: prd, dir: dir})
	}
	for _, dead := range []bool{false, true} {
		for n := 1; ; n++ {
			dir := filepath.Join(t.TempDir(), "a")
			when := faultfs.Nth(n, syscall.EIO)
			if dead {
				when = faultfs.From(n, syscall.EIO)
			}
			ffs := faultfs.New(fsutil.OS(), when)
			err := init(ffs, dir)
			made := filepath.Join(dir, "plan", "001_4955771cc6c4")
			if _, serr := os.Stat(filepath.Join(made, "tasks.json")); err == nil || serr == nil {
				for path, want := range map[string][]byte{
					filepath.Join(made, "tasks.json"):                configs.Referring([]byte(session.EmptyBacklog), "tasks"),
					filepath.Join(made, configs.SchemaFile("tasks")): configs.Schema("tasks"),
					filepath.Join(made, ".hacky", ".gitignore"):      []byte("*\n"),
					filepath.Join(dir, "hacky.yaml"):                 configs.Referring(configs.HackyYAML, "hacky"),
					filepath.Join(dir, configs.SchemaFile("hacky")):  configs.Schema("hacky"),
					filepath.Join(dir, ".hacky", ".gitignore"):       []byte("*\n"),
				} {
					if got, rerr := os.ReadFile(path); rerr != nil || !bytes.Equal(got, want) {
						t.Errorf("%d, dead %v: %v, and %s has %d bytes, %v", n, dead, err, path, len(got), rerr)
					}
				}
			}
			if len(ffs.Ops()) < n {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if _, lerr := os.Lstat(dir); err != nil && !dead && lerr == nil {
				t.Errorf("%s (%d) failed: %v: something is left", ffs.Ops()[n-1].Name, n, err)
			}
			if dead {
				continue
			}
			if err := init(fsutil.OS(), dir); err != nil {
				t.Errorf("%d: not made the second time: %v", n, err)
			}
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
		for _, method := range []string{"Lstat", "Mkdir", "OpenFile", "Link"} {
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
