package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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

// TestGettingStarted: the page's backlog can be run.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindStringSubmatch(read(t, "../docs/getting-started.md"))
	dir := session(t, m[1])
	hacky(t, dir, "validate").wants(t, 0)
	hacky(t, dir, "run").wants(t, 0)
	done(t, dir)
}

// TestRecipesForCI: they are YAML, and their variables options.
func TestRecipesForCI(t *testing.T) {
	t.Parallel()
	options := hacky(t, t.TempDir(), "config").stdout
	for _, text := range yamlExamples(t, "../docs/ci.md") {
		if err := yaml.Unmarshal([]byte(text), &map[string]any{}); err != nil {
			t.Error(err)
		}
		for _, name := range regexp.MustCompile(`HACKY_[A-Z_]+`).FindAllString(text, -1) {
			if option := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "HACKY_")), "_", "-"); !strings.Contains(options, "\n"+option+" ") {
				t.Errorf("%s is no option", name)
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

// TestDocumentedCalls: every call of hacky in a page's blocks names a command
// and flags that are there.
func TestDocumentedCalls(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```(?:sh|console|yaml)\n(.*?)^```$")
	inline := regexp.MustCompile("`(hacky [^`]+)`")
	call := regexp.MustCompile(`(?:^|[$;&|=\[] ?|run: |\w=\S+ )hacky ([a-z]+)([^#;|&>\]]*)`)
	help := map[string]string{}
	seen := 0
	for _, page := range append(pages, "../README.md") {
		var lines []string
		text := read(t, page)
		for _, m := range blocks.FindAllStringSubmatch(text, -1) {
			lines = append(lines, strings.Split(m[1], "\n")...)
		}
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				seen++
				name := m[1]
				if help[name] == "" {
					r := hacky(t, t.TempDir(), name, "--help")
					if r.code != 0 {
						t.Errorf("%s: %q: there is no such command", page, strings.TrimSpace(line))
						continue
					}
					help[name] = r.stdout
				}
				for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[2], -1) {
					if !strings.Contains(help[name], flag) {
						t.Errorf("%s: %q: %s has no %s", page, strings.TrimSpace(line), name, flag)
					}
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d calls were found", seen)
	}
}
