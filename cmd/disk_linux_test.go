package cmd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mounted makes a small file system for a test, if that is allowed here.
func mounted(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("hacky-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a tmpfs is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A subtask fills the disk: its own and other updates survive, whole or small,
// and when there is room again they are recovered.
func TestDiskFull(t *testing.T) {
	for _, rest := range []string{"0", "4096", "8192", "40960"} {
		t.Run("with "+rest+" bytes left", func(t *testing.T) {
			dir := mounted(t, "size=256k")
			fill := `"cat /dev/zero > filler; truncate -s -` + rest + ` filler; true"`
			if rest == "0" {
				fill = `"cat /dev/zero > filler; true"`
			}
			pad := `,"context_scope_more":"` + strings.Repeat("x", 10_000) + `"`
			write(t, filepath.Join(dir, "tasks.json"), oneTask(subtask{run: fill, more: pad}, subtask{run: `["true"]`, deps: `["P1.M1.T1.S1"]`}))
			r := hacky(t, dir, "run", "--flush-interval", "1h")
			if rest == "40960" {
				r.wants(t, 0)
				return
			}
			r.wants(t, 3)
			contains(t, "standard error", r.stderr, "cannot write tasks.json: no space left on device (ENOSPC) after 1 attempt; ", " wait in tasks.json.")
			noLitter(t, dir)
			if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
				t.Fatal(err)
			}
			if exists(filepath.Join(dir, "tasks.json.failed")) {
				if f := recoveryOf(t, dir); len(f.Changes) != 2 || f.Error.Code != "ENOSPC" || f.Error.Attempts != 1 {
					t.Errorf("recovery file: %+v", f)
				}
			} else {
				t.Error("the reserve in .hacky/ was not used")
			}
			hacky(t, dir, "recover").wants(t, 0)
			done(t, dir)
		})
	}
}

// A file that cannot be replaced although the directory can be written.
func TestImmutableFile(t *testing.T) {
	chattr, err := exec.LookPath("chattr")
	if err != nil {
		t.Skip("chattr is not installed (Debian package e2fsprogs)")
	}
	dir := session(t, two())
	file := filepath.Join(dir, "tasks.json")
	if out, err := exec.Command(chattr, "+i", file).CombinedOutput(); err != nil {
		t.Skipf("chattr +i needs root and a file system that knows it: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command(chattr, "-i", file).Run() }) // so that the directory can be removed
	r := hacky(t, dir, "run")
	r.wants(t, 3)
	contains(t, "standard error", r.stderr, "cannot write tasks.json: operation not permitted (EPERM) after 1 attempt; 2 updates wait in tasks.json.failed")
	noLitter(t, dir)
	hacky(t, dir, "recover").wants(t, 3)
	if out, err := exec.Command(chattr, "-i", file).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	hacky(t, dir, "recover").wants(t, 0)
	done(t, dir)
}

// A limit on the size of files is an error of the write, not the end of hacky:
// the Go runtime takes SIGXFSZ and does nothing.
func TestFileSizeLimit(t *testing.T) {
	dir := session(t, oneTask(subtask{run: `["true"]`, more: `,"more":"` + strings.Repeat("x", 4000) + `"`}, subtask{run: `["true"]`, deps: `["P1.M1.T1.S1"]`}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	limited := func(kilobytes, call string) result {
		return finish(t, cleanCommand(ctx, dir, "bash", "-c", "ulimit -f "+kilobytes+"; exec "+binary(t)+" "+call))
	}
	r := limited("2", "run")
	r.wants(t, 3)
	contains(t, "standard error", r.stderr, "cannot write tasks.json: file too large (EFBIG) after 1 attempt; 2 updates wait in tasks.json.failed")
	if f := recoveryOf(t, dir); len(f.Changes) != 2 || f.PendingUpdates != nil {
		t.Errorf("only a small recovery file fits, but: %+v", f)
	}
	noLitter(t, dir)
	limited("2", "recover").wants(t, 3)
	limited("100", "recover").wants(t, 0)
	done(t, dir)

	// The evidence is cut off between two attempts, and that is said once.
	var many []subtask
	for range 60 {
		many = append(many, subtask{run: `["true"]`})
	}
	dir = session(t, oneTask(many...))
	r = limited("4", "run")
	r.wants(t, 3)
	if n := strings.Count(r.stderr, "cannot keep the evidence"); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.stderr)
	}
	hacky(t, dir, "recover").wants(t, 0)
	hacky(t, dir, "validate").wants(t, 0)

	// What is on standard error only is not counted as done.
	dir = session(t, two())
	r = limited("0", "run")
	r.wants(t, 3)
	contains(t, "standard output", r.stdout, "0 of 2 subtasks done, 2 left; this run: 0 completed")
	contains(t, "standard error", r.stderr, "hacky-recovery: ")

	// A subtask that runs into the limit ends by the signal, as it would alone.
	dir = session(t, oneTask(subtask{run: `["dd", "if=/dev/zero", "of=big", "bs=1M", "count=1"]`}))
	r = limited("100", "run --no-retry")
	r.wants(t, 1)
	contains(t, "standard output", r.stdout, "killed by signal 25 (file size limit exceeded)")
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := mounted(t, "size=1m")
	out := filepath.Join(t.TempDir(), "ran")
	write(t, filepath.Join(dir, "tasks.json"), oneTask(subtask{run: `"touch ` + out + `"`}))
	write(t, filepath.Join(dir, "f"), recoveryFile)
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("hacky-test", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	readOnly(t, false, dir)
	remount(0)
	hacky(t, dir, "set", "P1", "Complete").wants(t, 0)
	hacky(t, dir, "set", "P1", "Planned").wants(t, 0)
	remount(syscall.MS_RDONLY)
	readOnly(t, false, dir)
	if exists(out) {
		t.Error("a subtask was run though its status could not be written")
	}
}

// The disk is full, and even the reserve is gone: the updates wait outside the
// session, every command that looks for them says where, and recover takes
// them from there.
func TestDiskFullShelter(t *testing.T) {
	for _, c := range []struct{ name, place, said string }{
		{"state directory", "state/hacky/recovery/", ""},
		{"temporary directory", "temp/hacky-recovery-", ", which a reboot may remove"},
		{"nowhere", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, out := mounted(t, "size=512k"), t.TempDir()
			write(t, filepath.Join(dir, "tasks.json"), oneTask(
				subtask{run: `"rm .hacky/reserve-tasks.json; cat /dev/zero > filler; true"`, more: `,"more":"` + strings.Repeat("x", 100_000) + `"`},
				subtask{run: `["true"]`, deps: `["P1.M1.T1.S1"]`}))
			env := []string{"XDG_STATE_HOME=" + filepath.Join(out, "state"), "TMPDIR=" + filepath.Join(out, "temp")}
			for name, usable := range map[string]bool{"state": strings.HasPrefix(c.place, "state"), "temp": strings.HasPrefix(c.place, "temp")} {
				if !usable {
					write(t, filepath.Join(out, name), "a file where a directory should be")
				}
			}
			call := func(args ...string) result {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := command(ctx, t, dir, args...)
				cmd.Env = append(cmd.Env, env...)
				return finish(t, cmd)
			}
			r := call("run", "--flush-interval", "1h")
			r.wants(t, 3)
			if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
				t.Fatal(err)
			}
			if c.place == "" { // the journal has them, or else they were printed
				contains(t, "standard error", r.stderr, "2 updates wait in .hacky/journal\n")
				call("recover").wants(t, 0)
				done(t, dir)
				return
			}
			where := filepath.Join(out, c.place)
			contains(t, "standard error", r.stderr, "2 updates wait in "+where, ".failed"+c.said+"\n", "then type: hacky recover\n")
			s := call("status")
			s.wants(t, 0)
			contains(t, "status", s.stdout, "updates wait in "+where, "type: hacky recover\n")
			call("run").wants(t, 3)
			contains(t, "doctor", call("doctor").stdout, where)
			call("recover").wants(t, 0)
			done(t, dir)
			again := call("recover")
			again.wants(t, 0)
			contains(t, "recover", again.stdout, "nothing to recover")
			call("run").wants(t, 0)
		})
	}
}
