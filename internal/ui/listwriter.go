package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// listWriter prints lists of objects with texts, indented as the encoders would
// in an object. BenchmarkStatus has it beside parsing what it prints.
type listWriter struct {
	w    io.Writer
	yaml bool
	buf  []byte
	more bool // lists were printed
	any  bool // objects of this list
	err  error
}

func (l *listWriter) text(s string) { l.buf = append(l.buf, s...) }

// begin begins the list of a key.
func (l *listWriter) begin(key string) {
	switch {
	case l.yaml:
		l.text(key + ":")
	case l.more:
		l.text(",\n  \"" + key + "\": ")
	default:
		l.text("\"" + key + "\": ")
	}
	l.any, l.more = false, true
}

// next begins an object of the list.
func (l *listWriter) next() {
	switch {
	case l.yaml && l.any:
	case l.yaml:
		l.text("\n")
	case l.any:
		l.text(",\n    ")
	default:
		l.text("[\n    ")
	}
	l.any = true
	if len(l.buf) > 1<<16 {
		_ = l.flush() // tells again at the end
	}
}

// object prints values by their keys.
func (l *listWriter) object(keys *[4]string, values ...string) {
	l.next()
	b := l.buf
	for k, value := range values {
		switch {
		case l.yaml && k == 0:
			b = append(append(append(b, "  - "...), keys[k]...), ": "...)
		case l.yaml:
			b = append(append(append(b, "    "...), keys[k]...), ": "...)
		case k == 0:
			b = append(append(append(b, "{\n      \""...), keys[k]...), "\": "...)
		default:
			b = append(append(append(b, ",\n      \""...), keys[k]...), "\": "...)
		}
		switch {
		case l.yaml && plainScalar(value):
			b = append(b, value...)
		case l.yaml:
			b = append(b, quotedYAML(value)...)
		case plainText(value):
			b = append(append(append(b, '"'), value...), '"')
		default:
			b = append(b, quoted(value)...)
		}
		if l.yaml {
			b = append(b, '\n')
		}
	}
	if !l.yaml {
		b = append(b, "\n    }"...)
	}
	l.buf = b
}

// listed prints a subtask, of which there is seldom more to say than its name.
func (l *listWriter) listed(m *Listed) {
	if (*m == Listed{ID: m.ID, Title: m.Title, Status: m.Status, Standing: m.Standing}) {
		l.object(&[4]string{"id", "title", "status", "standing"}, m.ID, m.Title, m.Status, string(m.Standing))
		return
	}
	l.next()
	var text strings.Builder
	if l.yaml {
		enc := yaml.NewEncoder(&text)
		enc.SetIndent(2)
		l.err = errors.Join(l.err, enc.Encode([]*Listed{m}), enc.Close())
		for line := range strings.Lines(text.String()) {
			l.text("  " + line)
		}
		return
	}
	enc := json.NewEncoder(&text)
	enc.SetIndent("    ", "  ")
	enc.SetEscapeHTML(false)
	l.err = errors.Join(l.err, enc.Encode(m))
	l.text(strings.TrimSuffix(text.String(), "\n"))
}

func (l *listWriter) end() {
	switch {
	case l.yaml && !l.any:
		l.text(" []\n")
	case l.yaml:
	case l.any:
		l.text("\n  ]")
	default:
		l.text("[]")
	}
}

func (l *listWriter) flush() error {
	if l.err == nil {
		_, l.err = l.w.Write(l.buf)
	}
	l.buf = l.buf[:0]
	return l.err
}

// plainScalar tells whether YAML has a text as it is: letters and digits with
// marks between them that mean nothing. What begins with a letter is no number
// and no date; the words that stand for something else are left out.
func plainScalar(s string) bool {
	if s == "" || s[0]|' ' < 'a' || s[0]|' ' > 'z' || s[len(s)-1] == ' ' {
		return false
	}
	const ( // bit sets of ASCII characters, as this is asked of every title
		below = 1<<' ' | 1<<'\'' | 1<<'(' | 1<<')' | 1<<',' | 1<<'-' | 1<<'.' | 1<<'/' | (1<<10-1)<<'0'
		above = (1<<26-1)<<('A'-64) | 1<<('_'-64) | (1<<26-1)<<('a'-64)
	)
	wide := false
	for k := range len(s) {
		switch c := s[k]; {
		case c >= 0x80:
			wide = true
		case c < 64 && uint64(below)>>c&1 == 0, c >= 64 && uint64(above)>>(c-64)&1 == 0:
			return false
		}
	}
	if wide && strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 && !unicode.IsLetter(r) }) {
		return false
	}
	if len(s) > len("false") {
		return true
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// quotedYAML is a string in quotes as YAML has them: those of JSON, in which some
// characters may not stand as they are.
func quotedYAML(s string) string {
	var b strings.Builder
	for _, r := range quoted(s) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainText tells whether JSON has a string as it is.
func plainText(s string) bool {
	return printable(s) && strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '\\') < 0
}

// quoted is a string as JSON has it.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
