package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// yamlExamples are the yaml blocks of a page.
func yamlExamples(t *testing.T, page string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(read(t, page), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestAgentsPage: the examples of docs/agents.md can be loaded, and those whose
// agents are known to the test executed.
func TestAgentsPage(t *testing.T) {
	t.Parallel()
	examples := yamlExamples(t, "../docs/agents.md")
	if len(examples) != 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for k, text := range examples {
		w := newWorkshop(t, staged(1), text, "WORK_KEY=0123456789abcdef")
		w.hacky(nil, "config").wants(t, 0)
		agents := w.hacky(nil, "agents")
		agents.wants(t, 0)
		switch k {
		case 0:
			w.hacky(nil, "run").wants(t, 0)
			if got := read(t, filepath.Join(w.dir, "done.txt")); got != "P1.M1.T1.S1 is done\n" {
				t.Errorf("done.txt: %q", got)
			}
			if len(w.calls("claude")) != 1 || len(w.calls("codex")) != 1 {
				t.Errorf("calls: %v, %v", w.calls("claude"), w.calls("codex"))
			}
		case 1:
			p := w.hacky(nil, "prompt", "P1.M1.T1.S1")
			p.wants(t, 0)
			contains(t, "the prompt", p.stdout, "Do P1.M1.T1.S1: ")
		case 2:
			contains(t, "the agents", agents.stdout, "careful   claude", "work", "mine      my-agent  file")
			w.hacky(nil, "run").wants(t, 0)
			if calls := w.calls("claude"); len(calls) != 2 || !strings.Contains(strings.Join(calls[0].Args, " "), "--permission-mode plan") {
				t.Errorf("calls: %v", calls)
			}
		}
	}
}

// TestLinks: what the pages refer to within the project is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s refers to %s, which is not there", page, m[1])
			}
		}
	}
}
