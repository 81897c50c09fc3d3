package fsutil_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

func mustLock(t *testing.T, name string) (unlock func() error) {
	t.Helper()
	_, unlock, err := fsutil.OS().TryLock(name)
	if err != nil {
		t.Fatalf("TryLock: %v", err)
	}
	return unlock
}

func TestLockExcludesTheSameProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock := mustLock(t, name)
	if _, _, err := fsutil.OS().TryLock(name); !errors.Is(err, fsutil.ErrLocked) {
		t.Fatalf("second TryLock: %v, want ErrLocked", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := mustLock(t, name)(); err != nil {
		t.Fatal(err)
	}
}

func TestLockExcludesOtherProcesses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock := mustLock(t, name)
	if said, _ := otherProcess(t, name); said != "locked" {
		t.Fatalf("the other process says %q", said)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	said, _ := otherProcess(t, name)
	if said != "mine" {
		t.Fatalf("after unlocking, the other process says %q", said)
	}
	if _, _, err := fsutil.OS().TryLock(name); !errors.Is(err, fsutil.ErrLocked) {
		t.Fatalf("while the other process holds it: %v", err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	said, cmd := otherProcess(t, name)
	if said != "mine" {
		t.Fatalf("the other process says %q", said)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := mustLock(t, name)(); err != nil {
		t.Fatal(err)
	}
}

func TestLockIsNotInherited(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock := mustLock(t, name)
	child := exec.Command("sleep", "60") // killed below
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := mustLock(t, name)(); err != nil {
		t.Fatal(err)
	}
}

// TestLockEndsWithUnlock although somebody has a copy of the descriptor, as a
// child has until it executes its program.
func TestLockEndsWithUnlock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	f, unlock, err := fsutil.OS().TryLock(name)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(f.(interface{ Fd() uintptr }).Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(copied) }()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := mustLock(t, name)(); err != nil {
		t.Fatal(err)
	}
}

func TestLockErrors(t *testing.T) {
	_, _, err := fsutil.OS().TryLock(filepath.Join(t.TempDir(), "no", "lock"))
	if err == nil || errors.Is(err, fsutil.ErrLocked) {
		t.Fatalf("TryLock in a directory that is not there: %v", err)
	}
}
