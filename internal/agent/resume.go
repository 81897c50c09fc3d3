package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
)

// keeps reports whether the attempt makes checkpoints: not where one command is
// all there is. A commit after it can fail by itself, and is then all that is
// tried again.
func (a *attempt) keeps() bool {
	if a.verifying {
		return false
	}
	if a.recipe.Commit {
		return true
	}
	return len(a.stages) > 0 && (len(a.stages)+len(a.gates) > 1 || a.stages[0].Agent != nil) || len(a.stages) == 0 && len(a.gates) > 0
}

// steps are all stages and gates with the digests of their inputs. Each digest
// covers those before it: who changes the prompt of the first stage changes
// the inputs of everything. The environment and the directory that hacky gives
// the commands come first. (Of the environment hacky itself was started with
// nothing counts: it differs from one terminal to the next.)
func (a *attempt) steps() ([]checkpoint.Step, error) {
	var out []checkpoint.Step
	chain := sha256.New()
	add := func(name string, write func(w io.Writer) error) error {
		part := sha256.New()
		if err := write(part); err != nil {
			return err
		}
		chain.Write(part.Sum(nil))
		out = append(out, checkpoint.Step{Step: name, Inputs: hex.EncodeToString(chain.Sum(nil))})
		return nil
	}
	if parts := append(given(a.recipe.Env, a.spec.Env), a.spec.Workdir); len(parts) > 1 || parts[0] != "" {
		_ = writeAll(chain, parts...) // a hash does not fail
	}
	if len(a.stages) == 0 {
		_ = add(RunStage, func(w io.Writer) error { return writeAll(w, commandParts(a.spec.Run)...) }) // a hash does not fail
	}
	for k := range a.stages {
		st := &a.stages[k]
		err := add(st.Name, func(w io.Writer) error {
			d, err := a.stageData(k)
			if err != nil {
				return err
			}
			parts := commandParts(st.Run)
			if st.Agent != nil {
				parts = append(append(parts, "agent"), st.Agent.Argv...)
			}
			parts = append(parts, given(st.Env)...)
			for _, dep := range d.Dependencies {
				parts = append(parts, dep.ID, dep.Result)
			}
			if st.prompt != nil {
				d.Attempt, d.Failure, d.Resumed = 1, "", false
				text, err := st.prompt.Render(d)
				if err != nil {
					return err
				}
				parts = append(parts, text)
			}
			if err := writeAll(w, parts...); err != nil {
				return err
			}
			if k > 0 { // what the stage before has left is an input, too
				return a.hashOutput(w, k-1)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for k, g := range a.gates {
		_ = add(a.gateNames[k], func(w io.Writer) error {
			return writeAll(w, append(commandParts(g.Run), strconv.Itoa(g.Level))...)
		})
	}
	return out, nil
}

// given are the variables of these lists that hold, in a fixed order.
func given(lists ...[]backlog.EnvVar) (out []string) {
	for _, vars := range lists {
		out = mergeEnv(out, vars)
	}
	slices.Sort(out)
	return out
}

func commandParts(c backlog.Command) []string { return append([]string{c.Shell}, c.Argv...) }

// writeAll writes texts so that no two lists of them look the same.
func writeAll(w io.Writer, parts ...string) error {
	for _, p := range parts {
		if _, err := fmt.Fprintf(w, "%d:%s", len(p), p); err != nil {
			return err
		}
	}
	return nil
}

// maxHashed bounds what is read of a stage's output.
const maxHashed = 16 << 20

func (a *attempt) hashOutput(w io.Writer, k int) error {
	name, err := a.outputName(k)
	if err != nil || name == "" {
		return err
	}
	f, err := a.root.Open(filepath.Clean(name))
	if err != nil {
		return writeAll(w, "none")
	}
	defer f.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, io.LimitReader(f, maxHashed))
	return err
}

// resume reads the checkpoints and tells how many steps have passed.
func (a *attempt) resume() int {
	if !a.keeps() {
		return 0
	}
	list, err := checkpoint.Read(a.fs, a.session, a.item.ID)
	if err != nil {
		a.note("its checkpoints cannot be used, it starts over: " + err.Error())
		return 0
	}
	a.checkpoints = list
	if n := len(list); n > 0 {
		if was := list[n-1].State.Title; was != "" && !backlog.SameTitle(was, backlog.WorkTitle(a.item.Title)) {
			a.note(fmt.Sprintf("starts over: its checkpoints are of other work, %q", was))
			list = nil
		}
	}
	if list != nil {
		a.recall()
	}
	if a.plan, err = a.steps(); err != nil || len(list) == 0 {
		return 0 // what is wrong with a template is told when it is used
	}
	passed, last, why := checkpoint.Resume(list, a.plan)
	switch {
	case passed > 0 && why != "":
		a.note(fmt.Sprintf("goes on after %s, which had passed; no further, because %s", a.plan[passed-1].Step, why))
	case passed > 0:
		a.note("goes on after " + a.plan[passed-1].Step + ", which had passed")
	case why != "":
		a.note("starts over: " + why)
	}
	if passed == 0 {
		return 0
	}
	a.state = last
	a.state.Passed = append([]checkpoint.Step(nil), a.plan[:passed]...)
	if passed < len(a.stages) { // the gates were of an earlier implementation
		a.state.ValidationResults, a.state.FixAttempt = nil, 0
	}
	if list[len(list)-1].Label == checkpoint.Failed { // who runs it again wants it tried again
		a.state.FixAttempt = 0
		a.state.ValidationResults = slices.DeleteFunc(slices.Clone(last.ValidationResults), func(v checkpoint.Validation) bool { return !v.Passed })
	}
	if last.Agent != "" {
		a.conversations[last.Agent] = last.Session
	}
	return passed
}

// passed notes that step k has passed, and keeps that.
func (a *attempt) passed(k int, label string) {
	if !a.keeps() {
		return
	}
	if k < len(a.plan) {
		a.state.Passed = append(a.state.Passed[:min(k, len(a.state.Passed))], a.plan[k])
	}
	a.checkpoint(label, nil)
	if k < max(1, len(a.stages)) { // gates change nothing, mostly
		a.keepChanges(true)
	}
}

// checkpoint adds a checkpoint. What is not kept is done again after a crash,
// so that it cannot be written is no failure of the attempt.
func (a *attempt) checkpoint(label string, failure *string) {
	if !a.keeps() {
		return
	}
	c := checkpoint.Checkpoint{Label: label, State: a.state, Error: failure}
	c.State.Stage = a.res.Stage
	work := a.b.Work(a.i)
	c.State.Work, c.State.Title = string(work.Digest), work.Title
	list, err := checkpoint.Add(a.fs, a.session, a.item.ID, a.checkpoints, c, time.Now())
	if err != nil {
		a.note("a checkpoint cannot be kept, a crash would repeat what has passed: " + err.Error())
		return
	}
	a.checkpoints = list
}

func (a *attempt) note(text string) {
	if a.recipe.Note != nil {
		a.recipe.Note(a.item.ID, a.masker.MaskString(text))
	}
}

// warn is a note that stays with the attempt: it is in its evidence and in the
// summary of the run.
func (a *attempt) warn(text string) {
	text = a.masker.MaskString(text)
	if !slices.Contains(a.res.Warnings, text) && len(a.res.Warnings) < maxWarnings {
		a.res.Warnings = append(a.res.Warnings, text)
	}
}

// maxWarnings bounds those of an attempt.
const maxWarnings = 20

// hex digest of what was written to h; "" for nil.
func sum(h hash.Hash) string {
	if h == nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
