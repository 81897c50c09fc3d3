package ui

import (
	"io"
	"slices"
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
// are: it is what terminals and JSON have as it is, but for quotes. It is asked of
// every title and looks at eight bytes at once, which BenchmarkPrintable has
// beside one after the other.
func printable(s string) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// A byte of 0x80 and more, one below a blank, or 0x7f: each leaves its high bit.
		if (x|(x-' '*each)&^x|(x+each))&high != 0 {
			return false
		}
	}
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

// Column says how a column of a Grid gives way on a terminal that is too narrow.
type Column struct {
	Head  string
	Least int                 // what it keeps when it is cut, in columns of the terminal; 0: it is never cut
	Drop  int                 // it may be left out, that with the highest number first; 0: it stays
	Below bool                // below narrow columns its cells stand on lines of their own
	Words bool                // other people's words: they are not coloured
	Short func(string) string // what its cells can do without; nil: nothing
}

// narrow is the width below which there is no room for long text beside the rest.
const narrow = 60

// Grid is text in columns, each as wide as its widest cell. Where that is too
// wide, cells first lose what they can do without, then columns are cut, the
// widest first, and when that is not enough some are left out. In a narrow
// terminal what matters most stands below its row.
type Grid struct {
	columns []Column
	cells   []string // row by row
	sizes   []int    // of the cells
	notes   map[int][]string
}

// NewGrid makes a Grid without rows.
func NewGrid(columns ...Column) *Grid { return &Grid{columns: columns} }

// Grow makes room for so many rows.
func (g *Grid) Grow(rows int) {
	g.cells = slices.Grow(g.cells, rows*len(g.columns))
	g.sizes = slices.Grow(g.sizes, rows*len(g.columns))
}

// Row adds a row: a cell for each column.
func (g *Grid) Row(cells ...string) {
	g.cells = append(g.cells, cells...)
	for _, cell := range cells {
		g.sizes = append(g.sizes, columnsOf(cell))
	}
}

// Rows is how many there are.
func (g *Grid) Rows() int { return len(g.cells) / len(g.columns) }

// Note adds a line below the last row, indented; "" adds none.
func (g *Grid) Note(text string) {
	if text == "" {
		return
	}
	if g.notes == nil {
		g.notes = map[int][]string{}
	}
	g.notes[g.Rows()-1] = append(g.notes[g.Rows()-1], text)
}

// indented begins the lines below a row, and belowLines is how many of them a
// cell may fill, about.
const (
	indented   = "     "
	belowLines = 3
)

