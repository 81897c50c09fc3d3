package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// given a command line, variables and files, world is what Load is called with.
type world struct {
	args  []string
	vars  map[string]string
	files map[string]string // relative to the working directory; "home/..." is below $HOME
}

func (w world) load(t *testing.T) (*Config, []Effective, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range w.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := Env{Dir: dir, Home: filepath.Join(dir, "home"), Lookup: func(name string) (string, bool) {
		v, ok := w.vars[name]
		return strings.ReplaceAll(v, "$DIR", dir), ok
	}}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	if err := fs.Parse(w.args); err != nil {
		t.Fatalf("parsing %q: %v", w.args, err)
	}
	return Load(fs, env)
}

func (w world) mustLoad(t *testing.T) (*Config, map[string]Effective) {
	t.Helper()
	c, listing, err := w.load(t)
	if err != nil {
		t.Fatalf("%+v: %v", w, err)
	}
	byName := make(map[string]Effective)
	for _, e := range listing {
		byName[e.Name] = e
	}
	return c, byName
}

func (w world) problems(t *testing.T) []string {
	t.Helper()
	c, listing, err := w.load(t)
	if err == nil {
		t.Fatalf("%+v: no error", w)
	}
	if c != nil || listing != nil {
		t.Errorf("%+v: results beside an error", w)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%+v: error is a %T", w, err)
	}
	return e.Problems
}

// samples is, for every option, texts that are not its default and do not mean
// the same, what is listed for them, and texts that are refused.
var samples = map[string]struct {
	texts []string // three
	value any      // of texts[0]
	bad   []string
}{
	"session":        {texts: []string{"plan/001_abc", "b", "c"}, value: "plan/001_abc"},
	"flush-retries":  {[]string{"0", "10", "5"}, 0, []string{"abc", "11", "-1", "2.9", "true", "0x1", "1e1", " 3", "3 ", "+3", "03", "1_0", "99999999999999999999"}},
	"retry-backoff":  {[]string{"250", "60s", "400ms"}, "250ms", []string{"99", "99ms", "61s", "60001", "-1s", "fast", "none", "99999999999999999999", "1.5"}},
	"task-retry":     {[]string{"10", "0", "1"}, 10, []string{"11", "x"}},
	"retry":          {[]string{"no", "OFF", "f"}, false, []string{"2", "maybe", " true"}},
	"parallelism":    {[]string{"1024", "1", "7"}, 1024, []string{"0", "1025"}},
	"scope":          {[]string{"P1.M1.T1.S1, P2", "P1", "P10.M2"}, "P1.M1.T1.S1,P2", []string{",", "P1,", "p1", "P1.T1", "P1.M1.T1.S1.X1", "P", "ALL", "P1 P2"}},
	"with-deps":      {[]string{"true", "1", "Yes"}, true, []string{"si"}},
	"flush-interval": {[]string{"10ms", "1h", "90s"}, "10ms", []string{"9ms", "61m", "1", "0", "none"}},
	"flush-batch":    {[]string{"1", "100000", "99"}, 1, []string{"0", "100001"}},
	"timeout":        {[]string{"30m", "1ns", "720h"}, "30m", []string{"30", "-1s", "721h", "never", "None"}},
	"idle-timeout":   {[]string{"1h30m", "400ms", "10s"}, "1h30m", []string{"30", "-1s"}},
	"max-tasks":      {[]string{"1", "2", "1000000"}, 1, []string{"0", "-1", "1.0", "None"}},
	"max-duration":   {[]string{"8h", "1s", "90m"}, "8h", []string{"0", "0s", "30", "-8h", "9000h"}},
	"max-failures":   {[]string{"1", "2", "3"}, 1, []string{"0", "few"}},
	"fail-fast":      {[]string{"on", "true", "T"}, true, []string{"2"}},
	"agent":          {[]string{"claude", "my-agent", "codex"}, "claude", []string{"Claude", "a b", "-x"}},
	"commit":         {[]string{"true", "yes", "1"}, true, []string{"maybe"}},
	"quota-wait":     {[]string{"90m", "0s", "24h"}, "1h30m", []string{"30", "-1s", "9000h"}},
	"fix-attempts":   {[]string{"0", "10", "1"}, 0, []string{"11", "-1"}},
	"dry-run":        {[]string{"true", "yes", "1"}, true, []string{"x"}},
	"recover":        {[]string{"true", "yes", "1"}, true, []string{"x"}},
	"color":          {[]string{"always", "never", "auto"}, "always", []string{"ALWAYS", "yes"}},
	"progress":       {[]string{"none", "json", "tty"}, "none", []string{"JSON", "fancy"}},
	"log-level":      {[]string{"trace", "error", "warn"}, "trace", []string{"warning", "INFO"}},
	"log-format":     {[]string{"json", "console", "console"}, "json", []string{"text"}},
}

