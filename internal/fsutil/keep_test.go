package fsutil_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

func TestReplaceMode(t *testing.T) {
	tests := []struct {
		name   string
		exists bool
		old    fs.FileMode
		perm   fs.FileMode
		want   fs.FileMode
	}{
		{"new", false, 0, 0o644, 0o644},
		{"new, whatever the umask", false, 0, 0o666, 0o666},
		{"kept", true, 0o640, 0, 0o640},
		{"kept, read-only", true, 0o444, 0, 0o444},
		{"kept, special bits", true, 0o755 | fs.ModeSetgid | fs.ModeSticky, 0, 0o755 | fs.ModeSetgid | fs.ModeSticky},
		{"made private", true, 0o644, 0o600, 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if tt.exists {
				put(t, path, oldText)
				if err := os.Chmod(path, tt.old); err != nil {
					t.Fatal(err)
				}
			}
			info, err := fsutil.Replace(fsutil.OS(), fsutil.Replacement{Path: path, Perm: tt.perm, Write: write(newText)})
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != tt.want {
				t.Errorf("mode %v, want %v", info.Mode(), tt.want)
			}
		})
	}
}

func TestReplaceWithNothingToKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	_, err := fsutil.Replace(fsutil.OS(), fsutil.Replacement{Path: path, Write: write(newText)})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Replace without Perm where no file is: %v, want that it does not exist", err)
	}
}

func TestReplaceOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "f")
	put(t, path, oldText)
	if err := os.Chown(path, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		fault    faultfs.Fault
		uid, gid uint32
	}{
		{"kept", nil, 65534, 65533},
		{"only the group can be", faultfs.Calls("Chown", syscall.EPERM), 0, 65533},
		{"neither can be", faultfs.Always("Chown", syscall.EPERM), 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ffs := faultfs.New(fsutil.OS(), tt.fault)
			info, err := fsutil.Replace(ffs, fsutil.Replacement{Path: path, Write: write(newText)})
			if err != nil {
				t.Fatal(err)
			}
			if st := info.Sys().(*syscall.Stat_t); st.Uid != tt.uid || st.Gid != tt.gid {
				t.Errorf("owner %d:%d, want %d:%d", st.Uid, st.Gid, tt.uid, tt.gid)
			}
			ops := names(ffs.Ops())
			if slices.Index(ops, "Chown") > slices.Index(ops, "Sync") {
				t.Error("the owner is changed after the fsync")
			}
		})
	}
	put(t, path, oldText)
	if err := os.Chown(path, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	_, err := fsutil.Replace(faultfs.New(fsutil.OS(), faultfs.Always("Chown", syscall.EIO)), fsutil.Replacement{Path: path, Write: write(newText)})
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("Chown failed with EIO: %v", err)
	}
}

// TestReplaceSymlink: the doc says that a link becomes a file.
func TestReplaceSymlink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	put(t, target, oldText)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := fsutil.Replace(fsutil.OS(), fsutil.Replacement{Path: link, Perm: 0o600, Write: write(newText)}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || !info.Mode().IsRegular() {
		t.Fatalf("%v, %v; want a regular file", info.Mode(), err)
	}
	if data, _ := os.ReadFile(target); string(data) != oldText {
		t.Errorf("the target says %q", data)
	}
}

func TestSweepTempsTakesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	mine := ".f.json.00112233445566ff.hacky-tmp"
	others := []string{
		"f.json", "f.json.failed", ".f.json.swp",
		".f.json.failed.00112233445566ff.hacky-tmp", // the recovery file's
		".g.json.00112233445566ff.hacky-tmp",
		".f.json.0011.hacky-tmp", ".f.json.00112233445566xx.hacky-tmp", "f.json.00112233445566ff.hacky-tmp",
		".f.json.00112233445566ff.hacky-tmp.bak",
	}
	for _, name := range append(others, mine) {
		put(t, filepath.Join(dir, name), "x")
	}
	if err := os.Mkdir(filepath.Join(dir, ".f.json.00112233445566aa.hacky-tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	removed, err := fsutil.SweepTemps(fsutil.OS(), dir, "f.json")
	if err != nil || !slices.Equal(removed, []string{mine}) {
		t.Fatalf("removed %q, %v", removed, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(others)+1 {
		t.Errorf("%d entries are left, %v; want %d", len(entries), err, len(others)+1)
	}
	if _, err := fsutil.SweepTemps(fsutil.OS(), filepath.Join(dir, "no"), "f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sweep of no directory: %v", err)
	}
	put(t, filepath.Join(dir, mine), "x")
	if _, err := fsutil.SweepTemps(faultfs.New(fsutil.OS(), faultfs.Always("Remove", syscall.EACCES)), dir, "f.json"); !errors.Is(err, syscall.EACCES) {
		t.Errorf("sweep that may not remove: %v", err)
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	put(t, a, "A")
	put(t, b, "B")
	if err := fsutil.OS().Exchange(a, b); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the file system of the temp directory cannot exchange files")
	} else if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(a); string(data) != "B" {
		t.Errorf("a holds %q", data)
	}
	if err := fsutil.OS().Exchange(a, filepath.Join(dir, "no")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exchange with nothing: %v", err)
	}
}
