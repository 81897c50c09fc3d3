package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
)

const (
	headerMagic = "hackyjnl"
	headerSize  = 8 + 4 + 4 + 32
	frameMagic  = "frme"
	frameHead   = 4 + 4 + 4 + 8
	version     = 1

	kindRecord  = 1
	kindFlushed = 2
	kindWorked  = 3 // a record with its work
)

// maxFile bounds what is read back: a journal is started anew at largeSize, or
// at twice what is live.
const maxFile = 256 << 20

func encodeHeader(base Base) []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, headerMagic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, checksum(base[:]))
	return append(b, base[:]...)
}

// encodedSize is how long a record is.
func encodedSize(r Record) int {
	size := 20 + min(len(r.ID), 255)
	if _, ok := r.Digest.Sum(); ok {
		size += workSize + len(backlog.WorkTitle(r.Title))
	}
	return size
}

// workSize is the length of a record's work without the title.
const workSize = 32 + 2

func encode(r Record) entry { return encodeTo(make([]byte, 0, encodedSize(r)), r) }

// encodeTo encodes a record behind b, where there is room for it.
func encodeTo(b []byte, r Record) entry {
	from := len(b)
	sum, worked := r.Digest.Sum()
	if worked {
		b = append(b, kindWorked)
	} else {
		b = append(b, kindRecord)
	}
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.At.UnixNano()))
	id := r.ID[:min(len(r.ID), 255)] // an id has at most 80 characters
	b = append(b, byte(r.From), byte(r.To), byte(len(id)))
	b = append(b, id...)
	if worked {
		title := backlog.WorkTitle(r.Title)
		b = append(b, sum[:]...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(title)))
		b = append(b, title...)
	}
	return entry{r.Seq, b[from:]}
}

// encodeAll encodes many records into one piece of memory: after a crash there
// may be 100,000.
func encodeAll(records []Record) []entry {
	size := 0
	for _, r := range records {
		size += encodedSize(r)
	}
	b := make([]byte, 0, size)
	out := make([]entry, len(records))
	for k, r := range records {
		out[k] = encodeTo(b, r)
		b = b[:len(b)+len(out[k].data)]
	}
	return out
}

func encodeFlushed(seq uint64, base Base) []byte {
	b := append(make([]byte, 0, 41), kindFlushed)
	return append(binary.LittleEndian.AppendUint64(b, seq), base[:]...)
}

func encodeFrame(number uint64, payload []byte) []byte {
	b := append(make([]byte, frameHead, frameHead+len(payload)), payload...)
	putFrameHead(b, number)
	return b
}

// putFrameHead fills in the head of a frame whose payload stands behind it.
func putFrameHead(b []byte, number uint64) {
	copy(b, frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHead))
	binary.LittleEndian.PutUint64(b[12:], number)
	binary.LittleEndian.PutUint32(b[8:], checksum(b[12:frameHead], b[frameHead:]))
}

// Contents is what a journal says.
type Contents struct {
	Base    Base     // of the tasks.json that Records change
	Records []Record // acknowledged and not known to be flushed, in order
	Torn    []byte   // the frame that a crash cut off, if it did
	TornAt  int64    // where it begins
}

// DamageError says that a journal is not what was written.
type DamageError struct {
	Path   string
	Offset int64
	What   string
	// Readable are the records in frames that are whole, Before of them in front
	// of the damage. A record that a readable frame calls flushed is not among them.
	Readable []Record
	Before   int
	// Gaps are the bytes that cannot be read, in order. There are none where a
	// whole frame is missing, or stands twice.
	Gaps []Gap
	// Newer tells that a later hacky may have written it: it has another format
	// version, or whole frames that say what this one does not know. Then nothing
	// may be wrong with it.
	Newer bool
}

// Gap is a range of bytes in a file: from From up to, not including, To.
type Gap struct{ From, To int64 }

func (e *DamageError) Error() string {
	return fmt.Sprintf("the journal %s is damaged at byte %d: %s", e.Path, e.Offset, e.What)
}

// Says is what can still be read, in words for people.
func (e *DamageError) Says() string {
	if len(e.Readable) == 0 {
		return "nothing in it can be read"
	}
	last := map[string]backlog.Status{}
	var ids []string
	for _, r := range e.Readable {
		if _, known := last[r.ID]; !known {
			ids = append(ids, r.ID)
		}
		last[r.ID] = r.To
	}
	const most = 20
	var parts []string
	for k, id := range ids {
		if k == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(ids)-most))
			break
		}
		parts = append(parts, id+" "+last[id].String())
	}
	return "it still says: " + strings.Join(parts, ", ")
}

// Read reads a journal, which may be in use. One that is absent or empty says
// nothing; Contents is then nil. The error is a *DamageError, or the file
// system's.
func Read(fsys fsutil.FS, path string) (*Contents, error) {
	for last := int64(-1); ; {
		data, err := readFile(fsys, path)
		if err != nil {
			return nil, err
		}
		c, err := Decode(path, data)
		// Frames that were written while it was read may look like damage:
		// half of one, read too early, and the next. The second time they are
		// whole.
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Offset == last {
			return c, err
		}
		last = damage.Offset
	}
}

func readFile(fsys fsutil.FS, path string) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold us
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", path), err, f.Close())
	}
	if info.Size() >= maxFile {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: path, Err: syscall.EFBIG}, f.Close())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) == maxFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EFBIG}
	}
	return data, nil
}

