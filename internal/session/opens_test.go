package session

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Nothing in this package opens, makes or moves a session's file by package os:
// that follows links (fsutil.Within). The exceptions are what is no session's.
func TestNoBareOpens(t *testing.T) {
	bare := regexp.MustCompile(`\bos\.(Open|OpenFile|Create|ReadFile|WriteFile|Mkdir|MkdirAll|Rename|Remove|RemoveAll|Link|Truncate)\(|fsutil\.OS\(\)`)
	allowed := map[string]string{
		"boot_linux.go": "the kernel's own file",
		"create.go":     "locks plan/ and reads a PRD that the user names",
		"decode.go":     "reads a recovery file that the user names",
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") || allowed[e.Name()] != "" {
			continue
		}
		src, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if found := bare.FindString(string(src)); found != "" {
			t.Errorf("%s uses %s...; use Location.Files or the session's file system", e.Name(), found)
		}
	}
}
