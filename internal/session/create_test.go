package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

const aPRD = "# What is wanted\n"

// aCopy is what else may be in a session.
var aCopy = File{".hacky/schema/tasks.schema.json", "{}\n"}

const itsName = "001_4955771cc6c4"

// wholeSession says what is wrong with a session that looks whole and is not.
func wholeSession(plan string) error {
	for _, dir := range sessionsIn(plan) {
		prd, err := os.ReadFile(filepath.Join(dir, PRDSnapshot))
		if err != nil || string(prd) != aPRD {
			return fmt.Errorf("%s: %q, %w", dir, prd, err)
		}
		if tasks, err := os.ReadFile(filepath.Join(dir, TasksFile)); err != nil || string(tasks) != EmptyBacklog {
			return fmt.Errorf("%s: %q, %w", dir, tasks, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, aCopy.Name)); err != nil || string(text) != aCopy.Content {
			return fmt.Errorf("%s: %q, %w", dir, text, err)
		}
	}
	return nil
}

// TestCreateFaults fails every operation in turn, once and for ever.
func TestCreateFaults(t *testing.T) {
	for name, fault := range map[string]error{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "torn": faultfs.Torn(syscall.ENOSPC)} {
		for _, dead := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/dead %v", name, dead), func(t *testing.T) {
				for n := 1; ; n++ {
					plan := t.TempDir()
					when := faultfs.Nth(n, fault)
					if dead {
						when = faultfs.From(n, fault)
					}
					ffs := faultfs.New(fsutil.OS(), when)
					l, made, err := Create(ffs, plan, aPRD, EmptyBacklog, aCopy)
					if len(ffs.Ops()) < n {
						if err != nil || !made || l.Dir != filepath.Join(plan, itsName) || wholeSession(plan) != nil {
							t.Fatalf("%v, %v, %v", l, made, err)
						}
						// The crash model keeps the order of all directories; disks need not.
						ops := ffs.Ops()
						k := slices.IndexFunc(ops, func(op faultfs.Op) bool { return op.Name == "Rename" })
						if !slices.ContainsFunc(ops[:k], func(op faultfs.Op) bool { return op.Name == "SyncDir" && op.Path == ops[k].Path }) {
							t.Error("the new directory is not synced before it is renamed")
						}
						return
					}
					op := ffs.Ops()[n-1]
					where := fmt.Sprintf("%s %s (%d) failed: %v", op.Name, filepath.Base(op.Path), n, err)
					if err == nil && n > 1 { // the first looks for what others left
						t.Errorf("%s: no error", where)
					}
					if err != nil && !errors.Is(err, fault) {
						t.Errorf("%s: not the fault", where)
					}
					if err := wholeSession(plan); err != nil {
						t.Errorf("%s: %v", where, err)
					}
					if left, _ := os.ReadDir(plan); err != nil && !dead && len(left) > 0 {
						t.Errorf("%s: left %v", where, left)
					}
					if l, _, err := Create(fsutil.OS(), plan, aPRD, EmptyBacklog, aCopy); err != nil || filepath.Base(l.Dir) != itsName {
						t.Errorf("%s: the second time: %v, %v", where, l, err)
					}
					if left, _ := os.ReadDir(plan); len(left) != 1 {
						t.Errorf("%s: in the end there is %v", where, left)
					}
				}
			})
		}
	}
}