// Decode reads the content of a journal; see Read.
func Decode(path string, data []byte) (*Contents, error) {
	if len(data) == 0 {
		return nil, nil
	}
	damage := func(at int, what string) *DamageError {
		return &DamageError{Path: path, Offset: int64(at), What: what, Gaps: []Gap{{int64(at), int64(len(data))}}}
	}
	begun := string(data[:min(len(data), len(headerMagic))])
	if len(bytes.Trim(data, "\x00")) == 0 || len(data) < headerSize && strings.HasPrefix(headerMagic, begun) {
		return nil, nil // a crash cut it off where it begins, before anything was acknowledged
	}
	if len(data) < headerSize || string(data[:8]) != headerMagic {
		d := damage(0, "it does not begin like a journal")
		d.read(Contents{}, data, 0)
		return nil, d
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != version {
		d := damage(8, fmt.Sprintf("it has format version %d; this hacky knows %d", v, version))
		if d.Newer = v > version; !d.Newer { // there was no such version
			d.read(Contents{}, data, 8)
		}
		return nil, d
	}
	c := &Contents{Base: Base(data[16:headerSize])}
	if binary.LittleEndian.Uint32(data[12:]) != checksum(c.Base[:]) {
		d := damage(12, "its header has a wrong checksum")
		d.read(Contents{}, data, 12)
		return nil, d
	}
	at := headerSize
	for number := uint64(1); ; number++ {
		size, _, ok := c.frame(data[at:], number)
		if !ok {
			break
		}
		at += size
	}
	rest := bytes.TrimRight(data[at:], "\x00")
	if len(rest) == 0 {
		return c, nil
	}
	// A frame is written only when the one before it is stable, so a whole
	// frame behind this one means that this one was whole, too.
	d := damage(at, "what should be there is missing, or unknown to this hacky, and it is not the end")
	if d.read(*c, data, at) {
		return nil, d
	}
	c.Torn, c.TornAt = rest, int64(at)
	return c, nil
}

// read takes what is whole behind the damage that begins at from, with c in
// front of it, and reports whether there is any.
func (d *DamageError) read(c Contents, data []byte, from int) (found bool) {
	end := len(bytes.TrimRight(data, "\x00"))
	last := uint64(0) // number of the last record in front
	if n := len(c.Records); n > 0 {
		last = c.Records[n-1].Seq
	}
	d.Gaps = nil
	for next := from; next < end; next++ {
		k := bytes.Index(data[next:end], []byte(frameMagic))
		if k < 0 {
			break
		}
		next += k
		size, whole, ok := c.frame(data[next:], 0)
		if found = found || whole; !whole {
			continue
		}
		if d.Newer = d.Newer || !ok; ok {
			if next > from {
				d.Gaps = append(d.Gaps, Gap{int64(from), int64(next)})
			}
			from = next + size
		}
		next += size - 1
	}
	if from < end {
		d.Gaps = append(d.Gaps, Gap{int64(from), int64(end)})
	}
	d.Readable = c.Records
	for _, r := range c.Records {
		if r.Seq <= last {
			d.Before++
		}
	}
	return found
}

// frame takes the frame at the beginning of data. It is whole if its checksum
// is right, and ok if it also has this number (0: any) and makes sense.
func (c *Contents) frame(data []byte, number uint64) (size int, whole, ok bool) {
	if len(data) < frameHead || string(data[:4]) != frameMagic {
		return 0, false, false
	}
	n := int64(binary.LittleEndian.Uint32(data[4:]))
	if n > int64(len(data)-frameHead) {
		return 0, false, false
	}
	num, payload := data[12:frameHead], data[frameHead:frameHead+int(n)]
	if binary.LittleEndian.Uint32(data[8:]) != checksum(num, payload) {
		return 0, false, false
	}
	ok = (number == 0 || binary.LittleEndian.Uint64(num) == number) && c.payload(payload)
	return frameHead + int(n), true, ok
}

// payload takes the records of a frame. What has a right checksum and makes no
// sense was written by something else: it is not taken.
func (c *Contents) payload(p []byte) bool {
	records, base := c.Records, c.Base
	ids := string(p) // all ids are pieces of one string
	for at := 0; at < len(p); {
		rest := p[at:]
		switch {
		case (rest[0] == kindRecord || rest[0] == kindWorked) && len(rest) >= 20 && len(rest) >= 20+int(rest[19]):
			n := int(rest[19])
			r := Record{
				Seq:  binary.LittleEndian.Uint64(rest[1:]),
				At:   time.Unix(0, int64(binary.LittleEndian.Uint64(rest[9:]))),
				From: backlog.Status(rest[17]), To: backlog.Status(rest[18]),
				ID: ids[at+20 : at+20+n],
			}
			if r.From > backlog.Obsolete || r.To > backlog.Obsolete {
				return false
			}
			if _, err := backlog.ParseID(r.ID); err != nil {
				return false
			}
			at += 20 + n
			if rest[0] == kindWorked {
				if len(p)-at < workSize {
					return false
				}
				r.Digest = backlog.DigestOf([32]byte(p[at : at+32]))
				from := at + workSize
				at = from + int(binary.LittleEndian.Uint16(p[at+32:]))
				if at > len(p) {
					return false
				}
				r.Title = ids[from:at]
			}
			records = append(records, r)
		case rest[0] == kindFlushed && len(rest) >= 41:
			seq := binary.LittleEndian.Uint64(rest[1:])
			kept := records[:0:0]
			for _, r := range records {
				if r.Seq > seq {
					kept = append(kept, r)
				}
			}
			records, base = kept, Base(rest[9:41])
			at += 41
		default:
			return false
		}
	}
	c.Records, c.Base = records, base
	return true
}
