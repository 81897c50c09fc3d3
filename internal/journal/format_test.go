package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// small writes a small journal and returns the bytes of it, with a few of the
// zeros behind, what it said after every commit, and where that ended.
func small(t testing.TB) (data []byte, states []*Contents, ends []int) {
	t.Helper()
	path := filepath.Join(scratch(t), fileName)
	note := func() {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		c, err := Decode(path, data)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, c)
		end, frames := headerSize, &Contents{}
		for n := uint64(1); ; n++ {
			size, _, ok := frames.frame(data[end:], n)
			if !ok {
				break
			}
			end += size
		}
		ends = append(ends, end)
	}
	j := mustCreate(t, lazy(), path, nil, Options{})
	note()
	var a acks
	seq := uint64(0)
	add := func(n uint64) {
		j.Append(true, a.of(0), records(seq+1, seq+n)...)
		seq += n
		note()
	}
	add(2)
	add(1)
	add(0)
	j.Flushed(2, Base{7, 8, 9})
	add(3)
	add(1)
	mustClose(t, j)
	if len(ends) != len(states) || !slices.IsSorted(ends) {
		t.Fatalf("ends %v", ends)
	}
	return data[:ends[len(ends)-1]+100], states, ends
}

func same(c, want *Contents) bool {
	return c != nil && c.Base == want.Base && slices.Equal(c.Records, want.Records)
}

// TestTruncated cuts the journal at every length.
func TestTruncated(t *testing.T) {
	data, states, ends := small(t)
	path := filepath.Join(scratch(t), fileName)
	for n := range len(data) + 1 {
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Read(fsutil.OS(), path)
		switch {
		case n < headerSize: // as a crash leaves it before the first acknowledgement
			if c != nil || err != nil {
				t.Errorf("cut to %d: %v, %v; want nothing", n, c, err)
			}
		default:
			k := len(ends) - 1
			for ends[k] > n {
				k--
			}
			if err != nil || !same(c, states[k]) {
				t.Fatalf("cut to %d: %v, %v; want commit %d", n, c, err, k)
			}
			if torn := n > ends[k] && k < len(ends)-1; torn != (c.Torn != nil) {
				t.Errorf("cut to %d, the frame ends at %d: torn %q", n, ends[k], c.Torn)
			}
			if c.Torn != nil && (c.TornAt != int64(ends[k]) || !bytes.HasPrefix(data[ends[k]:n], c.Torn)) {
				t.Errorf("cut to %d: %q torn at %d", n, c.Torn, c.TornAt)
			}
		}
	}
}

// TestFlipped changes every byte in several ways.
func TestFlipped(t *testing.T) {
	data, states, ends := small(t)
	last := len(ends) - 1
	whole := states[last]
	truth := records(1, 7)
	for at := range data {
		for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff, data[at]} {
			if flip == 0 {
				continue
			}
			bad := slices.Clone(data)
			bad[at] ^= flip
			c, err := Decode("j", bad)
			var damage *DamageError
			switch {
			case at < ends[last-1]: // good ones behind it, or the header
				if !errors.As(err, &damage) || c != nil {
					t.Fatalf("byte %d ^ %#x: %v, %v; want damage", at, flip, c, err)
				}
				if damage.Offset > int64(at) || damage.Error() == "" {
					t.Errorf("byte %d: %v", at, damage)
				}
				for _, r := range damage.Readable {
					if !slices.Contains(truth, r) {
						t.Fatalf("byte %d ^ %#x: readable is %v", at, flip, r)
					}
				}
				if n := len(damage.Readable); at >= ends[0] && n == 0 {
					t.Errorf("byte %d ^ %#x: nothing is readable", at, flip)
				}
			case at < ends[last]: // in the last frame: it might be a torn one
				if err != nil || !same(c, states[last-1]) || c.Torn == nil || c.TornAt != int64(ends[last-1]) {
					t.Fatalf("byte %d ^ %#x: %v, %v; want all but the last", at, flip, c, err)
				}
			default:
				if err != nil || !same(c, whole) || c.Torn == nil {
					t.Fatalf("byte %d ^ %#x: %v, %v; want all, and garbage", at, flip, c, err)
				}
			}
		}
	}
}

// TestFramesTaken: a frame is only good at its place.
func TestFramesTaken(t *testing.T) {
	rec := func(seq uint64) []byte { return encode(record(seq)).data }
	frame := func(n uint64, parts ...[]byte) string { return string(encodeFrame(n, bytes.Join(parts, nil))) }
	unknown := append([]byte{99}, rec(2)[1:]...)
	badStatus := slices.Clone(rec(2))
	badStatus[17] = 200
	badID := slices.Clone(rec(2))
	badID[20] = 'X'
	tests := []struct {
		name   string
		frames []string
		want   uint64 // so many records
		torn   bool
		damage bool
	}{
		{"none", nil, 0, false, false},
		{"three", []string{frame(1, rec(1)), frame(2), frame(3, rec(2), rec(3))}, 3, false, false},
		{"repeated", []string{frame(1, rec(1)), frame(1, rec(1))}, 0, false, true},
		{"one is missing", []string{frame(1, rec(1)), frame(3, rec(2))}, 0, false, true},
		{"the first is missing", []string{frame(2, rec(2)), frame(3, rec(3))}, 0, false, true},
		{"zeros between", []string{frame(1, rec(1)), strings.Repeat("\x00", 512), frame(2, rec(2))}, 0, false, true},
		{"half", []string{frame(1, rec(1)), frame(2, rec(2))[:30]}, 1, true, false},
		{"too long", []string{frame(1, rec(1)), "frme\xff\xff\xff\xff"}, 1, true, false},
		{"a later version's record", []string{frame(1, rec(1)), frame(2, unknown)}, 0, false, true},
		{"no such status", []string{frame(1, rec(1)), frame(2, badStatus)}, 0, false, true},
		{"no id", []string{frame(1, rec(1)), frame(2, badID)}, 0, false, true},
		{"half a record", []string{frame(1, rec(1)), frame(2, rec(2)[:25])}, 0, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := string(encodeHeader(Base{1})) + strings.Join(tt.frames, "") + strings.Repeat("\x00", 50)
			c, err := Decode("j", []byte(data))
			var damage *DamageError
			if errors.As(err, &damage) != tt.damage {
				t.Fatalf("%v, want damage: %v", err, tt.damage)
			}
			if c != nil && (!slices.Equal(c.Records, records(1, tt.want)) || (c.Torn != nil) != tt.torn) {
				t.Errorf("%v", c)
			}
		})
	}
}

