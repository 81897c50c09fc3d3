package agent

import (
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/hacky-run/hacky/internal/checkpoint"
)

// failure is what kept an attempt from passing, for the prompt of the stage
// that is repeated.
type failure struct {
	stage string // "": there was none
	text  string // told
}

// escapes are what colours and cursors are made of.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]")

// told is a failure in the words of a prompt: which command, why, and the last
// of its output, without what no prompt should carry: colours, NULs, half
// characters.
func told(stage, reason string, tail []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(strings.ToValidUTF8(string(tail), ""), ""))
	return fmt.Sprintf("%s failed: %s\n%s", stage, reason, text)
}

// failureOf is what the attempt before has failed of, if it was of this run.
func (r *Runner) failureOf(i int32) failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures[i]
}

// remember keeps what the next attempt has to know of this one. Only what is
// retried is kept, so there are no more than wait for their retries; a subtask
// that fails for good has it in its checkpoint.
func (a *attempt) remember() {
	if len(a.stages) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.res.Class == Transient {
		a.failures[a.i] = failure{a.res.Stage, told(a.res.Stage, a.res.Reason, a.res.Tail)}
	} else {
		delete(a.failures, a.i)
	}
}

// recall takes what a subtask failed of in an earlier run from its checkpoint,
// and the last of the output from the log.
func (a *attempt) recall() {
	if a.before.stage != "" || len(a.stages) == 0 || len(a.checkpoints) == 0 {
		return
	}
	last := a.checkpoints[len(a.checkpoints)-1]
	if last.Label != checkpoint.Failed || last.Error == nil {
		return
	}
	name := last.State.Stage
	if slices.ContainsFunc(a.stages, func(s stage) bool { return s.Name == name }) { // else a gate: it is executed again
		a.before = failure{name, told(name, *last.Error, a.tailOf(name, a.n-1))}
	}
}

// tailOf is the last of what a stage printed in another attempt; nil if that
// cannot be told.
func (a *attempt) tailOf(stage string, attempt int) []byte {
	f, err := a.root.OpenFile(path.Join("artifacts", a.item.ID, "attempt-"+strconv.Itoa(attempt), stage+".log"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	tail, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-TailSize), TailSize))
	if err != nil {
		return nil
	}
	return tail
}