// Print prints the heads, if there are any, and the rows. A cell that is a
// status and nothing else is coloured.
func (g *Grid) Print(w io.Writer, on Screen) error {
	kept, widths := g.layout(on.Width)
	b := make([]byte, 0, 1<<12)
	line := func(cell func(c int) (string, int)) {
		begin, pad := len(b), 0
		for k, c := range kept {
			text, size := cell(c)
			if size > widths[c] {
				text = cut(text, widths[c])
				size = columnsOf(text)
			}
			if text != "" {
				for ; pad > 0; pad-- {
					b = append(b, ' ')
				}
				if !g.columns[c].Words {
					text = on.Style.Word(text)
				}
				b = append(b, text...)
			}
			if k < len(kept)-1 {
				pad += widths[c] - size + 2
			}
		}
		for len(b) > begin && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
		if on.Width > 0 {
			b = append(b[:begin], Cut(string(b[begin:]), on.Width)...)
		}
		b = append(b, '\n')
	}
	if slices.ContainsFunc(g.columns, func(c Column) bool { return c.Head != "" }) {
		line(func(c int) (string, int) { return g.columns[c].Head, len(g.columns[c].Head) })
	}
	for r := range g.Rows() {
		at := r * len(g.columns)
		line(func(c int) (string, int) { return g.cells[at+c], g.sizes[at+c] })
		for c := range g.columns {
			if cell := g.cells[at+c]; cell != "" && g.columns[c].Below && !slices.Contains(kept, c) {
				b = append(append(b, Wrap(indented+cut(cell, belowLines*(on.Width-len(indented))), on.Width, indented)...), '\n')
			}
		}
		for _, note := range g.notes[r] {
			b = append(append(b, Wrap(indented+note, on.Width, indented)...), '\n')
		}
		if len(b) > 1<<16 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// layout says which columns are printed, and how wide.
func (g *Grid) layout(width int) (kept, widths []int) {
	widths = make([]int, len(g.columns))
	for c := range g.columns {
		kept = append(kept, c)
		g.measure(c, widths)
	}
	if width <= 0 || total(kept, widths) <= width {
		return kept, widths
	}
	for c := range g.columns {
		short := g.columns[c].Short
		for r := 0; short != nil && r < g.Rows(); r++ {
			k := r*len(g.columns) + c
			g.cells[k] = short(g.cells[k])
			g.sizes[k] = columnsOf(g.cells[k])
		}
		g.measure(c, widths)
		widths[c] = min(widths[c], width)
	}
	if width < narrow && total(kept, widths) > width {
		kept = slices.DeleteFunc(kept, func(c int) bool { return g.columns[c].Below })
	}
	for {
		fair := g.share(kept, widths, width)
		last := -1 // to be kept
		for k, c := range kept {
			if g.columns[c].Drop > 0 && (last < 0 || g.columns[c].Drop > g.columns[kept[last]].Drop) {
				last = k
			}
		}
		if last < 0 || total(kept, fair) <= width {
			return kept, fair
		}
		kept = slices.Delete(kept, last, last+1)
	}
}

// measure finds out how wide a column would like to be.
func (g *Grid) measure(c int, widths []int) {
	widths[c] = len(g.columns[c].Head)
	for k := c; k < len(g.sizes); k += len(g.columns) {
		widths[c] = max(widths[c], g.sizes[k])
	}
}

// share takes from the widest columns that may be cut what is too much.
func (g *Grid) share(kept, widths []int, width int) []int {
	fair := slices.Clone(widths)
	for over := total(kept, fair) - width; over > 0; over-- {
		widest := -1
		for _, c := range kept {
			if g.columns[c].Least > 0 && fair[c] > g.columns[c].Least && (widest < 0 || fair[c] > fair[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			break
		}
		fair[widest]--
	}
	return fair
}

// total is how wide these columns are, with the gaps between them.
func total(kept, widths []int) int {
	n := 2 * (len(kept) - 1)
	for _, c := range kept {
		n += widths[c]
	}
	return n
}

// Table prints rows in columns, the first row being the head. cutColumn, where
// other people's words are, is cut so that a line fits, and the last one if that
// is not enough.
func Table(w io.Writer, on Screen, cutColumn int, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	columns := make([]Column, len(rows[0]))
	for c, head := range rows[0] {
		columns[c].Head = head
	}
	columns[len(columns)-1].Least = 16
	columns[cutColumn].Least, columns[cutColumn].Words = 8, true
	g := NewGrid(columns...)
	for _, row := range rows[1:] {
		g.Row(row...)
	}
	return g.Print(w, on)
}

// Wrap breaks text at blanks so that no line is wider than width columns; 0 is no
// limit. The lines after the first begin with hang. A word that is wider than a
// line stays whole: in pieces, a path or an id cannot be copied.
func Wrap(text string, width int, hang string) string {
	if width <= 0 || visible(text) <= width {
		return text
	}
	return wrap(strings.Split(text, " "), width, hang)
}

// wrap is Wrap for words that are known, and may hold blanks.
func wrap(words []string, width int, hang string) string {
	var b strings.Builder
	line, size := "", 0
	for k, word := range words {
		more := visible(word)
		switch {
		case k == 0:
			line, size = word, more
		case width <= 0 || size+1+more <= width || strings.TrimSpace(line) == "" && word == "":
			line, size = line+" "+word, size+1+more
		case strings.TrimSpace(line) == "": // the indentation
			if line += " "; visible(line)+more > width && more <= width {
				line = ""
			}
			line, size = line+word, visible(line)+more
		case word == "":
		default:
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, size = hang+word, visible(hang)+more
			if size > width {
				line, size = word, more
			}
		}
	}
	b.WriteString(line)
	return b.String()
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
	return cut(sgr().ReplaceAllString(s, ""), width)
}
