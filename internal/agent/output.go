package agent

import (
	"fmt"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"
)

// logFile is a file in the session directory that is made when it is first
// written to. Its name is relative; os.Root keeps it inside the directory.
type logFile struct {
	root *os.Root
	name string

	mu   sync.Mutex // a process left behind may still print while the next stage runs
	f    *os.File
	err  error
	tail []byte
}

// write appends to the log. After an error the output is still taken, so that
// the command does not block, but only its tail is kept.
func (l *logFile) write(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keepTail(p)
	if l.err != nil {
		return
	}
	if l.f == nil {
		l.f, l.err = openLog(l.root, l.name)
	}
	if l.err == nil {
		_, l.err = l.f.Write(p)
	}
}

func openLog(root *os.Root, name string) (*os.File, error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

func (l *logFile) keepTail(p []byte) {
	if len(p) >= TailSize {
		l.tail = append(l.tail[:0], p[len(p)-TailSize:]...)
		return
	}
	if over := len(l.tail) + len(p) - TailSize; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	l.tail = append(l.tail, p...)
}

// written is the log's name, "" if nothing was written to it.
func (l *logFile) written() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return ""
	}
	return l.name
}

func (l *logFile) last() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]byte(nil), l.tail...)
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		if err := l.f.Close(); l.err == nil {
			l.err = err
		}
	}
	if l.err != nil {
		return fmt.Errorf("write log: %w", l.err)
	}
	return nil
}

// reader moves a command's output into its log.
type reader struct {
	pipe *os.File
	log  *logFile
	done chan struct{}
	last atomic.Int64 // time of the last output, in nanoseconds since begin
	from time.Time
}

func newReader(pipe *os.File, log *logFile) *reader {
	return &reader{pipe: pipe, log: log, done: make(chan struct{}), from: time.Now()}
}

// bufferSize is that of a pipe, so that a command that prints a gigabyte does
// not wait for hacky.
const bufferSize = 64 << 10

func (r *reader) run(buffers *sync.Pool) {
	defer close(r.done)
	buf, ok := buffers.Get().(*[]byte)
	if !ok {
		b := make([]byte, bufferSize)
		buf = &b
	}
	defer buffers.Put(buf)
	for {
		n, err := r.pipe.Read(*buf)
		if n > 0 {
			r.last.Store(int64(time.Since(r.from)))
			r.log.write((*buf)[:n])
		}
		if err != nil {
			// io.EOF is the usual end. A deadline means that whoever holds the
			// pipe is none of ours any more; anything else cannot be mended.
			_ = r.pipe.Close()
			return
		}
	}
}

func (r *reader) lastOutput() time.Time { return r.from.Add(time.Duration(r.last.Load())) }

// finish waits for the end of the output, but not for a daemon that has left
// its group and keeps the pipe open.
func (r *reader) finish() {
	select {
	case <-r.done:
		return
	default:
	}
	_ = r.pipe.SetReadDeadline(time.Now().Add(drain)) // a closed pipe is done
	<-r.done
}
