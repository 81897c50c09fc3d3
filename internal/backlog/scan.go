package backlog

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 1000

const bom = "\ufeff"

// scanner reads JSON (RFC 8259) from a string. Its methods return false after
// the first text that is not JSON; fatal then says what and where.
type scanner struct {
	src   string
	i     int
	depth int
	fatal *Problem

	problems []Problem // what is JSON and yet wrong; reading goes on
	more     int

	// keys is a stack: the unknown keys of all objects that are open.
	keys []string
}

func (s *scanner) fail(at int, format string, args ...any) bool {
	if s.fatal == nil {
		s.fatal = &Problem{Message: fmt.Sprintf(format, args...), offset: at}
	}
	return false
}

// problem notes something wrong at an offset.
func (s *scanner) problem(at int, format string, args ...any) {
	s.mendable(at, "", nil, format, args...)
}

// mendable is problem for one that edits mend.
func (s *scanner) mendable(at int, mend string, edits []edit, format string, args ...any) {
	if len(s.problems) >= maxProblems {
		s.more++
		return
	}
	s.problems = append(s.problems, Problem{Message: fmt.Sprintf(format, args...), Mend: mend, offset: at, edits: edits})
}

// unexpected fails at i, naming what stands there and what should.
func (s *scanner) unexpected(want string) bool {
	if s.i >= len(s.src) {
		return s.fail(len(s.src), "the file ends in the middle: expected %s; it was probably cut off while it was written", want)
	}
	r, n := utf8.DecodeRuneInString(s.src[s.i:])
	if r == utf8.RuneError && n == 1 {
		return s.fail(s.i, "byte 0x%02X is not UTF-8; expected %s", s.src[s.i], want)
	}
	if r == 0 {
		return s.fail(s.i, "expected %s, found a NUL character; a crash or a full disk leaves such files behind", want)
	}
	for _, word := range words {
		if rest := s.src[s.i:]; len(rest) < len(word) && strings.HasPrefix(word, rest) {
			s.i = len(s.src)
			return s.unexpected(want)
		}
	}
	return s.fail(s.i, "expected %s, found %q", want, r)
}

// words are the values that are neither strings, numbers, objects nor lists.
var words = [...]string{"true", "false", "null"}

const (
	ones   = 0x0101010101010101
	tops   = 0x8080808080808080
	blanks = ' ' * ones
)

