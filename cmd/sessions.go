package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) sessionsCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List the sessions under plan/",
		Long: `List the sessions under plan/, and those in their bugfix/: name, progress, whether
a run has one now, whether updates of one wait in a recovery file, and when it
was last active. The one that commands here use has an asterisk.

Exit codes: 0, 2 mistake in the call. A session that cannot be read is listed
with what is wrong.`,
		Example: `  hacky sessions
  hacky sessions -o json | jq -r '.sessions[] | select(.running) | .dir'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.sessions(cfg, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) sessions(cfg *config.Config, output string) error {
	usual, _ := session.Locate(cfg.Session) // none is none
	list := []result.Session{}
	for _, loc := range session.Sessions() {
		s := a.describeSession(loc)
		s.Default = loc == usual
		list = append(list, s)
	}
	if output != "table" {
		return document(a.stdout, output, result.Sessions{Sessions: list})
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stdout, "there are no sessions under plan/; \"hacky init --prd PRD.md\" makes one")
		return err
	}
	g := ui.NewGrid(ui.Column{}, ui.Column{Head: "SESSION", Least: 12}, ui.Column{Head: "DONE"}, ui.Column{Head: "FAILED"},
		ui.Column{Head: "ACTIVE", Drop: 1, Short: ui.WithoutAgo})
	now := a.now()
	for _, s := range list {
		mark, active := "", ""
		if s.Default {
			mark = "*"
		}
		if s.LastActivity != nil {
			active = ui.Ago(*s.LastActivity, now)
		}
		done, failed := fmt.Sprintf("%d/%d", s.Done, s.Total), fmt.Sprint(s.Counts[backlog.Failed.String()])
		if s.Error != "" {
			done, failed = "", ""
		}
		g.Row(mark, ui.Clean(s.Dir), done, failed, active)
		for _, remark := range a.sessionRemarks(s) {
			g.Note(remark)
		}
	}
	return g.Print(a.stdout, a.screen())
}

func (a *app) describeSession(loc session.Location) result.Session {
	s := result.Session{Dir: loc.Dir, Counts: map[string]int{}, RecoveryWaiting: a.waitingIn(loc) != ""}
	s.Name, s.Hash = session.NameOf(loc)
	if at := session.LastActivity(loc); !at.IsZero() {
		s.LastActivity = &at
	}
	if held, err := session.Held(loc); err == nil && held != nil {
		s.Running, s.Holder = true, held.Says
	}
	for _, st := range backlog.Statuses() {
		s.Counts[st.String()] = 0
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	for i, st := range statuses {
		if b.Items[i].Kind != backlog.Subtask {
			continue
		}
		s.Total++
		s.Counts[st.String()]++
		if st.Satisfied() {
			s.Done++
		}
	}
	return s
}

// sessionRemarks are what else there is to say of a session.
func (a *app) sessionRemarks(s result.Session) []string {
	var parts []string
	if s.Error != "" {
		first, _, _ := strings.Cut(s.Error, "\n")
		parts = append(parts, ui.Clean(first))
	}
	if s.Running {
		parts = append(parts, "running: "+ui.Clean(s.Holder))
	}
	if s.RecoveryWaiting {
		parts = append(parts, "updates wait; type: hacky recover"+a.sessionArg(s.Dir))
	}
	return parts
}
