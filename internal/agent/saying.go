package agent

import (
	"bytes"
	"strings"
)

// printing is where the words of a subtask's command are found while it runs.
type printing struct {
	log      *logFile
	listener *listener // of an agent; nil: it is none
	mask     func(string) string
}

// maxSaying bounds what Saying returns, in bytes.
const maxSaying = 400

// Saying is what subtask i said last, in a line: of an agent the last line of
// its text, of any other command that of its output. "" if it said nothing yet,
// or does not run. Secrets are masked. It costs nothing until it is asked for.
func (r *Runner) Saying(i int32) string {
	r.mu.Lock()
	p, ok := r.printing[i]
	r.mu.Unlock()
	if !ok {
		return ""
	}
	if p.listener != nil {
		return lastLine([]byte(p.mask(p.listener.report().Text)))
	}
	return lastLine(p.log.last())
}

// says notes where the words of the command are that is about to run.
func (a *attempt) says(x *execution) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.printing[a.i] = printing{x.log, x.listener, a.masker.MaskString}
}

// silent says that the attempt is over.
func (a *attempt) silent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.printing, a.i)
}

// lastLine is the last line that is not blank. What a carriage return has
// overwritten, as progress bars do, is left out.
func lastLine(text []byte) string {
	text = bytes.TrimRight(text, " \t\r\n")
	if at := bytes.LastIndexAny(text, "\r\n"); at >= 0 {
		text = text[at+1:]
	}
	if len(text) > maxSaying {
		text = text[len(text)-maxSaying:]
	}
	return strings.ToValidUTF8(string(text), "")
}
