// Package schema makes the JSON Schemas in configs/schema/ from Go types. It is
// used by its generator and by tests; no command links it.
//
// Where the product encodes a Go type, that type is the source. Where it parses
// or writes by hand (tasks.json, hacky.yaml, attempts.ndjson, events) the types
// in this package say what is there, and the tests hold them against the parsers
// and against what a real run writes.
//
//go:generate go run ./gen
package schema

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/doctor"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/ui"
)

// Draft is the version of JSON Schema that editors know best.
const Draft = "http://json-schema.org/draft-07/schema#"

// All are the schemas by the names of their files, without ".schema.json":
// those of files and events, and in result/ those of what commands print.
func All() (map[string]*jsonschema.Schema, error) {
	out := map[string]*jsonschema.Schema{}
	for name, of := range map[string]struct {
		title string
		of    reflect.Type
		open  bool // fields that hacky does not know are allowed, at any depth
	}{
		"tasks":       {"tasks.json: the backlog of a hacky session", reflect.TypeFor[Tasks](), true},
		"recovery":    {"tasks.json.failed: updates that could not be written to tasks.json", reflect.TypeFor[Recovery](), true},
		"attempt":     {"a line of artifacts/attempts.ndjson", reflect.TypeFor[Attempt](), false},
		"checkpoints": {"artifacts/ID/checkpoints.json", reflect.TypeFor[Checkpoints](), false},
	} {
		s, err := infer(of.of)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if of.open {
			walk(s, loosen)
		}
		s.Schema, s.Title = Draft, of.title
		out[name] = s
	}
	for command, types := range Results() {
		s, err := oneOf("hacky "+command+" -o json", types...)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", command, err)
		}
		out[path.Join("result", command)] = s
	}
	event, err := events()
	if err != nil {
		return nil, fmt.Errorf("schema event: %w", err)
	}
	out["event"] = event
	file, err := hackyYAML()
	if err != nil {
		return nil, err
	}
	out["hacky"] = file
	for name, s := range out {
		explain(meanings(), path.Base(name), s)
	}
	return out, nil
}

// loosen makes of an object in a schema one as hacky reads it: with fields that
// it does not know, and null for what may be left out, but for nothing else.
func loosen(s *jsonschema.Schema) {
	if s.Properties == nil {
		return
	}
	s.AdditionalProperties = nil
	for name, p := range s.Properties {
		types := slices.DeleteFunc(append(p.Types, p.Type), func(t string) bool { return t == "" || t == "null" })
		if slices.Contains(s.Required, name) {
			if len(types) == 1 {
				p.Type, p.Types = types[0], nil
			}
			continue
		}
		switch {
		case p.AnyOf != nil:
			p.AnyOf = append(p.AnyOf, &jsonschema.Schema{Type: "null"})
		case len(types) > 0:
			p.Type, p.Types = "", slices.Concat(types, []string{"null"})
		}
	}
}

// Encode is a schema as it stands in its file.
func Encode(s *jsonschema.Schema) ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

