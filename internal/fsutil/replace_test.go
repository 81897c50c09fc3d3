package fsutil_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

const (
	oldText = "the old text\n"
	newText = "the new text, which is longer\n"
)

func write(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// scene is a directory with or without the file to be replaced, and a
// bystander that must never be touched.
type scene struct {
	dir, path string
	exists    bool
	replace   fsutil.Replacement
}

// kind is how a Replace can go about it.
type kind string

const (
	fresh    kind = "no file yet"
	rename   kind = "rename over"
	exchange kind = "exchange"
	fallback kind = "exchange unsupported"
)

var kinds = []kind{fresh, rename, exchange, fallback}

func newScene(t *testing.T, k kind) scene {
	t.Helper()
	dir := t.TempDir()
	s := scene{dir: dir, path: filepath.Join(dir, "file.json"), exists: k != fresh}
	put(t, filepath.Join(dir, ".bystander.json.0123456789abcdef.hacky-tmp"), "other")
	s.replace = fsutil.Replacement{Path: s.path, Perm: 0o640, Write: write(newText)}
	if s.exists {
		put(t, s.path, oldText)
	}
	if k == exchange || k == fallback {
		s.replace.Perm, s.replace.Base = 0, identity(t, s.path)
	}
	return s
}

// with makes the fault behave like a file system of the kind.
func (k kind) with(fault faultfs.Fault) faultfs.Fault {
	if k != fallback {
		return fault
	}
	return func(op faultfs.Op) error {
		if err := fault(op); err != nil {
			return err
		}
		if op.Name == "Exchange" {
			return errors.ErrUnsupported
		}
		return nil
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func identity(t *testing.T, name string) fsutil.Identity {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return fsutil.IdentityOf(info)
}

// content is what the file holds; "" if it is not there.
func (s scene) content(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// litter lists what is there besides the file and the bystander.
func (s scene) litter(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	bystander := false
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "file.json":
		case strings.HasPrefix(name, ".bystander"):
			bystander = true
		default:
			names = append(names, name)
		}
	}
	if !bystander {
		t.Error("a file of somebody else is gone")
	}
	return names
}

func (s scene) old() string {
	if s.exists {
		return oldText
	}
	return ""
}

// TestReplaceFaults fails every single operation of a Replace in turn.
func TestReplaceFaults(t *testing.T) {
	faults := map[string]error{"EBUSY": syscall.EBUSY, "EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC,
		"EACCES": syscall.EACCES, "torn": faultfs.Torn(syscall.ENOSPC)}
	for _, k := range kinds {
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%s/%s", k, name), func(t *testing.T) {
				for n := 1; ; n++ {
					s := newScene(t, k)
					ffs := faultfs.New(fsutil.OS(), k.with(faultfs.Nth(n, fault)))
					info, err := fsutil.Replace(ffs, s.replace)
					ops := ffs.Ops()
					if len(ops) < n {
						if err != nil || info == nil || s.content(t) != newText {
							t.Fatalf("without a fault: %v", err)
						}
						return
					}
					failed := ops[n-1]
					if !errors.Is(err, fault) {
						t.Errorf("%s failed: error %v, want %v in it", failed.Name, err, fault)
					}
					want := s.old()
					if info != nil {
						want = newText
						if fsutil.IdentityOf(info) != identity(t, s.path) {
							t.Errorf("%s failed: info is not that of the file", failed.Name)
						}
					}
					if got := s.content(t); got != want {
						t.Errorf("%s failed: content %q, want %q", failed.Name, got, want)
					}
					if litter := s.litter(t); len(litter) > 0 && failed.Name != "Remove" {
						t.Errorf("%s failed: left %q", failed.Name, litter)
					}
				}
			})
		}
	}
}

// TestReplaceCrash ends the process at every operation, with and without the
// power.
func TestReplaceCrash(t *testing.T) {
	for _, k := range kinds {
		for _, power := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/power %v", k, power), func(t *testing.T) {
				for n := 1; ; n++ {
					s := newScene(t, k)
					ffs := faultfs.New(fsutil.OS(), k.with(faultfs.From(n, syscall.EIO)))
					_, err := fsutil.Replace(ffs, s.replace)
					if !power {
						if err := ffs.PowerCut(); err != nil {
							t.Fatal(err)
						}
					}
					if got := s.content(t); got != s.old() && got != newText {
						t.Fatalf("crash at operation %d of %v: content %q", n, names(ffs.Ops()), got)
					}
					litter := s.litter(t)
					removed, serr := fsutil.SweepTemps(fsutil.OS(), s.dir, "file.json")
					if serr != nil || !slices.Equal(removed, litter) {
						t.Fatalf("SweepTemps removed %q of %q: %v", removed, litter, serr)
					}
					if left := s.litter(t); len(left) > 0 {
						t.Fatalf("left after the sweep: %q", left)
					}
					if err == nil {
						return
					}
				}
			})
		}
	}
}

