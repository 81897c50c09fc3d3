package fsutil

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// In a session no operation follows a link, at any depth, nor waits for a pipe.
// The backlog may be a link, and directories elsewhere are as ever.
func TestWithin(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(victim, []byte("mine"), 0o600), os.Mkdir(in(".hacky"), 0o777), os.Mkdir(in("artifacts"), 0o777), os.Mkdir(in("docs"), 0o777),
		os.Symlink(victim, in(".hacky/link")), syscall.Mkfifo(in(".hacky/pipe"), 0o666), os.Symlink(outside, in("artifacts/P1")),
		os.Symlink(victim, in("tasks.json")), os.Symlink(victim, in("tasks.json.failed")), os.Symlink(victim, in("docs/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	fsys := Within(in("tasks.json"), dir)
	refused := map[string]func() error{
		"open a link":            func() error { _, err := fsys.OpenFile(in(".hacky/link"), os.O_RDWR|os.O_CREATE, 0o666); return err },
		"lock a link":            func() error { _, _, err := fsys.TryLock(in(".hacky/link")); return err },
		"open a pipe":            func() error { _, err := fsys.OpenFile(in(".hacky/pipe"), os.O_RDONLY, 0); return err },
		"lock a pipe":            func() error { _, _, err := fsys.TryLock(in(".hacky/pipe")); return err },
		"open beside":            func() error { _, err := fsys.OpenFile(in("tasks.json.failed"), os.O_RDONLY, 0); return err },
		"open below a link":      func() error { _, err := fsys.OpenFile(in("artifacts/P1/victim"), os.O_RDWR, 0); return err },
		"make below a link":      func() error { return fsys.Mkdir(in("artifacts/P1/new"), 0o777) },
		"remove below a link":    func() error { return fsys.Remove(in("artifacts/P1/victim")) },
		"move to below a link":   func() error { return fsys.Rename(in(".hacky/pipe"), in("artifacts/P1/victim")) },
		"link to below a link":   func() error { return fsys.Link(in(".hacky/pipe"), in("artifacts/P1/new")) },
		"exchange below a link":  func() error { return fsys.Exchange(in(".hacky/pipe"), in("artifacts/P1/victim")) },
		"list a link":            func() error { _, err := fsys.ReadDir(in("artifacts/P1")); return err },
		"sync a link":            func() error { return fsys.SyncDir(in("artifacts/P1")) },
		"inspect a link's entry": func() error { _, err := fsys.Lstat(in("artifacts/P1/victim")); return err },
		"inspect through a link": func() error { _, err := fsys.Stat(in(".hacky/link")); return err },
	}
	for name, try := range refused {
		var r *RefusedError
		if err := try(); !errors.As(err, &r) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{in("tasks.json"), in("docs/link"), victim} {
		f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = f.Close()
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "mine" {
		t.Errorf("the file outside: %q, %v", data, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

// What root makes in a session is its owner's.
func TestWithinOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: nothing to give away")
		return
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4001, 4100); err != nil {
		t.Fatal(err)
	}
	fsys := Within(filepath.Join(dir, "tasks.json"), dir)
	if err := fsys.Mkdir(filepath.Join(dir, PrivateDir), 0o777); err != nil {
		t.Fatal(err)
	}
	f, unlock, err := fsys.TryLock(filepath.Join(dir, PrivateDir, "run.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.Stat(filepath.Join(dir, PrivateDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, sys := range []any{info.Sys(), home.Sys()} {
		if st, ok := sys.(*syscall.Stat_t); !ok || st.Uid != 4001 || st.Gid != 4100 {
			t.Errorf("owner %v", sys)
		}
	}
}