func infer(t reflect.Type) (*jsonschema.Schema, error) {
	var statuses []any
	for _, s := range backlog.Statuses() {
		statuses = append(statuses, s.String())
	}
	return jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Status]():         {Type: "string", Enum: statuses},
		reflect.TypeFor[backlog.Status](): {Type: "string", Enum: statuses},
		reflect.TypeFor[ui.Standing]():    {Type: "string", Enum: []any{string(ui.Done), string(ui.HasFailed), string(ui.IsHeld), string(ui.Interrupted), string(ui.Runs), string(ui.IsReady), string(ui.Waits)}},
		reflect.TypeFor[time.Time]():      {Type: "string", Format: "date-time"},
		reflect.TypeFor[ID](): {Type: "string", Pattern: `^P[0-9]{1,18}(\.M[0-9]{1,18}(\.T[0-9]{1,18}(\.S[0-9]{1,18})?)?)?$`,
			Description: "P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4"},
		reflect.TypeFor[PhaseID]():     id(`^P[0-9]{1,18}$`, "such as P1"),
		reflect.TypeFor[MilestoneID](): id(`^P[0-9]{1,18}\.M[0-9]{1,18}$`, "such as P1.M2; it extends its phase's"),
		reflect.TypeFor[TaskID]():      id(`^P[0-9]{1,18}\.M[0-9]{1,18}\.T[0-9]{1,18}$`, "such as P1.M2.T3; it extends its milestone's"),
		reflect.TypeFor[SubtaskID]():   id(`^P[0-9]{1,18}\.M[0-9]{1,18}\.T[0-9]{1,18}\.S[0-9]{1,18}$`, "such as P1.M2.T3.S4; it extends its task's"),
		reflect.TypeFor[Duration]():    {Type: "string", Description: `a Go duration above 0, such as "400ms" or "30m"`, Pattern: config.DurationAboveZero},
		reflect.TypeFor[Command]():     command(&jsonschema.Schema{Type: "string"}),
		reflect.TypeFor[YAMLCommand](): command(&jsonschema.Schema{Types: []string{"string", "number", "boolean"}}),
		reflect.TypeFor[YAMLEnv](): {Type: "object", PropertyNames: &jsonschema.Schema{Pattern: config.VariableName()},
			AdditionalProperties: &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}},
		reflect.TypeFor[YAMLLimit](): values(config.Limits()),
		reflect.TypeFor[StageName](): {Type: "string", Pattern: config.StageName(), Not: &jsonschema.Schema{Pattern: "^gate-"},
			Description: "a name of a-z, 0-9, _ and -, unique among the stages; logs are named after it"},
		reflect.TypeFor[Level]():       {Type: "integer", Minimum: jsonschema.Ptr(1.0), Maximum: jsonschema.Ptr(4.0)},
		reflect.TypeFor[Points]():      {Types: []string{"number", "null"}, Minimum: jsonschema.Ptr(0.0)},
		reflect.TypeFor[IsPhase]():     {Enum: []any{"Phase"}},
		reflect.TypeFor[IsMilestone](): {Enum: []any{"Milestone"}},
		reflect.TypeFor[IsTask]():      {Enum: []any{"Task"}},
		reflect.TypeFor[IsSubtask]():   {Enum: []any{"Subtask"}},
		reflect.TypeFor[Retries]():     {Type: "integer", Minimum: jsonschema.Ptr(0.0), Maximum: jsonschema.Ptr(10.0)},
	}})
}

func id(pattern, like string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern, Description: "the item's id, " + like}
}

// command is a shell line, or a list of arguments that are such.
func command(argument *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Description: "a shell line, or a list of arguments", AnyOf: []*jsonschema.Schema{
		{Type: "string", MinLength: jsonschema.Ptr(1)}, {Type: "array", Items: argument, MinItems: jsonschema.Ptr(1)}}}
}

// values is what an option may be in hacky.yaml.
func values(v config.Values) *jsonschema.Schema {
	var out []*jsonschema.Schema
	if v.Bool {
		out = append(out, &jsonschema.Schema{Type: "boolean"}, &jsonschema.Schema{Enum: []any{0, 1}},
			&jsonschema.Schema{Type: "string", Pattern: `^([tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]|0|1)$`})
	}
	if v.Words != nil {
		words := &jsonschema.Schema{}
		for _, w := range v.Words {
			words.Enum = append(words.Enum, w)
		}
		out = append(out, words)
	}
	if n := v.Numbers; n != nil {
		out = append(out, &jsonschema.Schema{Type: "integer", Minimum: jsonschema.Ptr(float64(n.Least)), Maximum: jsonschema.Ptr(float64(n.Most))})
	}
	if v.Pattern != "" {
		out = append(out, &jsonschema.Schema{Type: "string", Pattern: v.Pattern})
	}
	if v.List {
		out = append(out, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string", Pattern: v.Pattern}, MinItems: jsonschema.Ptr(1)})
	}
	if v.Scalar {
		out = append(out, &jsonschema.Schema{Types: []string{"string", "number"}})
	}
	if len(out) == 1 {
		return out[0]
	}
	return &jsonschema.Schema{AnyOf: out}
}

// walk calls do for a schema and all in it.
func walk(s *jsonschema.Schema, do func(*jsonschema.Schema)) {
	if s == nil {
		return
	}
	do(s)
	for _, p := range s.Properties {
		walk(p, do)
	}
	for _, list := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf, s.AllOf} {
		for _, p := range list {
			walk(p, do)
		}
	}
	walk(s.Items, do)
	walk(s.AdditionalProperties, do)
}