func names(ops []faultfs.Op) []string {
	var out []string
	for _, op := range ops {
		out = append(out, op.Name)
	}
	return out
}

// TestReplaceOrder pins the sequence that durability rests on.
func TestReplaceOrder(t *testing.T) {
	common := []string{"Lstat", "OpenFile", "Write", "File.Stat", "Chmod", "Sync", "File.Stat", "Close"}
	ends := map[kind][]string{
		fresh:    {"Rename", "SyncDir"},
		rename:   {"Rename", "SyncDir"},
		exchange: {"Exchange", "Lstat", "Remove", "SyncDir"},
		fallback: {"Exchange", "Lstat", "Rename", "SyncDir"},
	}
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			s := newScene(t, k)
			ffs := faultfs.New(fsutil.OS(), k.with(func(faultfs.Op) error { return nil }))
			if _, err := fsutil.Replace(ffs, s.replace); err != nil {
				t.Fatal(err)
			}
			want := slices.Concat(common, ends[k])
			if k == fresh { // nobody's owner to look at
				want = slices.Delete(want, 3, 4)
			}
			ops := ffs.Ops()
			if got := names(ops); !slices.Equal(got, want) {
				t.Fatalf("operations\n%v, want\n%v", got, want)
			}
			temp := ops[1]
			if filepath.Dir(temp.Path) != s.dir {
				t.Errorf("temp file in %s, want it beside the file", filepath.Dir(temp.Path))
			}
			if temp.Flag&(os.O_CREATE|os.O_EXCL) != os.O_CREATE|os.O_EXCL {
				t.Errorf("temp file opened with flags %#x, want O_CREATE|O_EXCL", temp.Flag)
			}
			if last := ops[len(ops)-1]; last.Path != s.dir {
				t.Errorf("synced directory %s, want %s", last.Path, s.dir)
			}
		})
	}
}

// A stage keeps the temp file out of the target's directory, wherever that can
// be done, and where it cannot, the file is replaced all the same.
func TestReplaceStage(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for _, tt := range []struct {
			name  string
			stage func(t *testing.T, dir string)
			fault faultfs.Fault
			seen  bool // beside the target
		}{
			{name: "there", stage: func(t *testing.T, dir string) { mkdir(t, dir) }},
			{name: "missing", stage: func(*testing.T, string) {}, seen: true},
			{name: "a file", stage: func(t *testing.T, dir string) { put(t, dir, "") }, seen: true},
			{name: "a link", stage: func(t *testing.T, dir string) {
				if err := os.Symlink(t.TempDir(), dir); err != nil {
					t.Fatal(err)
				}
			}, seen: true},
			{name: "another mount", stage: func(t *testing.T, dir string) { mkdir(t, dir) }, seen: true, fault: func(op faultfs.Op) error {
				if (op.Name == "Rename" || op.Name == "Exchange") && filepath.Base(filepath.Dir(op.Path)) == "stage" {
					return syscall.EXDEV
				}
				return nil
			}},
		} {
			t.Run(string(k)+"/"+tt.name, func(t *testing.T) {
				s := newScene(t, k)
				s.replace.Stage = filepath.Join(s.dir, "stage")
				tt.stage(t, s.replace.Stage)
				seen := false
				fault := func(op faultfs.Op) error {
					names, err := filepath.Glob(filepath.Join(s.dir, ".file.json.*"))
					seen = seen || len(names) > 0 || err != nil
					if tt.fault != nil {
						return tt.fault(op)
					}
					return nil
				}
				if _, err := fsutil.Replace(faultfs.New(fsutil.OS(), k.with(fault)), s.replace); err != nil {
					t.Fatal(err)
				}
				if got := s.content(t); got != newText {
					t.Errorf("the file says %q", got)
				}
				if seen != tt.seen {
					t.Errorf("a temp file beside the target: %v", seen)
				}
				for _, dir := range []string{s.dir, s.replace.Stage} {
					if left, _ := filepath.Glob(filepath.Join(dir, ".file.json.*")); len(left) > 0 {
						t.Errorf("left behind: %v", left)
					}
				}
			})
		}
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
