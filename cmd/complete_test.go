package cmd_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// offered are the words that hacky offers to a shell for the last argument.
func offered(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	r := hacky(t, dir, append([]string{"__complete"}, args...)...)
	r.wants(t, 0)
	var out []string
	for line := range strings.Lines(r.stdout) {
		if word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); !strings.HasPrefix(word, ":") {
			out = append(out, word)
		}
	}
	return out
}

func TestComplete(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: `["true"]`}))
	copied := read(t, filepath.Join(dir, "tasks.json"))
	for _, name := range []string{"001_0123456789ab", "002_ba9876543210"} {
		mkdir(t, filepath.Join(dir, "plan", name))
		write(t, filepath.Join(dir, "plan", name, "tasks.json"), copied)
	}
	for _, c := range []struct{ call, want string }{
		{"show ", "P1"},
		{"show P", "P1"},
		{"show P1", "P1 P1.M1"},
		{"show P1.", "P1.M1"},
		{"show P1.M1.T1.", "P1.M1.T1.S1 P1.M1.T1.S2"},
		{"show P1.M1.T1.S2", "P1.M1.T1.S2"},
		{"show P1 ", ""},
		{"show x", ""},
		{"set ", "P1"},
		{"set P1 C", "Complete"},
		{"set P1 P1.M1.T1.S", "P1.M1.T1.S1 P1.M1.T1.S2"},
		{"verify P1 P1.M1.T1.S", "P1.M1.T1.S1 P1.M1.T1.S2"},
		{"run --scope P1.M1.T1.S1,P1.M1.T1.", "P1.M1.T1.S1,P1.M1.T1.S1 P1.M1.T1.S1,P1.M1.T1.S2"},
		{"reset --session plan/001_0123456789ab P1.", "P1.M1"},
		{"status --session 00", "001_0123456789ab 002_ba9876543210"},
		{"run --progress j", "auto tty plain json none"}, // the shell chooses of fixed words
		{"run --log-level ", "trace debug info warn error"},
		{"doctor -o ", "table json yaml"},
		{"completion f", "fish"},
		{"man sho", "show"},
	} {
		args := strings.Split(c.call, " ")
		got := offered(t, dir, args...)
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, want %q", c.call, got, c.want)
		}
	}
	// Nothing that could be read: nothing to offer, and nothing said.
	write(t, filepath.Join(dir, "tasks.json"), "{")
	if got := offered(t, dir, "show", "P"); len(got) > 0 {
		t.Errorf("of a broken backlog: %q", got)
	}
}

// TestBashCompletes: the script for bash works in a real one.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: `["true"]`}))
	script := filepath.Join(dir, "hacky.bash")
	write(t, script, hacky(t, dir, "completion", "bash").stdout)
	for line, want := range map[string]string{
		"hacky sta":              "status",
		"hacky show P1.M1.T1.S":  "P1.M1.T1.S1 P1.M1.T1.S2",
		"hacky set P1 Comp":      "Complete",
		"hacky run --progress=j": "json",
	} {
		c := exec.Command(bash, "--norc", "-c", `
			. /usr/share/bash-completion/bash_completion 2>/dev/null ||
			_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
			compopt() { :; } # outside of a completion bash has none
			hacky() { `+binary(t)+` "$@"; }
			. "$1"
			COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9
			IFS=" " read -ra COMP_WORDS <<< "$2"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			__start_hacky
			for word in "${COMPREPLY[@]}"; do echo "${word%% *}"; done`, "bash", script, line)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
}

// TestOtherShells: the scripts are at least ones that these shells can read.
func TestOtherShells(t *testing.T) {
	t.Parallel()
	for shell, check := range map[string][]string{"zsh": {"-n"}, "fish": {"--no-execute"}} {
		t.Run(shell, func(t *testing.T) {
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("it is not installed")
			}
			script := filepath.Join(t.TempDir(), "script")
			write(t, script, hacky(t, ".", "completion", shell).stdout)
			if out, err := exec.Command(program, append(check, script)...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
