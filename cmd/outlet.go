package cmd

import (
	"errors"
	"os"
	"sync"
	"time"
)

// outlet is a standard stream of hacky. Once it is guarded, a reader that does
// not read (a pager, a log collector that hangs, a terminal after Ctrl+S) holds
// hacky up as usual, but not any more when hacky is told to stop.
type outlet struct {
	to *os.File

	mu      sync.Mutex
	in      chan []byte // nil: not guarded
	out     chan written
	hurried chan struct{}
	gone    bool // given up
}

// written is the result of a write.
type written struct {
	n   int
	err error
}

// errNotTaken says that a reader did not read although hacky is to stop.
var errNotTaken = errors.New("nobody reads")

func newOutlet(to *os.File) *outlet { return &outlet{to: to, hurried: make(chan struct{})} }

// guard makes writes safe from a reader that does not read. It costs another
// goroutine's help for each write.
func (o *outlet) guard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.in != nil {
		return
	}
	o.in, o.out = make(chan []byte), make(chan written, 1)
	go func() {
		for p := range o.in {
			n, err := o.to.Write(p)
			o.out <- written{n, err}
		}
	}()
}

// hurry limits the wait for the reader to exitPatience for each write from now
// on. After the first one that takes longer nothing is written any more.
func (o *outlet) hurry() {
	select {
	case <-o.hurried:
	default:
		close(o.hurried)
	}
}

// Write writes all of p, or says why not.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var w written
	switch {
	case o.gone:
		return 0, errNotTaken
	case o.in == nil:
		w.n, w.err = o.to.Write(p)
	default:
		w = o.write(p)
	}
	return w.n, w.err
}

func (o *outlet) write(p []byte) written {
	o.in <- append([]byte(nil), p...) // a write that is given up goes on with it
	select {
	case w := <-o.out:
		return w
	case <-o.hurried:
	}
	select {
	case w := <-o.out:
		return w
	case <-time.After(exitPatience):
		o.gone = true
		return written{err: errNotTaken}
	}
}

// fileOf is the file behind a standard stream; nil if it is something else.
func fileOf(stream any) *os.File {
	switch s := stream.(type) {
	case *outlet:
		return s.to
	case *os.File:
		return s
	}
	return nil
}

// guard makes both streams safe from readers that do not read.
func (a *app) guard() { a.eachOutlet((*outlet).guard) }

// hurry is for a hacky that was told to stop: it does not wait for readers
// any longer.
func (a *app) hurry() { a.eachOutlet((*outlet).hurry) }

func (a *app) eachOutlet(do func(*outlet)) {
	for _, stream := range []any{a.stdout, a.stderr} {
		if o, ok := stream.(*outlet); ok {
			do(o)
		}
	}
}