// load8 is the next eight bytes, little-endian; the compiler makes it one load.
func load8(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// space moves to the next byte that is not white space and returns it, 0 at
// the end of the text. Indentation is a third of a pretty-printed backlog, so
// eight blanks at a time (BenchmarkParse: a tenth faster).
func (s *scanner) space() byte {
	i, src := s.i, s.src
	for i < len(src) {
		switch c := src[i]; c {
		case ' ', '\n', '\r', '\t':
			i++
			for i+8 <= len(src) && load8(src, i) == blanks {
				i += 8
			}
		case 0:
			s.i = i
			return 1 // a NUL in the text is not its end
		default:
			s.i = i
			return c
		}
	}
	s.i = i
	return 0
}

// text is a string in the source: src[from:to], without the quotes.
type text struct {
	from, to int
	escaped  bool
}

// str reads the string that begins at i. Eight bytes are looked at together
// for the four things that matter: quote, backslash, control character, and
// not ASCII (BenchmarkParse: 2.5 times as fast as byte by byte).
func (s *scanner) str() (t text, ok bool) {
	if s.i >= len(s.src) || s.src[s.i] != '"' {
		return t, s.unexpected("a string")
	}
	src := s.src
	i := s.i + 1
	t.from = i
	var high uint64
	for {
		var c byte
		if i+8 <= len(src) {
			w := load8(src, i)
			q, b := w^('"'*ones), w^('\\'*ones)
			stop := ((q-ones)&^q | (b-ones)&^b | (w-' '*ones)&^w) & tops
			if stop == 0 {
				high |= w & tops
				i += 8
				continue
			}
			n := bits.TrailingZeros64(stop) >> 3
			high |= w & tops & (1<<(8*n) - 1)
			i += n
			c = src[i]
		} else {
			if i >= len(src) {
				return t, s.cutOff(t)
			}
			c = src[i]
			high |= uint64(c) & 0x80
		}
		switch {
		case c == '"':
			t.to = i
			s.i = i + 1
			if high != 0 && !utf8.ValidString(src[t.from:t.to]) {
				return t, s.notUTF8(t)
			}
			return t, true
		case c == '\\':
			t.escaped = true
			n := s.escape(i, t)
			if n == 0 {
				return t, false
			}
			i += n
		case c == '\n' || c == '\r':
			return t, s.fail(i, "a line ends inside a string; close the string with a quote, or write the line break as \\n")
		case c < ' ':
			return t, s.fail(i, "control character 0x%02X inside a string; write it as \\u%04x", c, c)
		default:
			i++
		}
	}
}

// escape checks the escape sequence at i and returns its length, 0 if bad.
func (s *scanner) escape(i int, t text) int {
	if i+1 >= len(s.src) {
		s.cutOff(t)
		return 0
	}
	switch s.src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s.src, i+2); ok {
			return 6
		}
		if i+6 > len(s.src) {
			s.cutOff(t)
			return 0
		}
		s.fail(i, "\\u must be followed by four hexadecimal digits; a backslash itself is written \\\\")
		return 0
	}
	r, n := utf8.DecodeRuneInString(s.src[i+1:])
	if r == utf8.RuneError && n == 1 {
		s.fail(i+1, "byte 0x%02X is not UTF-8; save the file as UTF-8", s.src[i+1])
		return 0
	}
	s.fail(i, "a backslash followed by %q is no escape sequence of JSON; a backslash itself is written \\\\", r)
	return 0
}

func (s *scanner) cutOff(t text) bool {
	return s.fail(t.from-1, "the file ends inside the string that begins here; it was probably cut off while it was written")
}

func (s *scanner) notUTF8(t text) bool {
	for i := t.from; i < t.to; {
		r, n := utf8.DecodeRuneInString(s.src[i:t.to])
		if r == utf8.RuneError && n == 1 {
			return s.fail(i, "byte 0x%02X is not UTF-8; save the file as UTF-8", s.src[i])
		}
		i += n
	}
	return true
}

