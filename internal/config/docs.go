package config

import (
	"bytes"
	"fmt"
	"strings"
)

// SampleYAML is a hacky.yaml with every option at its default and an example of
// every section, all commented out: as it is, it changes nothing. Prose starts
// with "# ", settings with "#" alone, so that taking that one character away
// turns a setting on.
func SampleYAML() []byte {
	var b bytes.Buffer
	b.WriteString(`# Configuration of hacky. To set something, remove the # in front of its line.
#
# A flag is stronger than a variable, a variable than this file. The key a-b is
# also the flag --a-b and the variable HACKY_A_B.
`)
	for _, o := range options() {
		fmt.Fprintf(&b, "\n# %s\n# allowed: %s\n", o.meaning, o.allowed)
		def := o.def
		if def == "" {
			def = `""`
		}
		fmt.Fprintf(&b, "#%s: %s\n", o.name, def)
	}
	b.WriteString(sampleSections)
	return b.Bytes()
}

const sampleSections = `
# What runs a subtask that has no command of its own, in this order. A stage has
# a name and a run (a shell line, or a list of arguments); prompt (the text, a
# template), output, env and timeout are optional. In place of run there may be
# agent, the name of a profile: "hacky agents" lists them.
#stages:
#  - name: implement
#    run: ./scripts/implement "$HACKY_PROMPT_FILE"
#    timeout: 30m

# What must succeed before a subtask is complete, levels ascending. level (1-4)
# and run are required; name and timeout are optional.
#gates:
#  - level: 1
#    name: vet
#    run: go vet ./...
#  - level: 2
#    name: test
#    run: [go, test, ./...]
#    timeout: 10m

# Profiles of coding agents by name, for stages.
#agents: {}

# Variables for every command. ${NAME} is taken from hacky's own environment.
#env:
#  GOFLAGS: -mod=readonly
`

// OptionsTable is a Markdown table of the options.
func OptionsTable() []byte {
	var b bytes.Buffer
	b.WriteString("| flag | variable | file key | default | allowed | meaning |\n|---|---|---|---|---|---|\n")
	code := func(words ...string) string { return "`" + strings.Join(words, "`, `") + "`" }
	for _, o := range options() {
		flags, variables, fileKeys := []string{"--" + o.name}, []string{environmentName(o.name)}, []string{o.name}
		if o.variable != "" {
			variables = append(variables, o.variable)
		}
		if o.no != nil {
			no := "no-" + o.name
			flags, variables, fileKeys = append(flags, "--"+no), append(variables, environmentName(no)), append(fileKeys, no)
		}
		def := ""
		if o.def != "" {
			def = code(o.def)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
			code(flags...), code(variables...), code(fileKeys...), def, o.allowed, o.meaning)
	}
	return b.Bytes()
}

// Described is an option for those who describe the file to programs.
type Described struct {
	Name, Allowed, Meaning, Default string
	Values                          Values
}

// Limits are the values of timeout in a stage or a gate of the file.
func Limits() Values { return attemptSpan.values() }

// StageName is what the name of a stage looks like; "gate-" is no beginning.
func StageName() string { return commandName().String() }

// VariableName is what the name of a variable looks like.
func VariableName() string { return variableName().String() }

// Describe is the table, with the keys that say the opposite.
func Describe() []Described {
	var out []Described
	for _, o := range options() {
		out = append(out, Described{Name: o.name, Allowed: o.allowed, Meaning: o.meaning, Default: o.def, Values: o.values})
		if o.no != nil {
			out = append(out, Described{Name: "no-" + o.name, Allowed: o.no.allowed, Meaning: "the opposite of " + o.name, Default: "false", Values: o.no.values})
		}
	}
	return out
}
