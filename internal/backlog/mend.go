package backlog

import (
	"errors"
	"slices"
	"strings"
)

// edit replaces src[from:to].
type edit struct {
	from, to int
	text     string
}

// Mend corrects what is safe to correct in a tasks.json and returns the new
// content and what was mended; other bytes stay as they are. Safe are: a status
// that differs from an allowed one in case or surrounding blanks only, and a
// dependency on an item that does not exist, or of a subtask on itself, which
// is dropped. A dependency on an item that exists is never dropped: cycles are
// for people to break. Without anything to mend the content is src.
//
// The result may still have problems, but never new ones.
func Mend(file, src string) (mended string, done []Problem) {
	_, err := Parse(file, src)
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		return src, nil
	}
	var edits []edit
	for _, p := range invalid.Problems {
		if p.Mend != "" {
			done = append(done, p)
			edits = append(edits, p.edits...)
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(src[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.WriteString(src[at:])
	return b.String(), done
}

// mendStatus corrects the spelling of a status, if that is all.
func mendStatus(name string, t text) (mend string, edits []edit) {
	if s, ok := StatusTyped(name); ok {
		return "write " + s.String(), []edit{{t.from, t.to, s.String()}}
	}
	return "", nil
}

// mendDependencies marks problem told[k] as mended by dropping list[dropped[k]].
// Each element but those at the beginning goes with what stands before it, its
// comma, so that what is kept is separated as it was.
func (p *parser) mendDependencies(list []depRef, dropped, told []int) {
	if p.more > 0 { // too many to be told
		return
	}
	begin := func(k int) int { return int(list[k].from) - 1 }
	end := func(k int) int { return int(list[k].to) + 1 }
	for k := 1; k < len(list); k++ { // something that is no string stands between: for people
		if strings.Trim(p.src[end(k-1):begin(k)], " \t\r\n") != "," {
			return
		}
	}
	leading := 0
	for leading < len(dropped) && dropped[leading] == leading {
		leading++
	}
	for n, k := range dropped {
		e := edit{from: begin(k), to: end(k)}
		switch {
		case n >= leading:
			e.from = end(k - 1)
		case k+1 < len(list):
			e.to = begin(k + 1)
		}
		problem := &p.problems[told[n]]
		problem.Mend, problem.edits = "drop this dependency", []edit{e}
	}
}
