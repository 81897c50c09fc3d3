package cmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/agent/profile"
	"github.com/hacky-run/hacky/internal/agent/prompt"
)

const agentsPage = "../docs/agents.md"

// TestAgentsPageExamples: every hacky.yaml of the page runs, and every console
// session prints what stands there ("..." is anything).
func TestAgentsPageExamples(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?ms)(?:^<!-- env: ([^\n]*) -->\n)?^```(yaml|console)\n(.*?)^```$").FindAllStringSubmatch(read(t, agentsPage), -1)
	if len(blocks) < 8 {
		t.Fatalf("only %d examples", len(blocks))
	}
	for k, b := range blocks {
		t.Run(fmt.Sprintf("%d %s", k+1, b[2]), func(t *testing.T) {
			t.Parallel()
			config := ""
			if b[2] == "yaml" {
				config = b[3]
			}
			w := newWorkshop(t, staged(1), config, append(strings.Fields(b[1]), "WORK_API_KEY=k-0123456789", "WORK_TOKEN=t-0123456789")...)
			bin := t.TempDir()
			for _, name := range []string{"my-agent", "make"} {
				write(t, filepath.Join(bin, name), "#!/bin/sh\ncat > /dev/null\n")
				if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			w.env[0] = strings.Replace(w.env[0], "PATH=", "PATH="+bin+":"+filepath.Dir(binary(t))+":", 1)
			w.env = append(w.env, "FAKE_AGENT_WRITE=prps/$HACKY_TASK_ID.md=the plan\nmade=by $HACKY_STAGE")
			git := w.repository()
			git("add", "tasks.json")
			git("commit", "-qm", "begin")
			if b[2] == "yaml" {
				w.hacky(nil, "run").wants(t, 0)
				return
			}
			w.console(b[3])
		})
	}
}

// console runs the commands of a console session in a shell and compares.
func (w *workshop) console(session string) {
	w.t.Helper()
	var script, want string
	for line := range strings.Lines(session) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script += command
		} else {
			want += line
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", script)
	c.Dir = w.dir
	c.Env = w.command(ctx, []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}).Env
	out, err := c.Output()
	if err != nil {
		w.t.Errorf("%v\n%s", err, script)
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, "(?s:.*)")
	if !regexp.MustCompile("^" + pattern + "$").Match(out) {
		w.t.Errorf("%s\nprints\n%s\nand not\n%s", script, out, want)
	}
}

// TestAgentsPageIsComplete: no agent, field of a profile, pattern or field of a
// template is missing.
func TestAgentsPageIsComplete(t *testing.T) {
	t.Parallel()
	page := read(t, agentsPage)
	profiles, err := profile.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range profiles {
		contains(t, "the page", page, "| `"+name+"` |")
	}
	fields := func(v any, as func(string) string) {
		for f := range reflect.TypeOf(v).Fields() {
			if f.Name != "Name" {
				contains(t, "the page", page, as(f.Name))
			}
		}
	}
	fields(profile.Profile{}, func(name string) string { return "`" + strings.ToLower(name) + "`" })
	fields(profile.Patterns{}, func(name string) string { return "`" + strings.ToLower(name) + "`" })
	fields(prompt.Data{}, func(name string) string { return "`." + name + "`" })
}
