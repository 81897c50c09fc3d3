package profile

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/nearest"
)

//go:embed profiles.yaml
var builtIn []byte

// base is what a new name extends.
const base = "command"

// Bounds of what a profile may hold, so that judging stays cheap.
const (
	maxPatterns = 100  // in one list
	maxPattern  = 1000 // bytes
	maxElements = 1000 // of argv
)

// flags begin every pattern.
const flags = "(?im)"

// Error is everything wrong with the user's profiles: a sentence for each
// problem, beginning with where it is, in the order of names and fields.
type Error struct{ Problems []string }

// Error is the problems, one on a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Load is the built-in profiles with the user's added: the agents of hacky.yaml
// as YAML decodes them, nil for none. A built-in name takes over only the
// fields that are given; a new name begins as what "extends" names, else as
// command. The error is an *Error with everything that is wrong.
func Load(user map[string]any) (map[string]Profile, error) {
	var known map[string]any
	if err := yaml.Unmarshal(builtIn, &known); err != nil {
		return nil, fmt.Errorf("profiles.yaml: %w", err)
	}
	l := loader{raw: known, done: map[string]Profile{}}
	for _, name := range sorted(known) {
		l.load(name)
	}
	if len(l.problems) > 0 {
		return nil, &Error{l.problems}
	}
	l.own, l.raw = l.done, user
	l.done = map[string]Profile{}
	for _, name := range sorted(user) {
		l.load(name)
	}
	if len(l.problems) > 0 {
		return nil, &Error{l.problems}
	}
	out := maps.Clone(l.own)
	maps.Copy(out, l.done)
	return out, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// loader decodes profiles, each after the one it extends.
type loader struct {
	raw      map[string]any
	own      map[string]Profile // that are built in
	done     map[string]Profile
	loading  []string // names, each extending the next
	problems []string
}

func (l *loader) problem(where, format string, args ...any) {
	l.problems = append(l.problems, "agents."+where+": "+fmt.Sprintf(format, args...))
}

var agentName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`) })

// load decodes the profile of that name, once. There has to be one.
func (l *loader) load(name string) Profile {
	if p, ok := l.done[name]; ok {
		return p
	}
	raw, mine := l.raw[name]
	if !mine {
		return l.own[name]
	}
	fields, isMap := raw.(map[string]any)
	if !agentName().MatchString(name) || len(name) > 64 {
		l.problem(quote(name), "is not a name of a-z, 0-9, _ and -, starting with a letter or digit, of at most 64")
	}
	if !isMap {
		l.problem(name, "must be a mapping of the fields of a profile")
	}
	l.loading = append(l.loading, name)
	defer func() { l.loading = l.loading[:len(l.loading)-1] }()

	p := l.begin(name, fields["extends"])
	l.decode(&p, name, fields)
	l.check(&p, name)
	l.done[name] = p
	return p
}

// begin is what a profile is before its own fields.
func (l *loader) begin(name string, extends any) Profile {
	p, overrides := l.own[name]
	if extends == nil {
		if overrides {
			return p
		}
		p = l.own[base] // zero for the built-in ones, which say everything
		p.Name, p.Credential = name, name
		return p
	}
	from, isText := extends.(string)
	_, known := l.raw[from]
	if _, builtIn := l.own[from]; builtIn {
		known = true
	}
	switch {
	case !isText:
		l.problem(name+".extends", "must be the name of a profile")
	case !known:
		l.problem(name+".extends", "there is no profile %s; %s", quote(from), nearest.Suggest(from, l.names()))
	case slices.Contains(l.loading, from) && (from != name || !overrides):
		at := slices.Index(l.loading, from)
		l.problem(name+".extends", "goes in a circle: %s", strings.Join(append(slices.Clone(l.loading[at:]), from), " -> "))
	case from != name:
		p = l.load(from)
	}
	// A copy of another agent is that agent: what parks one parks both.
	p.Name = name
	if p.Credential == "" {
		p.Credential = name
	}
	return p
}

func (l *loader) names() []string {
	all := maps.Clone(l.raw)
	for name := range l.own {
		if all == nil {
			all = map[string]any{}
		}
		all[name] = nil
	}
	return sorted(all)
}

// decode puts the fields that are given into p.
func (l *loader) decode(p *Profile, name string, fields map[string]any) {
	known := []string{"argv", "resume", "args", "prompt", "output", "success", "credential", "install", "login", "env", "exits", "patterns", "extends"}
	for _, key := range sorted(fields) {
		where, value := name+"."+key, fields[key]
		switch key {
		case "argv":
			p.Argv = l.list(where, value, 1)
		case "resume":
			p.Resume = l.list(where, value, 0)
		case "args":
			p.Args = l.list(where, value, 0)
		case "prompt":
			p.Prompt = oneOf(l, where, value, p.Prompt, ByStdin, ByArgument, ByFile)
		case "output":
			p.Output = oneOf(l, where, value, p.Output, Claude, Codex, Gemini, OpenCode, Amp, Text)
		case "success":
			p.Success = oneOf(l, where, value, p.Success, ByResult, ByExit, ByText)
		case "credential":
			p.Credential = l.text(where, value)
		case "install":
			p.Install = l.text(where, value)
		case "login":
			p.Login = l.text(where, value)
		case "env":
			p.Env = l.env(where, value, p.Env)
		case "exits":
			p.Exits = l.exits(where, value, p.Exits)
		case "patterns":
			p.Patterns = l.patterns(where, value, p.Patterns)
		case "extends": // by begin
		default:
			l.problem(name, "unknown key %s; %s", quote(key), nearest.Suggest(key, known))
		}
	}
}

// text is a text that is not blank.
func (l *loader) text(where string, value any) string {
	s, ok := value.(string)
	switch {
	case !ok:
		l.problem(where, "must be a text; put it in quotes")
	case strings.TrimSpace(s) == "":
		l.problem(where, "is empty")
	case strings.ContainsRune(s, 0):
		l.problem(where, "must not hold a NUL character")
	default:
		return s
	}
	return ""
}

// list is a list of texts, of which the first must not be blank if least is 1.
func (l *loader) list(where string, value any, least int) []string {
	items, ok := value.([]any)
	if !ok {
		l.problem(where, "must be a list of texts")
		return nil
	}
	if len(items) < least {
		l.problem(where, "is empty")
	}
	if len(items) > maxElements {
		l.problem(where, "has %d elements, more than %d", len(items), maxElements)
		return nil
	}
	out := []string{}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", where, i)
		s, ok := item.(string)
		switch {
		case !ok:
			l.problem(at, "must be a text; put it in quotes")
		case i < least && strings.TrimSpace(s) == "":
			l.problem(at, "is empty")
		case strings.ContainsRune(s, 0):
			l.problem(at, "must not hold a NUL character")
		}
		out = append(out, s)
	}
	return out
}

// oneOf is a word that is allowed; was, if it is not.
func oneOf[T ~string](l *loader, where string, value any, was T, allowed ...T) T {
	s, _ := value.(string)
	if slices.Contains(allowed, T(s)) {
		return T(s)
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	l.problem(where, "%s is not one of %s", shown(value), strings.Join(names, ", "))
	return was
}

var variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

// env adds variables to those that are inherited.
func (l *loader) env(where string, value any, to map[string]string) map[string]string {
	fields, ok := value.(map[string]any)
	if !ok {
		l.problem(where, "must be a mapping of variables to texts")
		return to
	}
	out := make(map[string]string, len(to)+len(fields))
	maps.Copy(out, to)
	for _, name := range sorted(fields) {
		s, isText := fields[name].(string)
		switch {
		case !variableName().MatchString(name):
			l.problem(where, "%s is not the name of a variable", quote(name))
		case !isText: // 1.10 would have become 1.1
			l.problem(where+"."+name, "must be a text; put it in quotes")
		case strings.ContainsRune(s, 0):
			l.problem(where+"."+name, "must not hold a NUL character")
		}
		out[name] = s
	}
	return out
}

// exits adds meanings to those that are inherited. YAML decodes a mapping with
// numbers for keys as map[any]any.
func (l *loader) exits(where string, value any, to map[int]Meaning) map[int]Meaning {
	keys := reflect.ValueOf(value)
	if keys.Kind() != reflect.Map {
		l.problem(where, "must be a mapping of exit codes to classes or HTTP statuses")
		return to
	}
	out := make(map[int]Meaning, len(to)+keys.Len())
	maps.Copy(out, to)
	var wrong []string
	for it := keys.MapRange(); it.Next(); {
		key, meaning := it.Key().Interface(), it.Value().Interface()
		code, isCode := key.(int)
		if !isCode || code < 1 || code > 255 {
			wrong = append(wrong, fmt.Sprintf("%s is not an exit code between 1 and 255", shown(key)))
			continue
		}
		m, ok := meaningOf(meaning)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%d: %s is not transient, quota, auth, permanent or an HTTP status between 400 and 599", code, shown(meaning)))
		}
		out[code] = m
	}
	slices.Sort(wrong)
	for _, w := range wrong {
		l.problem(where, "%s", w)
	}
	return out
}

func meaningOf(v any) (Meaning, bool) {
	if status, ok := v.(int); ok && status >= 400 && status <= 599 {
		return Meaning{Status: status}, true
	}
	for c := Transient; c <= Permanent; c++ {
		if v == c.String() {
			return Meaning{Class: c}, true
		}
	}
	return Meaning{}, false
}

// patterns replaces the lists that are given.
func (l *loader) patterns(where string, value any, p Patterns) Patterns {
	fields, ok := value.(map[string]any)
	if !ok {
		l.problem(where, "must be a mapping of kinds to lists of patterns")
		return p
	}
	kinds := map[string]*[]*regexp.Regexp{
		"quota": &p.Quota, "transient": &p.Transient, "auth": &p.Auth, "permanent": &p.Permanent,
		"exists": &p.Exists, "lost": &p.Lost, "done": &p.Done,
	}
	for _, key := range sorted(fields) {
		to, known := kinds[key]
		if !known {
			l.problem(where, "unknown key %s; %s", quote(key), nearest.Suggest(key, sorted(kinds)))
			continue
		}
		*to = l.compile(where+"."+key, fields[key])
	}
	return p
}

func (l *loader) compile(where string, value any) []*regexp.Regexp {
	var out []*regexp.Regexp
	list := l.list(where, value, 0)
	if len(list) > maxPatterns {
		l.problem(where, "has %d patterns, more than %d", len(list), maxPatterns)
		return nil
	}
	for i, source := range list {
		at := fmt.Sprintf("%s[%d]", where, i)
		if source == "" {
			l.problem(at, "is empty, and would match everything")
			continue
		}
		if len(source) > maxPattern {
			l.problem(at, "has %d bytes, more than %d", len(source), maxPattern)
			continue
		}
		re, err := regexp.Compile(flags + plain(source))
		if err != nil {
			l.problem(at, "is no Go regexp: %s", reason(err))
			continue
		}
		out = append(out, re)
	}
	return out
}

// reason is what is wrong with a pattern.
func reason(err error) string {
	if wrong := (*syntax.Error)(nil); errors.As(err, &wrong) {
		return fmt.Sprintf("%s: %s", wrong.Code, quote(strings.TrimPrefix(wrong.Expr, flags)))
	}
	return err.Error()
}

// check looks at the whole of a profile: whether every placeholder has a value.
func (l *loader) check(p *Profile, name string) {
	carrier := map[PromptBy]string{ByArgument: inPrompt, ByFile: inPromptFile}[p.Prompt]
	for _, a := range []struct {
		field string
		argv  []string
	}{{"argv", p.Argv}, {"resume", p.Resume}} {
		where := name + "." + a.field
		for i, arg := range a.argv {
			l.placeholders(fmt.Sprintf("%s[%d]", where, i), arg, p.Prompt)
		}
		if len(a.argv) == 0 {
			continue
		}
		if carrier != "" && !uses(a.argv, carrier) {
			l.problem(where, "has no %s, but prompt is %q", carrier, p.Prompt)
		}
		if len(p.Args) > 0 && !slices.Contains(a.argv, inArgs) {
			l.problem(where, "has no %s, but there are args", inArgs)
		}
	}
	if len(p.Resume) > 0 && !uses(p.Resume, inSession) {
		l.problem(name+".resume", "has no %s: it would not go on with the subtask's own conversation", inSession)
	}
	if p.Output == Text && p.Success == ByResult {
		l.problem(name+".success", "is %q, but output %q has no result event", ByResult, Text)
	}
	if p.Output == Text && len(p.Resume) > 0 && !uses(p.Argv, inSession) {
		l.problem(name+".resume", "cannot work: output %q does not tell the conversation's id, and argv has no %s", Text, inSession)
	}
}

func (l *loader) placeholders(at, arg string, by PromptBy) {
	known := []string{inPrompt, inPromptFile, inSession, inArgs}
	for _, found := range placeholder().FindAllString(arg, -1) {
		switch {
		case !slices.Contains(known, found):
			l.problem(at, "%s has no value; there are %s", found, strings.Join(known, ", "))
		case found == inArgs && arg != inArgs:
			l.problem(at, "%s must be an element of its own", inArgs)
		case found == inPrompt && by != ByArgument:
			l.problem(at, "%s has no value, as prompt is %q, not %q", found, by, ByArgument)
		case found == inPromptFile && by != ByFile:
			l.problem(at, "%s has no value, as prompt is %q, not %q", found, by, ByFile)
		}
	}
}

// quote shows a text of unknown origin on one line, its beginning only.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return quote(v)
	case int, bool, float64:
		return fmt.Sprint(v)
	}
	return "this"
}
