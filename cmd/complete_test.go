package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
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
	write(t, filepath.Join(dir, "hacky.yaml"), "agents: {mine: {extends: claude}}\nstages: [{name: write, agent: mine}, {name: check, run: \"true\"}]\n")
	logs := filepath.Join(dir, "artifacts", "P1.M1.T1.S1", "attempt-1")
	mkdir(t, logs)
	for k, name := range []string{"run.log", "gate-1-vet.log"} {
		write(t, filepath.Join(logs, name), "x\n")
		at := time.Unix(int64(k+1), 0)
		if err := os.Chtimes(filepath.Join(logs, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"001_0123456789ab", "002_ba9876543210", "001_0123456789ab/bugfix/001_cccccccccccc"} {
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
		{"status --session ba", "ba9876543210"},
		{"status --session ", "001_0123456789ab plan/001_0123456789ab/bugfix/001_cccccccccccc 002_ba9876543210"},
		{"status --session plan/001", "plan/001_0123456789ab plan/001_0123456789ab/bugfix/001_cccccccccccc"},
		{"run --agent cl", "claude"},
		{"prompt --agent mi", "mine"},
		{"prompt P1.M1.T1.S1 --stage ", "write check"},
		{"logs --stage w", "write"},
		{"logs P1.M1.T1.S1 --stage ", "run gate-1-vet"},
		{"logs P1.M1.T1.S1 --stage g", "gate-1-vet"},
		{"graph --collapse ", "task milestone phase"},
		{"help sta", "status"},
		{"help status ", ""},
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
	// The words are those that bash makes of the line; | is the cursor.
	for _, c := range []struct{ line, words, want string }{
		{"hacky sta|", "hacky sta", "status"},
		{"hacky show P1.M1.T1.S|", "hacky show P1.M1.T1.S", "P1.M1.T1.S1 P1.M1.T1.S2"},
		{"hacky set P1 Comp|", "hacky set P1 Comp", "Complete"},
		{"hacky run --progress=j|", "hacky run --progress = j", "json"},
		{"hacky  run  --progress   j|", "hacky run --progress j", "json"},
		{"hacky run --progress=j|son --dry-run", "hacky run --progress = json", "json"},
		{"hacky sta|tus", "hacky status", "status"},
		{"hacky run --scope P1.M1,P1.M1.T1.S|", "hacky run --scope P1.M1,P1.M1.T1.S", "P1.M1,P1.M1.T1.S1 P1.M1,P1.M1.T1.S2"},
		{"hacky run --scope P1.M1.T1.S1,P1.M1.T1.S2|", "hacky run --scope P1.M1.T1.S1,P1.M1.T1.S2", "P1.M1.T1.S1,P1.M1.T1.S2"},
		{"hacky status --status Failed,Com|", "hacky status --status Failed,Com", "Failed,Complete"},
	} {
		before, after, _ := strings.Cut(c.line, "|")
		for name, setup := range map[string]string{
			"the package": ". /usr/share/bash-completion/bash_completion 2>/dev/null",
			"nothing":     "",
		} {
			call := exec.Command(bash, "--norc", "--noprofile", "-c", setup+`
				compopt() { :; } # outside of a completion bash has none
				hacky() { `+binary(t)+` "$@"; }
				. "$1"
				COMP_LINE=$2 COMP_POINT=$3 COMP_TYPE=9
				IFS=" " read -ra COMP_WORDS <<< "$4"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
				__start_hacky
				for word in "${COMPREPLY[@]}"; do echo "${word%% *}"; done`, "bash", script, before+after, strconv.Itoa(len(before)), c.words)
			call.Dir = dir
			out, err := call.CombinedOutput()
			if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != c.want {
				t.Errorf("%s, with %s: %q, %v; want %q", c.line, name, got, err, c.want)
			}
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
				t.Skipf("%s is not installed: nothing has read its completion script", shell)
			}
			script := filepath.Join(t.TempDir(), "script")
			write(t, script, hacky(t, ".", "completion", shell).stdout)
			if out, err := exec.Command(program, append(check, script)...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
