// Bareloop starts commands and waits for them, and does nothing else: the floor that every orchestrator is
// measured against.
//
//	bareloop 1x1000 true         1,000 commands, two at a time
//	bareloop 1000x1 true         one after the other
//	bareloop 1x1,100x10 true     one, then 100 waves of 10, each after the one before
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const parallelism = 2

func main() {
	if len(os.Args) < 3 {
		fail("usage: bareloop WAVESxWIDTH[,WAVESxWIDTH...] COMMAND [ARGUMENT...]")
	}
	for group := range strings.SplitSeq(os.Args[1], ",") {
		count, width, _ := strings.Cut(group, "x")
		waves, err := strconv.Atoi(count)
		if err != nil {
			fail("%s: %v", group, err)
		}
		n, err := strconv.Atoi(width)
		if err != nil {
			fail("%s: %v", group, err)
		}
		for range waves {
			wave(n, os.Args[2:])
		}
	}
}

func wave(n int, argv []string) {
	var next atomic.Int64
	work := func() {
		for next.Add(1) <= int64(n) {
			if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
				fail("%s: %v", argv[0], err)
			}
		}
	}
	if n == 1 {
		work()
		return
	}
	var workers sync.WaitGroup
	for range parallelism {
		workers.Go(work)
	}
	workers.Wait()
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bareloop: "+format+"\n", args...)
	os.Exit(1)
}
