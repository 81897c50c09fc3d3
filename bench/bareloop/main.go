// Bareloop starts commands and waits for them, and does nothing else: the floor that every orchestrator is
// measured against.
//
//	bareloop 1x1000 true         1,000 commands, two at a time
//	bareloop 1000x1 true         one after the other
//	bareloop 1x1,100x10 true     one, then 100 waves of 10, each after the one before
//	bareloop -sync FILE 1000x1 true   one after the other, and after each a record is appended to FILE and
//	                                  made stable with fdatasync; space for the records is allocated before
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
	args := os.Args[1:]
	var records *log
	if len(args) > 1 && args[0] == "-sync" {
		records = open(args[1])
		args = args[2:]
	}
	if len(args) < 2 {
		fail("usage: bareloop [-sync FILE] WAVESxWIDTH[,WAVESxWIDTH...] COMMAND [ARGUMENT...]")
	}
	for group := range strings.SplitSeq(args[0], ",") {
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
			wave(n, args[1:], records)
		}
	}
}

// log is a file of records that are made stable one by one.
type log struct {
	f   *os.File
	end int64
}

const recordSize = 80

func open(name string) *log {
	f, err := os.Create(name)
	if err == nil {
		_, err = f.Write(make([]byte, 4<<20))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		fail("%v", err)
	}
	return &log{f: f}
}

func (l *log) append() {
	if l == nil {
		return
	}
	_, err := l.f.WriteAt(make([]byte, recordSize), l.end)
	if err == nil {
		err = syncData(l.f)
	}
	if err != nil {
		fail("%v", err)
	}
	l.end += recordSize
}

func wave(n int, argv []string, records *log) {
	var next atomic.Int64
	work := func() {
		for next.Add(1) <= int64(n) {
			if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
				fail("%s: %v", argv[0], err)
			}
			records.append()
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
