// Package cmd is hacky's command line: each command parses into an options
// struct and runs. One place, exit.go, turns errors into exit codes.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/nearest"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/supervise"
	"github.com/hacky-run/hacky/internal/ui"
)

// app is what commands have in common: where they print, and their environment.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	messages       *redirect // standard error, or above a live view on the same terminal
	env            config.Env
	options        []config.Effective // as load found them
	color          string             // --color
	args           []string           // of the call
	configFile     string             // --config
	clock          func() time.Time   // nil: time.Now
}

// now is what the clock says.
func (a *app) now() time.Time {
	if a.clock != nil {
		return a.clock()
	}
	return time.Now()
}

// Main runs hacky with these arguments and returns the exit code.
func Main(args []string) int {
	if len(args) > 0 && args[0] == supervise.Arg { // before anything is set up
		return supervise.Main(args[1:])
	}
	stderr := newOutlet(os.Stderr)
	a := &app{stdin: os.Stdin, stdout: newOutlet(os.Stdout), stderr: stderr, messages: &redirect{to: stderr}, env: config.ProcessEnv()}
	a.args = args
	root := a.root()
	root.SetArgs(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.complete(root)
	}
	err := root.ExecuteContext(context.Background())
	a.report(err)
	return exitCode(err)
}

// report prints an error for people: one line, or a line each if there are
// several, and what could be saved nowhere else.
func (a *app) report(err error) {
	var quiet *exitError
	if err == nil || errors.As(err, &quiet) && quiet.err == nil {
		return
	}
	said := map[string]bool{} // a flush that fails may be told by its caller and by Close
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimRight(line, "\n"); !said[line] {
			said[line] = true
			fmt.Fprintf(a.stderr, "hacky: %s\n", line)
		}
	}
	var unread *session.JournalError
	var damage *journal.DamageError
	if errors.As(err, &unread) && errors.As(err, &damage) && !damage.Newer {
		fmt.Fprintf(a.stderr, "hacky: to keep a backup and go on with what can be read, type: hacky validate --repair%s\n", a.sessionArg(unread.Backlog))
	}
	var failed *session.FlushError
	if !errors.As(err, &failed) {
		return
	}
	if failed.Recovery != "" {
		fmt.Fprintf(a.stderr, "hacky: mend the cause, then type: hacky recover%s\n", a.sessionArg(failed.Backlog))
		return
	}
	for _, u := range failed.Unsaved {
		fmt.Fprintln(a.stderr, session.MarkedLine(u))
	}
	fmt.Fprintf(a.stderr, "hacky: save the lines above, mend the cause, then type: hacky recover%s --file FILE\n", a.sessionArg(failed.Backlog))
}

// sessionArg is how a session is named in a command for the user to type, with
// the configuration that was given to this one.
func (a *app) sessionArg(path string) string {
	arg := ""
	if a.configFile != "" {
		arg = " --config " + shellQuote(a.configFile)
	}
	if path == session.TasksFile {
		return arg
	}
	return arg + " --session " + shellQuote(strings.TrimSuffix(path, "/"+session.TasksFile))
}

