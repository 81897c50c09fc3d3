package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/hacky-run/hacky/internal/checkpoint"
)

// failure is what kept an attempt from passing, for the prompt of the stage
// that is repeated. What was printed is in the log.
type failure struct {
	stage   string // "": there was none
	reason  string
	attempt int
}

// escapes are what colours and cursors are made of.
var escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]") })

// told is a failure in the words of a prompt: which command, why, and the last
// of its output, without what no prompt should carry: colours, NULs, half
// characters.
func told(stage, reason string, tail []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, escapes().ReplaceAllString(strings.ToValidUTF8(string(tail), ""), ""))
	return fmt.Sprintf("%s failed: %s\n%s", stage, reason, text)
}

// failureOf is what the attempt before has failed of, if it was of this run.
func (r *Runner) failureOf(i int32) failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures[i]
}

// remember keeps what the next attempt has to know of this one; a subtask that
// fails for good has it in its checkpoint. An attempt that was stopped, or found
// no quota, has nothing to tell, and what was before it still counts.
func (a *attempt) remember() {
	if len(a.stages) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.res.Class {
	case Transient:
		a.failures[a.i] = failure{a.res.Stage, a.res.Reason, a.n}
	case OK, Permanent:
		delete(a.failures, a.i)
	case Interrupted, Quota:
	}
}

// recall takes what a subtask failed of in an earlier run from its checkpoint.
func (a *attempt) recall() {
	if a.before.stage != "" || len(a.stages) == 0 || len(a.checkpoints) == 0 {
		return
	}
	last := a.checkpoints[len(a.checkpoints)-1]
	if last.Label != checkpoint.Failed || last.Error == nil {
		return
	}
	a.before = failure{last.State.Stage, *last.Error, a.n - 1}
}

// failedBefore is what the prompt of a stage says of an earlier attempt; "" if
// that did not fail there. (A gate that failed is executed again.)
func (a *attempt) failedBefore(stage string) string {
	if a.before.stage != stage {
		return ""
	}
	return told(stage, a.before.reason, a.tailOf(stage, a.before.attempt))
}

// tailOf is the last of what a stage printed in another attempt; nil if that
// cannot be told.
func (a *attempt) tailOf(stage string, attempt int) []byte {
	f, err := a.fs.OpenFile(filepath.Join(a.session, "artifacts", a.item.ID, "attempt-"+strconv.Itoa(attempt), stage+".log"), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	tail, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-TailSize), TailSize))
	if err != nil {
		return nil
	}
	return tail
}
