package cmd

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// What shells offer while a call is typed. A backlog that cannot be read offers
// nothing: a message would stand in the middle of the line.

// mostOffered bounds what is offered at once; nobody reads more.
const mostOffered = 500

// completeID offers the ids of items.
func (a *app) completeID(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return a.ids(c, "", word)
}

// completeOneID is completeID for commands that take one.
func (a *app) completeOneID(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.ids(c, "", word)
}

// completeSet offers ids, and behind the first one statuses, too.
func (a *app) completeSet(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	ids, directive := a.ids(c, "", word)
	if len(args) == 0 {
		return ids, directive
	}
	statuses := completeStatus(word)
	if len(statuses) > 0 {
		directive = cobra.ShellCompDirectiveNoFileComp
	}
	return append(statuses, ids...), directive
}

func completeStatus(word string) (out []string) {
	for _, s := range backlog.Statuses() {
		if strings.HasPrefix(strings.ToLower(s.String()), strings.ToLower(word)) {
			out = append(out, s.String())
		}
	}
	return out
}

// completeList makes of a completion one for the last part of a comma list.
func completeList(complete func(c *cobra.Command, before, word string) ([]string, cobra.ShellCompDirective)) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		at := strings.LastIndexByte(word, ',') + 1
		return complete(c, word[:at], word[at:])
	}
}

// ids offers the items of the first level that continue word, and of an item
// that is named in full those right below it. before stands in front of each.
func (a *app) ids(c *cobra.Command, before, word string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	cfg, _, err := a.load(c)
	if err != nil {
		return nil, nothing
	}
	loc, err := a.locate(cfg)
	if err != nil {
		return nil, nothing
	}
	b, err := session.Read(loc)
	if err != nil {
		return nil, nothing
	}
	var out []string
	directive := nothing
	offer := func(i int32) {
		it := &b.Items[i]
		if len(out) < mostOffered && strings.HasPrefix(it.ID, word) {
			out = append(out, before+it.ID+"\t"+ui.Clean(it.Title))
			if it.Kind != backlog.Subtask {
				directive |= cobra.ShellCompDirectiveNoSpace // what is below it may be meant
			}
		}
	}
	parent := strings.LastIndexByte(word, '.')
	first, end := int32(0), int32(len(b.Items))
	if i, ok := b.Lookup(word); ok {
		offer(i)
		first, end = i+1, b.Items[i].End
	} else if parent >= 0 {
		if i, ok := b.Lookup(word[:parent]); ok {
			first, end = i+1, b.Items[i].End
		}
	}
	for i := first; i < end; i = b.Items[i].End {
		offer(i)
	}
	return out, directive
}

// completeSession offers the sessions below plan/, by what begins like word:
// name, hash or directory. Other directories are the shell's.
func completeSession(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, loc := range session.Sessions() {
		name, hash := session.NameOf(loc)
		spellings := []string{name, hash, loc.Dir}
		if filepath.Base(filepath.Dir(loc.Dir)) == "bugfix" { // such are named by their directories
			spellings = spellings[2:]
		}
		for _, spelling := range spellings {
			if strings.HasPrefix(spelling, word) {
				out = append(out, spelling)
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeAgent offers the agents that there are.
func (a *app) completeAgent(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	cfg, _, err := a.load(c)
	if err != nil {
		return nil, nothing
	}
	profiles, err := a.profiles(cfg)
	if err != nil {
		return nil, nothing
	}
	return startingWith(word, slices.Sorted(maps.Keys(profiles))), nothing
}

// completeStage offers the stages and gates that the subtask which is named has
// logs of, else the stages of the configuration.
func (a *app) completeStage(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	cfg, _, err := a.load(c)
	if err != nil {
		return nil, nothing
	}
	var names []string
	if c.Name() == "logs" && len(args) == 1 {
		names = loggedStages(cfg, args[0])
	}
	if recipe, err := a.recipe(cfg, zerolog.Nop()); names == nil && err == nil {
		for _, st := range recipe.Stages {
			names = append(names, st.Name)
		}
	}
	return startingWith(word, names), nothing
}

func loggedStages(cfg *config.Config, id string) []string {
	loc, err := session.Locate(cfg.Session)
	if err != nil || session.Inspect(loc) != nil {
		return nil
	}
	root, err := os.OpenRoot(loc.Dir)
	if err != nil {
		return nil
	}
	defer root.Close() //nolint:errcheck // only read from
	l := &logReader{loc: loc, root: root, id: id}
	sections, _ := l.sections() // what cannot be read is not offered
	var names []string
	for _, s := range sections {
		if !slices.Contains(names, s.Stage) {
			names = append(names, s.Stage)
		}
	}
	return names
}

func startingWith(word string, names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, word) })
}

// complete gives a command, and those below it, what can be offered for their
// flags and, by the ids in their usage line, for their arguments.
func (a *app) complete(c *cobra.Command) {
	switch use := c.Use; {
	case !strings.Contains(use, " ") && c.ValidArgsFunction == nil && c.ValidArgs == nil && !c.HasSubCommands(): // takes no arguments
		c.ValidArgsFunction = cobra.NoFileCompletions
	case c.ValidArgsFunction != nil || c.ValidArgs != nil:
	case strings.HasSuffix(use, "ID... STATUS"):
		c.ValidArgsFunction = a.completeSet
	case strings.Contains(use, "ID...]") || strings.Contains(use, " ID..."):
		c.ValidArgsFunction = a.completeID
	case strings.HasSuffix(use, " ID") || strings.HasSuffix(use, " [ID]"):
		c.ValidArgsFunction = a.completeOneID
	}
	offer := func(name string, f cobra.CompletionFunc) {
		if c.Flags().Lookup(name) != nil || c.PersistentFlags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, f) // it is there, and once
		}
	}
	offer("session", completeSession)
	offer("agent", a.completeAgent)
	offer("stage", a.completeStage)
	offer("scope", completeList(a.ids))
	statuses := completeList(func(_ *cobra.Command, before, word string) ([]string, cobra.ShellCompDirective) {
		out := completeStatus(word)
		for k := range out {
			out[k] = before + out[k]
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	})
	offer("status", statuses)
	offer("from-status", statuses)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if words := wordsOf(f.Usage); words != nil {
			offer(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	})
	c.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if words := wordsOf(f.Usage); words != nil {
			offer(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	})
	for _, below := range c.Commands() {
		a.complete(below)
	}
}

// wordsOf are the words that a flag allows, by its help: "...: one of a, b" of
// an option, "output: a, b" of a command's own.
func wordsOf(usage string) []string {
	_, list, ok := strings.Cut(usage, ": one of ")
	if !ok {
		if list, ok = strings.CutPrefix(usage, "output: "); !ok {
			return nil
		}
	}
	return strings.Split(list, ", ")
}
