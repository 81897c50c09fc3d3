package fsutil_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// TestPlaceNew: the file has its name only when it is whole, also where it can
// have but one; what is there stays.
func TestPlaceNew(t *testing.T) {
	write := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	for name, c := range map[string]struct {
		there string
		link  error // what linking ends with
		want  string
		err   error
	}{
		"a new one":          {"", nil, "new", nil},
		"one is there":       {"mine", nil, "mine", fs.ErrExist},
		"no second names":    {"", syscall.EPERM, "new", nil},
		"another disk":       {"", syscall.EXDEV, "new", nil},
		"neither, and one":   {"mine", syscall.EPERM, "mine", fs.ErrExist},
		"the disk is broken": {"", syscall.EIO, "", syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			dir, stage := t.TempDir(), t.TempDir()
			path := filepath.Join(dir, "file")
			if c.there != "" {
				if err := os.WriteFile(path, []byte(c.there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
				if op.Name != "Link" {
					return nil
				}
				if text, err := os.ReadFile(op.Path); err != nil || string(text) != "new" {
					t.Errorf("it would be named with %q in it, %v", text, err)
				}
				return c.link
			})
			if err := fsutil.PlaceNew(ffs, path, stage, 0o644, write); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if text, _ := os.ReadFile(path); string(text) != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
			if left, err := os.ReadDir(stage); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// TestPlaceNewUnfinished: a temp file that cannot be removed is an error, and the
// file is not there; the umask counts, whichever way the file is made.
func TestPlaceNewUnfinished(t *testing.T) {
	write := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	path := filepath.Join(t.TempDir(), "file")
	failed := false
	ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if op.Name == "Remove" && !failed {
			failed = true
			return syscall.EPERM
		}
		return nil
	})
	err := fsutil.PlaceNew(ffs, path, t.TempDir(), 0o644, write)
	if _, serr := os.Lstat(path); !errors.Is(err, syscall.EPERM) || errors.Is(err, fs.ErrExist) || !errors.Is(serr, fs.ErrNotExist) {
		t.Errorf("%v; the file: %v", err, serr)
	}

	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for _, link := range []error{nil, syscall.EPERM} {
		path := filepath.Join(t.TempDir(), "file")
		ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
			if op.Name == "Link" {
				return link
			}
			return nil
		})
		if err := fsutil.PlaceNew(ffs, path, t.TempDir(), 0o644, write); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("link %v: %v, %v", link, info.Mode(), err)
		}
	}
}
