package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// sample is one run of one process, with the children it waited for.
type sample struct {
	Wall, CPU time.Duration
	Peak      int64  // resident bytes of the largest process
	Err       string // of a run that failed
}

type samples []sample

func (s samples) wall() time.Duration {
	return median(s, func(x sample) time.Duration { return x.Wall })
}
func (s samples) cpu() time.Duration { return median(s, func(x sample) time.Duration { return x.CPU }) }
func (s samples) peak() int64        { return median(s, func(x sample) int64 { return x.Peak }) }

func (s samples) spent() (total time.Duration) {
	for _, x := range s {
		total += x.Wall
	}
	return total
}

func median[T time.Duration | int64](s samples, value func(sample) T) T {
	values := make([]T, len(s))
	for i, x := range s {
		values[i] = value(x)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// rounds lets the contestants run in turns, so that whatever else the machine does hits all of them, and
// begins each round with another one. A contestant that fails is out.
func rounds(ctx context.Context, b *bench, n int, limit time.Duration, contestants []contestant) (map[string]samples, map[string]error) {
	results := map[string]samples{}
	failed := map[string]error{}
	for round := range n {
		for k := range contestants {
			c := contestants[(k+round)%len(contestants)]
			spent := results[c.name].spent()
			if failed[c.name] != nil || c.budget > 0 && spent > c.budget {
				continue
			}
			one, err := b.once(ctx, c, limit)
			if err != nil {
				failed[c.name] = err
				continue
			}
			results[c.name] = append(results[c.name], one)
		}
	}
	return results, failed
}

// once runs a contestant in a new directory that holds its input and nothing else.
func (b *bench) once(ctx context.Context, c contestant, limit time.Duration) (result sample, err error) {
	if err := ctx.Err(); err != nil {
		return result, err
	}
	dir, err := os.MkdirTemp(b.dir, "round-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.file != "" {
		if err := writeSync(filepath.Join(dir, c.file), c.input); err != nil {
			return result, err
		}
	}
	if c.inside != nil {
		start := time.Now()
		err = c.inside(dir)
		result.Wall = time.Since(start)
	} else {
		result, err = b.launch(ctx, dir, c, limit)
	}
	if err == nil && c.verify != nil {
		err = c.verify(dir)
	}
	return result, err
}

// writeSync writes a file through to the disk, so that its pages are not written back in the middle of what
// is measured.
func writeSync(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// launchMode makes this program start one command, wait, and print a sample. Between the bench and what it
// measures stands a small process of its own because Linux counts the memory of a parent, before exec, as the
// peak of its child.
const launchMode = "launch"

func (b *bench) launch(ctx context.Context, dir string, c contestant, limit time.Duration) (sample, error) {
	out := os.DevNull
	if c.keep {
		out = "out"
	}
	var result sample
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.self, append([]string{launchMode, limit.String(), out}, c.argv...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, b.env, &said, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has a process to end first
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return result, errors.Join(ctx.Err(), err)
	}
	if err := json.Unmarshal(said.Bytes(), &result); err != nil {
		return result, err
	}
	if result.Err != "" {
		return result, errors.New(result.Err)
	}
	return result, nil
}

func launched(args []string) {
	result, err := timed(args[0], args[1], args[2:])
	if err != nil {
		result.Err = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func timed(limit, out string, argv []string) (result sample, err error) {
	timeout, err := time.ParseDuration(limit)
	if err != nil {
		return result, err
	}
	stdout, err := os.Create(out)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, stdout.Close()) }()
	stderr, err := os.Create("err")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, stderr.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done after %s", limit))
	defer cancel()

	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	start := time.Now()
	runErr := cmd.Run()
	result.Wall = time.Since(start)
	if runErr != nil {
		text, _ := os.ReadFile("err") // the error itself counts more than what was said about it
		return result, fmt.Errorf("%s: %w %s", filepath.Base(argv[0]), errors.Join(context.Cause(ctx), runErr), lastLine(string(text)))
	}
	result.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		result.Peak = usage.Maxrss
		if runtime.GOOS == "linux" {
			result.Peak *= 1024
		}
	}
	return result, nil
}
