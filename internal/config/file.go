package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/nearest"
)

// maxFileSize bounds what is read of a file somebody may have named by mistake.
const maxFileSize = 1 << 20

// document is a file taken apart: options as text with their line, sections as
// values, and all that is wrong with it.
type document struct {
	path     string // as named or found; "": there is no file
	options  map[string][]given
	stages   []Stage
	gates    []backlog.Gate
	agents   map[string]any
	env      map[string]string
	problems []problem
}

// settings is the options as a layer for viper.
func (d *document) settings() map[string]any {
	layer := make(map[string]any, len(d.options))
	for name, g := range d.options {
		layer[name] = setting{FromFile, g}
	}
	return layer
}

// place is where a file may be.
type place struct {
	path   string
	origin string // the flag or variable that named it; "": one of the usual places
	source Source
}

// places is where to look, first match wins. A named file is the only place.
func places(flags *pflag.FlagSet, env Env) []place {
	if flags != nil {
		if f := flags.Lookup(configFlag); f != nil && f.Changed {
			return []place{{f.Value.String(), "--" + configFlag, FromFlag}}
		}
	}
	if path := env.get("HACKY_CONFIG"); path != "" {
		return []place{{path, "HACKY_CONFIG", FromEnvironment}}
	}
	usual := []place{{path: "hacky.yaml"}, {path: filepath.Join("configs", "hacky.yaml")}}
	// The base directory specification has relative paths ignored.
	if xdg := env.get("XDG_CONFIG_HOME"); filepath.IsAbs(xdg) {
		usual = append(usual, place{path: filepath.Join(xdg, "hacky", "hacky.yaml")})
	} else if env.Home != "" {
		usual = append(usual, place{path: filepath.Join(env.Home, ".config", "hacky", "hacky.yaml")})
	}
	for i := range usual {
		usual[i].source = FromFile
	}
	return usual
}

// loadFile finds, reads and parses the file. What it could not use is in the
// document's problems. A file of the usual places that is there but cannot be
// read is a problem too: going on without it would run with other settings
// than the user wrote down.
func loadFile(flags *pflag.FlagSet, env Env) *document {
	for _, p := range places(flags, env) {
		data, err := readFile(env.Dir, p.path, p.origin != "")
		if err == nil {
			return parseFile(p.path, data)
		}
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if missing && p.origin == "" {
			continue
		}
		if missing {
			err = errors.New("does not exist; name a file that is there, or leave it out")
		}
		text := fmt.Sprintf("%s: %v", p.path, err)
		if p.origin != "" {
			text = fmt.Sprintf("%s: %s %v", p.origin, quote(p.path), err)
		}
		return &document{problems: []problem{{source: p.source, text: text}}}
	}
	return &document{}
}

// readFile returns errors that end a sentence which starts with the path. Only a
// file that the user named may be a pipe, like <(command): one that is found in
// a directory would hold every command.
func readFile(dir, path string, byName bool) ([]byte, error) {
	if path == "" {
		return nil, errors.New("is not the path of a file")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	flag := os.O_RDONLY
	if !byName {
		flag |= syscall.O_NONBLOCK
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, cannotRead(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, cannotRead(err)
	}
	if info.IsDir() {
		return nil, errors.New("is a directory, not a file")
	}
	if !byName && !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file; remove it")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, cannotRead(err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("is larger than %d bytes, too large for a configuration", maxFileSize)
	}
	return data, nil
}

// cannotRead leaves out the path, which the sentence has already.
func cannotRead(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// parseFile takes the text of a file apart. It never fails: what is wrong is in
// the problems.
func parseFile(path string, data []byte) *document {
	d := &document{path: path, options: make(map[string][]given)}
	var root, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&root)
	if errors.Is(err, io.EOF) { // nothing but comments
		return d
	}
	if err != nil {
		d.badYAML(err)
		return d
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			d.badYAML(err)
		} else {
			d.errorf(&more, "a second YAML document; only one is allowed")
		}
		return d
	}
	top := resolve(root.Content[0])
	if isNull(top) {
		return d
	}
	table := options()
	for _, f := range d.fields(top, "", "options, as in `parallelism: 4`", keys(table)) {
		d.topLevel(table, f)
	}
	return d
}

