package cmd

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) configCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "config",
		Short: "Print every option with its value and where that comes from",
		Long: `Print the effective configuration: every option of "hacky run" with its value
and the source it comes from (flag, environment, file or default).

Exit codes: 0, or 2 if a value or the file is wrong.`,
		Example: `  hacky config
  HACKY_FLUSH_RETRIES=5 hacky config --parallelism 4 -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, effective, err := config.Load(c.Flags(), a.env)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			if output != "table" {
				return document(a.stdout, output, result.Config{Options: effective})
			}
			a.color = cfg.Color
			rows := [][]string{{"OPTION", "VALUE", "SOURCE", "DEFAULT"}}
			for _, e := range effective {
				source := string(e.Source)
				if e.Origin != "" {
					source += " " + e.Origin
				}
				rows = append(rows, []string{e.Name, ui.Clean(fmt.Sprint(e.Value)), source, fmt.Sprint(e.Default)})
			}
			return ui.Table(a.stdout, a.screen(), 1, rows)
		},
	}
	config.Register(c.Flags())
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

// versionLine is the version for people; --version prints it, too.
func versionLine() string {
	v, _ := version()
	return fmt.Sprintf("hacky %s (%s, %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func (a *app) versionCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print hacky's version, the Go version and the platform it was built for.\n\nExit codes: 0, or 2 if the call is wrong.",
		Example: "  hacky version\n  hacky version -o json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			v, revision := version()
			if output != "table" {
				return document(a.stdout, output, result.Version{Version: v, Revision: revision, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH})
			}
			_, err := fmt.Fprintln(a.stdout, versionLine())
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}
