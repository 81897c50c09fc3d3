package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// option is one row of the table. Its name is the flag and the file key; the
// variable is made from it.
type option struct {
	name string
	kind
	def     string // as a user would write it; accepted by kind
	meaning string

	no       *kind  // the kind of no-<name>; nil: there is no such spelling
	variable string // a second variable; "": none
}

const day = 24 * time.Hour

// attemptSpan is what a timeout may be, in an option and in a stage or gate.
var attemptSpan = span{least: 1, most: 30 * day, optional: true, zeroIsNone: true}

// row is an option that is made when it is wanted: each command registers a few,
// and what start-up touches of memory it pays for.
type row struct {
	name string
	make func() option
}

// rows is the table. Its order is that of listings, the sample and the docs.
func rows() []row {
	return []row{
		{"session", func() option {
			return option{name: "session", def: "", meaning: "the session; without one it is searched for",
				kind: anyText("a directory, a session name or hash, or a path to a tasks.json", func(c *Config) *string { return &c.Session })}
		}},
		{"flush-retries", func() option {
			return option{name: "flush-retries", def: "3", meaning: "retries after the first attempt of a flush; 0 turns retrying off",
				kind: integer(0, 10, func(c *Config) *int { return &c.FlushRetries })}
		}},
		{"retry-backoff", func() option {
			return option{name: "retry-backoff", def: "100ms flush, 1s tasks", meaning: "base delay before the first retry; when given it applies to flushes and tasks",
				kind: backoff()}
		}},
		{"task-retry", func() option {
			return option{name: "task-retry", def: "3", meaning: "retries of a subtask after a transient failure",
				kind:     integer(0, 10, func(c *Config) *int { return &c.TaskRetry }),
				variable: "HACKY_TASK_RETRY_MAX_ATTEMPTS"}
		}},
		{"retry", func() option {
			return option{name: "retry", def: "true", meaning: "retry subtasks at all",
				kind: boolean(retryOf), no: not(retryOf)}
		}},
		{"parallelism", func() option {
			return option{name: "parallelism", def: "2", meaning: "subtasks in flight",
				kind: integer(1, 1024, func(c *Config) *int { return &c.Parallelism })}
		}},
		{"scope", func() option {
			return option{name: "scope", def: "all", meaning: "what to run; an id that does not exist is an error",
				kind: idList(func(c *Config) *[]string { return &c.Scope })}
		}},
		{"with-deps", func() option {
			return option{name: "with-deps", def: "false", meaning: "also run unfinished dependencies outside the scope",
				kind: boolean(func(c *Config) *bool { return &c.WithDeps })}
		}},
		{"flush-interval", func() option {
			return option{name: "flush-interval", def: "1s", meaning: "flush at the latest so long after an update",
				kind: duration(span{least: 10 * time.Millisecond, most: time.Hour}, func(c *Config) *time.Duration { return &c.FlushInterval })}
		}},
		{"flush-batch", func() option {
			return option{name: "flush-batch", def: "100", meaning: "flush when so many updates wait",
				kind: integer(1, 100_000, func(c *Config) *int { return &c.FlushBatch })}
		}},
		{"timeout", func() option {
			return option{name: "timeout", def: none, meaning: "time one attempt may take",
				kind: duration(attemptSpan, func(c *Config) *time.Duration { return &c.Timeout })}
		}},
		{"idle-timeout", func() option {
			return option{name: "idle-timeout", def: none, meaning: "time an attempt may go without output",
				kind: duration(attemptSpan, func(c *Config) *time.Duration { return &c.IdleTimeout })}
		}},
		{"max-tasks", func() option {
			return option{name: "max-tasks", def: none, meaning: "start no more than so many subtasks; work left over is exit 5",
				kind: limit(func(c *Config) *int { return &c.MaxTasks })}
		}},
		{"max-duration", func() option {
			return option{name: "max-duration", def: none, meaning: "start no subtask after so long; work left over is exit 5",
				kind: duration(span{least: 1, most: 365 * day, optional: true}, func(c *Config) *time.Duration { return &c.MaxDuration })}
		}},
		{"max-failures", func() option {
			return option{name: "max-failures", def: none, meaning: "start no subtask after so many failed",
				kind: limit(func(c *Config) *int { return &c.MaxFailures })}
		}},
		{"fail-fast", func() option {
			return option{name: "fail-fast", def: "false", meaning: "as max-failures 1; without it independent work goes on",
				kind: boolean(func(c *Config) *bool { return &c.FailFast })}
		}},
		{"fix-attempts", func() option {
			return option{name: "fix-attempts", def: "2", meaning: "how often a failed gate goes back to the implement stage",
				kind: integer(0, 10, func(c *Config) *int { return &c.FixAttempts })}
		}},
		{"agent", func() option {
			return option{name: "agent", def: none, meaning: "agent of the stages research and implement, where hacky.yaml has no stages",
				kind: name(func(c *Config) *string { return &c.Agent })}
		}},
		{"commit", func() option {
			return option{name: "commit", def: "false", meaning: "commit what a subtask changed when it is complete; runs one subtask at a time",
				kind: boolean(func(c *Config) *bool { return &c.Commit })}
		}},
		{"quota-wait", func() option {
			return option{name: "quota-wait", def: "6h", meaning: "how long to wait for an agent's quota when nothing else can run; longer is exit 75",
				kind: duration(span{least: 0, most: 30 * day}, func(c *Config) *time.Duration { return &c.QuotaWait })}
		}},
		{"dry-run", func() option {
			return option{name: "dry-run", def: "false", meaning: "print what would run, in order; touch nothing",
				kind: boolean(func(c *Config) *bool { return &c.DryRun })}
		}},
		{"recover", func() option {
			return option{name: "recover", def: "false", meaning: "replay a waiting recovery file before the run",
				kind: boolean(func(c *Config) *bool { return &c.Recover })}
		}},
		{"progress", func() option {
			return option{name: "progress", def: "auto", meaning: "how progress is shown; json: one event a line on stdout",
				kind: oneOf(func(c *Config) *string { return &c.Progress }, "auto", "tty", "plain", "json", none)}
		}},
		{"color", func() option {
			return option{name: "color", def: "auto", meaning: "colours; auto: on a terminal, unless NO_COLOR is set",
				kind: oneOf(func(c *Config) *string { return &c.Color }, "auto", "always", "never")}
		}},
		{"log-level", func() option {
			return option{name: "log-level", def: "info", meaning: "least severe log message that is written",
				kind: oneOf(func(c *Config) *string { return &c.LogLevel }, "trace", "debug", "info", "warn", "error")}
		}},
		{"log-format", func() option {
			return option{name: "log-format", def: "auto", meaning: "how log messages on stderr look",
				kind: oneOf(func(c *Config) *string { return &c.LogFormat }, "auto", "console", "json")}
		}},
	}
}

