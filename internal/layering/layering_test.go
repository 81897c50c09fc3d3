package layering

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hacky-run/hacky"

// arrows says which of our packages each package may import. A new arrow needs
// a line here, and a reason that still holds when read from the bottom.
func arrows() map[string][]string {
	return map[string][]string{
		"":    {"cmd"},
		"cmd": {"configs", "internal/config", "internal/ui", "internal/engine", "internal/engine/local", "internal/session", "internal/schedule", "internal/agent", "internal/backlog", "internal/fsutil", "internal/retry", "internal/doctor", "internal/validate", "internal/journal", "internal/agent/profile", "internal/agent/prompt", "internal/checkpoint", "internal/secret", "internal/git", "internal/nearest", "internal/supervise", "internal/graph", "internal/report", "internal/result", "internal/todo"},

		"internal/config":       {"internal/backlog", "internal/nearest"},                                       // the types of commands and gates
		"internal/config/gen":   {"internal/config"},                                                            // writes the sample and the table
		"internal/ui":           {"internal/engine", "internal/schedule", "internal/agent", "internal/backlog"}, // shows events
		"internal/session":      {"internal/backlog", "internal/fsutil", "internal/retry", "internal/journal"},  // no engine, no terminal
		"internal/engine":       {"internal/agent", "internal/backlog", "internal/schedule"},                    // no session: it emits events
		"internal/engine/local": {"internal/engine", "internal/agent", "internal/backlog", "internal/retry", "internal/schedule"},

		"internal/validate": {"internal/session", "internal/journal", "internal/checkpoint", "internal/backlog", "internal/fsutil"}, // looks at all of a session's state, and mends it
		"internal/doctor":   {"internal/session", "internal/fsutil", "internal/backlog", "internal/journal"},                        // looks at all of a session's state
		"internal/journal":  {"internal/backlog", "internal/fsutil"},                                                                // statuses and ids; the disk

		"internal/graph":    {"internal/backlog"},                   // items, statuses, dependencies
		"internal/report":   {"internal/backlog", "internal/graph"}, // statuses and titles; a drawing of them. No session: attempts are handed in
		"internal/schedule": {"internal/backlog"},
		"internal/todo":     {"internal/backlog", "internal/nearest"}, // drafts of items; the title nearest to a mistyped one
		// commands; how agents are called, read and judged; what they are told; how far they got; what must not be shown; what they changed
		"internal/agent":           {"internal/backlog", "internal/agent/profile", "internal/agent/prompt", "internal/checkpoint", "internal/secret", "internal/git", "internal/fsutil", "internal/supervise", "internal/proc"}, // what it starts is noted; orphans are looked up
		"internal/agent/profile":   {"internal/nearest"},                                                                                                                                                                        // the name nearest to a mistyped one
		"internal/agent/fakeagent": nil,                                                                                                                                                                                         // agents that are none, for tests
		"internal/checkpoint":      {"internal/fsutil"},
		"internal/supervise":       {"internal/proc"},
		"internal/fsutil/faultfs":  {"internal/fsutil"}, // a disk that fails, for tests

		"configs": nil, "internal/agent/prompt": nil, "internal/nearest": nil, "internal/secret": nil, "internal/git": nil, "internal/proc": nil, "internal/backlog": nil, "internal/fsutil": nil, "internal/retry": nil, "internal/layering": nil,

		"internal/result": {"internal/checkpoint", "internal/config", "internal/doctor", "internal/validate"}, // documents are made of what these found

		"internal/schema":     {"internal/backlog", "internal/checkpoint", "internal/config", "internal/doctor", "internal/result", "internal/ui"}, // describes what these read and write; only its generator and tests use it
		"internal/schema/gen": {"internal/schema"},

		"docs/tour": nil, // draws the README's picture from outside
		"bench":     {"bench/gen"}, "bench/gen": nil, "bench/bareloop": nil, "bench/nothing": nil,
	}
}

// owners says which package alone may import a library.
func owners() map[string]string {
	return map[string]string{
		"github.com/spf13/viper":          "internal/config",
		"github.com/spf13/cobra":          "cmd",
		"github.com/avast/retry-go/v4":    "internal/retry",
		"github.com/mattn/go-runewidth":   "internal/ui",
		"github.com/yuin/goldmark":        "internal/todo",
		"github.com/google/jsonschema-go": "internal/schema", // in no command
	}
}

// pure packages know no files, clocks or processes.
func pure() []string {
	return []string{"internal/backlog", "internal/schedule", "internal/graph", "internal/todo", "internal/agent/prompt", "internal/agent/profile"}
}

func TestLayering(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	allowed := arrows()
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for dec.More() {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		mayImport, known := allowed[name]
		if !known {
			t.Errorf("package %q is not in the table: add it, with the arrows it may have", name)
		}
		for _, imp := range pkg.Imports {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok && !slices.Contains(mayImport, ours) {
				t.Errorf("%q imports %q, which is not below it", name, ours)
			}
			for lib, owner := range owners() {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && name != owner {
					t.Errorf("%q imports %s; only %q may", name, lib, owner)
				}
			}
			if slices.Contains(pure(), name) && slices.Contains([]string{"os", "os/exec", "net", "io/fs", "math/rand", "math/rand/v2", "context"}, imp) {
				t.Errorf("%q is pure, and imports %s", name, imp)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("go list named only %d packages", seen)
	}
}
