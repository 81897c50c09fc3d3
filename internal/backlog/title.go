package backlog

import (
	"slices"
	"strings"
	"unicode"
)

// SameTitle reports whether two titles name the same work: they are equal, or
// differ by a typo that was fixed. That is: by case, space and punctuation; by a
// word that stood twice; or by one letter that is missing, added, replaced or
// swapped with its neighbour, in at most two words of at least four letters
// each (in a word of three letters only a swap). Digits always count, and so
// does every letter of a short word: "Deploy A" is not "Deploy B", and "Part 1"
// is not "Part 2".
func SameTitle(a, b string) bool {
	if a == b {
		return true
	}
	x, y := titleWords(a), titleWords(b)
	if len(x) == 0 || len(y) == 0 {
		return false // of signs alone nothing is known to be a typo
	}
	if joined(x) == joined(y) {
		return true
	}
	if len(x) != len(y) {
		return false
	}
	typos := 0
	for k := range x {
		if x[k] == y[k] {
			continue
		}
		if typos++; typos > 2 || !typo([]rune(x[k]), []rune(y[k])) {
			return false
		}
	}
	return true
}

// titleWords are the words of a title in lower case, one that stands twice in
// a row once.
func titleWords(s string) []string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	return slices.CompactFunc(words, func(a, b string) bool { return a == b && !strings.ContainsFunc(a, unicode.IsDigit) })
}

// joined are the words without the spaces between them, but for those between
// digits: 1.1 is not 11.
func joined(words []string) string {
	var out strings.Builder
	digit := false
	for _, w := range words {
		if digit && w[0] >= '0' && w[0] <= '9' {
			out.WriteByte(' ')
		}
		out.WriteString(w)
		digit = w[len(w)-1] >= '0' && w[len(w)-1] <= '9'
	}
	return out.String()
}

// typo reports whether two words that differ do so by one letter.
func typo(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(a) < 3 || len(a) == 3 && len(b) > 3 {
		return false
	}
	from := 0
	for from < len(a) && a[from] == b[from] {
		from++
	}
	to := 0 // from the end
	for to < len(a)-from && a[len(a)-1-to] == b[len(b)-1-to] {
		to++
	}
	x, y := a[from:len(a)-to], b[from:len(b)-to]
	if slices.ContainsFunc(x, unicode.IsDigit) || slices.ContainsFunc(y, unicode.IsDigit) {
		return false
	}
	swapped := len(x) == 2 && len(y) == 2 && x[0] == y[1] && x[1] == y[0]
	return swapped || len(a) > 3 && len(x) <= 1 && len(y) <= 1
}
