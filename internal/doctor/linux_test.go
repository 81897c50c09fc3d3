//go:build linux

package doctor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/doctor"
)

// mounted is a session on a file system in memory, if that is allowed here.
func mounted(t *testing.T, options string) (target doctor.Target, remount func(flags uintptr)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(flags uintptr) error { return syscall.Mount("hacky-test", dir, "tmpfs", flags, options) }
	if err := mount(0); err != nil {
		t.Skipf("mounting a tmpfs is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "tasks.json"), []byte(backlog), 0o644); err != nil {
		t.Fatal(err)
	}
	s := scene(t)
	s.Session.Dir = dir
	return s, func(flags uintptr) {
		if err := mount(syscall.MS_REMOUNT | flags); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemory(t *testing.T) {
	s, remount := mounted(t, "size=4m,nr_inodes=500")
	wants(t, s, "file-system", doctor.Warning, "tmpfs", "a disk", "gone after a reboot")
	wants(t, s, "write", doctor.OK)
	wants(t, s, "space", doctor.OK)
	wants(t, s, "inodes", doctor.OK)
	remount(syscall.MS_RDONLY)
	wants(t, s, "file-system", doctor.Failed, "read-only")
	wants(t, s, "write", doctor.Failed, "mount it for writing")
	wants(t, s, "permissions", doctor.Failed)
}

func TestNoSpace(t *testing.T) {
	s, _ := mounted(t, "size=512k,nr_inodes=20")
	wants(t, s, "space", doctor.Failed, "1.0 MiB may be needed", "make room")
	wants(t, s, "inodes", doctor.Failed, "remove files")
	if err := os.Mkdir(filepath.Join(s.Session.Dir, ".hacky"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Session.Dir, ".hacky", "reserve"), make([]byte, 65536), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, s, "space", doctor.Failed, "64.0 KiB are in reserve")
	// Full to the last byte: what is tried out says so, and stays away.
	fill, err := os.Create(filepath.Join(s.Session.Dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	before := tree(t, s.Session.Dir)
	wants(t, s, "write", doctor.Failed, "no space left on device", "make room")
	if after := tree(t, s.Session.Dir); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
}

func TestImmutable(t *testing.T) {
	s := scene(t)
	chattr, err := exec.LookPath("chattr")
	if err != nil {
		t.Skip("chattr is not installed (Debian package e2fsprogs)")
	}
	if out, err := exec.Command(chattr, "+i", s.Session.Path()).CombinedOutput(); err != nil {
		t.Skipf("chattr +i needs root and a file system that knows it: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command(chattr, "-i", s.Session.Path()).Run() }) // so that the directory can be removed
	wants(t, s, "permissions", doctor.Failed, "immutable", "chattr -i -a")
}

func TestOtherOwner(t *testing.T) {
	s := scene(t)
	if err := os.Chown(s.Session.Path(), 12345, 12345); err != nil {
		t.Skipf("giving a file away needs root: %v", err)
	}
	wants(t, s, "permissions", doctor.OK, "stays the file of user 12345")
}
