package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Versions of what Debian does not carry. go-task 3.54.0 needs a module that not every proxy serves.
const (
	goTask = "github.com/go-task/task/v3/cmd/task@v3.53.0"
	just   = "rust-just-linux-x64@1.57.0"
)

// bench is what every workload needs: a directory, and absolute paths. A path is empty where the tool is
// not there.
type bench struct {
	dir      string
	env      []string
	self     string
	bareloop string
	hacky    string
	noSync   string            // the same without the journal's fdatasync
	children map[string]string // what subtasks run: "true", and "exit" that does nothing but exit

	make, ninja, task, just, parallel string
}

func setUp(ctx context.Context, opts options, root, dir string) (*bench, error) {
	b := &bench{dir: dir, env: environment(), bareloop: filepath.Join(dir, "bareloop")}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := goBuild(ctx, root, b.bareloop, "./bench/bareloop"); err != nil {
		return nil, err
	}
	if b.hacky, err = filepath.Abs(opts.hacky); err != nil {
		return nil, err
	}
	if _, err := os.Stat(b.hacky); errors.Is(err, fs.ErrNotExist) {
		fmt.Printf("%s is not there: build it first; measuring the others\n", opts.hacky)
		b.hacky = ""
	} else if err != nil {
		return nil, err
	}
	b.noSync = filepath.Join(dir, "hacky-nosync")
	if err := goBuild(ctx, root, b.noSync, "-tags", "bench_nosync", "."); err != nil {
		return nil, err
	}
	if err := b.findChildren(ctx, root); err != nil {
		return nil, err
	}
	tools := filepath.Join(root, ".tools")
	if opts.install {
		install(ctx, tools)
	}
	b.make = find("make")
	b.ninja = find("ninja", "ninja-build")
	b.parallel = find("parallel")
	b.task = find(filepath.Join(tools, "bin", "task"), "go-task") // "task" may be Taskwarrior
	b.just = find(justIn(tools), "just")
	if b.parallel != "" && !strings.HasPrefix(version(ctx, b.parallel), "GNU parallel") {
		b.parallel = "" // that of moreutils
	}
	for _, tool := range []struct{ name, path string }{
		{"make", b.make}, {"ninja", b.ninja}, {"go-task", b.task}, {"just", b.just}, {"GNU parallel", b.parallel},
	} {
		if tool.path == "" {
			fmt.Println(tool.name + ": not installed")
		} else {
			fmt.Printf("%s: %s\n", tool.name, version(ctx, tool.path))
		}
	}
	fmt.Println("dagu: not measured: Debian, the Go module proxy and npm had no package of it when this was written")
	return b, nil
}

// environment is the caller's without what would steer the tools: settings of hacky, and of a make above.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "HACKY_") || strings.HasPrefix(name, "NINJA_") ||
			slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PARALLEL"}, name)
	})
}

// findChildren makes the command that does nothing but exit: without a C library, so that the start of the
// child, which is the same for all, does not hide what is measured.
func (b *bench) findChildren(ctx context.Context, root string) error {
	t, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	exit := filepath.Join(b.dir, "exit")
	b.children = map[string]string{"true": t, "exit": exit}

	const source = `__attribute__((noreturn)) void _start(void)
{
#if defined(__linux__) && defined(__x86_64__)
	__asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall");
#elif defined(__linux__) && defined(__aarch64__)
	__asm__ volatile("mov x8, #93; mov x0, #0; svc #0");
#else
#error "not known how to exit here"
#endif
	__builtin_unreachable();
}
`
	gcc := exec.CommandContext(ctx, "gcc", "-xc", "-Os", "-nostdlib", "-static", "-o", exit, "-")
	gcc.Stdin = strings.NewReader(source)
	if gcc.Run() == nil && exec.CommandContext(ctx, exit).Run() == nil {
		return nil
	}
	fmt.Println("no gcc that makes a program without a C library: a Go program is the child that only exits")
	return goBuild(ctx, root, exit, "./bench/nothing")
}

func goBuild(ctx context.Context, root, out string, what ...string) error {
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", out}, what...)...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", strings.Join(what, " "), err, text)
	}
	return nil
}

// install gets what is missing and can be had. It reports failures and goes on: a yardstick is never a must.
func install(ctx context.Context, tools string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var packages []string
	for command, pkg := range map[string]string{"ninja": "ninja-build", "parallel": "parallel"} {
		if find(command) == "" {
			packages = append(packages, pkg)
		}
	}
	if len(packages) > 0 && os.Getuid() == 0 && find("apt-get") != "" {
		args := append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, packages...)
		if command(ctx, nil, args...) != nil {
			say(command(ctx, nil, "apt-get", "update"))
			say(command(ctx, nil, args...))
		}
	}
	if bin := filepath.Join(tools, "bin"); find(filepath.Join(bin, "task"), "go-task") == "" {
		say(command(ctx, []string{"GOBIN=" + bin}, "go", "install", goTask))
	}
	if runtime.GOOS+runtime.GOARCH == "linuxamd64" && find(justIn(tools), "just") == "" && find("npm") != "" {
		say(command(ctx, nil, "npm", "install", "--prefix", tools, "--no-save", "--no-audit", "--no-fund", just))
	}
}

func justIn(tools string) string {
	return filepath.Join(tools, "node_modules", "rust-just-linux-x64", "bin", "just")
}

func command(ctx context.Context, env []string, argv ...string) error {
	fmt.Fprintln(os.Stderr, "+", strings.Join(argv, " "))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = os.TempDir() // outside of the module, whose go.mod it must not touch
	cmd.Env = append(append(os.Environ(), "DEBIAN_FRONTEND=noninteractive"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, lastLine(string(out)))
	}
	return nil
}

func say(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// find returns the absolute path of the first of the commands that is there, or "".
func find(commands ...string) string {
	for _, name := range commands {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func version(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// onMemory tells whether the directory is a Linux tmpfs.
func onMemory(dir string) bool {
	const tmpfs = 0x01021994
	var stat syscall.Statfs_t
	return runtime.GOOS == "linux" && syscall.Statfs(dir, &stat) == nil && stat.Type == tmpfs
}