func TestDefault(t *testing.T) {
	want := Config{
		FlushRetries: 3, FlushBackoff: 100 * time.Millisecond, TaskBackoff: time.Second, TaskRetry: 3, Retry: true,
		Parallelism: 2, FlushInterval: time.Second, FlushBatch: 100, FixAttempts: 2, QuotaWait: 6 * time.Hour,
		Progress: "auto", Color: "auto", LogLevel: "info", LogFormat: "auto",
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("Default() = %+v\nwant %+v", got, want)
	}
	got, listing, err := Load(nil, Env{Dir: t.TempDir()})
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("Load of nothing = %+v, %v\nwant %+v", got, err, want)
	}
	for _, e := range listing {
		if e.Source != FromDefault || e.Origin != "" || e.Value != e.Default {
			t.Errorf("listing without settings has %+v", e)
		}
	}
}

// Every option has one name everywhere, and every source means the same by the
// same text.
func TestSourcesAgree(t *testing.T) {
	for _, o := range options() {
		sample, ok := samples[o.name]
		if !ok {
			t.Errorf("no samples for option %s", o.name)
			continue
		}
		text := sample.texts[0]
		variable := environmentName(o.name)
		sources := []struct {
			world  world
			source Source
			origin string
		}{
			{world{args: []string{"--" + o.name + "=" + text}}, FromFlag, "--" + o.name},
			{world{vars: map[string]string{variable: text}}, FromEnvironment, variable},
			{world{files: map[string]string{"hacky.yaml": "\n\n" + o.name + ": " + text + "\n"}}, FromFile, "hacky.yaml:3"},
		}
		want, def := Default(), Default()
		if err := o.set(&want, text); err != nil {
			t.Fatal(err)
		}
		for _, s := range sources {
			got, listing := s.world.mustLoad(t)
			got.File = ""
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("%+v: got %+v\nwant %+v", s.world, *got, want)
			}
			for name, e := range listing {
				wantEntry := Effective{name, nil, FromDefault, "", nil}
				if name == o.name {
					wantEntry = Effective{name, sample.value, s.source, s.origin, o.get(&def)}
				} else {
					wantEntry.Value, wantEntry.Default = e.Default, e.Default
				}
				if e != wantEntry {
					t.Errorf("%+v: listed %+v, want %+v", s.world, e, wantEntry)
				}
			}
			if len(listing) != len(options()) {
				t.Errorf("%d options listed of %d", len(listing), len(options()))
			}
		}
	}
}

