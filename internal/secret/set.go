package secret

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// set finds any of many strings in text, all occurrences, overlapping ones too.
//
// Text is looked at every stride bytes only: there, four bytes are hashed and
// looked up among the four-byte pieces that strings have at their first stride
// offsets. stride is so small that every occurrence holds such a place. Lookups
// do not depend on each other, so a processor overlaps them; with a shortest
// string of 20 bytes that is one table load for 17 bytes of text. See
// BenchmarkMask for what else was measured: an index of every string by
// itself reads the text once for each, and an automaton every byte in turn.
type set struct {
	strings []string
	longest int
	stride  int
	shift   uint
	maybe   []bool             // by hash: some piece has it
	pieces  map[uint32][]piece // by the four bytes
	begins  [256][][]byte      // by first byte
}

// piece is where four bytes stand in a string.
type piece struct {
	in string
	at int
}

const (
	pieceLen   = 4
	maxStride  = 32
	hashFactor = 0x9E3779B1
)

// run is a stretch of text that belongs to secrets.
type run struct{ start, end int }

// newSet returns nil for no strings. None may be shorter than shortest.
func newSet(all []string) *set {
	if len(all) == 0 {
		return nil
	}
	s := &set{strings: all, pieces: map[uint32][]piece{}}
	least := len(all[0])
	for _, str := range all {
		least = min(least, len(str))
		s.longest = max(s.longest, len(str))
		s.begins[str[0]] = append(s.begins[str[0]], []byte(str))
	}
	s.stride = min(least-pieceLen+1, maxStride)
	for _, str := range all {
		for at := range s.stride {
			p := binary.LittleEndian.Uint32([]byte(str[at : at+pieceLen]))
			s.pieces[p] = append(s.pieces[p], piece{str, at})
		}
	}
	bits := uint(13) // 8 KiB, well inside the nearest cache
	for ; bits < 18 && len(s.pieces) > 1<<bits/32; bits++ {
	}
	s.shift = 32 - bits
	s.maybe = make([]bool, 1<<bits)
	for p := range s.pieces {
		s.maybe[p*hashFactor>>s.shift] = true
	}
	return s
}

// runs are the stretches of b that belong to secrets, by rising start. They may
// overlap.
func (s *set) runs(b []byte) iter.Seq[run] {
	return func(yield func(run) bool) {
		for i := 0; ; i += s.stride {
			if i = s.next(b, i); i < 0 {
				return
			}
			if r := s.around(b, i); r.end > 0 && !yield(r) {
				return
			}
		}
	}
}

func (s *set) any(b []byte) bool {
	for range s.runs(b) {
		return true
	}
	return false
}

// next is the first place from i on, in steps of stride, where a piece may be.
func (s *set) next(b []byte, i int) int {
	maybe, shift, stride := s.maybe, s.shift, s.stride
	for ; i+pieceLen <= len(b); i += stride {
		if maybe[binary.LittleEndian.Uint32(b[i:])*hashFactor>>shift] {
			return i
		}
	}
	return -1
}

// around is the stretch of all occurrences that have a piece at i. They overlap
// there, so it is one.
func (s *set) around(b []byte, i int) (r run) {
	r.start = len(b)
	for _, p := range s.pieces[binary.LittleEndian.Uint32(b[i:])] {
		start := i - p.at
		if end := start + len(p.in); start >= 0 && end <= len(b) && string(b[start:end]) == p.in {
			r.start, r.end = min(r.start, start), max(r.end, end)
		}
	}
	return r
}

// unfinished is where the longest beginning of a secret starts that b ends
// with, len(b) if none does.
func (s *set) unfinished(b []byte) int {
	for i := max(0, len(b)-s.longest+1); i < len(b); i++ {
		if i+pieceLen <= len(b) && !s.maybe[binary.LittleEndian.Uint32(b[i:])*hashFactor>>s.shift] {
			continue
		}
		for _, str := range s.begins[b[i]] {
			if len(str) > len(b)-i && bytes.HasPrefix(str, b[i:]) {
				return i
			}
		}
	}
	return len(b)
}
