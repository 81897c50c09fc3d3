package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/ui"
)

// logPrinter prints logs as far as they are there, and goes on where it was.
// It holds a block of a log at a time.
type logPrinter struct {
	w    io.Writer
	root *os.Root
	id   string
	tail int

	width  int              // of the terminal; 0: it is none
	at     map[string]int64 // how far each log is printed
	last   string           // the one printed last
	middle bool             // of a line
}

// block is how much of a log is in memory.
const block = 32 << 10

// print prints what has come since. It reports whether that was anything.
func (p *logPrinter) print(sections []result.Log) (grown bool, err error) {
	for _, s := range sections {
		key := s.File
		if key == "" {
			key = fmt.Sprintf("%d %s", s.Attempt, s.Stage)
		}
		from, known := p.at[key]
		if known && s.Bytes == from {
			continue
		}
		n, err := p.section(s, key, from, known)
		if err != nil {
			return grown, err
		}
		grown = grown || n > 0
	}
	return grown, nil
}

func (p *logPrinter) section(s result.Log, key string, from int64, known bool) (n int64, err error) {
	if s.File == "" || s.Bytes == 0 {
		p.at[key] = 0
		return 0, p.header(s, key)
	}
	f, err := p.root.OpenFile(s.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // only read from
	switch info, err := f.Stat(); {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a regular file", s.File)
	}
	switch {
	case s.Bytes < from: // somebody has cut it off
		from = 0
	case !known && p.tail >= 0:
		if from, err = lastLines(f, s.Bytes, p.tail); err != nil {
			return 0, err
		}
	}
	if err := p.header(s, key); err != nil {
		return 0, err
	}
	buf := make([]byte, block)
	for from < s.Bytes {
		n, err := f.ReadAt(buf[:min(block, s.Bytes-from)], from)
		if n == 0 && err != nil { // it has become shorter
			break
		}
		if _, err := p.w.Write(buf[:n]); err != nil {
			return 0, err
		}
		p.middle = buf[n-1] != '\n'
		from += int64(n)
	}
	p.at[key] = from
	return 1, nil
}

// header says which log follows, if another one was printed before.
func (p *logPrinter) header(s result.Log, key string) error {
	if p.last == key {
		return nil
	}
	first := p.last == ""
	p.last = key
	text := fmt.Sprintf("%s, attempt %d, %s", p.id, s.Attempt, s.Stage)
	if s.Attempt == verified {
		text = fmt.Sprintf("%s, verify, %s", p.id, s.Stage)
	}
	if s.Result != "" {
		text += ": " + s.Result
	}
	if s.File == "" {
		text += "; it printed nothing"
	}
	var line strings.Builder
	if p.middle {
		line.WriteByte('\n')
	}
	if !first {
		line.WriteByte('\n')
	}
	line.WriteString(ui.Wrap("== "+text+" ==", p.width, "   ") + "\n")
	p.middle = false
	_, err := io.WriteString(p.w, line.String())
	return err
}

// pause is called when nothing comes: what waits for the end of its line is
// shown.
func (p *logPrinter) pause() error {
	if c, ok := p.w.(*cleaner); ok {
		return c.flush()
	}
	return nil
}

func (p *logPrinter) end() error {
	if p.middle {
		p.middle = false
		if _, err := io.WriteString(p.w, "\n"); err != nil {
			return err
		}
	}
	return p.pause()
}

// lastLines is where the last n lines of the first size bytes begin. A line
// without an end counts.
func lastLines(f io.ReaderAt, size int64, n int) (int64, error) {
	if n == 0 {
		return size, nil
	}
	buf := make([]byte, block)
	end := size
	if end > 0 { // the newline at the end begins no line
		end--
	}
	for end > 0 {
		begin := max(0, end-block)
		part := buf[:end-begin]
		if _, err := f.ReadAt(part, begin); err != nil {
			return 0, err
		}
		for {
			k := bytes.LastIndexByte(part, '\n')
			if k < 0 {
				break
			}
			if n--; n == 0 {
				return begin + int64(k) + 1, nil
			}
			part = part[:k]
		}
		end = begin
	}
	return 0, nil
}

// cleaner passes text on to a terminal, without what could move its cursor,
// change its title or colours, or fake lines. It works on whole lines.
type cleaner struct {
	w       io.Writer
	escapes *regexp.Regexp
	line    []byte // not yet at its end
}

// newCleaner knows the sequences that terminals obey: colours and cursor
// movements, titles and links.
func newCleaner(w io.Writer) *cleaner {
	return &cleaner{w: w, escapes: regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)`)}
}

// longest is how much of a line is kept back.
const longest = 64 << 10

func (c *cleaner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := bytes.IndexByte(p, '\n')
		if k < 0 {
			c.line = append(c.line, p...)
			if len(c.line) > longest {
				return n, c.flush()
			}
			return n, nil
		}
		c.line = append(c.line, p[:k]...)
		p = p[k+1:]
		err := c.flush()
		if err == nil {
			_, err = io.WriteString(c.w, "\n")
		}
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// flush prints what there is of a line, but for a character that is cut off.
func (c *cleaner) flush() error {
	whole := len(c.line)
	for k := 1; k < utf8.UTFMax && k <= len(c.line); k++ {
		if b := c.line[len(c.line)-k]; utf8.RuneStart(b) {
			if !utf8.FullRune(c.line[len(c.line)-k:]) {
				whole = len(c.line) - k
			}
			break
		}
	}
	text := c.escapes.ReplaceAll(c.line[:whole], nil)
	parts := strings.Split(strings.TrimSuffix(string(text), "\r"), "\t")
	for k := range parts {
		parts[k] = ui.Clean(parts[k])
	}
	c.line = append(c.line[:0], c.line[whole:]...)
	_, err := io.WriteString(c.w, strings.Join(parts, "\t"))
	return err
}
