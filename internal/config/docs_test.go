package config

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// uncomment turns every setting of the sample on.
func uncomment(sample []byte) []byte {
	return regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAll(sample, []byte("$1"))
}

func TestGeneratedFilesAreFresh(t *testing.T) {
	sample, err := os.ReadFile("../../configs/hacky.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sample, SampleYAML()) {
		t.Error("configs/hacky.yaml is stale: run go generate ./internal/config")
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("<!-- options -->\n"+string(OptionsTable())+"<!-- /options -->")) {
		t.Error("docs/configuration.md is stale: run go generate ./internal/config")
	}
}

func TestSample(t *testing.T) {
	c, _ := world{files: map[string]string{"hacky.yaml": string(SampleYAML())}}.mustLoad(t)
	want := Default()
	want.File = "hacky.yaml"
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("the sample as it is gives %+v", *c)
	}

	var listing map[string]Effective
	c, listing = world{files: map[string]string{"hacky.yaml": string(uncomment(SampleYAML()))}}.mustLoad(t)
	for _, o := range options() {
		if listing[o.name].Source != FromFile {
			t.Errorf("the sample does not set %s", o.name)
		}
	}
	if len(c.Stages) == 0 || len(c.Gates) == 0 || c.Agents == nil || len(c.Env) == 0 {
		t.Errorf("the sample's sections give %+v", *c)
	}
	c.Stages, c.Gates, c.Agents, c.Env = nil, nil, nil, nil
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("the sample with everything on gives %+v", *c)
	}
}

// The example in the docs is a file that loads.
func TestDocumentedFile(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	c, _ := world{files: map[string]string{"hacky.yaml": example}}.mustLoad(t)
	if len(c.Stages) != 2 || len(c.Gates) != 1 {
		t.Errorf("the example gives %+v", *c)
	}
}

func TestRegister(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs, "retry", "session", "config")
	var got []string
	fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
	if want := []string{"config", "no-retry", "retry", "session"}; !reflect.DeepEqual(got, want) {
		t.Errorf("registered %q, want %q", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown name did not panic")
		}
	}()
	Register(pflag.NewFlagSet("test", pflag.ContinueOnError), "retries")
}

func TestHelp(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	for _, want := range []string{
		"--flush-retries int         retries after the first attempt of a flush; 0 turns retrying off: an integer between 0 and 10 (default 3)\n",
		"--dry-run                   print what would run, in order; touch nothing\n",
		"--no-retry                  as --retry=false\n",
		"--timeout duration          time one attempt may take: none or a duration above 0 and of at most 720h (default none)\n",
	} {
		if !strings.Contains(fs.FlagUsages(), want) {
			t.Errorf("help lacks %q:\n%s", want, fs.FlagUsages())
		}
	}
}

// Quoted texts stay short, on one line, and cut between characters.
func TestQuote(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a\nb\x00", `"a\nb\x00"`},
		{strings.Repeat("a", 200), `"` + strings.Repeat("a", 200) + `"`},
		{strings.Repeat("a", 201), `"` + strings.Repeat("a", 200) + `"...`},
		{strings.Repeat("a", 198) + "\u20ac\u20ac", `"` + strings.Repeat("a", 198) + `"...`},
	}
	for _, tt := range tests {
		if got := quote(tt.text); got != tt.want {
			t.Errorf("quote(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}
