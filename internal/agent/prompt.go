package agent

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

func parseTemplate(name, source string) (*template.Template, error) {
	if source == "" {
		return nil, nil
	}
	t, err := template.New(name).Option("missingkey=error").Parse(source)
	if err == nil {
		err = t.Execute(new(bytes.Buffer), Prompt{})
	}
	if err != nil {
		return nil, fmt.Errorf("stage %w", err)
	}
	return t, nil
}

func (a *attempt) promptData(failure string) Prompt {
	data := Prompt{ID: a.item.ID, Title: a.item.Title, Attempt: a.n, Failure: failure}
	if len(a.stages) == 0 || !a.spec.Run.IsZero() {
		return data // no template will look
	}
	data.Context, _ = a.b.Field(a.i, "context_scope")
	for p := a.item.Parent; p >= 0; p = a.b.Items[p].Parent {
		description, _ := a.b.Field(p, "description")
		data.Parents = append(data.Parents, Parent{a.b.Items[p].ID, a.b.Items[p].Title, description})
	}
	slices.Reverse(data.Parents)
	return data
}

// prompt renders a stage's prompt into the attempt's prompt.md and opens it
// for the command to read.
func (a *attempt) prompt(k int, data Prompt) (file string, stdin *os.File, err error) {
	if !a.spec.Run.IsZero() || a.stages[k].prompt == nil {
		return "", nil, nil
	}
	var text bytes.Buffer
	if err := a.stages[k].prompt.Execute(&text, data); err != nil {
		return "", nil, fmt.Errorf("render prompt: %w", err)
	}
	name := a.file("prompt.md")
	if err := a.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return "", nil, fmt.Errorf("write prompt: %w", err)
	}
	if err := a.root.WriteFile(name, text.Bytes(), 0o644); err != nil {
		return "", nil, fmt.Errorf("write prompt: %w", err)
	}
	stdin, err = a.root.Open(name)
	return filepath.Join(a.session, name), stdin, err
}

// output checks that a stage left the file that it has to.
func (a *attempt) output(k int, data Prompt) error {
	if !a.spec.Run.IsZero() || a.stages[k].output == nil {
		return nil
	}
	var name strings.Builder
	if err := a.stages[k].output.Execute(&name, data); err != nil {
		return fmt.Errorf("render output: %w", err)
	}
	info, err := a.root.Stat(filepath.Clean(name.String()))
	switch {
	case err != nil:
		return fmt.Errorf("exit 0, but the output %s is not there: %w", name.String(), err)
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("exit 0, but the output %s is empty", name.String())
	}
	return nil
}
