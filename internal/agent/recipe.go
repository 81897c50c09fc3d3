package agent

import (
	"cmp"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/hacky-run/hacky/internal/agent/profile"
	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
)

// Stage is one command of every subtask that has no "run" of its own: a program,
// or an agent.
type Stage struct {
	Name       string
	Run        backlog.Command
	Agent      *profile.Profile // instead of Run
	Prompt     string           // a template over prompt.Data; "" for none, or for an agent the default of that name
	PromptFrom string           // what errors call the prompt: its file; "" for the stage's name
	Output     string           // a template of a path: this file must exist and not be empty afterwards
	Env        []backlog.EnvVar
	Timeout    time.Duration
}

// Recipe is how subtasks are executed, as far as they do not say it themselves.
type Recipe struct {
	Stages      []Stage
	Gates       []backlog.Gate
	Env         []backlog.EnvVar
	Timeout     time.Duration // per attempt
	IdleTimeout time.Duration // without output
	FixAttempts int           // how often a failed gate goes back to the implement stage
	Fix         string        // template of the prompt for that, where the agent knows the conversation; "" for the default
	FixFrom     string        // what errors call it
	Unable      string        // why Stages cannot be executed; "" if they can
	Commit      bool          // commit what a subtask changed when its gates have passed

	// Note, if not nil, hears what people may want to know of an attempt while
	// it goes on. It is called from many goroutines.
	Note func(id, text string)
}

// stage is a Stage with its templates parsed.
type stage struct {
	Stage
	prompt *prompt.Template // nil: none
	output *template.Template
}

func (r Recipe) parse() (stages []stage, fix *prompt.Template, err error) {
	for _, st := range r.Stages {
		out := stage{Stage: st}
		switch {
		case st.Prompt != "":
			if out.prompt, err = prompt.Parse(cmp.Or(st.PromptFrom, "prompt"), st.Prompt); err != nil {
				return nil, nil, fmt.Errorf("stage %s: %w", st.Name, err)
			}
		case st.Agent != nil:
			out.prompt = prompt.ForStage(st.Name)
		}
		if st.Output != "" {
			out.output, err = template.New("output").Option("missingkey=error").Parse(st.Output)
			if err == nil {
				err = out.output.Execute(new(strings.Builder), prompt.Data{ID: "P1.M1.T1.S1"})
			}
			if err != nil {
				return nil, nil, fmt.Errorf("stage %s: output: %s", st.Name, strings.TrimPrefix(err.Error(), "template: "))
			}
		}
		stages = append(stages, out)
	}
	if r.Fix == "" {
		return stages, prompt.ForStage(prompt.Fix), nil
	}
	if fix, err = prompt.Parse(cmp.Or(r.FixFrom, "prompt"), r.Fix); err != nil {
		return nil, nil, fmt.Errorf("fix: %w", err)
	}
	return stages, fix, nil
}

// Credentials are those whose quota subtask i uses.
func (r *Runner) Credentials(i int32) []string {
	if len(r.credentials) == 0 || !r.b.Effective(i).Run.IsZero() {
		return nil
	}
	return r.credentials
}
