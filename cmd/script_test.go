package cmd_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs testdata/script/*.txtar. Beside testscript's own commands
// they have:
//
//	exits CODE PROGRAM ARGS...   run it; it has to exit with CODE, and JSON that hacky
//	                             prints has to fit its schema
//	masked FILE OUT              copy FILE (or stdout, stderr) to OUT, with times and
//	                             durations as placeholders, for cmp with golden text
//	sorted FILE OUT              copy with the lines sorted
//	events KEY...                every line of stdout is a JSON object with these keys
//	snapshot NAME                remember the state of the work directory
//	unchanged NAME               it has to be as it was then, times included
//
// `UPDATE_GOLDEN=1 go test ./cmd -run TestScript` rewrites the golden text.
func TestScript(t *testing.T) {
	var states sync.Map // scripts run at the same time
	testscript.Run(t, testscript.Params{
		Dir:                 "../testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_GOLDEN") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LANG", "C")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every hacky takes a second more with -race
			e.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"masked": func(ts *testscript.TestScript, _ bool, args []string) { rewrite(ts, args, mask) },
			"sorted": func(ts *testscript.TestScript, _ bool, args []string) { rewrite(ts, args, sortLines) },
			"events": events,
			"snapshot": func(ts *testscript.TestScript, _ bool, args []string) {
				states.Store(ts.Name()+" "+args[0], snapshot(t, ts.Getenv("WORK")))
			},
			"unchanged": func(ts *testscript.TestScript, _ bool, args []string) {
				then, _ := states.Load(ts.Name() + " " + args[0])
				if now := snapshot(t, ts.Getenv("WORK")); now != then {
					ts.Fatalf("something was written.\nbefore:\n%s\nafter:\n%s", then, now)
				}
			},
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	both := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	ts.Logf("[stdout]\n%s[stderr]\n%s", clip(ts.ReadFile("stdout")), clip(ts.ReadFile("stderr")))
	if args[1] == "hacky" {
		ts.Check(misprinted(args[2:], ts.ReadFile("stdout")))
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	if strings.Contains(both, "goroutine ") || strings.Contains(both, "panic") {
		ts.Fatalf("a stack trace")
	}
}

func rewrite(ts *testscript.TestScript, args []string, change func(string) string) {
	if len(args) != 2 {
		ts.Fatalf("usage: FILE OUT")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(change(ts.ReadFile(args[0]))), 0o644))
}

var masks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIMESTAMP"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d `), "DATE "},
	{regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-f]{8}`), "RUNID"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "HH:MM:SS"},
	{regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)?(ms|s)\b`), "DUR"},
	{regexp.MustCompile(`DATE \d\d:\d\d \(\d+ days ago\)`), "DAYS AGO"},
	{regexp.MustCompile(`(DATE \d\d:\d\d|HH:MM:SS) \((DUR|\d+[mh]) ago\)`), "HH:MM:SS (DUR ago)"}, // also if midnight has passed
	{regexp.MustCompile(`"(durationMs|delayMs)":\d+`), `"$1":N`},
	{regexp.MustCompile(`"base": "[0-9a-f]{64}"`), `"base": "SHA256"`},
	{regexp.MustCompile(`process \d+`), "process PID"},
	{regexp.MustCompile(`backup-\d{8}T\d{6}\.\d{9}Z`), "backup-TIME"},
}

func mask(s string) string {
	for _, m := range masks {
		s = m.find.ReplaceAllString(s, m.put)
	}
	return s
}

func sortLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	sort.Strings(lines)
	return strings.Join(lines, "")
}

func events(ts *testscript.TestScript, _ bool, keys []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			ts.Fatalf("%v in %s", err, line)
		}
		for _, k := range keys {
			if _, ok := event[k]; !ok {
				ts.Fatalf("no %q in %s", k, line)
			}
		}
	}
}

// TestGoldens: of every command, in every form that it has, some script compares
// the whole of what is printed with golden text.
func TestGoldens(t *testing.T) {
	dir := t.TempDir()
	names, err := filepath.Glob("../testdata/script/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	golden := map[string]bool{}
	call := regexp.MustCompile(`^.*\bhacky ([a-z]+)( .*)?$`)
	form := regexp.MustCompile(` (?:-o|--output)[ =]([a-z]+)`)
	for _, name := range names {
		text, _, _ := strings.Cut(read(t, name), "\n-- ") // the script, without its files
		called := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			switch m := call.FindStringSubmatch(line); {
			case m != nil:
				called = m[1]
				if f := form.FindStringSubmatch(m[2]); f != nil {
					called += " " + f[1]
				}
			case strings.HasPrefix(line, "cmp stdout ") || strings.HasPrefix(line, "cmp out ") || strings.HasPrefix(line, "cmp ../"):
				golden[called] = true
			}
		}
	}
	// What these print is long text for people and programs, and held elsewhere.
	elsewhere := map[string]string{"completion": "TestBashCompletes, TestOtherShells", "man": "TestCommandPages", "help": "TestCommandPages", "report": "internal/report, TestReportInChromium"}
	forms := regexp.MustCompile(`(?m)--output string +output: (.*?)( \(default "([a-z]+)"\))?$`)
	commands, seen := commandNames(t, dir), 0
	for _, c := range commands {
		if elsewhere[c] != "" {
			continue
		}
		wanted := []string{""}
		if m := forms.FindStringSubmatch(hacky(t, dir, c, "--help").stdout); m != nil {
			wanted = regexp.MustCompile(`\b(text|table|tree|json|yaml|dot|mermaid|svg)\b`).FindAllString(m[1], -1)
			for k, w := range wanted {
				if w == m[3] {
					wanted[k] = ""
				}
			}
		}
		for _, w := range wanted {
			if seen++; !golden[strings.TrimSpace(c+" "+w)] {
				t.Errorf("no script compares \"hacky %s\" in the form %q with golden text", c, w)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d forms", seen)
	}
}
