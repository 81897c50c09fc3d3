package backlog

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong with a backlog, in one sentence.
type Problem struct {
	Line    int    `json:"line" yaml:"line"`     // from 1
	Column  int    `json:"column" yaml:"column"` // from 1, in characters
	Message string `json:"message" yaml:"message"`
	Mend    string `json:"mend,omitempty" yaml:"mend,omitempty"` // what Mend does about it; "" if nothing is safe

	offset int
	edits  []edit
}

// InvalidError says that a file is not a backlog that hacky can work on.
type InvalidError struct {
	File     string
	Problems []Problem // in the order in which they stand in the file, at least one
	More     int       // further problems, counted and not kept
}

// maxProblems bounds what is kept of a file in which everything is wrong.
const maxProblems = 1000

// shownProblems bounds what Error prints; `hacky validate` prints all.
const shownProblems = 20

// Error lists the problems, a line each: file:line:column: sentence.
func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == shownProblems && len(e.Problems)+e.More > shownProblems+1 {
			fmt.Fprintf(&b, "%s: and %d more problems; `hacky validate` lists them", e.File, len(e.Problems)+e.More-i)
			break
		}
		b.WriteString(p.Text(e.File))
	}
	return b.String()
}

// Text is the problem as a line for people.
func (p Problem) Text(file string) string {
	return fmt.Sprintf("%s:%d:%d: %s", file, p.Line, p.Column, p.Message)
}

// locate sorts the problems by their place and gives each its line and column.
func locate(src string, ps []Problem) {
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].offset < ps[j].offset })
	// line and column are those of at, which only moves on: a file of 100 MB on
	// one line is counted once, not once for every problem.
	line, column, at := 1, 1, 0
	if strings.HasPrefix(src, bom) {
		at = len(bom)
	}
	for i := range ps {
		if off := min(ps[i].offset, len(src)); off > at {
			between := src[at:off]
			if n := strings.Count(between, "\n"); n > 0 {
				line += n
				column = 1
				between = between[strings.LastIndexByte(between, '\n')+1:]
			}
			column += utf8.RuneCountInString(between)
			at = off
		}
		ps[i].Line, ps[i].Column = line, column
	}
}

// shownBytes bounds what is shown of a text in a message.
const shownBytes = 60

// quote shows hostile text: escaped, and cut when it is long.
func quote(s string) string {
	if len(s) > shownBytes {
		n := shownBytes
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		return strconv.Quote(s[:n]) + "..."
	}
	return strconv.Quote(s)
}

// cut shows a number as it stands, cut when it is long.
func cut(number string) string {
	if len(number) > shownBytes {
		return number[:shownBytes] + "..."
	}
	return number
}