// A field of Config that no option sets would be configuration nobody can
// configure.
func TestEveryFieldIsReachable(t *testing.T) {
	reached := map[string]bool{"Stages": true, "Gates": true, "Agents": true, "Env": true, "File": true}
	for _, o := range options() {
		before, after := Default(), Default()
		if err := o.set(&after, samples[o.name].texts[0]); err != nil {
			t.Fatal(err)
		}
		b, a := reflect.ValueOf(before), reflect.ValueOf(after)
		changed := 0
		for i := range b.NumField() {
			if !reflect.DeepEqual(b.Field(i).Interface(), a.Field(i).Interface()) {
				reached[b.Type().Field(i).Name] = true
				changed++
			}
		}
		if want := map[bool]int{false: 1, true: 2}[o.name == "retry-backoff"]; changed != want {
			t.Errorf("option %s sets %d fields, want %d", o.name, changed, want)
		}
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		if !reached[f.Name] {
			t.Errorf("no option sets Config.%s", f.Name)
		}
	}
}

// Three different texts, one in each source: the strongest present one wins.
func TestPrecedence(t *testing.T) {
	for _, o := range options() {
		texts := samples[o.name].texts
		for present := range 8 {
			var w world
			want, source := o.def, FromDefault
			if present&1 != 0 {
				w.files = map[string]string{"hacky.yaml": o.name + ": " + texts[2] + "\n"}
				want, source = texts[2], FromFile
			}
			if present&2 != 0 {
				w.vars = map[string]string{environmentName(o.name): texts[1]}
				want, source = texts[1], FromEnvironment
			}
			if present&4 != 0 {
				w.args = []string{"--" + o.name + "=" + texts[0]}
				want, source = texts[0], FromFlag
			}
			var c Config
			if err := o.set(&c, want); err != nil {
				t.Fatal(err)
			}
			_, listing := w.mustLoad(t)
			if e := listing[o.name]; e.Source != source || e.Value != o.get(&c) {
				t.Errorf("%+v: listed %+v, want %v from %s", w, e, o.get(&c), source)
			}
		}
	}
}

// What is listed can be typed back.
func TestListedValuesAreAccepted(t *testing.T) {
	for _, o := range options() {
		for _, text := range append([]string{o.def}, samples[o.name].texts...) {
			var c, again Config
			if err := o.set(&c, text); err != nil {
				t.Fatal(err)
			}
			listed := textOf(o.get(&c))
			if err := o.set(&again, listed); err != nil || !reflect.DeepEqual(c, again) {
				t.Errorf("%s: %q is listed as %q, which is %+v, %v", o.name, text, listed, again, err)
			}
		}
	}
}

func TestBadValuesNameTheirSource(t *testing.T) {
	for _, o := range options() {
		bad := append([]string{""}, samples[o.name].bad...)
		for _, text := range bad {
			prefix := map[string]world{
				"--" + o.name + ": ": {args: []string{"--" + o.name + "=" + text}},
			}
			if text != "" {
				prefix[environmentName(o.name)+": "] = world{vars: map[string]string{environmentName(o.name): text}}
			}
			if text != "" || o.name != "session" {
				prefix["hacky.yaml:2: "+o.name+": "] = world{files: map[string]string{"hacky.yaml": "# first\n" + o.name + ": '" + text + "'\n"}}
			}
			for p, w := range prefix {
				got := w.problems(t)
				if len(got) != 1 || !strings.HasPrefix(got[0], p+quote(text)) || !strings.HasSuffix(got[0], " is "+o.allowed) &&
					!strings.HasSuffix(got[0], " is not "+o.allowed) {
					t.Errorf("%+v: problems %q; want one with %q, the value and %q", w, got, p, o.allowed)
				}
			}
		}
	}
}

