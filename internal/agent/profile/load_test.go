package profile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// agents is what hacky.yaml hands over.
func agents(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBuiltIn(t *testing.T) {
	all, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"aider", "amp", "claude", "codex", "command", "gemini", "opencode"}
	if got := sorted(all); !slices.Equal(got, want) {
		t.Fatalf("built in: %v", got)
	}
	commands := map[string][2]string{
		"aider":    {"aider --message-file /tmp/p.md --yes-always --no-pretty --no-stream --no-check-update --no-auto-commits --no-dirty-commits", ""},
		"amp":      {"amp -x --stream-json --dangerously-allow-all", "amp threads continue ID -x --stream-json --dangerously-allow-all"},
		"claude":   {"claude -p --output-format stream-json --verbose --permission-mode acceptEdits --session-id ID", "claude -p --output-format stream-json --verbose --permission-mode acceptEdits --resume ID"},
		"codex":    {"codex exec --json --skip-git-repo-check --sandbox workspace-write -", "codex exec --json --skip-git-repo-check --sandbox workspace-write resume ID -"},
		"gemini":   {"gemini --output-format stream-json --approval-mode auto_edit", "gemini --output-format stream-json --approval-mode auto_edit --resume ID"},
		"opencode": {"opencode run --format json --auto", "opencode run --format json --auto -s ID"},
	}
	for name, want := range commands {
		p := all[name]
		if p.Name != name || p.Credential != name || p.Install == "" || p.Login == "" {
			t.Errorf("%s: %+v", name, p)
		}
		for i, resume := range []bool{false, true} {
			argv, err := p.Command(Call{PromptFile: "/tmp/p.md", Session: "ID", Resume: resume})
			if got := strings.Join(argv, " "); got != want[i] || (err != nil) != (want[i] == "") {
				t.Errorf("%s, resume %v: %q, %v\nwant %q", name, resume, got, err, want[i])
			}
		}
	}
}

func TestLoad(t *testing.T) {
	all, err := Load(agents(t, `
claude: {args: [--model, opus]}
careful: {extends: claude, credential: work, env: {A: "1"}}
second: {extends: careful, resume: [], patterns: {quota: ["it's enough"]}, env: {B: "2"}, exits: {9: 429}}
mine: {argv: [mine, "--task={prompt}", "{args}"], prompt: argument}
codex: {login: ask the admin}
gemini: {exits: {99: transient, 42: 500}}
`))
	if err != nil {
		t.Fatal(err)
	}
	argv, err := all["careful"].Command(Call{Session: "ID"})
	if got := strings.Join(argv, " "); err != nil || got != "claude -p --output-format stream-json --verbose --permission-mode acceptEdits --session-id ID --model opus" {
		t.Errorf("%s, %v", got, err)
	}
	second := all["second"]
	if second.Name != "second" || second.Credential != "work" || second.CanResume() || second.Env["A"] != "1" || second.Env["B"] != "2" || second.Exits[9].Status != 429 {
		t.Errorf("%+v", second)
	}
	if len(second.Patterns.Quota) != 1 || !second.Patterns.Quota[0].MatchString("IT'S ENOUGH") || len(second.Patterns.Transient) == 0 {
		t.Errorf("%+v", second.Patterns)
	}
	if all["claude"].Env != nil || all["claude"].Credential != "claude" || !all["careful"].CanResume() || len(all["careful"].Exits) != 0 {
		t.Error("one profile's fields are in another")
	}
	if p := all["mine"]; p.Credential != "mine" || p.Output != Text || p.Success != ByExit {
		t.Errorf("%+v", p)
	}
	if p := all["gemini"]; p.Exits[173].Status != 429 || p.Exits[99].Class != Transient || p.Exits[42].Status != 500 {
		t.Errorf("%+v", p.Exits)
	}
	if p := all["codex"]; p.Login != "ask the admin" || p.Output != Codex {
		t.Errorf("%+v", p)
	}
}

