package ui

import (
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// columns measures text as terminals do: wide characters take two columns,
// combining ones none, whatever the locale.
var columns = runewidth.Condition{StrictEmojiNeutral: true}

// Clean makes text safe for a terminal: escape sequences are left out, and other
// control characters, which could move the cursor or fake lines, become spaces.
func Clean(s string) string {
	if printable(s) {
		return s
	}
	if strings.Contains(s, "\x1b") {
		s = unescaped(s)
	}
	ok := true
	for _, r := range s {
		if deceives(r) || r == utf8.RuneError {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if deceives(r) {
			return ' '
		}
		return r
	}, s)
}

// unescaped leaves out what begins with ESC (ECMA-48), also if the text ends
// before the sequence does.
func unescaped(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = rest[sequence(rest):]
	}
}

// sequence is how long an escape sequence is that goes on with s behind its ESC:
// one that controls (CSI), a text for the terminal (OSC and the like), or a
// short one.
func sequence(s string) int {
	i := 0
	within := func(least, most byte) bool { return i < len(s) && s[i] >= least && s[i] <= most }
	switch {
	case s == "":
		return 0
	case s[0] == '[':
		for i++; within('0', '?'); i++ {
		}
	case strings.IndexByte("]PX^_", s[0]) >= 0:
		end := strings.IndexAny(s, "\x07\x1b")
		switch {
		case end < 0:
			return len(s)
		case s[end] == 0x07:
			return end + 1
		case strings.HasPrefix(s[end:], "\x1b\\"):
			return end + 2
		}
		return end
	}
	for ; within(' ', '/'); i++ {
	}
	if within('0', '~') {
		i++
	}
	return i
}

// printable tells whether a text is ASCII without control characters, as most
// are: it is what terminals and JSON have as it is, but for quotes.
func printable(s string) bool {
	for k := range len(s) {
		if c := s[k]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// deceives tells what is not a mark on the screen: control characters, and
// format characters that turn text around or hide, but for the joiners that
// scripts and emoji need.
func deceives(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner
}

// cut shortens text to at most width columns; 0 is no limit. Nothing is cut
// through: a wide character that does not fit is left out.
func cut(s string, width int) string {
	const more = "..."
	switch {
	case width <= 0:
		return s
	case width <= len(more):
		return columns.Truncate(s, width, "")
	}
	return columns.Truncate(s, width, more)
}

// Duration is a duration for people: three significant parts at most.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Table prints rows in columns, the first being the head, and every column as
// wide as its widest cell but for cutColumn, which is cut so that a line fits. A
// cell that is a status and nothing else is coloured, but not in cutColumn,
// where other people's words are.
func Table(w io.Writer, on Screen, cutColumn int, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for c, cell := range row {
			widths[c] = max(widths[c], columns.StringWidth(cell))
		}
	}
	if on.Width > 0 {
		total := 2 * (len(widths) - 1)
		for _, n := range widths {
			total += n
		}
		if total > on.Width {
			widths[cutColumn] = max(8, widths[cutColumn]-(total-on.Width))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for c, cell := range row {
			cell = cut(cell, widths[c])
			pad := ""
			if c < len(row)-1 {
				pad = strings.Repeat(" ", widths[c]-columns.StringWidth(cell)+2)
			}
			if c != cutColumn {
				cell = on.Style.Word(cell)
			}
			line += cell + pad
		}
		b.WriteString(Cut(strings.TrimRight(line, " "), on.Width))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// subtasks is "1 subtask", "2 subtasks".
func subtasks(n int) string {
	if n == 1 {
		return "1 subtask"
	}
	return strconv.Itoa(n) + " subtasks"
}

// Cut shortens text that may be coloured to at most width columns; 0 is no
// limit. What is cut loses its colours.
func Cut(s string, width int) string {
	if width <= 0 || visible(s) <= width {
		return s
	}
	return cut(sgr.ReplaceAllString(s, ""), width)
}
