package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// completionCmd and helpCmd stand in for cobra's own, which accept any
// argument with exit code 0.

func (a *app) completionCmd() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long: `Print a script with which a shell completes hacky's commands and flags, for
bash, zsh, fish or powershell. A line that gives every new shell of yours the
completion, to be typed once, for PowerShell to be put into $PROFILE:

    bash        echo 'eval "$(hacky completion bash)"' >> ~/.bashrc
    zsh         hacky completion zsh > "${fpath[1]}/_hacky"
    fish        hacky completion fish > ~/.config/fish/completions/hacky.fish
    PowerShell  hacky completion powershell | Out-String | Invoke-Expression

zsh also needs "autoload -U compinit && compinit" in ~/.zshrc.

Exit codes: 0, or 2 if the call is wrong.`,
		Example: `  hacky completion bash > /etc/bash_completion.d/hacky
  hacky completion fish > ~/.config/fish/completions/hacky.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("completion needs the name of one shell: " + strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWord("completion", args[0], shells...); err != nil {
				return err
			}
			root := c.Root()
			switch args[0] {
			case "bash":
				var script bytes.Buffer
				if err := root.GenBashCompletionV2(&script, true); err != nil {
					return err
				}
				_, err := io.WriteString(a.stdout, bashFallback+commasAsTyped(script.String()))
				return err
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return root.GenPowerShellCompletionWithDesc(a.stdout)
		},
	}
}

// commasAsTyped lets cobra's script compare candidates with what is typed although
// they hold commas, which %q escapes and nobody types so: lists of ids and
// statuses would be offered nothing.
func commasAsTyped(script string) string {
	return strings.NewReplacer(
		`printf -v comp "%q" "${compline%%$tab*}" &>/dev/null || comp=$(printf "%q" "${compline%%$tab*}")`,
		`printf -v comp "%q" "${compline%%$tab*}"; comp=${comp//\\,/,}`,
		`printf "%q\n"`, "__hacky_quoted", `printf "%q"`, "__hacky_quoted",
	).Replace(script)
}

// bashFallback stands in for what cobra's script needs of the bash-completion
// package. It is bash 3.2, which macOS has.
const bashFallback = `# Where the bash-completion package is not there, these stand in for it.
if ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
    # The words up to the cursor, those that bash has split at = or : as one.
    _get_comp_words_by_ref()
    {
        local rest=${COMP_LINE:0:COMP_POINT} i w gap before=
        words=() cword=-1
        for ((i = 0; i <= COMP_CWORD; i++)); do
            w=${COMP_WORDS[i]} gap=
            [[ $rest == [[:space:]]* ]] && gap=1
            while [[ -n $rest && ${rest:0:${#w}} != "$w" && ${w:0:${#rest}} != "$rest" ]]; do
                rest=${rest:1}
            done
            if ((i == COMP_CWORD)); then
                w=${w:0:${#rest}} # what is behind the cursor is not meant
            fi
            if [[ -n $before && -z $gap && ( $w =~ ^[=:]+$ || $before =~ ^[=:]+$ ) ]]; then
                words[cword]+=$w
            else
                words[++cword]=$w
            fi
            rest=${rest:${#w}} before=$w
        done
        cur=${words[cword]} prev=
        ((cword > 0)) && prev=${words[cword - 1]}
        return 0
    }
fi
if ! declare -F _filedir >/dev/null 2>&1; then
    _filedir()
    {
        local IFS=$'\n' kind=-f
        [[ ${1-} == -d ]] && kind=-d
        COMPREPLY+=($(compgen $kind -- "$cur"))
    }
fi
# As printf %q, but commas stay as they are typed.
__hacky_quoted()
{
    local w q
    for w in "$@"; do
        printf -v q %q "$w"
        printf '%s\n' "${q//\\,/,}"
    done
}

`

func (a *app) helpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Print the help of a command",
		Long: `Print what a command is for, its flags, its exit codes and examples; the same
as its --help.

Exit codes: 0, or 2 if there is no such command.`,
		Example:           "  hacky help run\n  hacky help recover",
		ValidArgsFunction: completeCommand,
		RunE: func(c *cobra.Command, args []string) error {
			found, err := commandNamed(c.Root(), args)
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag() // as --help would
			return found.Help()
		},
	}
}

// commandNamed finds the command that words name; none name hacky itself. The
// error names the nearest.
func commandNamed(root *cobra.Command, words []string) (*cobra.Command, error) {
	found, rest, err := root.Find(words)
	switch {
	case err != nil:
		return nil, err
	case len(rest) == 0:
		return found, nil
	case found == root:
		return nil, unknownCommand(root, rest)
	}
	return nil, fmt.Errorf("there is no command %q; \"hacky help\" lists all", strings.Join(words, " "))
}

// completeCommand offers the commands.
func completeCommand(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, sub := range c.Root().Commands() {
		if len(args) == 0 && sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), word) {
			out = append(out, sub.Name()+"\t"+sub.Short)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