func TestOtherVersion(t *testing.T) {
	data := encodeHeader(Base{})
	binary.LittleEndian.PutUint32(data[8:], 2)
	_, err := Decode("j", data)
	var damage *DamageError
	if !errors.As(err, &damage) || !strings.Contains(err.Error(), "format version 2") || !damage.Newer {
		t.Errorf("%v, %+v", err, damage)
	}
	binary.LittleEndian.PutUint32(data[8:], 0)
	if _, err := Decode("j", data); !errors.As(err, &damage) || damage.Newer {
		t.Errorf("version 0: %v, %+v", err, damage)
	}
}

// TestDamageSaysWhere: what can be read of a damaged journal, in front of the
// damage and behind it, and what cannot.
func TestDamageSaysWhere(t *testing.T) {
	rec := func(seq uint64) []byte { return encode(record(seq)).data }
	frames := [][]byte{encodeFrame(1, rec(1)), encodeFrame(2, rec(2)), encodeFrame(3, rec(3)), encodeFrame(4, rec(4)), encodeFrame(5, encodeFlushed(1, Base{9}))}
	var ends []int64
	end := int64(headerSize)
	for _, f := range frames {
		end += int64(len(f))
		ends = append(ends, end)
	}
	alien := encodeFrame(2, []byte{99})
	tests := []struct {
		name   string
		spoil  func([]byte) []byte
		seqs   []uint64
		before int
		gaps   []Gap
		newer  bool
	}{
		{"the second", flip(ends[0] + 30), []uint64{3, 4}, 0, []Gap{{ends[0], ends[1]}}, false}, // 1 is flushed, says 5
		{"the third", flip(ends[1] + 30), []uint64{2, 4}, 1, []Gap{{ends[1], ends[2]}}, false},
		{"the second and the fourth", func(b []byte) []byte { return flip(ends[2])(flip(ends[0])(b)) }, []uint64{3}, 0, []Gap{{ends[0], ends[1]}, {ends[2], ends[3]}}, false},
		{"the second and the last", func(b []byte) []byte { return flip(ends[3])(flip(ends[0])(b)) }, []uint64{1, 3, 4}, 1, []Gap{{ends[0], ends[1]}, {ends[3], ends[4] - 31}}, false}, // zeros at the end may be anything
		{"the header", flip(20), []uint64{2, 3, 4}, 0, []Gap{{12, headerSize}}, false},
		{"the first letter", flip(0), []uint64{2, 3, 4}, 0, []Gap{{0, headerSize}}, false},
		{"the second is missing", func(b []byte) []byte { return slices.Delete(b, int(ends[0]), int(ends[1])) }, []uint64{3, 4}, 0, nil, false},
		{"the second is foreign", func(b []byte) []byte {
			return slices.Concat(b[:ends[0]], alien, b[ends[1]:])
		}, []uint64{3, 4}, 0, []Gap{{ends[0], ends[0] + int64(len(alien))}}, true},
	}
	for _, tt := range tests {
		data := append(tt.spoil(slices.Concat(encodeHeader(Base{1}), bytes.Join(frames, nil))), make([]byte, 300)...)
		_, err := Decode("j", data)
		var d *DamageError
		if !errors.As(err, &d) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var seqs []uint64
		for _, r := range d.Readable {
			seqs = append(seqs, r.Seq)
		}
		if !slices.Equal(seqs, tt.seqs) || d.Before != tt.before || !slices.Equal(d.Gaps, tt.gaps) || d.Newer != tt.newer {
			t.Errorf("%s: readable %d, %d of them before, gaps %v, newer %v; want %d, %d, %v, %v", tt.name, seqs, d.Before, d.Gaps, d.Newer, tt.seqs, tt.before, tt.gaps, tt.newer)
		}
	}
}

func flip(at int64) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 4; return b }
}

// FuzzDecode decodes data, and payload as the only frame of a journal.
func FuzzDecode(f *testing.F) {
	data, _, ends := small(f)
	for i, end := range ends[1:] {
		f.Add(data[:end], data[ends[i]+frameHead:end])
	}
	f.Add([]byte("hackyjnl"), []byte{kindFlushed})
	f.Fuzz(func(t *testing.T, data, payload []byte) {
		for _, d := range [][]byte{data, append(encodeHeader(Base{3}), encodeFrame(1, payload)...)} {
			c, err := Decode("j", d)
			if err != nil || c == nil {
				continue
			}
			var again []byte
			for _, r := range c.Records {
				again = append(again, encode(r).data...)
			}
			back, err := Decode("j", append(encodeHeader(c.Base), encodeFrame(1, again)...))
			if err != nil || !same(back, c) || back.Torn != nil {
				t.Fatalf("%v\nagain: %v, %v", c, back, err)
			}
		}
	})
}

// TestReadOddFiles: what is no file is refused, and a pipe does not hold us.
func TestReadOddFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, dir} {
		if c, err := Read(fsutil.OS(), name); c != nil || err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}