func retryOf(c *Config) *bool { return &c.Retry }

// options is the table, all of it.
func options() []option {
	rows := rows()
	out := make([]option, len(rows))
	for k, r := range rows {
		out[k] = r.make()
	}
	return out
}

// keys is every key the file may have at its top.
func keys(table []option) []string {
	var all []string
	for _, o := range table {
		all = append(all, o.name)
		if o.no != nil {
			all = append(all, "no-"+o.name)
		}
	}
	return append(all, sections...)
}

// environmentName is the variable of an option: a-b is HACKY_A_B.
func environmentName(name string) string {
	return "HACKY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// setting is what one source says about one option. The source may say it more
// than once, in other spellings; given has at least one element.
type setting struct {
	source Source
	given  []given
}

// given is one text in one place.
type given struct {
	origin string // --a-b, HACKY_A_B or hacky.yaml:3
	key    string // of the file; else ""
	line   int    // in the file; else 0
	text   string
	wrong  string // ends the sentence, where the file holds something that is no text
	kind   kind   // of this spelling
}

// where starts a sentence about g.
func (g given) where() string {
	if g.key != "" {
		return g.origin + ": " + g.key
	}
	return g.origin
}

func (o option) fromFlags(fs *pflag.FlagSet) []given {
	if fs == nil {
		return nil
	}
	var all []given
	add := func(name string, k kind) {
		f := fs.Lookup(name)
		if f == nil || !f.Changed {
			return
		}
		g := given{origin: "--" + name, text: f.Value.String(), kind: k}
		if g.text == "" {
			g.wrong = refused("", k.allowed).Error()
		}
		all = append(all, g)
	}
	add(o.name, o.kind)
	if o.no != nil {
		add("no-"+o.name, *o.no)
	}
	return all
}

func (o option) fromEnv(env Env) []given {
	var all []given
	add := func(name string, k kind) {
		if text := env.get(name); text != "" {
			all = append(all, given{origin: name, text: text, kind: k})
		}
	}
	add(environmentName(o.name), o.kind)
	if o.variable != "" {
		add(o.variable, o.kind)
	}
	if o.no != nil {
		add(environmentName("no-"+o.name), *o.no)
	}
	return all
}

// apply parses s into c. Where the source says it twice, both must be good and
// mean the same.
func (o option) apply(c *Config, s setting) []problem {
	var problems []problem
	var first *given // the first good one
	for i, g := range s.given {
		say := func(format string, args ...any) {
			text := g.where() + ": " + fmt.Sprintf(format, args...)
			problems = append(problems, problem{s.source, g.line, text})
		}
		if g.wrong != "" {
			say("%s", g.wrong)
			continue
		}
		before := o.get(c)
		if err := g.kind.set(c, g.text); err != nil {
			say("%s", err)
			continue
		}
		if first == nil {
			first = &s.given[i]
		} else if o.get(c) != before {
			say("%s contradicts %s: %s", quote(g.text), first.where(), quote(first.text))
		}
	}
	return problems
}