// Results are the documents that commands print with -o json, by the name of the
// command.
func Results() map[string][]reflect.Type {
	return map[string][]reflect.Type{
		"add":         {reflect.TypeFor[result.Added]()},
		"agents":      {reflect.TypeFor[result.Agents]()},
		"checkpoints": {reflect.TypeFor[result.Checkpoints]()},
		"config":      {reflect.TypeFor[result.Config]()},
		"doctor":      {reflect.TypeFor[result.Doctor](), reflect.TypeFor[doctor.Tally]()},
		"history":     {reflect.TypeFor[result.History]()},
		"import":      {reflect.TypeFor[result.Added]()},
		"logs":        {reflect.TypeFor[result.Logs]()},
		"next":        {reflect.TypeFor[ui.Next]()},
		"plan":        {reflect.TypeFor[ui.Plan]()},
		"recover":     {reflect.TypeFor[result.Recover]()},
		"sessions":    {reflect.TypeFor[result.Sessions]()},
		"show":        {reflect.TypeFor[result.Show]()},
		"status":      {reflect.TypeFor[ui.Status]()},
		"validate":    {reflect.TypeFor[result.Validate]()},
		"verify":      {reflect.TypeFor[result.Verify]()},
		"version":     {reflect.TypeFor[result.Version]()},
		"why":         {reflect.TypeFor[ui.Why]()},
	}
}

// oneOf is the schema of what hacky prints, one of these types. Later versions
// may say more, so other keys are allowed.
func oneOf(title string, types ...reflect.Type) (*jsonschema.Schema, error) {
	out := &jsonschema.Schema{}
	for _, t := range types {
		s, err := infer(t)
		if err != nil {
			return nil, err
		}
		walk(s, printed)
		out.AnyOf = append(out.AnyOf, s)
	}
	if len(out.AnyOf) == 1 {
		out = out.AnyOf[0]
	}
	out.Schema, out.Title = Draft, title
	return out, nil
}

// events is the schema of a line of `run --progress json`.
func events() (*jsonschema.Schema, error) {
	shapes := ui.EventShapes()
	of := make([]reflect.Type, len(shapes))
	for k := range shapes {
		of[k] = shapes[k].Of
	}
	out, err := oneOf("a line of hacky run --progress json", of...)
	if err != nil {
		return nil, err
	}
	for k, s := range out.AnyOf {
		for _, name := range shapes[k].Types {
			s.Properties["type"].Enum = append(s.Properties["type"].Enum, name)
		}
		s.Properties["v"] = &jsonschema.Schema{Enum: []any{1}}
	}
	return out, nil
}

// printed makes of an object one as hacky prints it: other keys may come with
// later versions, what has no value is left out and not null, and neither is a
// list or an element of one.
func printed(s *jsonschema.Schema) {
	if s.Properties != nil {
		s.AdditionalProperties = nil
	}
	for name, p := range s.Properties {
		if !slices.Contains(s.Required, name) || slices.Contains(p.Types, "array") {
			notNull(p)
		}
	}
	if s.Items != nil {
		notNull(s.Items)
	}
}

func notNull(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
}

// hackyYAML is the schema of hacky.yaml: the option table, and the sections.
func hackyYAML() (*jsonschema.Schema, error) {
	s, err := infer(reflect.TypeFor[Sections]())
	if err != nil {
		return nil, fmt.Errorf("schema hacky: %w", err)
	}
	s.Schema, s.Title = Draft, "hacky.yaml: the configuration of hacky"
	for _, o := range config.Describe() {
		p := values(o.Values)
		p.Description = o.Meaning + ": " + o.Allowed
		if o.Default != "" {
			p.Description += " (default " + o.Default + ")"
		}
		s.Properties[o.Name] = p
	}
	stage := s.Properties["stages"].Items
	stage.OneOf = []*jsonschema.Schema{{Required: []string{"run"}}, {Required: []string{"agent"}}}
	walk(s, func(s *jsonschema.Schema) {
		for _, p := range s.Properties {
			notNull(p) // a key without a value is refused
		}
	})
	return s, nil
}
