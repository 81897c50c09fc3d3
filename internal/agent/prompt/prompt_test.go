package prompt

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden prompts")

func full() Data {
	return Data{ID: "P1.M2.T3.S4", Title: "Write the tokenizer",
		Context:  "CONTRACT DEFINITION:\n1. RESEARCH NOTE: see docs/lexer.md\n2. INPUT: source text.\n3. LOGIC:\n   - scan\n   1. not a section\n4. OUTPUT: tokens",
		Contract: Contract("CONTRACT DEFINITION:\n1. RESEARCH NOTE: see docs/lexer.md\n2. INPUT: source text.\n3. LOGIC:\n   - scan\n   1. not a section\n4. OUTPUT: tokens"),
		Parents:  []Parent{{"P1", "Language", "A small language."}, {"P1.M2", "Front end", "Lexer\nand parser."}, {"P1.M2.T3", "Lexer", ""}},
		Dependencies: []Dependency{{"P1.M1.T1.S1", "Set up", "Complete", "Go module made.\nTests run with make test."},
			{"P1.M2.T3.S3", "Token types", "Complete", ""}},
		Stage: "research", Output: "/work/prps/P1.M2.T3.S4.md", Gates: []Gate{{1, "vet", "go vet ./..."}, {2, "", "go test ./lexer"}}, Attempt: 1}
}

func TestDefaults(t *testing.T) {
	failed := full()
	failed.Stage, failed.Output, failed.Attempt = "implement", "", 2
	failed.Earlier = []Artifact{{"research", "/work/prps/P1.M2.T3.S4.md"}}
	failed.Failure = "gate-2 failed: exit 1\n--- FAIL: TestLexer"
	bare := Data{ID: "P1.M1.T1.S1", Title: "Bare", Stage: "implement", Attempt: 1}
	other := failed
	other.Stage, other.Output = "review", "/work/review.md"
	for name, c := range map[string]struct {
		stage string
		d     Data
	}{"research": {"research", full()}, "implement-again": {"implement", failed}, "implement-bare": {"implement", bare}, "fix": {Fix, failed}, "review": {"review", other}} {
		got, err := ForStage(c.stage).Render(c.d)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestErrors: what is wrong, in which file and line, before anything runs.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"one\n{{.Titel}}":                            "prompts/x.md:2:2: ",
		"{{if .Failure}}\n{{.Nothing}}{{end}}":       "prompts/x.md:2:2: ",
		"a\nb\n{{if .ID}":                            "prompts/x.md:3: ",
		"{{range .Dependencies}}{{.Results}}{{end}}": "Results",
		"{{template \"none\"}}":                      "none",
	} {
		if _, err := Parse("prompts/x.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestContract(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"1. INPUT: x":                  "",
		"CONTRACT DEFINITION: nothing": "",
		"CONTRACT DEFINITION:\n1. INPUT: x\n2. OUTPUT: y":                        "1 INPUT=x; 2 OUTPUT=y",
		"  CONTRACT DEFINITION:\nfirst this\n1. RESEARCH NOTE: a\n1. b\n":        "0 =first this; 1 RESEARCH NOTE=a\n1. b",
		"CONTRACT DEFINITION:\r\n1. INPUT: x: y\r\n3. LOGIC / FLOW:\r\n - z\r\n": "1 INPUT=x: y; 3 LOGIC / FLOW=- z",
		"CONTRACT DEFINITION:\n1. INPUT:\n2. Https: no\n10. OUTPUT: o":           "1 INPUT=2. Https: no; 10 OUTPUT=o",
	} {
		var got []string
		for _, s := range Contract(text) {
			got = append(got, strings.TrimSpace(string(rune('0'+s.Number/10)))+string(rune('0'+s.Number%10))+" "+s.Name+"="+s.Text)
		}
		joined := strings.ReplaceAll(strings.Join(got, "; "), "; 0", "; ")
		joined = strings.TrimPrefix(joined, "0")
		if joined != want {
			t.Errorf("%q: %q, want %q", text, joined, want)
		}
	}
}
