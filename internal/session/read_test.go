package session

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// helperEnv makes the test binary another process, without root's rights: it
// opens the session directory that it names and says how that went.
const helperEnv = "SESSION_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		l := Location{dir, TasksFile}
		if _, err := Read(l); err != nil {
			fmt.Println(err)
			return
		}
		_, err := Open(l, Options{Run: true})
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

// asNobody opens a session as somebody without rights and returns what it said.
func asNobody(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	if os.Getuid() == 0 {
		// The test binary is below a directory that only root may enter.
		copied := filepath.Join(dir, "session.test")
		data, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, data, 0o755); err != nil {
			t.Fatal(err)
		}
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o1 == 0 {
				if err := os.Chmod(d, info.Mode().Perm()|0o11); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd = exec.Command(copied)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"missing", func(string) error { return nil }, `does not exist; "hacky init --example" makes a session`},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, "is a directory; it has to be a file"},
		{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o644) }, "is a named pipe"},
		{"socket", func(p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o644, 0) }, "is not a regular file"},
		{"device", func(p string) error { return os.Symlink("/dev/zero", p) }, "is not a regular file"},
		{"terminal", func(p string) error { return os.Symlink("/dev/null", p) }, "is not a regular file"},
		{"dangling link", func(p string) error { return os.Symlink("gone", p) }, "is a symbolic link to gone, which does not exist"},
		{"link to itself", func(p string) error { return os.Symlink(filepath.Base(p), p) }, "too many levels of symbolic links"},
		{"200 MB of zeros", func(p string) error { return sparse(p, 200<<20) }, ":1:1: "},
		{"too large", func(p string) error { return sparse(p, backlog.MaxSize+1) }, "hacky reads at most 1073741824"},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o644) }, "empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := Location{t.TempDir(), TasksFile}
			if err := tt.make(l.Path()); err != nil {
				t.Fatal(err)
			}
			_, err := Read(l)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), l.Path()) {
				t.Fatalf("Read: %v\nwant the path and %q", err, tt.want)
			}
			if strings.HasPrefix(tt.name, "200 MB") { // once is slow enough
				return
			}
			if _, err := Open(l, Options{}); err == nil {
				t.Fatal("Open accepts it")
			}
			if exists(t, l.Dir+"/.hacky") {
				t.Error("Open wrote something")
			}
		})
	}
}

func sparse(name string, size int64) error {
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(name, size)
}

func TestReadUnreadable(t *testing.T) {
	l := home(t, sample(backlog.Planned))
	if err := os.Chmod(l.Path(), 0); err != nil {
		t.Fatal(err)
	}
	if got := asNobody(t, l.Dir); got != l.Path()+" cannot be read: permission denied" {
		t.Errorf("it says %q", got)
	}
}

func TestOpenInReadOnlyDirectory(t *testing.T) {
	l := home(t, sample(backlog.Planned))
	if err := os.Chmod(l.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		t.Cleanup(func() { _ = os.Chmod(l.Dir, 0o755) })
	}
	got := asNobody(t, l.Dir)
	if !strings.Contains(got, "the session directory "+l.Dir+" cannot be written: permission denied; nothing was changed") {
		t.Errorf("it says %q", got)
	}
}

func TestReadFailsLater(t *testing.T) {
	l := home(t, sample(backlog.Planned))
	ffs := faultfs.New(fsutil.OS(), faultfs.Calls("Read", syscall.EIO))
	if _, err := Open(l, options(ffs, nil)); !errors.Is(err, syscall.EIO) {
		t.Errorf("a read that fails: %v", err)
	}
}
