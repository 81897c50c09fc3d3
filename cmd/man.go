package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
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
		ValidArgsFunction: func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, sub := range c.Root().Commands() {
				if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), word) {
					out = append(out, sub.Name()+"\t"+sub.Short)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			c.Root().DisableAutoGenTag = true // no date of today: the same pages from the same source
			if dir != "" {
				if len(args) > 0 {
					return fmt.Errorf("man: --dir takes all commands, not %q alone", args[0])
				}
				return writePages(c.Root(), dir, format)
			}
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fmt.Errorf("there is no command %q; \"hacky help\" lists all", strings.Join(args, " "))
			}
			return page(found, a.stdout, format)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write the pages of all commands into this `directory`")
	c.Flags().StringVar(&format, "format", "man", "how a page is written: one of man, markdown")
	return c
}

func checkFormat(format string) error {
	if format != "man" && format != "markdown" {
		return fmt.Errorf("--format: %q is not one of man, markdown", format)
	}
	return nil
}

// page prints the page of one command.
func page(c *cobra.Command, w io.Writer, format string) error {
	if format == "markdown" {
		return doc.GenMarkdown(c, w)
	}
	v, _ := version()
	at := builtAt()
	return doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "hacky " + v, Manual: "hacky", Date: &at}, w)
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
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
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

// builtAt is when the source was committed that this hacky was built from.
func builtAt() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return t
				}
			}
		}
	}
	return time.Unix(0, 0).UTC()
}