func (d *document) topLevel(table []option, f field) {
	switch f.key {
	case "stages":
		d.parseStages(f)
	case "gates":
		d.parseGates(f)
	case "agents":
		d.parseAgents(f)
	case "env":
		d.env = d.parseEnv(f)
	default:
		for _, o := range table {
			k := o.kind
			if o.no != nil && f.key == "no-"+o.name {
				k = *o.no
			} else if f.key != o.name {
				continue
			}
			g := given{origin: d.at(f.line), key: f.key, line: f.line, kind: k}
			g.text, g.wrong = optionText(f.value, k)
			d.options[o.name] = append(d.options[o.name], g)
		}
	}
}

// optionText is the value of an option as it is written in the file, whatever
// YAML takes it for. A list of ids becomes their comma list.
func optionText(n *yaml.Node, k kind) (text, wrong string) {
	switch {
	case isNull(n):
		return "", "has no value; allowed is " + k.allowed
	case n.Kind == yaml.ScalarNode:
		return n.Value, ""
	case n.Kind == yaml.MappingNode:
		return "", "a mapping is not " + k.allowed
	case k.flagType != "ids":
		return "", "a list is not " + k.allowed
	}
	var ids []string
	for _, item := range n.Content {
		item = resolve(item)
		if item.Kind != yaml.ScalarNode || isNull(item) {
			return "", "a list of other things than ids is not " + k.allowed
		}
		ids = append(ids, item.Value)
	}
	return strings.Join(ids, ","), ""
}

// at is the origin of something on a line of the file.
func (d *document) at(line int) string {
	if line == 0 {
		return d.path
	}
	return d.path + ":" + strconv.Itoa(line)
}

// errorf notes a problem at a node.
func (d *document) errorf(n *yaml.Node, format string, args ...any) {
	d.errorAt(n.Line, format, args...)
}

func (d *document) errorAt(line int, format string, args ...any) {
	text := d.at(line) + ": " + fmt.Sprintf(format, args...)
	d.problems = append(d.problems, problem{FromFile, line, text})
}

var yamlMessage = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^yaml: (?:unmarshal errors:\n\s*)?(?:line (\d+): )?(.*)$`)
})

// badYAML notes an error of the YAML package, with its line where ours is.
func (d *document) badYAML(err error) {
	line, text := 0, err.Error()
	if m := yamlMessage().FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // no line: 0
		text = m[2]
	}
	d.errorAt(line, "not valid YAML: %s", strings.Join(strings.Fields(text), " "))
}

// field is one key of a mapping with its value, aliases resolved.
type field struct {
	key   string
	line  int    // of the key
	path  string // as in stages[0].name
	value *yaml.Node
}

// fields is the content of a mapping in its order, less what is wrong with it:
// keys that are not known (nil: all are), not text, or there already. what says
// what should have been there.
func (d *document) fields(n *yaml.Node, path, what string, known []string) []field {
	if n.Kind != yaml.MappingNode {
		if path != "" {
			what = path + " must be " + what
		} else {
			what = "the file must hold " + what
		}
		d.errorf(n, "%s", what)
		return nil
	}
	var all []field
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := resolve(n.Content[i])
		line := n.Content[i].Line
		if k.Kind != yaml.ScalarNode || k.Value == "" {
			d.errorAt(line, "a key must be a name")
			continue
		}
		if first, ok := lines[k.Value]; ok {
			d.errorAt(line, "duplicate key %s, first on line %d", quote(k.Value), first)
			continue
		}
		lines[k.Value] = line
		if known != nil && !slices.Contains(known, k.Value) {
			where := ""
			if path != "" {
				where = path + ": "
			}
			d.errorAt(line, "%sunknown key %s; %s", where, quote(k.Value), nearest.Suggest(k.Value, known))
			continue
		}
		f := field{key: k.Value, line: line, path: k.Value, value: resolve(n.Content[i+1])}
		if path != "" {
			f.path = path + "." + k.Value
		}
		all = append(all, f)
	}
	return all
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
