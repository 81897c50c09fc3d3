package faultfs_test

import (
	"errors"
	"fmt"
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

// TestCrashClone runs a few steps and lists every state that a power cut may
// leave.
func TestCrashClone(t *testing.T) {
	a, b := strings.Repeat("a", 512), strings.Repeat("b", 512)
	tests := []struct {
		name  string
		fault faultfs.Fault
		steps func(s *steps)
		want  []string
	}{
		{"nothing", nil, func(*steps) {}, []string{"old=o"}},
		{"a new file", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
		}, []string{"old=o", "new= old=o", "new=n old=o"}},
		{"its data synced, not its name", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
			s.did(f.Sync())
		}, []string{"old=o", "new=n old=o"}},
		{"its name synced, not its data", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
			s.did(s.fs.SyncDir(s.dir))
		}, []string{"new= old=o", "new=n old=o"}},
		{"both", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
			s.did(f.SyncData())
			s.did(s.fs.SyncDir(s.dir))
		}, []string{"new=n old=o"}},
		{"an unsynced file renamed over the old one", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
			s.did(s.fs.Rename(s.path("new"), s.path("old")))
			s.did(s.fs.SyncDir(s.dir))
		}, []string{"old=", "old=n"}},
		{"directory operations keep their order", nil, func(s *steps) {
			s.did(s.fs.Rename(s.path("old"), s.path("1")))
			s.did(s.fs.Rename(s.path("1"), s.path("2")))
			s.did(s.fs.Remove(s.path("2")))
		}, []string{"old=o", "1=o", "2=o", ""}},
		{"exchange", nil, func(s *steps) {
			f := s.create("new")
			s.write(f, "n")
			s.did(f.Sync())
			s.did(s.fs.SyncDir(s.dir))
			s.did(s.fs.Exchange(s.path("new"), s.path("old")))
		}, []string{"new=n old=o", "new=o old=n"}},
		{"torn at sectors", nil, func(s *steps) {
			f := s.open("old")
			s.writeAt(f, a, 256)
		}, []string{"old=o", "old=o+255*0+256*a", "old=o+511*0+256*a", "old=o+255*0+512*a"}},
		{"a later write without the earlier", nil, func(s *steps) {
			f := s.open("old")
			s.writeAt(f, "1", 0)
			s.writeAt(f, "2", 1)
		}, []string{"old=o", "old=1", "old=o+2", "old=1+2"}},
		{"what a failed sync leaves behind stays uncertain", faultfs.Calls("SyncData", syscall.EIO), func(s *steps) {
			f := s.open("old")
			s.writeAt(f, "1", 0)
			if f.SyncData() == nil {
				s.t.Error("the sync did not fail")
			}
			s.writeAt(f, "2", 1)
			s.did(f.SyncData())
		}, []string{"old=o+2", "old=1+2"}},
		{"a torn write is what was written", faultfs.Calls("WriteAt", faultfs.Torn(syscall.EIO)), func(s *steps) {
			f := s.open("old")
			if _, err := f.WriteAt([]byte(a+b), 0); err == nil {
				s.t.Error("the write did not fail")
			}
			s.did(f.SyncData())
		}, []string{"old=512*a"}},
		{"truncated", nil, func(s *steps) {
			f := s.open("old")
			s.did(f.Truncate(0))
		}, []string{"old=o", "old="}},
		{"a directory", nil, func(s *steps) {
			s.did(s.fs.Mkdir(s.path("sub"), 0o700))
			f := s.create("sub/f")
			s.did(f.Close())
			s.did(s.fs.SyncDir(s.path("sub")))
		}, []string{"old=o sub/f="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "old"), []byte("o"), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := faultfs.NewCrash(faultfs.New(fsutil.OS(), tt.fault), dir)
			if err != nil {
				t.Fatal(err)
			}
			tt.steps(&steps{t, c, dir})
			var got []string
			for set := range 1 << c.Pending() {
				dst := t.TempDir()
				if err := c.Clone(dst, func(i int) bool { return set>>i&1 == 1 }); err != nil {
					t.Fatal(err)
				}
				got = append(got, list(t, dst))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if got = slices.Compact(got); !slices.Equal(got, tt.want) {
				t.Errorf("states %q\nwant   %q", got, tt.want)
			}
			all := t.TempDir()
			if err := c.Clone(all, func(int) bool { return true }); err != nil {
				t.Fatal(err)
			}
			if tt.fault == nil && list(t, all) != list(t, dir) {
				t.Errorf("with everything kept: %q, want %q as it is", list(t, all), list(t, dir))
			}
		})
	}
}

type steps struct {
	t   *testing.T
	fs  fsutil.FS
	dir string
}

func (s *steps) path(name string) string { return filepath.Join(s.dir, name) }

func (s *steps) did(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *steps) create(name string) fsutil.File {
	f, err := s.fs.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	s.did(err)
	s.t.Cleanup(func() { _ = f.Close() }) // some are closed already
	return f
}

func (s *steps) open(name string) fsutil.File {
	f, err := s.fs.OpenFile(s.path(name), os.O_RDWR, 0)
	s.did(err)
	s.t.Cleanup(func() { _ = f.Close() }) // some are closed already
	return f
}

func (s *steps) write(f fsutil.File, text string) {
	_, err := f.WriteString(text)
	s.did(err)
}

func (s *steps) writeAt(f fsutil.File, text string, at int64) {
	_, err := f.WriteAt([]byte(text), at)
	s.did(err)
}

// list shows the files in dir, with runs of bytes abbreviated.
func list(t *testing.T, dir string) string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var runs []string
		for len(data) > 0 {
			n := 1
			for n < len(data) && data[n] == data[0] {
				n++
			}
			run := strings.ReplaceAll(string(data[0]), "\x00", "0")
			if n > 1 {
				run = fmt.Sprintf("%d*%s", n, run)
			}
			runs = append(runs, run)
			data = data[n:]
		}
		rel, err := filepath.Rel(dir, name)
		files = append(files, rel+"="+strings.Join(runs, "+"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(files, " ")
}

// TestCrashRenamesDirectory: what is in a directory comes along, whatever of it
// was stable before.
func TestCrashRenamesDirectory(t *testing.T) {
	dir := t.TempDir()
	c, err := faultfs.NewCrash(fsutil.OS(), dir)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "ab"} {
		must(c.Mkdir(filepath.Join(dir, name), 0o700))
		f, err := c.OpenFile(filepath.Join(dir, name, "f"), os.O_WRONLY|os.O_CREATE, 0o600)
		must(err)
		_, err = f.WriteString(name)
		must(errors.Join(err, f.Sync(), f.Close()))
	}
	must(c.SyncDir(filepath.Join(dir, "a")))
	must(c.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	for n, want := range []string{"a/f=a", "a/f=a", "a/f=a ab/f=ab", "ab/f=ab b/f=a"} {
		clone := t.TempDir()
		must(c.Clone(clone, func(i int) bool { return i < n }))
		found, err := filepath.Glob(filepath.Join(clone, "*/*"))
		must(err)
		var got []string
		for _, name := range found {
			data, err := os.ReadFile(name)
			must(err)
			got = append(got, strings.TrimPrefix(name, clone+"/")+"="+string(data))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %d of %d operations there is %q, want %q", n, c.Pending(), got, want)
		}
	}
}
