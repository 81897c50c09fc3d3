package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
)

// sections is the keys of the file that are no options. They bypass viper, which
// would turn their keys to lower case.
var sections = []string{"stages", "gates", "agents", "env"}

// gatePrefix is what a stage may not start with: gates log under such names, in
// the same directory.
const gatePrefix = "gate-"

var (
	commandName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`) })
	variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })
)

const allowedName = "a name of a-z, 0-9, _ and -, starting with a letter or digit"

func (d *document) parseStages(f field) {
	lines := make(map[string]int)
	for i, n := range d.items(f) {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		var s Stage
		has := make(map[string]bool)
		for _, f := range d.fields(n, path, "a mapping with a name and a command", []string{"name", "run", "agent", "prompt", "output", "env", "timeout"}) {
			has[f.key] = true
			switch f.key {
			case "name":
				s.Name = d.name(f)
				if first := lines[s.Name]; first != 0 && s.Name != "" {
					d.errorAt(f.line, "%s: %s is already the name of the stage on line %d", f.path, quote(s.Name), first)
				} else if strings.HasPrefix(s.Name, gatePrefix) {
					d.errorAt(f.line, "%s: %s is not a name for a stage: gates are named %s", f.path, quote(s.Name), gatePrefix)
				}
				lines[s.Name] = f.line
			case "run":
				s.Run = d.command(f)
			case "agent":
				s.Agent = d.text(f)
			case "prompt":
				s.Prompt = d.text(f)
			case "output":
				s.Output = d.text(f)
			case "env":
				s.Env = d.parseEnv(f)
			case "timeout":
				s.Timeout = d.timeout(f)
			}
		}
		if n.Kind == yaml.MappingNode {
			if !has["name"] {
				d.errorf(n, "%s has no name", path)
			}
			if has["run"] == has["agent"] {
				d.errorf(n, "%s must have exactly one of run and agent", path)
			}
		}
		d.stages = append(d.stages, s)
	}
}

func (d *document) parseGates(f field) {
	for i, n := range d.items(f) {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		var g backlog.Gate
		has := make(map[string]bool)
		for _, f := range d.fields(n, path, "a mapping with a level and a command", []string{"level", "name", "run", "timeout"}) {
			has[f.key] = true
			switch f.key {
			case "level":
				if text, ok := d.scalar(f); ok {
					level, err := parseInteger(text, 1, 4, "an integer between 1 and 4")
					if err != nil {
						d.errorAt(f.line, "%s: %v", f.path, err)
					}
					g.Level = level
				}
			case "name":
				g.Name = d.text(f) // as in tasks.json: any text
			case "run":
				g.Run = d.command(f)
			case "timeout":
				g.Timeout = d.timeout(f)
			}
		}
		if n.Kind == yaml.MappingNode {
			for _, key := range []string{"level", "run"} {
				if !has[key] {
					d.errorf(n, "%s has no %s", path, key)
				}
			}
		}
		d.gates = append(d.gates, g)
	}
}

// parseAgents keeps profiles as YAML decodes them, all depths included.
func (d *document) parseAgents(f field) {
	agents := make(map[string]any)
	for _, f := range d.fields(f.value, f.path, "a mapping of names to profiles", nil) {
		if f.value.Kind != yaml.MappingNode {
			d.errorAt(f.line, "%s must be a mapping", f.path)
			continue
		}
		var profile any
		if err := f.value.Decode(&profile); err != nil {
			d.badYAML(err)
			continue
		}
		agents[f.key] = profile
	}
	d.agents = agents
}

// parseEnv keeps values as they are written: `1.10` stays 1.10 and `yes` yes.
func (d *document) parseEnv(f field) map[string]string {
	env := make(map[string]string)
	for _, v := range d.fields(f.value, f.path, "a mapping of variables to values", nil) {
		if !variableName().MatchString(v.key) {
			d.errorAt(v.line, "%s: %s is not the name of a variable", f.path, quote(v.key))
			continue
		}
		if text, ok := d.scalar(v); ok {
			env[v.key] = text
		}
	}
	return env
}

// items is the elements of a list, aliases resolved.
func (d *document) items(f field) []*yaml.Node {
	if f.value.Kind != yaml.SequenceNode {
		d.errorAt(f.line, "%s must be a list", f.path)
		return nil
	}
	items := slices.Clone(f.value.Content)
	for i, n := range items {
		items[i] = resolve(n)
	}
	return items
}

// scalar is the text of a value, which may be empty. Not ok: a problem was noted.
func (d *document) scalar(f field) (text string, ok bool) {
	switch {
	case isNull(f.value):
		d.errorAt(f.line, "%s has no value", f.path)
	case f.value.Kind != yaml.ScalarNode:
		d.errorAt(f.line, "%s must be a text", f.path)
	case strings.ContainsRune(f.value.Value, 0):
		// No argument, path or variable can hold one.
		d.errorAt(f.line, "%s must not hold a NUL character", f.path)
	default:
		return f.value.Value, true
	}
	return "", false
}

// text is a scalar that is not blank; "" when a problem was noted.
func (d *document) text(f field) string {
	text, ok := d.scalar(f)
	if ok && strings.TrimSpace(text) == "" {
		d.errorAt(f.line, "%s is empty", f.path)
		return ""
	}
	return text
}

func (d *document) name(f field) string {
	text := d.text(f)
	if text != "" && !commandName().MatchString(text) {
		d.errorAt(f.line, "%s: %v", f.path, refused(text, allowedName))
		return ""
	}
	return text
}

func (d *document) command(f field) backlog.Command {
	if f.value.Kind != yaml.SequenceNode {
		return backlog.Command{Shell: d.text(f)}
	}
	var argv []string
	for i, n := range d.items(f) {
		arg := field{line: n.Line, path: fmt.Sprintf("%s[%d]", f.path, i), value: n}
		if i == 0 {
			argv = append(argv, d.text(arg))
		} else {
			text, _ := d.scalar(arg)
			argv = append(argv, text)
		}
	}
	if len(argv) == 0 {
		d.errorAt(f.line, "%s is empty", f.path)
	}
	return backlog.Command{Argv: argv}
}

// timeout is what the option of that name allows, 0 for none.
func (d *document) timeout(f field) time.Duration {
	text, ok := d.scalar(f)
	if !ok {
		return 0
	}
	limit, err := attemptSpan.parse(text)
	if err != nil {
		d.errorAt(f.line, "%s: %v", f.path, err)
	}
	return limit
}
