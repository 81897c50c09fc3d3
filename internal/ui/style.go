package ui

import (
	"regexp"
	"sync"
)

// Style colours words; the zero Style leaves them as they are.
type Style struct{ On bool }

// Select Graphic Rendition (ECMA-48).
const (
	reset  = "\x1b[0m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
)

// colourOf is by what a word says, which stays readable without. DONE is the
// head of a column.
func colourOf(word string) string {
	switch word {
	case "failed", "Failed", "blocked", "interrupted":
		return red
	case "complete", "Complete", "done", "ok", "passed":
		return green
	case "retrying", "Retrying", "held", "stopped", "warning":
		return yellow
	case "skipped", "obsolete", "Obsolete":
		return dim
	}
	return ""
}

// Word colours a status, or the word of an event.
func (s Style) Word(word string) string { return s.Line(word, word) }

// Line colours a text by a word.
func (s Style) Line(word, text string) string {
	if c := colourOf(word); s.On && c != "" {
		return c + text + reset
	}
	return text
}

// Screen is what text for people is printed on.
type Screen struct {
	Width int // columns; 0 is no limit
	Style Style
}

var sgr = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9;]*m") })

// visible is how many columns a text takes that may be coloured.
func visible(text string) int {
	if printable(text) {
		return len(text)
	}
	return columnsOf(sgr().ReplaceAllString(text, ""))
}

func columnsOf(text string) int {
	if printable(text) {
		return len(text)
	}
	return columns.StringWidth(text)
}
