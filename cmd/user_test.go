//go:build unix

package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user who owns nothing.
const nobody = 65534

// public is a temporary directory that other users can enter: those of package
// testing are not.
func public(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hacky-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hackyAs runs the binary, as a user without rights if the tester is root.
func hackyAs(t *testing.T, user bool, dir string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(ctx, t, dir, args...)
	if user && os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return finish(t, c)
}

// maxRSS is the most memory that a process had, in bytes.
func maxRSS(u *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return u.Maxrss
	}
	return u.Maxrss << 10
}

// readOnly checks what commands do in a directory that cannot be written:
// reading works, writing is refused before anything runs.
func readOnly(t *testing.T, user bool, dir string) {
	t.Helper()
	before := snapshot(t, dir)
	for _, call := range []string{"status", "status -o json", "validate", "run --dry-run", "recover --file f --dry-run"} {
		hackyAs(t, user, dir, strings.Fields(call)...).wants(t, 0)
	}
	for _, call := range []string{"run", "set P1.M1.T1.S1 Complete", "recover --file f"} {
		hackyAs(t, user, dir, strings.Fields(call)...).refuses(t, call, "cannot be ")
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("something was written: before\n%safter\n%s", before, after)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	out := filepath.Join(public(t), "ran")
	for _, hidden := range []bool{false, true} {
		dir := public(t)
		write(t, filepath.Join(dir, "tasks.json"), oneTask(subtask{run: `"touch ` + out + `"`}))
		write(t, filepath.Join(dir, "f"), recoveryFile)
		if hidden { // the directory was writable in an earlier run
			hacky(t, dir, "set", "P1", "Planned").wants(t, 0)
			mkdir(t, filepath.Join(dir, ".hacky"))
			for _, name := range []string{"", "run.lock", "write.lock"} {
				path := filepath.Join(dir, ".hacky", name)
				if name != "" {
					write(t, path, "")
				}
				if err := os.Chmod(path, 0o777); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		readOnly(t, true, dir)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if exists(out) {
		t.Error("a subtask was run though its status could not be written")
	}
}
