package cmd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostileKinds are the things that a stranger may put where hacky has a file.
func hostileKinds(outside string) map[string]func(path string) error {
	return map[string]func(string) error{
		"link":     func(p string) error { return os.Symlink(outside, p) },
		"dangling": func(p string) error { return os.Symlink(outside+".created", p) },
		"fifo":     func(p string) error { return syscall.Mkfifo(p, 0o666) },
		"zero":     func(p string) error { return os.Symlink("/dev/zero", p) },
		"socket": func(p string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			// The path of a socket is short: it is made elsewhere and moved.
			short := filepath.Join("/tmp", filepath.Base(filepath.Dir(filepath.Dir(p)))+"-s")
			return errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: short}), syscall.Close(fd), os.Rename(short, p))
		},
		"directory": func(p string) error { return os.MkdirAll(filepath.Join(p, "d"), 0o755) },
		"huge":      func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o666), os.Truncate(p, 1<<30)) },
	}
}

// Whatever a repository has where hacky's own files are, no command writes to a
// file outside the session, makes one there, or waits for the other end of a
// pipe. A link or a special file is refused with its path before anything runs.
func TestHostileSessions(t *testing.T) {
	paths := []string{".hacky", ".hacky/write.lock", ".hacky/run.lock", ".hacky/journal", ".hacky/holds.json", ".hacky/reserve-tasks.json", ".hacky/.gitignore",
		"artifacts", "artifacts/attempts.ndjson", "artifacts/notes.ndjson", "artifacts/P1.M1.T1.S1", "artifacts/P1.M1.T1.S1/checkpoints.json",
		"artifacts/P1.M1.T1.S1/attempt-1", "artifacts/P1.M1.T1.S1/attempt-1/implement.log", "artifacts/P1.M1.T1.S1/attempt-1/prompt.md",
		"tasks.json.failed", "tasks.json.journal", "hacky.yaml"}
	commands := []string{"status", "show P1.M1.T1.S1", "logs P1.M1.T1.S1", "set P1.M1.T1.S1 Complete", "validate", "recover", "run --progress none"}
	const config = "stages:\n  - name: implement\n    run: echo printed\n    prompt: text\ngates:\n  - level: 1\n    run: \"true\"\n"
	for _, path := range paths {
		for kind := range hostileKinds("") {
			if kind == "huge" && strings.HasSuffix(path, ".log") {
				continue // "hacky logs" prints all of it
			}
			t.Run(strings.ReplaceAll(path, "/", "_")+"/"+kind, func(t *testing.T) {
				t.Parallel()
				dir := session(t, strings.ReplaceAll(oneTask(subtask{run: "0"}, subtask{run: "0"}), `,"run":0`, ""))
				if path != "hacky.yaml" {
					write(t, filepath.Join(dir, "hacky.yaml"), config)
				}
				outside := filepath.Join(t.TempDir(), "precious")
				write(t, outside, "precious\n")
				target := filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := hostileKinds(outside)[kind](target); err != nil {
					t.Fatal(err)
				}
				special := kind != "directory" && kind != "huge" // those are refused when they are used
				for _, line := range commands {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					c := command(ctx, t, dir, strings.Fields(line)...)
					r := finish(t, c)
					if ctx.Err() != nil {
						t.Fatalf("%s hangs", line)
					}
					cancel()
					r.noTrace(t)
					if special && inPrivate(path) {
						r.wants(t, 2)
						contains(t, line, r.stderr, filepath.Base(path))
					}
				}
				if got := read(t, outside); got != "precious\n" {
					t.Errorf("the file outside says %q", got)
				}
				if entries, err := os.ReadDir(filepath.Dir(outside)); err != nil || len(entries) != 1 {
					t.Errorf("outside is %v, %v", entries, err)
				}
				if info, err := os.Lstat(target); special && inPrivate(path) && (err != nil || info.Mode().IsRegular()) {
					t.Errorf("%s was replaced: %v", path, err)
				}
			})
		}
	}
}

// inPrivate: what is deeper down is found when it is used.
func inPrivate(path string) bool { return strings.Count(path, "/") < 2 && path != "hacky.yaml" }

// A directory that is a link is not entered, even if it leads to another place
// in the session.
func TestLinkedDirectories(t *testing.T) {
	for _, name := range []string{".hacky", "artifacts", "artifacts/P1.M1.T1.S1"} {
		dir := session(t, oneTask(subtask{run: `"echo printed"`}))
		outside := t.TempDir()
		mkdir(t, filepath.Join(dir, "artifacts"))
		if name == "artifacts" {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"run --progress none", "set P1.M1.T1.S1 Complete", "validate --repair"} {
			r := hacky(t, dir, strings.Fields(line)...)
			r.wants(t, 2)
			contains(t, line, r.stderr, name+" is a symbolic link", "remove it")
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
			t.Errorf("%s: the directory outside has %v, %v", name, entries, err)
		}
	}
}
