// Package config turns flags, environment variables and hacky.yaml into one
// typed Config.
//
// Four nouns carry it. An option is one row of the table in options.go: its
// name, default, what is allowed and where it lands in Config. Everything that
// knows options (flags, variables, file keys, the listing of `hacky config`,
// the sample file, the docs) is made from that table. A kind is how a text
// becomes a value and back. A setting is what one source says about one option,
// still as text. A problem is one sentence about one bad setting; all of them
// are reported at once.
//
// Precedence is flag, environment, file, default. It is decided on texts, and
// only the winning text is parsed: a library that decodes for us would take
// `true` for 1 and 2.9 for 2.
package config

import (
	"os"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/hacky-run/hacky/internal/backlog"
)

//go:generate go run ./gen

// Config is everything a user can choose. Load and Default are the only ways
// to make one whose fields are all within their limits.
type Config struct {
	Session string // a directory, session name or hash, or path to a tasks.json; "": search for one

	FlushRetries int           // retries after the first attempt of a flush; 0: none
	FlushBackoff time.Duration // base delay before the first retry of a flush
	TaskBackoff  time.Duration // base delay before the first retry of a subtask
	TaskRetry    int           // retries of a subtask after a transient failure; 0: none
	Retry        bool          // false: no subtask is retried, whatever TaskRetry says

	Parallelism   int           // subtasks in flight, at least 1
	Scope         []string      // ids of items to run, checked for syntax only; nil: all
	WithDeps      bool          // also run unfinished dependencies outside Scope
	FlushInterval time.Duration // flush at the latest so long after an update was accepted
	FlushBatch    int           // flush when so many updates wait

	Timeout     time.Duration // of one attempt; 0: none
	IdleTimeout time.Duration // of an attempt without output; 0: none
	QuotaWait   time.Duration // for an agent's quota, when nothing else can run
	MaxTasks    int           // stop starting subtasks after so many were started; 0: no limit
	MaxDuration time.Duration // stop starting subtasks after so long; 0: no limit
	MaxFailures int           // stop starting subtasks after so many failed; 0: no limit
	FailFast    bool          // as MaxFailures 1
	Commit      bool          // commit what a subtask changed when it is complete
	Agent       string        // profile of the default stages, when the file has none; "": there are no default stages
	FixAttempts int           // how often a failed gate goes back to the implement stage

	DryRun  bool // print what would run and touch nothing
	Recover bool // replay a waiting recovery file before the run

	Progress  string // auto, tty, plain, json or none
	Color     string // auto, always, never
	LogLevel  string // trace, debug, info, warn or error
	LogFormat string // auto, console or json

	// The rest comes from the file only.

	Stages []Stage        // in the order they run
	Gates  []backlog.Gate // in the order given; for subtasks that have none of their own
	Agents map[string]any // name to profile, a mapping this package does not look into
	Env    map[string]string
	File   string // the file that was read, as named or found; "" when there was none
}

// Stage is one command of an attempt, for subtasks without a command of their
// own. Exactly one of Run and Agent is given.
type Stage struct {
	Name    string // unique among the stages, fit for a file name
	Run     backlog.Command
	Agent   string // name of an agent profile; whether it exists is not checked here
	Prompt  string
	Output  string
	Env     map[string]string // values as written; ${NAME} is not expanded here
	Timeout time.Duration     // 0: none of its own
}

// Default is the configuration when nothing is configured.
func Default() Config {
	var c Config
	for _, o := range options() {
		if err := o.set(&c, o.def); err != nil {
			panic("config: default of " + o.name + ": " + err.Error())
		}
	}
	return c
}

// Source is the kind of place a value came from.
type Source string

// The sources, strongest first.
const (
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromFile        Source = "file"
	FromDefault     Source = "default"
)

// Effective is one option as `hacky config` lists it. Value and Default are
// ints, bools or strings; every one of them can be given back as a flag,
// except an empty session.
type Effective struct {
	Name    string `json:"name" yaml:"name"`
	Value   any    `json:"value" yaml:"value"`
	Source  Source `json:"source" yaml:"source"`
	Origin  string `json:"origin,omitempty" yaml:"origin,omitempty"` // --a-b, HACKY_A_B or hacky.yaml:3; "" for a default
	Default any    `json:"default" yaml:"default"`
}

// Env is what Load needs to know of the process, as a value so that tests can
// make one. The zero Env has no variables, the process's working directory and
// no home.
type Env struct {
	Lookup func(name string) (value string, ok bool) // nil: no variables
	Dir    string                                    // what relative paths start from; "": the working directory
	Home   string                                    // for $HOME/.config; "": not looked at
}

// ProcessEnv is the Env of this process.
func ProcessEnv() Env {
	home, _ := os.UserHomeDir() // without a home there is one place less to look at
	return Env{Lookup: os.LookupEnv, Home: home}
}

// get treats an empty variable as unset.
func (e Env) get(name string) string {
	if e.Lookup == nil {
		return ""
	}
	if v, ok := e.Lookup(name); ok {
		return v
	}
	return ""
}

// Load resolves every option and reads the file. Flags count when they were
// given on the command line and fs may lack any of them, or be nil: then they
// do not count. The listing has every option, in the order of the table.
//
// The error is always an *Error and names every problem; then the other results
// are nil. A bad value that a stronger source overrides is not a problem, but
// an unknown or repeated key of the file always is.
func Load(fs *pflag.FlagSet, env Env) (*Config, []Effective, error) {
	return combine(loadFile(fs, env), fs, env)
}

// combine is Load once the file is read.
func combine(doc *document, fs *pflag.FlagSet, env Env) (*Config, []Effective, error) {
	table := options()
	problems := doc.problems

	// viper's own layers are used in the order it documents: Set over config
	// over default. Its environment lookup cannot be handed a variable, so the
	// environment is merged over the file.
	v := viper.New()
	fromEnv := make(map[string]any)
	for _, o := range table {
		v.SetDefault(o.name, setting{FromDefault, []given{{text: o.def, kind: o.kind}}})
		if s := o.fromFlags(fs); s != nil {
			v.Set(o.name, setting{FromFlag, s})
		}
		if s := o.fromEnv(env); s != nil {
			fromEnv[o.name] = setting{FromEnvironment, s}
		}
	}
	for _, layer := range []map[string]any{doc.settings(), fromEnv} {
		if err := v.MergeConfigMap(layer); err != nil {
			problems = append(problems, problem{text: err.Error()})
		}
	}

	var c Config
	def := Default()
	listing := make([]Effective, 0, len(table))
	for _, o := range table {
		s := v.Get(o.name).(setting)
		problems = append(problems, o.apply(&c, s)...)
		listing = append(listing, Effective{
			Name:    o.name,
			Value:   o.get(&c),
			Source:  s.source,
			Origin:  s.given[0].origin,
			Default: o.get(&def),
		})
	}
	if len(problems) > 0 {
		return nil, nil, newError(problems)
	}
	c.Stages, c.Gates, c.Agents, c.Env = doc.stages, doc.gates, doc.agents, doc.env
	c.File = doc.path
	return &c, listing, nil
}
