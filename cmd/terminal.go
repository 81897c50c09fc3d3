package cmd

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/ui"
)

// redirect is a writer that can be pointed elsewhere while it is used.
type redirect struct {
	mu sync.Mutex
	to io.Writer
}

func (r *redirect) Write(p []byte) (int, error) {
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	return to.Write(p)
}

func (r *redirect) point(to io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

// style tells whether a stream gets colours: by --color, else by NO_COLOR,
// CLICOLOR_FORCE and CLICOLOR=0 (https://no-color.org,
// https://bixense.com/clicolors), else if it is a terminal that is known not to
// be dumb.
func (a *app) style(choice string, stream any) ui.Style {
	set := func(name string) bool {
		v, _ := a.env.Lookup(name)
		return v != ""
	}
	kind, _ := a.env.Lookup("TERM")
	force, _ := a.env.Lookup("CLICOLOR_FORCE")
	wish, _ := a.env.Lookup("CLICOLOR")
	switch {
	case choice == "always":
		return ui.Style{On: true}
	case choice == "never", set("NO_COLOR"):
		return ui.Style{}
	case force != "" && force != "0":
		return ui.Style{On: true}
	}
	return ui.Style{On: isTerminal(stream) && kind != "" && kind != "dumb" && wish != "0"}
}

// live tells whether progress is shown by a view that is drawn over itself: on
// a terminal that can do so, unless somebody wants lines (a CI system, a screen
// reader).
func (a *app) live(kind string) bool {
	if kind != "auto" && kind != "tty" || !isTerminal(a.stdout) {
		return false
	}
	if kind == "tty" {
		return true
	}
	for _, name := range []string{"CI", "ACCESSIBLE"} {
		if v, _ := a.env.Lookup(name); v != "" && v != "0" && v != "false" {
			return false
		}
	}
	name, _ := a.env.Lookup("TERM")
	return name != "" && name != "dumb"
}

// platform is the CI system that hacky runs in, "" for none that is known.
func (a *app) platform() ui.Platform {
	for name, platform := range map[string]ui.Platform{"GITHUB_ACTIONS": ui.GitHub, "GITLAB_CI": ui.GitLab} {
		if v, _ := a.env.Lookup(name); v == "true" {
			return platform
		}
	}
	return ""
}

// display is how a run is shown. A terminal that is drawn on is left in order by
// end, in the middle of it, too.
type display struct {
	ui.Progress
	live *ui.Live // nil: nothing is drawn
	end  func()
}

// startProgress begins to show a run.
func (j *job) startProgress(statuses []backlog.Status) *display {
	style := j.style(j.cfg.Color, j.stdout)
	if platform := j.platform(); platform != "" && (j.cfg.Progress == "auto" || j.cfg.Progress == "plain") {
		return &display{Progress: ui.NewCI(platform, j.stdout, j.loc.Dir, j.b, style), end: func() {}}
	}
	terminal := fileOf(j.stdout)
	if terminal == nil || !j.live(j.cfg.Progress) {
		return &display{Progress: ui.NewProgress(j.cfg.Progress, j.stdout, j.loc.Dir, j.b, style, isTerminal(j.stdout)), end: func() {}}
	}
	size := func() (columns, rows int) {
		columns, rows, err := term.GetSize(int(terminal.Fd()))
		if err != nil || columns <= 0 || rows <= 0 {
			return 80, 24
		}
		return columns, rows
	}
	view := ui.NewLive(ui.LiveOptions{Terminal: j.stdout, Size: size, ASCII: !j.utf8Locale(), Style: style,
		Session: j.loc.Dir, Backlog: j.b, Scope: j.selected, Statuses: statuses, Saying: j.runner.Saying,
		Foreground:  func() bool { return inForeground(terminal) },
		Parallelism: j.cfg.Parallelism, MaxTasks: j.cfg.MaxTasks, MaxDuration: j.cfg.MaxDuration, Past: j.past})
	if isTerminal(j.stderr) {
		j.messages.point(view.Writer())
	}
	return &display{Progress: view, live: view, end: func() {
		view.Close()
		j.messages.point(j.stderr)
	}}
}

// inForeground tells whether a terminal is ours and not a shell's that has put us
// into the background. If it is none that says so, it is.
func inForeground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// past is how long the subtasks of a session have taken until now.
func (j *job) past() *schedule.Pace {
	pace, err := learn(j.loc, j.b)
	if err != nil {
		j.log.Debug().Err(err).Msg("cannot tell how long subtasks have taken")
	}
	return pace
}
