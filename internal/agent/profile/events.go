package profile

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// parser takes an event of that type into log. It reports whether events with
// this beginning can be of interest; log is nil when only that is asked, as the
// line is not complete.
type parser func(log *record, kind, line []byte) bool

// record is what the events so far said.
type record struct {
	session string

	texts  []byte // events with the last assistant text, not decoded yet, a line each
	before []byte // what was there before, should these be none
	text   string // what was decoded before
	textOf func(line []byte) (text, failure string)

	result  bool
	failed  bool
	failure Failure // of a result, or on its own
	retry   Failure // that the agent is trying to get over
	limit   Limit
	in, out int64
	cost    float64
	skipped int
}

// eventType is the value of an event's own "type". Not found: cut says whether
// it may still come.
func eventType(line []byte) (kind []byte, cut bool) {
	// Programs put it first, and without spaces.
	if rest, ok := bytes.CutPrefix(line, []byte(`{"type":"`)); ok {
		if i := bytes.IndexByte(rest[:min(len(rest), 64)], '"'); i >= 0 {
			return rest[:i], false
		}
		return nil, len(rest) < 64
	}
	return scanType(line)
}

// scanType looks through the members of an object, strings and depth being all
// it knows of JSON.
func scanType(line []byte) (kind []byte, cut bool) {
	depth, key := 0, []byte(nil)
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return nil, false
			}
		case ',':
			if depth == 1 {
				key = nil
			}
		case '"':
			n := stringEnd(line[i+1:])
			if n < 0 {
				return nil, true
			}
			s := line[i+1 : i+1+n]
			i += n + 1
			if depth == 1 && key == nil {
				key = s
			} else if depth == 1 && string(key) == "type" {
				return s, false
			}
		}
	}
	return nil, true
}

// stringEnd is where the quote is that ends a JSON string; -1: it is cut.
func stringEnd(s []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(s[at:], '"')
		if i < 0 {
			return -1
		}
		escapes := 0
		for k := at + i - 1; k >= at && s[k] == '\\'; k-- {
			escapes++
		}
		if escapes%2 == 0 {
			return at + i
		}
		at += i + 1
	}
}

// head is the beginning of an event, where its kind is told.
func head(line []byte) []byte { return line[:min(len(line), 512)] }

// incomplete reports whether more of head may come.
func incomplete(log *record, line []byte) bool { return log == nil && len(line) < 512 }

func has(line []byte, what string) bool { return bytes.Contains(line, []byte(what)) }

// setText puts an event with assistant text aside, in place of those before.
func (r *record) setText(line []byte, textOf func([]byte) (string, string)) {
	r.texts, r.before = r.before, r.texts
	r.texts = append(r.texts[:0], line...)
	r.textOf = textOf
}

// addText puts an event aside that goes on with the same text. Of very many,
// the first are dropped: they are more than is kept of a text.
func (r *record) addText(line []byte, textOf func([]byte) (string, string)) {
	if len(r.texts) > 0 {
		r.texts = append(r.texts, '\n')
	}
	r.texts = append(r.texts, line...)
	r.textOf = textOf
	if len(r.texts) > MaxLine {
		_, later, _ := bytes.Cut(r.texts[len(r.texts)/2:], []byte("\n"))
		r.texts = append(r.texts[:0], later...)
	}
}

// newText ends the text that events were added to.
func (r *record) newText() {
	if len(r.texts) > 0 {
		r.settle(r.lastText())
	}
}

// settle is the text of events that had to be decoded.
func (r *record) settle(text string) {
	r.texts, r.before, r.text = r.texts[:0], r.before[:0], end(text, MaxText)
}

func (r *record) lastText() string {
	for _, lines := range [][]byte{r.texts, r.before} {
		var all strings.Builder
		for line := range bytes.SplitSeq(lines, []byte("\n")) {
			if len(line) > 0 {
				text, _ := r.textOf(line)
				all.WriteString(text)
			}
		}
		if all.Len() > 0 {
			return end(all.String(), MaxText)
		}
	}
	return r.text
}

// clone is a record that may go on by itself.
func (r *record) clone() record {
	c := *r
	c.texts, c.before = bytes.Clone(r.texts), bytes.Clone(r.before)
	return c
}

func (r *record) report() Report {
	rep := Report{
		Session: r.session, Text: r.lastText(), Result: r.result, Failed: r.failed,
		Error: r.failure, Limit: r.limit, TokensIn: r.in, TokensOut: r.out, CostUSD: r.cost, Skipped: r.skipped,
	}
	if r.result && !r.failed {
		return rep
	}
	if rep.Error.Status == 0 && rep.Error.Type == "" {
		rep.Error.Status, rep.Error.Type = r.retry.Status, r.retry.Type
		if rep.Error.Message == "" {
			rep.Error.Message = r.retry.Message
		}
	}
	if len(r.texts) > 0 && rep.Error.Type == "" {
		_, rep.Error.Type = r.textOf(r.texts[bytes.LastIndexByte(r.texts, '\n')+1:])
	}
	return rep
}

// decode is json.Unmarshal that takes what it can: a field of another type than
// expected stays zero. It reports whether the line is JSON at all.
func decode(line []byte, into any) bool {
	err := json.Unmarshal(line, into)
	_, otherType := err.(*json.UnmarshalTypeError) //nolint:errorlint // Unmarshal does not wrap it
	return err == nil || otherType
}

func set(to *string, id string) {
	const longest = 200 // an id becomes an argument
	if id != "" && len(id) <= longest && !strings.ContainsRune(id, 0) && !strings.HasPrefix(id, "-") {
		*to = id
	}
}

// tokens is a count of an untrusted program.
func tokens(n ...float64) int64 {
	sum := 0.0
	for _, n := range n {
		if n > 0 && n < 1e15 {
			sum += n
		}
	}
	return int64(sum)
}

func dollars(n float64) float64 {
	if n > 0 && n < 1e9 && !math.IsNaN(n) {
		return n
	}
	return 0
}

// moment is a point in time as services write them into a field: seconds or
// milliseconds since 1970, or RFC 3339. Zero: it is none.
func moment(v any) time.Time {
	switch v := v.(type) {
	case float64:
		return epoch(v)
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return epoch(n)
		}
		t, _ := time.Parse(time.RFC3339, v)
		return t
	}
	return time.Time{}
}

// epoch takes what cannot be seconds for milliseconds.
func epoch(n float64) time.Time {
	switch {
	case n >= 1e9 && n < 1e11:
		return time.UnixMilli(int64(n * 1000)).UTC()
	case n >= 1e12 && n < 1e14:
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.Time{}
}

// status is an HTTP status in any spelling; 0 if it is none of an error.
func status(v any) int {
	n := 0.0
	switch v := v.(type) {
	case float64:
		n = v
	case string:
		n, _ = strconv.ParseFloat(v, 64)
	}
	if n >= 400 && n < 600 {
		return int(n)
	}
	return 0
}
