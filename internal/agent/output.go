package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/secret"
)

// logFile is a file in the session directory that is made when it is first
// written to. Its name is relative to that.
type logFile struct {
	files  fsutil.FS
	dir    string
	name   string
	masker *secret.Masker

	mu     sync.Mutex // a process left behind may still print while the next stage runs
	stream *secret.Stream
	f      fsutil.File
	err    error
	tail   []byte
	sum    hash.Hash // of what the command has printed so far; nil: nothing
}

// write appends to the log. After an error the output is still taken, so that
// the command does not block, but only its tail is kept.
func (l *logFile) write(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream == nil {
		l.stream = l.masker.Stream(maskedLog{l})
	}
	_, _ = l.stream.Write(p) // maskedLog keeps its errors
}

// maskedLog is where a log's output goes when secrets are masked in it.
type maskedLog struct{ l *logFile }

func (m maskedLog) Write(p []byte) (int, error) {
	m.l.keep(p)
	return len(p), nil
}

func (l *logFile) keep(p []byte) {
	l.keepTail(p)
	if l.sum == nil {
		l.sum = sha256.New()
	}
	l.sum.Write(p)
	if l.err != nil {
		return
	}
	if l.f == nil {
		l.f, l.err = openLog(l.files, filepath.Join(l.dir, l.name))
	}
	if l.err == nil {
		_, l.err = l.f.Write(p)
	}
}

func openLog(files fsutil.FS, name string) (fsutil.File, error) {
	if err := mkdirs(files, filepath.Dir(name)); err != nil {
		return nil, err
	}
	return files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
}

// writeFile writes a file in a session, and makes the directories above it. It is
// not synced.
func writeFile(files fsutil.FS, name string, content []byte) error {
	if err := mkdirs(files, filepath.Dir(name)); err != nil {
		return err
	}
	f, err := files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// mkdirs makes a directory in a session's artifacts, and those above it. A session
// that is gone is not made again.
func mkdirs(files fsutil.FS, dir string) error {
	err := files.Mkdir(dir, 0o777)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(dir) != fsutil.ArtifactsDir {
		if err := mkdirs(files, filepath.Dir(dir)); err != nil {
			return err
		}
		err = files.Mkdir(dir, 0o777)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
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

// begin forgets what a command before has printed: the log goes on.
func (l *logFile) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail, l.sum = l.tail[:0], nil
}

// end passes on what was held back because it might have been the beginning of
// a secret, and returns the digest of what the command has printed; "" if that
// was nothing.
func (l *logFile) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream != nil {
		_ = l.stream.Flush() // maskedLog keeps its errors
	}
	return sum(l.sum)
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
	if l.stream != nil {
		_ = l.stream.Flush() // maskedLog keeps its errors
	}
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

// output is the reading end of a command's standard output and error, on its
// way into the log.
//
// While the command runs, follow reads it: on Linux the goroutine that waits
// for the process does it itself. What somebody holds open after that is read
// by a goroutine (readOn) until finish.
type output struct {
	fd      int // not blocking; -1 when it is at its end
	child   int // the writing end, which the command gets; -1 when it is closed here
	log     *logFile
	hear    func([]byte) // hears all of it, too; nil: nobody
	buffers *sync.Pool
	begin   time.Time
	last    atomic.Int64 // time of the last output, in nanoseconds since begin

	file *os.File      // set by readOn, which takes fd over
	done chan struct{} // closed when readOn is at the end
}

// newOutput makes the pipe for a command.
func newOutput(log *logFile, buffers *sync.Pool) (*output, error) {
	var fds [2]int
	if err := pipe(fds[:]); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, errors.Join(err, syscall.Close(fds[0]), syscall.Close(fds[1]))
	}
	return &output{fd: fds[0], child: fds[1], log: log, buffers: buffers, begin: time.Now()}, nil
}

// bufferSize is that of a pipe, so that a command that prints a gigabyte does
// not wait for hacky.
const bufferSize = 64 << 10

func (o *output) buffer() *[]byte {
	if buf, ok := o.buffers.Get().(*[]byte); ok {
		return buf
	}
	b := make([]byte, bufferSize)
	return &b
}

func (o *output) take(p []byte) {
	o.last.Store(int64(time.Since(o.begin)))
	if o.hear != nil {
		o.hear(p)
	}
	o.log.write(p)
}

// silence is how long nothing was printed.
func (o *output) silence() time.Duration { return time.Since(o.begin) - time.Duration(o.last.Load()) }

// open reports whether somebody may still print.
func (o *output) open() bool { return o.fd >= 0 || o.file != nil }

func (o *output) close() {
	o.closeChild()
	if o.fd >= 0 {
		_ = syscall.Close(o.fd) // only read from
		o.fd = -1
	}
}

// closeChild closes the command's end here; the output ends when everybody
// else who has it closes it.
func (o *output) closeChild() {
	if o.child >= 0 {
		_ = syscall.Close(o.child) // never written to here
		o.child = -1
	}
}

// readOn reads in the background until the end, or until finish.
func (o *output) readOn() {
	o.closeChild()
	o.file = os.NewFile(uintptr(o.fd), "output") // not blocking, so it has deadlines
	o.fd = -1
	o.done = make(chan struct{})
	go func() {
		defer close(o.done)
		buf := o.buffer()
		defer o.buffers.Put(buf)
		for {
			n, err := o.file.Read(*buf)
			if n > 0 {
				o.take((*buf)[:n])
			}
			if err != nil {
				// io.EOF is the usual end. A deadline means that whoever holds
				// the pipe is none of ours any more.
				_ = o.file.Close()
				return
			}
		}
	}()
}

// finish waits for the end of the output, but not for a daemon that has left
// its group and keeps the pipe open.
func (o *output) finish() {
	if o.done == nil {
		o.close()
		return
	}
	select {
	case <-o.done:
		return
	default:
	}
	_ = o.file.SetReadDeadline(time.Now().Add(drain)) // a closed file is done
	<-o.done
}
