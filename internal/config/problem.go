package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is everything wrong with a configuration: a sentence for each problem,
// each starting with where it is (--flag, VARIABLE, or file:line). Flags come
// first, then variables, then the file from top to bottom.
type Error struct {
	Problems []string
}

// Error is the problems, one on a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// problem is one sentence, and what orders it among others.
type problem struct {
	source Source
	line   int
	text   string
}

func newError(problems []problem) *Error {
	order := []Source{FromFlag, FromEnvironment, FromFile}
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.source), slices.Index(order, b.source)),
			cmp.Compare(a.line, b.line))
	})
	e := &Error{}
	for _, p := range problems {
		e.Problems = append(e.Problems, p.text)
	}
	return e
}

// refused says that a text is not what is allowed.
func refused(text, allowed string) error {
	return fmt.Errorf("%s is not %s", quote(text), allowed)
}

// quote shows a text of unknown origin: on one line, and not all of a file
// somebody pasted.
func quote(text string) string {
	const most = 200
	if len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", text[:cut])
}