func TestMessages(t *testing.T) {
	tests := []struct {
		world world
		want  []string
	}{
		{world{vars: map[string]string{"HACKY_FLUSH_RETRIES": "abc"}},
			[]string{`HACKY_FLUSH_RETRIES: "abc" is not an integer between 0 and 10`}},
		{world{args: []string{"--max-tasks", "0"}},
			[]string{`--max-tasks: "0" is not none or an integer of at least 1`}},
		{world{args: []string{"--timeout", "30"}},
			[]string{`--timeout: "30" has no unit (write 30s, 30m or 30h): allowed is none or a duration above 0 and of at most 720h`}},
		{world{args: []string{"--retry-backoff", "50"}},
			[]string{`--retry-backoff: "50" is not a duration between 100ms and 1m (a bare number is milliseconds)`}},
		{world{args: []string{"--scope="}},
			[]string{`--scope: "" is not all, an id such as P1.M2.T3.S4, or a comma list of ids`}},
		{world{args: []string{"--session="}},
			[]string{`--session: "" is not a directory, a session name or hash, or a path to a tasks.json`}},
		// All at once: flags, then variables, then the file from its top.
		{world{
			args:  []string{"--parallelism=none", "--log-level=loud"},
			vars:  map[string]string{"HACKY_TASK_RETRY": "-1"},
			files: map[string]string{"hacky.yaml": "progress: x\nstages: 3\nflush-batch: 0\nflush-retry: 2\n"},
		}, []string{
			`--parallelism: "none" is not an integer between 1 and 1024`,
			`--log-level: "loud" is not one of trace, debug, info, warn, error`,
			`HACKY_TASK_RETRY: "-1" is not an integer between 0 and 10`,
			`hacky.yaml:1: progress: "x" is not one of auto, tty, plain, json, none`,
			`hacky.yaml:2: stages must be a list`,
			`hacky.yaml:3: flush-batch: "0" is not an integer between 1 and 100000`,
			`hacky.yaml:4: unknown key "flush-retry"; did you mean "flush-retries"?`,
		}},
		// Two that disagree in one place.
		{world{vars: map[string]string{"HACKY_TASK_RETRY": "1", "HACKY_TASK_RETRY_MAX_ATTEMPTS": "2"}},
			[]string{`HACKY_TASK_RETRY_MAX_ATTEMPTS: "2" contradicts HACKY_TASK_RETRY: "1"`}},
		{world{vars: map[string]string{"HACKY_TASK_RETRY": "1", "HACKY_TASK_RETRY_MAX_ATTEMPTS": "many"}},
			[]string{`HACKY_TASK_RETRY_MAX_ATTEMPTS: "many" is not an integer between 0 and 10`}},
		{world{args: []string{"--retry", "--no-retry"}},
			[]string{`--no-retry: "true" contradicts --retry: "true"`}},
		{world{vars: map[string]string{"HACKY_RETRY": "yes", "HACKY_NO_RETRY": "yes"}},
			[]string{`HACKY_NO_RETRY: "yes" contradicts HACKY_RETRY: "yes"`}},
		{world{files: map[string]string{"hacky.yaml": "no-retry: false\nretry: false\n"}},
			[]string{`hacky.yaml:2: retry: "false" contradicts hacky.yaml:1: no-retry: "false"`}},
	}
	for _, tt := range tests {
		if got := tt.world.problems(t); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v:\ngot  %q\nwant %q", tt.world, got, tt.want)
		}
	}
}