func hex4(s string, i int) (v rune, ok bool) {
	if i+4 > len(s) {
		return 0, false
	}
	for _, c := range []byte(s[i : i+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// decode is the string's value. Without escapes it is a piece of the source
// and costs nothing. A lone surrogate becomes U+FFFD.
func (s *scanner) decode(t text) string {
	raw := s.src[t.from:t.to]
	if !t.escaped {
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			n := strings.IndexByte(raw[i:], '\\')
			if n < 0 {
				n = len(raw) - i
			}
			b.WriteString(raw[i : i+n])
			i += n
			continue
		}
		c := raw[i+1]
		i += 2
		if c == 'u' {
			r, _ := hex4(raw, i)
			i += 4
			if r >= 0xD800 && r < 0xDC00 && strings.HasPrefix(raw[i:], `\u`) {
				if low, _ := hex4(raw, i+2); low >= 0xDC00 && low < 0xE000 {
					r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
					i += 6
				}
			}
			b.WriteRune(r) // WriteRune turns a lone surrogate into U+FFFD
			continue
		}
		if n := strings.IndexByte("bfnrt", c); n >= 0 {
			c = "\b\f\n\r\t"[n]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// number reads the number that begins at i and returns its text.
func (s *scanner) number() (string, bool) {
	from := s.i
	digits := func() bool {
		n := s.i
		for s.i < len(s.src) && s.src[s.i] >= '0' && s.src[s.i] <= '9' {
			s.i++
		}
		return s.i > n || s.unexpected("a digit")
	}
	if s.src[s.i] == '-' {
		s.i++
	}
	zero := s.i < len(s.src) && s.src[s.i] == '0'
	first := s.i
	if !digits() {
		return "", false
	}
	if zero && s.i > first+1 {
		return "", s.fail(first, "a number may not begin with 0")
	}
	if s.i < len(s.src) && s.src[s.i] == '.' {
		s.i++
		if !digits() {
			return "", false
		}
	}
	if s.i < len(s.src) && (s.src[s.i] == 'e' || s.src[s.i] == 'E') {
		s.i++
		if s.i < len(s.src) && (s.src[s.i] == '+' || s.src[s.i] == '-') {
			s.i++
		}
		if !digits() {
			return "", false
		}
	}
	return s.src[from:s.i], true
}

// skip reads any value, checks that it is JSON and forgets it.
func (s *scanner) skip() bool {
	switch c := s.space(); {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '{':
		return s.object(func(string, int) bool { return s.skip() })
	case c == '[':
		return s.array(s.skip)
	case c == '-' || c >= '0' && c <= '9':
		_, ok := s.number()
		return ok
	}
	for _, word := range words {
		if strings.HasPrefix(s.src[s.i:], word) {
			s.i += len(word)
			return true
		}
	}
	return s.unexpected("a value")
}

// object reads the object that begins at i. For every key it calls member,
// with the offset of the key; member reads the value. A key that was there
// before in the same object is an error.
func (s *scanner) object(member func(key string, at int) bool) bool {
	if !s.enter('{', "an object") {
		return false
	}
	base := len(s.keys)
	var seen map[string]bool // only for objects with many keys
	for first := true; ; first = false {
		c := s.space()
		if c == '}' && first {
			break
		}
		if c != '"' {
			switch {
			case first:
				return s.unexpected(`a key or "}"`)
			case c == '}':
				return s.unexpected("a key after the comma (remove the comma if nothing follows)")
			}
			return s.unexpected("a key")
		}
		at := s.i
		t, ok := s.str()
		if !ok {
			return false
		}
		key := s.decode(t)
		dup := false
		if seen != nil {
			dup = seen[key]
			seen[key] = true
		} else {
			for _, k := range s.keys[base:] {
				dup = dup || k == key
			}
			s.keys = append(s.keys, key)
			if len(s.keys)-base > 24 {
				seen = make(map[string]bool, 64)
				for _, k := range s.keys[base:] {
					seen[k] = true
				}
			}
		}
		if dup {
			s.problem(at, "the key %s stands twice in one object; remove one of them", quote(key))
		}
		if s.space() != ':' {
			return s.unexpected(`":"`)
		}
		s.i++
		s.space()
		if !member(key, at) {
			return false
		}
		if c := s.space(); c == '}' {
			break
		} else if c != ',' {
			return s.unexpected(`"," or "}"`)
		}
		s.i++
	}
	s.keys = s.keys[:base]
	s.i++
	s.depth--
	return true
}

// array reads the array that begins at i; element reads one element.
func (s *scanner) array(element func() bool) bool {
	if !s.enter('[', "a list") {
		return false
	}
	if s.space() != ']' {
		for first := true; ; first = false {
			if s.space() == ']' && !first {
				return s.unexpected("a value after the comma (remove the comma if nothing follows)")
			}
			if !element() {
				return false
			}
			if c := s.space(); c == ']' {
				break
			} else if c != ',' {
				return s.unexpected(`"," or "]"`)
			}
			s.i++
		}
	}
	s.i++
	s.depth--
	return true
}

// enter steps over an opening bracket.
func (s *scanner) enter(bracket byte, want string) bool {
	if s.i >= len(s.src) || s.src[s.i] != bracket {
		return s.unexpected(want)
	}
	s.depth++
	if s.depth > MaxDepth {
		return s.fail(s.i, "objects and lists are nested more than %d levels deep here; hacky reads no deeper", MaxDepth)
	}
	s.i++
	return true
}
