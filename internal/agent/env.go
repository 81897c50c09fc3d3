package agent

import (
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
)

// perAttempt are the variables that hacky sets for every command. What a run
// inherits of them, nested in another session's run, is not its own.
func perAttempt() []string {
	return []string{
		"HACKY_TASK_ID", "HACKY_TASK_TITLE", "HACKY_SESSION", "HACKY_ATTEMPT", "HACKY_STAGE",
		"HACKY_PROMPT_FILE", "HACKY_RUN_ID", "HACKY_RUNNING",
	}
}

func isOwn(name string) bool {
	return strings.HasPrefix(name, "HACKY_") && slices.Contains(perAttempt(), name)
}

// inherit is what commands get of hacky's own environment: every name once,
// the later of two winning.
func inherit(environ []string) []string {
	out := make([]string, 0, len(environ))
	at := make(map[string]int, len(environ))
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if i, twice := at[name]; twice {
			out[i] = kv
		} else if !isOwn(name) {
			at[name] = len(out)
			out = append(out, kv)
		}
	}
	return out
}

// mergeEnv is base with vars set, the later of two winning, but for the
// variables that are hacky's: a subtask that is told another's id would write
// over its results. Every name stands once, as programs disagree on which of
// two counts. The result may be appended to without touching base.
func mergeEnv(base []string, vars []backlog.EnvVar) []string {
	out := append(make([]string, 0, len(base)+len(vars)+8), base...)
	for _, v := range vars {
		if isOwn(v.Name) {
			continue
		}
		kv := v.Name + "=" + v.Value
		if i := indexEnv(out, v.Name); i >= 0 {
			out[i] = kv
		} else {
			out = append(out, kv)
		}
	}
	return out
}

func indexEnv(env []string, name string) int {
	return slices.IndexFunc(env, func(kv string) bool {
		return len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name
	})
}

func lookupEnv(env []string, name string) string {
	if i := indexEnv(env, name); i >= 0 {
		return env[i][len(name)+1:]
	}
	return ""
}
