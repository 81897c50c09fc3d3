package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
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

// TestFormatsDocumented: every field of tasks.json, of an attempt and of an event
// is named in the page of files.
func TestFormatsDocumented(t *testing.T) {
	t.Parallel()
	page := read(t, "../docs/formats.md")
	seen := 0
	var look func(name string, s *jsonschema.Schema)
	look = func(name string, s *jsonschema.Schema) {
		if s == nil {
			return
		}
		for field, p := range s.Properties {
			if seen++; !strings.Contains(page, "`"+field+"`") && field != "ids" && field != "backlog" && !strings.HasPrefix(field, "seconds") && field != "points" && field != "count" && field != "by" && field != "finished" && field != "end" {
				t.Errorf("%s: %s is not in docs/formats.md", name, field)
			}
			for _, e := range p.Enum {
				if word, ok := e.(string); ok && !strings.Contains(page, "`"+word+"`") {
					t.Errorf("%s: %s is not in docs/formats.md", name, word)
				}
			}
			look(name, p)
		}
		for _, p := range s.AnyOf {
			look(name, p)
		}
		look(name, s.Items)
	}
	for _, name := range []string{"tasks", "attempt", "event"} {
		var s jsonschema.Schema
		if err := json.Unmarshal([]byte(read(t, "../configs/schema/"+name+".schema.json")), &s); err != nil {
			t.Fatal(err)
		}
		look(name, &s)
	}
	if seen < 80 {
		t.Errorf("only %d fields", seen)
	}
}

// TestReadmeTour: the tour's calls, typed one after the other in an empty
// directory, do what they say.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed: the README's tour was not typed")
	}
	_, tour, _ := strings.Cut(read(t, "../README.md"), "## A tour")
	tour, _, _ = strings.Cut(tour, "**What a subtask executes**")
	var script strings.Builder
	script.WriteString("set -e\n")
	typed := 0
	for line := range strings.Lines(tour) {
		call, ok := strings.CutPrefix(line, "$ ")
		if !ok || strings.Contains(call, "--watch") { // which goes on until Ctrl+C
			continue
		}
		typed++
		call, remark, _ := strings.Cut(strings.TrimSpace(call), " #")
		want := "0"
		if _, code, ok := strings.Cut(remark, "exit "); ok {
			want = code[:1]
		}
		fmt.Fprintf(&script, "echo \"+ %s\"\n%[1]s || { code=$?; test $code = %s || { echo \"exit $code\"; exit 1; }; }\n", strings.ReplaceAll(call, `"`, `\"`), want)
		if want != "0" {
			fmt.Fprintf(&script, "test \"${code-0}\" = %s; unset code\n", want)
		}
	}
	c := cleanCommand(t.Context(), t.TempDir(), bash, "-c", script.String())
	c.Env[0] = "PATH=" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH")
	r := finish(t, c)
	r.wants(t, 0)
	if typed < 10 {
		t.Errorf("only %d calls", typed)
	}
	for _, nothing := range []string{"nothing is ready: all", "0 subtasks would run", "nothing to do"} {
		if strings.Contains(r.stdout, nothing) {
			t.Errorf("a call of the tour shows nothing: %q in\n%s", nothing, r.stdout)
		}
	}
}
