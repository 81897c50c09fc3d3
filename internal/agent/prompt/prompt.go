// Package prompt renders what an agent is told: text/template over Data.
//
// A stage's template is its own, else a file of the project, else one of the
// defaults embedded here: research asks for a PRP (a plan with everything that
// whoever executes it needs to know), implement executes it, fix goes on with a
// conversation after a gate has failed, and stage serves every other name.
//
// The package is pure: who calls it has read the files.
package prompt

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template"
)

// Data is what a template may use.
type Data struct {
	ID, Title string
	Context   string    // context_scope as it stands in tasks.json
	Contract  []Section // its parts, if it is written as a contract; else none
	Parents   []Parent  // phase, milestone, task

	Dependencies []Dependency // what it builds on, in document order, at most MaxDependencies
	MoreDeps     int          // how many there are beyond these

	Stage   string
	Output  string     // the file that this stage has to leave, absolute; "" for none
	Earlier []Artifact // the files that earlier stages have left
	Gates   []Gate     // what the result is checked with

	Attempt int
	Failure string // what failed before, with its last lines; "" the first time
	Resumed bool   // the agent knows the conversation so far: only Failure is new
}

// Parent is an item above a subtask.
type Parent struct{ ID, Title, Description string }

// Dependency is a subtask that another one builds on.
type Dependency struct {
	ID, Title string
	Status    string
	Result    string // the last text of its agent, bounded; "" if none is known
}

// Artifact is a file that a stage has left.
type Artifact struct{ Stage, Path string }

// Gate is a command that checks the result.
type Gate struct {
	Level         int
	Name, Command string
}

// Section is a numbered part of a contract.
type Section struct {
	Number int
	Name   string // as it is written: RESEARCH NOTE, INPUT, LOGIC, OUTPUT
	Text   string
}

// MaxDependencies bounds Data.Dependencies.
const MaxDependencies = 50

// contractHead begins a context_scope that is a contract.
const contractHead = "CONTRACT DEFINITION:"

// A section begins on a line of its own with its number and, in capitals, its
// name. Numbered lists inside a section have no such name.
var sectionHead = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^[ \t]*(\d{1,3})\.[ \t]+([A-Z][A-Z0-9 /&_-]*[A-Z0-9]|[A-Z])[ \t]*:[ \t]*`)
})

// Contract takes a context_scope apart that is written as a contract: the line
// "CONTRACT DEFINITION:" and sections with numbers and names. It returns nil
// for any other text, so that nothing of it is lost: what stands before the
// first section, if anything, is a section with the number 0.
func Contract(context string) []Section {
	rest, ok := strings.CutPrefix(strings.TrimSpace(context), contractHead)
	if !ok {
		return nil
	}
	heads := sectionHead().FindAllStringSubmatchIndex(rest, -1)
	if len(heads) == 0 {
		return nil
	}
	var out []Section
	if before := strings.TrimSpace(rest[:heads[0][0]]); before != "" {
		out = append(out, Section{Text: before})
	}
	for k, h := range heads {
		end := len(rest)
		if k+1 < len(heads) {
			end = heads[k+1][0]
		}
		n, _ := strconv.Atoi(rest[h[2]:h[3]]) // at most three digits
		out = append(out, Section{Number: n, Name: rest[h[4]:h[5]], Text: strings.TrimSpace(rest[h[1]:end])})
	}
	return out
}

//go:embed defaults/*.md
var defaults embed.FS

// Fix is the name of the template for a resumed conversation.
const Fix = "fix"

// Default is the embedded template for a stage of this name.
func Default(stage string) string {
	text, err := defaults.ReadFile("defaults/" + stage + ".md")
	if err != nil {
		text, err = defaults.ReadFile("defaults/stage.md")
	}
	if err != nil {
		panic("prompt: " + err.Error()) // it is embedded
	}
	return string(text)
}

// Template is a parsed template.
type Template struct {
	t    *template.Template
	tidy bool // runs of empty lines, which conditions leave, become one
}

// ForStage is the embedded template for a stage of this name.
func ForStage(stage string) *Template {
	t, err := Parse(stage, Default(stage))
	if err != nil {
		panic("prompt: " + err.Error()) // the tests parse all of them
	}
	t.tidy = true
	return t
}

// Parse parses a template. name is what errors call it: a file's name or the
// stage's; they tell the line as well. A template that uses what Data does not
// have is an error here and not at two in the morning.
func Parse(name, text string) (*Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"indent": indent}).Parse(text)
	if err == nil {
		for _, d := range []Data{{}, sample()} {
			if err = t.Execute(new(bytes.Buffer), d); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return &Template{t: t}, nil
}

// sample has something in every field, so that every branch is tried.
func sample() Data {
	return Data{ID: "P1.M1.T1.S1", Title: "t", Context: "c", Contract: []Section{{1, "INPUT", "i"}}, Parents: []Parent{{"P1", "t", "d"}},
		Dependencies: []Dependency{{"P1.M1.T1.S2", "t", "Complete", "r"}}, MoreDeps: 1, Stage: "implement", Output: "o", Earlier: []Artifact{{"research", "p"}},
		Gates: []Gate{{1, "n", "c"}}, Attempt: 2, Failure: "f", Resumed: true}
}

// indent sets two spaces before every line but the first.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// Render is the prompt for a subtask.
func (t *Template) Render(d Data) (string, error) {
	var b strings.Builder
	if err := t.t.Execute(&b, d); err != nil {
		return "", fmt.Errorf("render prompt: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if !t.tidy {
		return b.String(), nil
	}
	return emptyLines().ReplaceAllString(strings.TrimSpace(b.String()), "\n\n") + "\n", nil
}

var emptyLines = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\n{3,}`) })
