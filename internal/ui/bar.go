package ui

import (
	"strings"
)

// bar draws how much of something is done, width columns wide; ascii leaves
// block characters out. What is begun shows at least a little, and what is not
// whole is not drawn as if it were.
func bar(done, all, width int, ascii bool) string {
	if all <= 0 || width <= 0 {
		return strings.Repeat(" ", max(0, width))
	}
	if ascii {
		n := done * width / all
		if done > 0 && n == 0 {
			n = 1
		}
		if done < all && n == width {
			n--
		}
		return strings.Repeat("#", n) + strings.Repeat("-", width-n)
	}
	const parts = 8
	n := done * width * parts / all
	if done > 0 && n == 0 {
		n = 1
	}
	if done < all && n == width*parts {
		n--
	}
	text := strings.Repeat("█", n/parts)
	if rest := n % parts; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text + strings.Repeat("░", width-columns.StringWidth(text))
}
