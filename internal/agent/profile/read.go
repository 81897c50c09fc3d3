package profile

import (
	"bytes"
	"encoding/json"
	"time"
)

// Limits of what a Reader keeps.
const (
	MaxLine   = 1 << 20  // a longer event is skipped to its end
	MaxText   = 16 << 10 // of the last assistant text, its end
	MaxStderr = 16 << 10 // of standard error, its end
)

// Stream is where output comes from.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// Report is what an agent said.
type Report struct {
	Session   string  // the conversation, to resume it; "" if it did not say
	Text      string  // the last assistant text
	Stderr    string  // the last of standard error
	Result    bool    // there was a result event
	Failed    bool    // and it says that the agent failed
	Error     Failure // the last error that no success followed; zero if there is none
	Limit     Limit   // what the agent's service says about the quota
	TokensIn  int64   // cached ones included; 0 if it does not say, as all below
	TokensOut int64
	CostUSD   float64
	Skipped   int // events that were longer than MaxLine
}

// Failure is an error that an agent reports in an event.
type Failure struct {
	Status    int    // HTTP; 0 if unknown
	Type      string // the agent's word for it
	Message   string
	Retryable bool          // it says that trying again may help
	Reset     time.Time     // when it may be tried again; zero if the event has no such field
	Wait      time.Duration // the same, counted from now; 0 if not
}

// Limit is the last that an agent's service said about the quota.
type Limit struct {
	Rejected bool
	Reset    time.Time // zero if unknown
}

// Reader reads an agent's output. It must not be used by two goroutines at once.
//
// A line is looked at only if it begins with "{", and decoded only if its type
// says that something may be in it. Assistant texts, which are most of what
// would be, are put aside undecoded, as only the last one counts.
type Reader struct {
	parse  parser // nil: output without events
	text   tail   // without events, all of standard output
	stderr tail

	at   place
	part []byte // of a line that began in an earlier Write
	log  record
}

// place is where in a line of standard output the next byte belongs.
type place uint8

const (
	lineStart  place = iota
	collecting       // in an event
	ignoring         // in anything else, to the next newline
)

// NewReader reads what an agent of this format prints.
func NewReader(f Format) *Reader {
	return &Reader{
		parse:  map[Format]parser{Claude: parseClaude, Amp: parseClaude, Codex: parseCodex, Gemini: parseGemini, OpenCode: parseOpenCode}[f],
		text:   tail{keep: MaxText},
		stderr: tail{keep: MaxStderr},
	}
}

// Write takes the next piece of output, cut anywhere. It keeps nothing of p.
func (r *Reader) Write(s Stream, p []byte) {
	switch {
	case s == Stderr:
		r.stderr.add(p)
	case r.parse == nil:
		r.text.add(p)
	default:
		r.lines(p)
	}
}

func (r *Reader) lines(p []byte) {
	for len(p) > 0 {
		if r.at == lineStart && p[0] != '{' {
			r.at = ignoring
		}
		line, rest, ended := cut(p)
		switch r.at {
		case lineStart:
			switch {
			case ended:
				r.event(&r.log, line)
			case r.interesting(line):
				r.part = append(r.part[:0], line...)
				r.at = collecting
			default:
				r.at = ignoring
			}
		case collecting:
			if len(r.part)+len(line) > MaxLine {
				r.tooLong(r.part)
				r.at = ignoring
				break
			}
			r.part = append(r.part, line...)
			if ended {
				r.event(&r.log, r.part)
			} else if !r.interesting(r.part) {
				r.at = ignoring
			}
		}
		if ended {
			r.at = lineStart
		}
		p = rest
	}
}

func cut(p []byte) (line, rest []byte, ended bool) {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return p[:i], p[i+1:], true
	}
	return p, nil, false
}

// event takes a whole line that begins with "{".
func (r *Reader) event(log *record, line []byte) {
	if len(line) > MaxLine {
		r.tooLong(line)
		return
	}
	if kind, _ := eventType(line); kind != nil {
		r.parse(log, kind, line)
	}
}

// tooLong counts an event that would have been read, given its beginning.
func (r *Reader) tooLong(line []byte) {
	if r.interesting(line[:min(len(line), MaxLine)]) {
		r.log.skipped++
	}
}

// interesting reports whether a line with this beginning may have to be read.
func (r *Reader) interesting(beginning []byte) bool {
	kind, cut := eventType(beginning)
	if kind == nil {
		return cut // whatever it is, if it is at its end
	}
	return r.parse(nil, kind, beginning)
}

// Report is what was read so far. The output need not end with a newline.
func (r *Reader) Report() Report {
	log := r.log.clone()
	if r.at == collecting && json.Valid(r.part) {
		r.event(&log, r.part)
	}
	rep := log.report()
	rep.Stderr = r.stderr.String()
	if r.parse == nil {
		rep.Text = r.text.String()
	}
	return rep
}
