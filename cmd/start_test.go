package cmd_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestStartsLean: what every call pays before it does anything is bounded, by
// what is linked and by what is allocated, neither of which depends on how fast
// the machine is.
func TestStartsLean(t *testing.T) {
	t.Parallel()
	const most = 500 // allocations of one package: a few tables and small patterns
	// import reads Markdown with a library, whose parser makes its patterns here.
	own := map[string]int{"github.com/yuin/goldmark/parser": 1000}
	out, err := exec.Command("go", "list", "-deps", "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	for _, heavy := range []string{"github.com/russross/blackfriday/v2", "github.com/cpuguy83/go-md2man/v2/md2man", "github.com/google/jsonschema-go/jsonschema"} {
		if slices.Contains(packages, heavy) {
			t.Errorf("hacky links %s, which has work to do at every start", heavy)
		}
	}
	c := cleanCommand(t.Context(), t.TempDir(), binary(t), "--help")
	c.Env = append(c.Env, "GODEBUG=inittrace=1")
	r := finish(t, c)
	r.wants(t, 0)
	found := regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) allocs$`).FindAllStringSubmatch(r.stderr, -1)
	if len(found) < 20 {
		t.Fatalf("no trace of the start: %s", clip(r.stderr))
	}
	for _, m := range found {
		if n, err := strconv.Atoi(m[2]); err != nil || n > max(most, own[m[1]]) {
			t.Error(fmt.Sprintf("%s allocates %s times at every start, at most %d", m[1], m[2], max(most, own[m[1]])), err)
		}
	}
}