func TestSpellings(t *testing.T) {
	tests := []struct {
		world  world
		option string
		value  any
		source Source
		origin string
	}{
		{world{args: []string{"--no-retry"}}, "retry", false, FromFlag, "--no-retry"},
		{world{args: []string{"--no-retry=false"}}, "retry", true, FromFlag, "--no-retry"},
		{world{args: []string{"--retry=false", "--no-retry"}}, "retry", false, FromFlag, "--retry"},
		{world{vars: map[string]string{"HACKY_NO_RETRY": "1"}}, "retry", false, FromEnvironment, "HACKY_NO_RETRY"},
		{world{files: map[string]string{"hacky.yaml": "no-retry: true"}}, "retry", false, FromFile, "hacky.yaml:1"},
		{world{files: map[string]string{"hacky.yaml": "no-retry: true"}, args: []string{"--retry"}}, "retry", true, FromFlag, "--retry"},
		{world{vars: map[string]string{"HACKY_NO_RETRY": "1"}, args: []string{"--no-retry=false"}}, "retry", true, FromFlag, "--no-retry"},
		{world{args: []string{"--dry-run"}}, "dry-run", true, FromFlag, "--dry-run"},

		{world{vars: map[string]string{"HACKY_TASK_RETRY_MAX_ATTEMPTS": "7"}}, "task-retry", 7, FromEnvironment, "HACKY_TASK_RETRY_MAX_ATTEMPTS"},
		{world{vars: map[string]string{"HACKY_TASK_RETRY_MAX_ATTEMPTS": "7", "HACKY_TASK_RETRY": "7"}}, "task-retry", 7, FromEnvironment, "HACKY_TASK_RETRY"},
		{world{vars: map[string]string{"HACKY_TASK_RETRY_MAX_ATTEMPTS": "7", "HACKY_TASK_RETRY": ""}}, "task-retry", 7, FromEnvironment, "HACKY_TASK_RETRY_MAX_ATTEMPTS"},

		// An empty variable is no variable.
		{world{vars: map[string]string{"HACKY_FLUSH_RETRIES": ""}}, "flush-retries", 3, FromDefault, ""},
		{world{vars: map[string]string{"HACKY_FLUSH_RETRIES": ""}, files: map[string]string{"hacky.yaml": "flush-retries: 4"}}, "flush-retries", 4, FromFile, "hacky.yaml:1"},
		// A stronger source makes a bad value irrelevant.
		{world{vars: map[string]string{"HACKY_FLUSH_RETRIES": "abc"}, args: []string{"--flush-retries=1"}}, "flush-retries", 1, FromFlag, "--flush-retries"},

		{world{args: []string{"--timeout=0"}}, "timeout", "none", FromFlag, "--timeout"},
		{world{args: []string{"--idle-timeout=0s"}}, "idle-timeout", "none", FromFlag, "--idle-timeout"},
		{world{args: []string{"--timeout=none"}, vars: map[string]string{"HACKY_TIMEOUT": "1h"}}, "timeout", "none", FromFlag, "--timeout"},
		{world{args: []string{"--scope=P1", "--scope", "P2.M1"}}, "scope", "P1,P2.M1", FromFlag, "--scope"},
		{world{args: []string{"--scope=P1,all"}}, "scope", "all", FromFlag, "--scope"},
		{world{args: []string{"--parallelism=3", "--parallelism=4"}}, "parallelism", 4, FromFlag, "--parallelism"},
		{world{files: map[string]string{"hacky.yaml": "scope: [P1, 'P2.M1']"}}, "scope", "P1,P2.M1", FromFile, "hacky.yaml:1"},
		{world{files: map[string]string{"hacky.yaml": "flush-retries: \"5\""}}, "flush-retries", 5, FromFile, "hacky.yaml:1"},
		{world{files: map[string]string{"hacky.yaml": "flush-retries: &n 5\nfix-attempts: *n"}}, "fix-attempts", 5, FromFile, "hacky.yaml:2"},
		{world{files: map[string]string{"hacky.yaml": "session: \"\""}}, "session", "", FromFile, "hacky.yaml:1"},
	}
	for _, tt := range tests {
		_, listing := tt.world.mustLoad(t)
		e := listing[tt.option]
		if e.Value != tt.value || e.Source != tt.source || e.Origin != tt.origin {
			t.Errorf("%+v: listed %+v, want %v, %s, %q", tt.world, e, tt.value, tt.source, tt.origin)
		}
	}
}

func TestRetryBackoffAppliesToBoth(t *testing.T) {
	c, _ := world{args: []string{"--retry-backoff=1500"}}.mustLoad(t)
	if c.FlushBackoff != 1500*time.Millisecond || c.TaskBackoff != c.FlushBackoff {
		t.Errorf("got %s and %s, want 1.5s twice", c.FlushBackoff, c.TaskBackoff)
	}
}
