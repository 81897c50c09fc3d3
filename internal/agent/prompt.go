package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
)

// maxResult bounds what is kept of an agent's last text, and so what prompts
// carry of each dependency.
const maxResult = 4 << 10

// data is what templates may use, but for what belongs to one stage.
func (a *attempt) data() prompt.Data {
	d := prompt.Data{ID: a.item.ID, Title: a.item.Title, Attempt: a.n}
	if len(a.stages) == 0 {
		return d // no template will look
	}
	d.Context, _ = a.b.Field(a.i, "context_scope")
	d.Contract = prompt.Contract(d.Context)
	for p := a.item.Parent; p >= 0; p = a.b.Items[p].Parent {
		description, _ := a.b.Field(p, "description")
		d.Parents = append(d.Parents, prompt.Parent{ID: a.b.Items[p].ID, Title: a.b.Items[p].Title, Description: description})
	}
	slices.Reverse(d.Parents)
	for _, g := range a.gates {
		d.Gates = append(d.Gates, prompt.Gate{Level: g.Level, Name: g.Name, Command: g.Run.String()})
	}
	d.Dependencies, d.MoreDeps = a.dependencies()
	return d
}

// dependencies are the subtasks that this one builds on, with what their agents
// said last.
func (a *attempt) dependencies() (out []prompt.Dependency, more int) {
	for _, d := range a.b.Dependencies(a.i) {
		for i := d; i < a.b.Items[d].End; i++ {
			it := &a.b.Items[i]
			if it.Kind != backlog.Subtask {
				continue
			}
			if len(out) == prompt.MaxDependencies {
				more++
				continue
			}
			dep := prompt.Dependency{ID: it.ID, Title: it.Title, Status: backlog.Complete.String()}
			if it.Status == backlog.Obsolete {
				dep.Status = it.Status.String()
			}
			// One that cannot be read has no result; validate tells of it.
			if list, err := checkpoint.Read(a.fs, a.session, it.ID); err == nil && len(list) > 0 {
				dep.Result = list[len(list)-1].State.CoderResult
			}
			out = append(out, dep)
		}
	}
	return out, more
}

// stageData is data for stage k.
func (a *attempt) stageData(k int) (prompt.Data, error) {
	d := a.base
	d.Stage = a.stages[k].Name
	for before := range k {
		name, err := a.outputName(before)
		if err != nil {
			return d, err
		}
		if name != "" {
			d.Earlier = append(d.Earlier, prompt.Artifact{Stage: a.stages[before].Name, Path: filepath.Join(a.session, name)})
		}
	}
	name, err := a.outputName(k)
	if name != "" {
		d.Output = filepath.Join(a.session, name)
	}
	return d, err
}

// outputName is the file that stage k has to leave, relative to the session.
func (a *attempt) outputName(k int) (string, error) {
	t := a.stages[k].output
	if t == nil {
		return "", nil
	}
	var name strings.Builder
	if err := t.Execute(&name, a.base); err != nil {
		return "", fmt.Errorf("render output: %w", err)
	}
	return name.String(), nil
}

// writePrompt puts a prompt into the attempt's prompt.md and opens it for the
// command to read.
func (a *attempt) writePrompt(text string) (file string, stdin *os.File, err error) {
	name := a.file("prompt.md")
	file = filepath.Join(a.session, name)
	if err := writeFile(a.fs, file, []byte(text)); err != nil {
		return "", nil, fmt.Errorf("write prompt: %w", err)
	}
	stdin, err = a.root.Open(name)
	return file, stdin, err
}

// checkOutput looks for the file that stage k has to leave.
func (a *attempt) checkOutput(k int) error {
	name, err := a.outputName(k)
	if err != nil || name == "" {
		return err
	}
	info, err := a.root.Stat(filepath.Clean(name))
	switch {
	case err != nil:
		return fmt.Errorf("exit 0, but the output %s is not there: %w", name, err)
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("exit 0, but the output %s is empty", name)
	}
	return nil
}

// Prompt renders what a stage of subtask i would be told in its first attempt;
// the first stage that has a prompt if stage is "".
func (r *Runner) Prompt(i int32, stage string) (text string, err error) {
	a := r.newAttempt(i, 1)
	if len(a.stages) == 0 {
		return "", fmt.Errorf("%s has a \"run\" of its own: it has no prompt", a.item.ID)
	}
	for k := range a.stages {
		st := &a.stages[k]
		if stage != "" && st.Name != stage {
			continue
		}
		if st.prompt == nil {
			if stage == "" {
				continue
			}
			return "", fmt.Errorf("the stage %s has no prompt", stage)
		}
		d, err := a.stageData(k)
		if err != nil {
			return "", err
		}
		text, err := st.prompt.Render(d)
		return a.masker.MaskString(text), err
	}
	if stage == "" {
		return "", fmt.Errorf("no stage has a prompt")
	}
	return "", fmt.Errorf("there is no stage %q", stage)
}
