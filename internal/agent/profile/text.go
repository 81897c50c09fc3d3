package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain replaces the typographic apostrophes and spaces that agents like by
// those of ASCII, so that patterns need not know them.
func plain(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '\u2018', '\u2019', '\u02bc':
			return '\''
		case '\u00a0', '\u2007', '\u2009', '\u202f':
			return ' '
		}
		return r
	}, s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lastLines is the last n lines of s that are not blank, of at most size bytes.
func lastLines(s string, n, size int) string {
	s = strings.TrimRightFunc(s, unicode.IsSpace)
	if len(s) > size {
		s = s[len(s)-size:]
	}
	from := len(s)
	for ; n > 0 && from > 0; n-- {
		from = max(0, strings.LastIndexByte(s[:from], '\n'))
	}
	return strings.TrimPrefix(s[from:], "\n")
}

// clause makes any text fit for the middle of a sentence: one line, no control
// characters, at most 200 characters.
func clause(s string) string {
	const most = 200
	var out strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError {
			space = n > 0
			continue
		}
		if n >= most {
			out.WriteString("...")
			break
		}
		if space {
			out.WriteByte(' ')
			n++
		}
		out.WriteRune(r)
		n, space = n+1, false
	}
	return out.String()
}

// tail is the last bytes of a stream.
type tail struct {
	buf  []byte
	keep int
}

func (t *tail) add(p []byte) {
	if len(p) >= t.keep {
		t.buf = append(t.buf[:0], p[len(p)-t.keep:]...)
		return
	}
	if len(t.buf)+len(p) > 4*t.keep { // rarely, so that moving costs next to nothing
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.keep:]...)
	}
	t.buf = append(t.buf, p...)
}

// String is what is kept, from its first whole character on.
func (t *tail) String() string { return end(whole(string(t.buf)), t.keep) }

// end is the last of s, at most size bytes and whole characters.
func end(s string, size int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= size {
		return s
	}
	return whole(s[len(s)-size:])
}

// whole is s without the rest of a character that it may begin with.
func whole(s string) string {
	for i := 0; i < utf8.UTFMax-1 && s != "" && !utf8.RuneStart(s[0]); i++ {
		s = s[1:]
	}
	return s
}
