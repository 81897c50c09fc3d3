package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/agent/profile"
	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/nearest"
)

// promptsDir is where a project keeps templates of its own, a file per stage.
const promptsDir = "prompts"

// maxPrompt bounds a template that is read.
const maxPrompt = 1 << 20

// recipe turns the configuration's part about execution into the agent's words.
func (a *app) recipe(cfg *config.Config, log zerolog.Logger) (agent.Recipe, error) {
	unset := map[string]bool{}
	defer func() {
		for _, name := range slices.Sorted(maps.Keys(unset)) {
			log.Warn().Str("variable", name).Msg("env in hacky.yaml refers to a variable that is not set; it is empty")
		}
	}()
	r := agent.Recipe{Gates: cfg.Gates, Env: envVars(cfg.Env, unset), Timeout: cfg.Timeout,
		IdleTimeout: cfg.IdleTimeout, FixAttempts: cfg.FixAttempts, Commit: cfg.Commit}
	stages := cfg.Stages
	if len(stages) == 0 && cfg.Agent != "" {
		stages = []config.Stage{
			{Name: "research", Agent: cfg.Agent, Output: "prps/{{.ID}}.md"},
			{Name: "implement", Agent: cfg.Agent},
		}
	}
	var profiles map[string]profile.Profile
	if cfg.Agents != nil || slices.ContainsFunc(stages, func(s config.Stage) bool { return s.Agent != "" }) {
		var err error
		if profiles, err = a.profiles(cfg); err != nil {
			return r, err
		}
	}
	for _, st := range stages {
		out := agent.Stage{Name: st.Name, Run: st.Run, Prompt: st.Prompt, Output: st.Output, Env: envVars(st.Env, unset), Timeout: st.Timeout}
		if st.Agent != "" {
			p, ok := profiles[st.Agent]
			switch {
			case !ok:
				r.Unable = fmt.Sprintf("%s names the agent %q, which does not exist; %s \"hacky agents\" lists them", a.whose(cfg, st), st.Agent,
					nearest.Suggest(st.Agent, slices.Sorted(maps.Keys(profiles))))
			case p.Program() == "":
				r.Unable = fmt.Sprintf("%s names the agent %q, which has no argv; write its command line into \"agents\" of hacky.yaml", a.whose(cfg, st), st.Agent)
			default:
				p.Env = maps.Clone(p.Env)
				for name, value := range p.Env {
					p.Env[name] = expand(value, unset)
				}
				out.Agent = &p
			}
		}
		var err error
		if out.Prompt, out.PromptFrom, err = promptOf(st); err != nil {
			return r, err
		}
		r.Stages = append(r.Stages, out)
	}
	var err error
	r.Fix, r.FixFrom, err = promptFile(filepath.Join(promptsDir, prompt.Fix+".md"), false)
	return r, err
}

// whose names a stage for messages.
func (a *app) whose(cfg *config.Config, st config.Stage) string {
	if len(cfg.Stages) == 0 {
		return a.origin("agent")
	}
	return fmt.Sprintf("%s: the stage %q", cfg.File, st.Name)
}

// profiles are the agents that are built in, with those of hacky.yaml.
func (a *app) profiles(cfg *config.Config) (map[string]profile.Profile, error) {
	all, err := profile.Load(cfg.Agents)
	var bad *profile.Error
	if errors.As(err, &bad) {
		var errs []error
		for _, p := range bad.Problems {
			errs = append(errs, fmt.Errorf("%s: %s", cfg.File, p))
		}
		return nil, errors.Join(errs...)
	}
	return all, err
}

// promptOf is the template of a stage: a text, or the name of a file; else the
// project's file for it, if there is one.
func promptOf(st config.Stage) (text, from string, err error) {
	switch {
	case st.Prompt != "" && !strings.Contains(st.Prompt, "\n") && strings.HasSuffix(st.Prompt, ".md"):
		return promptFile(st.Prompt, true)
	case st.Prompt != "" || st.Agent == "":
		return st.Prompt, "", nil
	}
	return promptFile(filepath.Join(promptsDir, st.Name+".md"), false)
}

// promptFile reads a template. One that need not be there is "" if it is not.
func promptFile(name string, must bool) (text, from string, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return "", "", nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxPrompt) {
		return "", "", fmt.Errorf("the prompt %s is not a file of at most %d bytes", name, maxPrompt)
	}
	if err != nil {
		return "", "", fmt.Errorf("read prompt: %w; a prompt that ends in .md is the name of a file", err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", "", fmt.Errorf("read prompt: %w", err)
	}
	if strings.TrimSpace(string(data)) == "" {
		return "", "", fmt.Errorf("the prompt %s is empty", name)
	}
	return string(data), name, nil
}

// envVars are the variables of hacky.yaml in a fixed order, expanded.
func envVars(env map[string]string, unset map[string]bool) []backlog.EnvVar {
	var out []backlog.EnvVar
	for _, name := range sortedKeys(env) {
		out = append(out, backlog.EnvVar{Name: name, Value: expand(env[name], unset)})
	}
	return out
}

// reference is what expand replaces: a plain $ is common in values.
var reference = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([^}]*)\}`) })

// expand replaces ${NAME} from hacky's own environment. Names that are not set
// are noted in unset; they are empty.
func expand(s string, unset map[string]bool) string {
	return reference().ReplaceAllStringFunc(s, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := os.LookupEnv(name)
		if !ok {
			unset[name] = true
		}
		return value
	})
}
