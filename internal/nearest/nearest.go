// Package nearest finds the known word that somebody who mistyped one meant.
package nearest

import (
	"fmt"
	"strings"
)

// Suggest names the known word nearest to a mistyped one, for the end of an
// error message. It always names one: when nothing is near, the name at least
// shows what names look like. known must not be empty; of equally near words
// the first is taken.
func Suggest(word string, known []string) string {
	// Case and underscores are no difference to somebody typing.
	spelled := strings.ReplaceAll(strings.ToLower(word), "_", "-")
	best, least := "", 0
	for _, k := range known {
		if d := editDistance(spelled, strings.ToLower(k)); best == "" || d < least {
			best, least = k, d
		}
	}
	if least <= max(2, len(best)/3) {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return fmt.Sprintf("the nearest known key is %q", best)
}

// Near is Suggest where something is near, else "".
func Near(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	if text := Suggest(word, known); strings.HasPrefix(text, "did you mean") {
		return text
	}
	return ""
}

// editDistance is the Levenshtein distance of two byte strings.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a[:i] to every prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
