package cmd_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandNames are the commands, as help lists them.
func commandNames(t *testing.T, dir string) []string {
	t.Helper()
	root := hacky(t, dir, "--help")
	root.wants(t, 0)
	var names []string
	for _, group := range []string{"Run", "See", "Steer", "Write the backlog", "Check", "Agents", "Hacky itself"} {
		_, list, ok := strings.Cut(root.stdout, "\n"+group+":\n")
		if !ok {
			t.Fatalf("no commands to %s in:\n%s", group, root.stdout)
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			names = append(names, strings.Fields(line)[0])
		}
	}
	if strings.Contains(root.stdout, "Additional") {
		t.Errorf("a command is in no group:\n%s", root.stdout)
	}
	if len(names) < 25 {
		t.Fatalf("only %d commands: %v", len(names), names)
	}
	return names
}

// Every command's help says what it is for, its exit codes, and two examples.
func TestHelp(t *testing.T) {
	dir := t.TempDir()
	commands := [][]string{{}}
	for _, name := range commandNames(t, dir) {
		commands = append(commands, []string{name})
	}
	example := regexp.MustCompile(`(?m)^  .*hacky .*$`)
	for _, c := range commands {
		t.Run(strings.Join(append([]string{"hacky"}, c...), " "), func(t *testing.T) {
			r := hacky(t, dir, append(c, "--help")...)
			r.wants(t, 0)
			contains(t, "help", r.stdout, "Exit codes: 0", "Examples:\n", "Usage:\n")
			_, examples, _ := strings.Cut(r.stdout, "Examples:\n")
			examples, _, _ = strings.Cut(examples, "\n\n")
			if n := len(example.FindAllString(examples, -1)); n < 2 {
				t.Errorf("%d examples, want two:\n%s", n, examples)
			}
			for line := range strings.Lines(r.stdout) {
				if strings.Contains(line, "\t") {
					t.Errorf("a tab in %q", line)
				}
			}
			if r.stderr != "" {
				t.Errorf("on standard error: %s", r.stderr)
			}
		})
	}
}

// A mistake in the call is exit 2 and one sentence that says what to do.
func TestWrongCalls(t *testing.T) {
	dir := session(t, oneTask(subtask{run: `"touch ran"`}))
	mkdir(t, filepath.Join(dir, "plan", "004_aaaaaaaaaaaa"))
	write(t, filepath.Join(dir, "plan", "004_aaaaaaaaaaaa", "tasks.json"), "{}")
	before := snapshot(t, dir)
	for _, c := range []struct{ call, want string }{
		{"rnu", `hacky: unknown command "rnu"; did you mean "run"?`},
		{"rnu --parallelism 3", `hacky: unknown command "rnu"; did you mean "run"?`},
		{"stauts -o json", `hacky: unknown command "stauts"; did you mean "status"?`},
		{"frobnicate", `hacky: unknown command "frobnicate"; "hacky help" lists all`},
		{"run --paralellism 3", `hacky: unknown flag: --paralellism (did you mean "--parallelism"?); see "hacky run --help"`},
		{"run --scope P1.M9", `hacky: --scope: P1.M9 is not in the backlog; did you mean "P1.M1"?`},
		{"run --nonsense", `hacky: unknown flag: --nonsense; see "hacky run --help"`},
		{"run --parallelism", `hacky: flag needs an argument: --parallelism; see "hacky run --help"`},
		{"run -x", `hacky: unknown shorthand flag: 'x' in -x; see "hacky run --help"`},
		{"run now", `hacky: "hacky run" takes no arguments, but got "now"; see "hacky run --help"`},
		{"run --dry-run=perhaps", `hacky: --dry-run: "perhaps" is not true or false`},
		{"run --config nowhere.yaml", `nowhere.yaml`},
		{"run --session nowhere", `hacky: --session: the session "nowhere" was not found`},
		{"run --session nowhere/tasks.json", `hacky: --session: the session nowhere/tasks.json does not exist`},
		{"run --session 004_aaaaaaaaaaa", `was not found: it is no directory, no path of a tasks.json, and no name or hash under plan/; did you mean "004_aaaaaaaaaaaa"? "hacky sessions" lists all`},
		{"run --session bbbbbbb", `and no name or hash under plan/; "hacky sessions" lists all`},
		{"report -o /nonexistent/x.html", `hacky: --output: the directory /nonexistent does not exist; make it first, or name a file elsewhere`},
		{"recover now", `takes no arguments`},
		{"recover --keep=perhaps", `hacky: --keep: "perhaps" is not true or false; see "hacky recover --help"`},
		{"recover --force --discard", `hacky: --force and --discard exclude each other: `},
		{"doctor --torture=perhaps", `hacky: --torture: "perhaps" is not true or false; see "hacky doctor --help"`},
		{"doctor --torture --seed x", `hacky: --seed: "x" is not an integer of at least 0; see "hacky doctor --help"`},
		{"recover -o tree", `hacky: --output: "tree" is not one of table, json, yaml`},
		{"validate --scope P1", `hacky: unknown flag: --scope; see "hacky validate --help"`},
		{"set P1", `hacky: set needs one id or more and a status`},
		{"config -o tree", `hacky: --output: "tree" is not one of table, json, yaml`},
		{"version now", `takes no arguments`},
		{"--nonsense", `hacky: unknown flag: --nonsense; see "hacky --help"`},
		{"completion", `hacky: completion needs the name of one shell: bash, zsh, fish, powershell`},
		{"completion nonsense", `hacky: completion: "nonsense" is not one of bash, zsh, fish, powershell`},
		{"help nonsense", `hacky: unknown command "nonsense"; "hacky help" lists all`},
		{"help staus", `hacky: unknown command "staus"; did you mean "status"?`},
		{"man staus", `hacky: unknown command "staus"; did you mean "status"?`},
		{"help run now", `hacky: there is no command "run now"; "hacky help" lists all`},
	} {
		t.Run(c.call, func(t *testing.T) {
			r := hacky(t, dir, strings.Fields(c.call)...)
			r.wants(t, 2)
			if r.stdout != "" {
				t.Errorf("on standard output: %s", r.stdout)
			}
			contains(t, "standard error", r.stderr, c.want)
			if strings.Contains(r.stderr, "strconv") {
				t.Errorf("not for people: %s", r.stderr)
			}
		})
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("something was written: before\n%safter\n%s", before, after)
	}
}