// TestCreatePowerCut: after a power cut at any moment there is no session, or
// all of it, and all of it when Create has returned; the next one clears up.
func TestCreatePowerCut(t *testing.T) {
	root, clones := t.TempDir(), t.TempDir()
	r := rand.New(rand.NewPCG(7, 8))
	var crash *faultfs.Crash
	states := 0
	check := func(when string, must bool) {
		for _, p := range []float64{0, 1, 0.1, 0.5, 0.7, 0.9, 0.98} {
			states++
			clone := filepath.Join(clones, fmt.Sprint(states))
			if err := os.Mkdir(clone, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := crash.Clone(clone, func(int) bool { return r.Float64() < p }); err != nil {
				t.Fatal(err)
			}
			if err := wholeSession(clone); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			l, made, err := Create(fsutil.OS(), clone, aPRD, EmptyBacklog, aCopy)
			if err != nil || filepath.Base(l.Dir) != itsName || must && made {
				t.Errorf("%s: the next one: %v, made %v, %v", when, l, made, err)
			}
			if left, _ := os.ReadDir(clone); len(left) != 1 {
				t.Errorf("%s: %v is left", when, left)
			}
		}
	}
	crash, err := faultfs.NewCrash(faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		check(fmt.Sprintf("before %s (%d)", op.Name, op.N), false)
		return nil
	}), root)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Create(crash, root, aPRD, EmptyBacklog, aCopy); err != nil {
		t.Fatal(err)
	}
	check("afterwards", true)
}

// Create finds what is there, counts on from the highest, and never writes into
// a directory that somebody else has made.
func TestCreateFinds(t *testing.T) {
	plan := t.TempDir()
	for _, name := range []string{"007_53ac76bcf2e4", "012_other-things", "x_4955771cc6c4"} {
		if err := os.Mkdir(filepath.Join(plan, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, made, err := Create(fsutil.OS(), plan, aPRD, `{"backlog":[]}`)
	if err != nil || !made || filepath.Base(l.Dir) != "013_4955771cc6c4" || get(t, l.Path()) != `{"backlog":[]}` || get(t, filepath.Join(l.Dir, PRDSnapshot)) != aPRD {
		t.Fatalf("%v, %v, %v", l, made, err)
	}
	if again, made, err := Create(fsutil.OS(), plan, aPRD, EmptyBacklog, aCopy); err != nil || made || again != l || get(t, l.Path()) != `{"backlog":[]}` {
		t.Errorf("%v, %v, %v the second time", again, made, err)
	}
	if found, ok, err := Find(fsutil.OS(), plan, aPRD); err != nil || !ok || found != l {
		t.Errorf("it is found at %v, %v, %v", found, ok, err)
	}
	for plan, prd := range map[string]string{filepath.Join(plan, "none"): aPRD, plan: "another"} {
		if found, ok, err := Find(fsutil.OS(), plan, prd); err != nil || ok {
			t.Errorf("in %s it is found at %v, %v", plan, found, err)
		}
	}
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Create(fsutil.OS(), plan, aPRD, EmptyBacklog, aCopy); !errors.Is(err, ErrNoBacklog) || exists(t, l.Path()) {
		t.Errorf("%v with a directory that is no session", err)
	}
}

// Not even an empty directory that comes while it works is replaced.
func TestCreateOverwritesNothing(t *testing.T) {
	for _, method := range []string{"Mkdir", "OpenFile", "Rename"} {
		plan := t.TempDir()
		dir := filepath.Join(plan, itsName)
		ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
			if op.Name != method {
				return nil
			}
			if err := os.MkdirAll(dir, 0o755); err != nil || method != "Rename" {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600)
		})
		if _, made, err := Create(ffs, plan, aPRD, EmptyBacklog, aCopy); !errors.Is(err, ErrNoBacklog) || made {
			t.Errorf("before %s: made %v, %v", method, made, err)
		}
		if left := litterIn(t, plan); left != itsName {
			t.Errorf("before %s: %s is left", method, left)
		}
		if exists(t, filepath.Join(dir, TasksFile)) {
			t.Errorf("before %s: it wrote into it", method)
		}
	}
}

func litterIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// Many at once take a number each, and one PRD makes one session.
func TestCreateConcurrently(t *testing.T) {
	plan := t.TempDir()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if _, _, err := Create(fsutil.OS(), plan, fmt.Sprint(i%10), EmptyBacklog, aCopy); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	numbers := map[string]bool{}
	for _, name := range strings.Fields(litterIn(t, plan)) {
		number, _, _ := strings.Cut(name, "_")
		numbers[number] = true
	}
	if len(numbers) != 10 || !numbers["001"] || !numbers["010"] || len(strings.Fields(litterIn(t, plan))) != 10 {
		t.Errorf("%s", litterIn(t, plan))
	}
}