func TestCommand(t *testing.T) {
	all, err := Load(agents(t, `
arg: {argv: [a, "x{prompt}y{session}", "{args}"], args: ["{prompt}"], prompt: argument}
file: {argv: [a, "{prompt-file}"], prompt: file}
`))
	if err != nil {
		t.Fatal(err)
	}
	// What is put in is not looked at again, and neither are args.
	argv, err := all["arg"].Command(Call{Prompt: "{session}$(rm)", Session: "{prompt}"})
	if err != nil || !slices.Equal(argv, []string{"a", "x{session}$(rm)y{prompt}", "{prompt}"}) {
		t.Errorf("%q, %v", argv, err)
	}
	if argv, err := all["arg"].Command(Call{Prompt: strings.Repeat("x", MaxArgument-5), Session: "id"}); err == nil && len(argv[1]) > MaxArgument {
		t.Errorf("an argument of %d bytes", len(argv[1]))
	}
	for _, tt := range []struct {
		name string
		call Call
		want string
	}{
		{"arg", Call{Session: "id"}, "agent arg needs a prompt; give the stage one"},
		{"arg", Call{Prompt: "x"}, "agent arg needs the id of a conversation"},
		{"arg", Call{Prompt: "x", Session: "id", Resume: true}, "agent arg cannot go on with a conversation"},
		{"arg", Call{Prompt: "a\x00b", Session: "id"}, "the prompt holds a NUL character, which no argument can"},
		{"arg", Call{Prompt: strings.Repeat("x", MaxArgument), Session: "id"}, "the prompt has 131071 bytes, and an argument at most 131071; have agent arg read it from stdin or a file"},
		{"file", Call{Prompt: "x"}, "agent file needs a file with the prompt; give the stage a prompt"},
		{"command", Call{}, "agent command has no argv; give it one (hacky.yaml: agents.command.argv)"},
	} {
		if _, err := all[tt.name].Command(tt.call); err == nil || err.Error() != tt.want {
			t.Errorf("%s %.40v: %v\nwant %s", tt.name, tt.call, err, tt.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ text, want string }{
		{`claude: {argvs: [x]}`, `agents.claude: unknown key "argvs"; did you mean "argv"?`},
		{`claude: {Prompt: stdin}`, `agents.claude: unknown key "Prompt"; did you mean "prompt"?`},
		{`claude: yes`, `agents.claude: must be a mapping of the fields of a profile`},
		{`"Bad Name": {argv: [x]}`, `agents."Bad Name": is not a name of a-z, 0-9, _ and -, starting with a letter or digit, of at most 64`},
		{`x: {extends: claud}`, `agents.x.extends: there is no profile "claud"; did you mean "claude"?`},
		{`x: {extends: 3}`, `agents.x.extends: must be the name of a profile`},
		{`x: {extends: x}`, `agents.x.extends: goes in a circle: x -> x`},
		{"x: {extends: y}\ny: {extends: x}", `agents.y.extends: goes in a circle: x -> y -> x`},
		{`x: {argv: []}`, `agents.x.argv: is empty`},
		{`x: {argv: "my-agent {prompt}"}`, `agents.x.argv: must be a list of texts`},
		{`x: {argv: ["", a]}`, `agents.x.argv[0]: is empty`},
		{`x: {argv: [a, 1.10]}`, `agents.x.argv[1]: must be a text; put it in quotes`},
		{`x: {argv: [a, "b\0"]}`, `agents.x.argv[1]: must not hold a NUL character`},
		{`x: {argv: [a, "{model}"]}`, `agents.x.argv[1]: {model} has no value; there are {prompt}, {prompt-file}, {session}, {args}`},
		{`x: {argv: [a, "{promt}"], prompt: argument}`, "agents.x.argv[1]: {promt} has no value; there are {prompt}, {prompt-file}, {session}, {args}\nagents.x.argv: has no {prompt}, but prompt is \"argument\""},
		{`x: {argv: [a, "{prompt}"]}`, `agents.x.argv[1]: {prompt} has no value, as prompt is "stdin", not "argument"`},
		{`x: {argv: [a, "{prompt-file}"]}`, `agents.x.argv[1]: {prompt-file} has no value, as prompt is "stdin", not "file"`},
		{`x: {argv: [a], prompt: file}`, `agents.x.argv: has no {prompt-file}, but prompt is "file"`},
		{`x: {argv: [a, "--x={args}"]}`, `agents.x.argv[1]: {args} must be an element of its own`},
		{`x: {argv: [a], args: [b]}`, `agents.x.argv: has no {args}, but there are args`},
		{`x: {extends: codex, resume: [a, --last]}`, `agents.x.resume: has no {session}: it would not go on with the subtask's own conversation`},
		{`x: {argv: [a], resume: [a, "{session}"]}`, `agents.x.resume: cannot work: output "text" does not tell the conversation's id, and argv has no {session}`},
		{`x: {argv: [a], prompt: pipe}`, `agents.x.prompt: "pipe" is not one of stdin, argument, file`},
		{`x: {argv: [a], output: json}`, `agents.x.output: "json" is not one of claude, codex, gemini, opencode, amp, text`},
		{`x: {argv: [a], success: 1}`, `agents.x.success: 1 is not one of result, exit, text`},
		{`x: {argv: [a], success: result}`, `agents.x.success: is "result", but output "text" has no result event`},
		{`x: {argv: [a], credential: " "}`, `agents.x.credential: is empty`},
		{`x: {argv: [a], install: }`, `agents.x.install: must be a text; put it in quotes`},
		{`x: {argv: [a], env: {"A B": x, C: 1.10}}`, "agents.x.env: \"A B\" is not the name of a variable\nagents.x.env.C: must be a text; put it in quotes"},
		{`x: {argv: [a], env: [A]}`, `agents.x.env: must be a mapping of variables to texts`},
		{`x: {argv: [a], exits: {0: transient, 1: fine, 2: 200}}`, "agents.x.exits: 0 is not an exit code between 1 and 255\nagents.x.exits: 1: \"fine\" is not transient, quota, auth, permanent or an HTTP status between 400 and 599\nagents.x.exits: 2: 200 is not transient, quota, auth, permanent or an HTTP status between 400 and 599"},
		{`x: {argv: [a], exits: {a: transient}}`, `agents.x.exits: "a" is not an exit code between 1 and 255`},
		{`x: {argv: [a], exits: 3}`, `agents.x.exits: must be a mapping of exit codes to classes or HTTP statuses`},
		{`x: {argv: [a], patterns: {qouta: [a]}}`, `agents.x.patterns: unknown key "qouta"; did you mean "quota"?`},
		{`x: {argv: [a], patterns: [a]}`, `agents.x.patterns: must be a mapping of kinds to lists of patterns`},
		{`x: {argv: [a], patterns: {quota: ["a(b"]}}`, `agents.x.patterns.quota[0]: is no Go regexp: missing closing ): "a(b"`},
		{`x: {argv: [a], patterns: {quota: [""]}}`, `agents.x.patterns.quota[0]: is empty, and would match everything`},
		{`x: {argv: [a], patterns: {quota: ["` + strings.Repeat("a", 1001) + `"]}}`, `agents.x.patterns.quota[0]: has 1001 bytes, more than 1000`},
		{`x: {argv: [a], patterns: {quota: [` + strings.Repeat("a,", 101) + `]}}`, `agents.x.patterns.quota: has 101 patterns, more than 100`},
		{"b: {success: x}\na: {wrong: 1, prompt: 2}", "agents.a.prompt: 2 is not one of stdin, argument, file\nagents.a: unknown key \"wrong\"; the nearest known key is \"argv\"\nagents.b.success: \"x\" is not one of result, exit, text"},
	}
	for _, tt := range tests {
		_, err := Load(agents(t, tt.text))
		var wrong *Error
		if !errors.As(err, &wrong) || err.Error() != tt.want {
			t.Errorf("%s\ngives %v\nwant  %s", tt.text, err, tt.want)
		}
	}
}
