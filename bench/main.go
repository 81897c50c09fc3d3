// Bench measures hacky side by side with other tools that run a graph of commands, each as a whole process
// on the same work, in one run on one machine, and prints a table of medians.
//
//	go run ./bench           everything that takes less than six minutes
//	go run ./bench -quick    small sizes: does it work at all
//	go run ./bench -full     also 100,000 subtasks as a chain, a fan-out and a fan-in
//
// The exit code is 0 however slow anything is; it is 1 where hacky, or the bench itself, did not do the work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

type options struct {
	hacky   string
	rounds  int
	quick   bool
	full    bool
	install bool
	only    *regexp.Regexp
	dir     string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == launchMode {
		launched(os.Args[2:])
		return
	}
	opts := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags() options {
	var opts options
	flag.StringVar(&opts.hacky, "hacky", "./bin/hacky", "the hacky `binary` to measure")
	flag.IntVar(&opts.rounds, "rounds", 5, "rounds of each workload; the large ones take fewer")
	flag.BoolVar(&opts.quick, "quick", false, "small sizes, under a minute; too small to judge by")
	flag.BoolVar(&opts.full, "full", false, "also 100,000 subtasks: takes many minutes")
	flag.BoolVar(&opts.install, "install", true, "install missing tools: Debian packages as root, the others into .tools")
	flag.StringVar(&opts.dir, "dir", os.TempDir(), "`directory` to work in; should be a real disk")
	only := flag.String("run", "", "only workloads whose name matches this `regexp`")
	flag.Parse()
	expr, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 || opts.rounds < 1 {
		fmt.Fprintln(os.Stderr, "bench: -run takes a regular expression, -rounds a number from 1; there are no arguments")
		os.Exit(2)
	}
	opts.only = expr
	return opts
}

func run(ctx context.Context, opts options) (err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(opts.dir, "hacky-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	bench, err := setUp(ctx, opts, root, dir)
	if err != nil {
		return err
	}
	if onMemory(dir) {
		fmt.Println(dir, "is in memory, where fsync costs nothing: choose a disk with -dir")
	}
	results := &report{perTask: map[string]float64{}}
	for _, w := range workloads(opts, bench) {
		if !opts.only.MatchString(w.name) {
			continue
		}
		if err := w.measure(ctx, bench, results); err != nil {
			return errors.Join(err, results.print(os.Stdout))
		}
	}
	if opts.quick {
		fmt.Println("\n-quick: these sizes show that everything works; start-up counts too much to judge by them.")
	}
	if err := results.print(os.Stdout); err != nil {
		return err
	}
	if len(results.broken) > 0 {
		return fmt.Errorf("the work was not done:\n  %s", strings.Join(results.broken, "\n  "))
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || mod == "" || mod == os.DevNull {
		return "", errors.New("run this inside the repository: it builds its own helpers")
	}
	return filepath.Dir(mod), nil
}