func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hacky",
		Short: "Run a backlog of commands or coding agents, and never lose a finished one",
		Long: `hacky runs the backlog in tasks.json (Phase > Milestone > Task > Subtask): each
subtask through any command, in dependency order, in parallel, with retries and
gates. Its state is in tasks.json; what cannot be written there is recovered.

Exit codes: 0 all done, 1 some failed or are blocked, or a recover conflict,
2 mistake in the call, the configuration or the backlog, 3 updates wait in a
recovery file, 4 another run has the session, 5 stopped by a limit, 75 all that
is left waits for a quota, 130/143 interrupted. The help of each command says which it uses.`,
		Example: `  hacky init --example     # a small session to try
  hacky run                # run what is ready until nothing is left
  hacky status             # where it stands`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c == root && len(a.args) > 0 && !strings.HasPrefix(a.args[0], "-") { // the flag is that of a command which is mistyped
			return unknownCommand(root, a.args)
		}
		return fmt.Errorf("%w%s; see \"%s --help\"", plainFlagError(err), nearFlag(c, err), c.CommandPath())
	})
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
	config.Register(root.PersistentFlags(), "config", "session", "log-level", "log-format", "color")
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Run", []*cobra.Command{a.initCmd(), a.planCmd(), a.runCmd(), a.recoverCmd()}},
		{"See", []*cobra.Command{a.statusCmd(), a.nextCmd(), a.whyCmd(), a.logsCmd(), a.showCmd(), a.historyCmd(), a.sessionsCmd(), a.graphCmd(), a.reportCmd()}},
		{"Steer", []*cobra.Command{a.setCmd(), a.resetCmd()}},
		{"Write the backlog", []*cobra.Command{a.addCmd(), a.importCmd()}},
		{"Check", []*cobra.Command{a.validateCmd(), a.verifyCmd(), a.doctorCmd(), a.checkpointsCmd()}},
		{"Agents", []*cobra.Command{a.agentsCmd(), a.promptCmd()}},
		{"Hacky itself", []*cobra.Command{a.configCmd(), a.completionCmd(), a.manCmd(), a.versionCmd()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, c := range group.commands {
			c.GroupID = group.title
			root.AddCommand(c)
		}
	}
	help := a.helpCmd()
	help.GroupID = "Hacky itself"
	root.SetHelpCommand(help)
	return root
}

// unknownCommand refuses what is no command, and names the nearest one.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	then := nearest.Near(args[0], names)
	if then == "" {
		then = "\"hacky help\" lists all"
	}
	return fmt.Errorf("unknown command %q; %s", args[0], then)
}

// nearFlag names the flag that is nearest to an unknown one, in brackets.
func nearFlag(c *cobra.Command, err error) string {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return ""
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	if near := nearest.Near("--"+name, names); near != "" {
		return " (" + near + ")"
	}
	return ""
}

// plainFlagError says what a flag of a command's own allows, as Load does for
// options, instead of which Go function refused it.
func plainFlagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	allowed, ok := map[string]string{
		"bool":     "true or false",
		"duration": "a duration such as 30s or 5m",
		"uint64":   "an integer of at least 0",
	}[invalid.GetFlag().Value.Type()]
	if !ok {
		return err
	}
	return fmt.Errorf("--%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), allowed)
}

// noArgs is cobra.NoArgs in words that fit a command without commands below it.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("\"%s\" takes no arguments, but got %q; see \"%[1]s --help\"", c.CommandPath(), args[0])
}

// load reads the configuration with the flags of a command.
func (a *app) load(c *cobra.Command) (*config.Config, zerolog.Logger, error) {
	if f := c.Flags().Lookup("config"); f != nil && f.Changed {
		a.configFile = f.Value.String()
	}
	cfg, effective, err := config.Load(c.Flags(), a.env)
	if err != nil {
		return nil, zerolog.Nop(), err
	}
	a.options, a.color = effective, cfg.Color
	return cfg, a.logger(cfg), nil
}

// origin names where an option's value comes from, as messages about
// configuration begin: --scope, HACKY_SCOPE, or hacky.yaml:3: scope.
func (a *app) origin(option string) string {
	for _, e := range a.options {
		switch {
		case e.Name != option || e.Origin == "":
		case e.Source == config.FromFile:
			return e.Origin + ": " + option
		default:
			return e.Origin
		}
	}
	return "--" + option
}

// logger logs to standard error: for people on a terminal, else as JSON.
func (a *app) logger(cfg *config.Config) zerolog.Logger {
	w := io.Writer(a.messages)
	if cfg.LogFormat == "console" || cfg.LogFormat == "auto" && isTerminal(a.stderr) {
		w = zerolog.ConsoleWriter{Out: a.messages, TimeFormat: time.TimeOnly, NoColor: !a.style(cfg.Color, a.stderr).On}
	}
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel // the option table allows only levels
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func isTerminal(stream any) bool {
	f := fileOf(stream)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// width is how many columns standard output has; 0 if it is no terminal.
func (a *app) width() int {
	f := fileOf(a.stdout)
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// screen is standard output, for text for people.
func (a *app) screen() ui.Screen {
	return ui.Screen{Width: a.width(), Style: a.style(a.color, a.stdout)}
}

// version is the module's version as it was built.
func version() (version, revision string) {
	version, revision = "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return version, revision
}
