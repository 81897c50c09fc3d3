package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCmd() *cobra.Command {
	var dir, format string
	c := &cobra.Command{
		Use:   "man [COMMAND]",
		Short: "Print the manual pages",
		Long: `Print the manual page of hacky, or of one of its commands; with --dir write the
pages of all commands into a directory, as "man" and packagers want them.

Exit codes: 0 printed or written, 2 there is no such command, or the directory
cannot be written.`,
		Example: `  hacky man run | man -l -
  hacky man --dir /usr/local/share/man/man1`,
		ValidArgsFunction: completeCommand,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if dir != "" {
				if len(args) > 0 {
					return fmt.Errorf("man: --dir takes all commands, not %q alone", args[0])
				}
				return writePages(c.Root(), dir, format)
			}
			found, err := commandNamed(c.Root(), args)
			if err != nil {
				return err
			}
			return page(found, a.stdout, format)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write the pages of all commands into this `directory`")
	c.Flags().StringVar(&format, "format", "man", "how a page is written: one of man, markdown")
	return c
}

func checkFormat(format string) error {
	return checkWord("--format", format, "man", "markdown")
}

// page prints the page of one command.
func page(c *cobra.Command, w io.Writer, format string) error {
	c.InitDefaultHelpFlag() // as --help would
	var b strings.Builder
	if format == "markdown" {
		markdownPage(&b, c)
	} else {
		manPage(&b, c)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The pages are written here and not by cobra/doc: that goes by way of a
// Markdown library whose patterns are compiled at every start of the program.

// manPage writes a page as "man" reads it. Without a date of the source there
// is none: the same source makes the same page.
func manPage(b *strings.Builder, c *cobra.Command) {
	v, _ := version()
	fmt.Fprintf(b, ".nh\n.TH \"%s\" \"1\" \"%s\" \"hacky %s\" \"hacky\"\n",
		strings.ToUpper(roff(dashed(c))), roff(builtIn()), roff(v))
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", roff(dashed(c)), roff(c.Short))
	fmt.Fprintf(b, ".SH SYNOPSIS\n\\fB%s\\fP\n", roff(c.UseLine()))
	description, exits := cutExits(c.Long)
	b.WriteString(".SH DESCRIPTION\n" + prose(description) + "\n")
	for _, list := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"OPTIONS", c.NonInheritedFlags()}, {"OPTIONS OF ALL COMMANDS", c.InheritedFlags()}} {
		if list.flags.HasAvailableFlags() {
			b.WriteString(".SH " + list.title + "\n")
			list.flags.VisitAll(func(f *pflag.Flag) { manFlag(b, f) })
		}
	}
	if exits != "" {
		b.WriteString(".SH EXIT STATUS\n" + roff(exits) + "\n")
	}
	if c.Example != "" {
		b.WriteString(".SH EXAMPLE\n.EX\n" + roff(c.Example) + "\n.EE\n")
	}
	b.WriteString(".SH SEE ALSO\n")
	for k, other := range related(c) {
		if k > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(b, "\\fB%s\\fP(1)", roff(dashed(other)))
	}
	b.WriteByte('\n')
}

func manFlag(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden || f.Deprecated != "" {
		return
	}
	b.WriteString(".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "\\fB\\-%s\\fP, ", roff(f.Shorthand))
	}
	fmt.Fprintf(b, "\\fB\\-\\-%s\\fP", roff(f.Name))
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		fmt.Fprintf(b, " \\fI%s\\fP", roff(value))
	}
	if value != "" && !slices.Contains([]string{"", "0", "[]"}, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	b.WriteString("\n" + roff(usage) + "\n")
}

// roff is text as it stands in a page: with no requests in it.
func roff(text string) string {
	var b strings.Builder
	for k, line := range strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text), "\n") {
		if k > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(line, ".") {
			b.WriteString(`\&`)
		}
		b.WriteString(line)
	}
	return b.String()
}

// prose is roff for paragraphs; those that are indented stay as they are.
func prose(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for k, p := range paragraphs {
		paragraphs[k] = roff(p)
		if strings.HasPrefix(p, "    ") {
			paragraphs[k] = ".EX\n" + paragraphs[k] + "\n.EE"
		}
	}
	return strings.Join(paragraphs, "\n.PP\n")
}

// cutExits takes the sentence about exit codes out of what a command's help
// says.
func cutExits(long string) (rest, exits string) {
	before, after, ok := strings.Cut(long, "Exit codes: ")
	if !ok {
		return long, ""
	}
	exits, more, _ := strings.Cut(after, "\n\n")
	return strings.TrimSpace(strings.TrimSpace(before) + "\n\n" + more), exits
}

// dashed is a command's name as pages are named after it.
func dashed(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// related are the commands right above and below one, by name.
func related(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	if c.HasParent() {
		all = append(all, c.Parent())
	}
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			all = append(all, below)
		}
	}
	return all
}

func markdownPage(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n### Synopsis\n\n%s\n\n", c.CommandPath(), c.Short, c.Long)
	fenced := func(text string) { fmt.Fprintf(b, "```\n%s\n```\n\n", text) }
	fenced(c.UseLine())
	if c.Example != "" {
		b.WriteString("### Examples\n\n")
		fenced(c.Example)
	}
	for _, list := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"Options", c.NonInheritedFlags()}, {"Options inherited from parent commands", c.InheritedFlags()}} {
		if list.flags.HasAvailableFlags() {
			b.WriteString("### " + list.title + "\n\n")
			fenced(strings.TrimSuffix(list.flags.FlagUsages(), "\n"))
		}
	}
	b.WriteString("### SEE ALSO\n\n")
	for _, other := range related(c) {
		fmt.Fprintf(b, "* [%s](%s.md)\t - %s\n", other.CommandPath(), strings.ReplaceAll(other.CommandPath(), " ", "_"), other.Short)
	}
	b.WriteByte('\n')
}

// writePages writes a page for each command.
func writePages(root *cobra.Command, dir, format string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden {
			continue
		}
		name := dashed(c) + ".1"
		if format == "markdown" {
			name = strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md" // as the pages refer to each other
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		err = page(c, f, format)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// builtIn is the month in which the source was committed that this hacky was
// built from; "" if the build does not know.
func builtIn() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return t.Format("Jan 2006")
				}
			}
		}
	}
	return ""
}
