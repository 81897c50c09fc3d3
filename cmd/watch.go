package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

// watchInterval is how often the picture is drawn anew, for the clocks in it.
// The session is read again only when a file has changed, and for at most a
// tenth of the time.
const watchInterval = time.Second

// watch draws the status again and again in the same place, until Ctrl+C.
func (a *app) watch(ctx context.Context, cfg *config.Config, o statusOptions) error {
	if !isTerminal(a.stdout) {
		return errors.New("--watch needs a terminal to draw on; \"hacky status\" shows it once, \"hacky run --progress json\" tells what happens")
	}
	if name, _ := a.env.Lookup("TERM"); name == "" || name == "dumb" {
		return errors.New("--watch needs a terminal that can move the cursor, and TERM says that this one cannot; \"hacky status\" shows it once")
	}
	ctx, interrupted := a.interruptible(ctx)
	var (
		st      *ui.Status
		l       *look
		seen    []fsutil.Identity
		drawn   int // lines of the last picture
		columns int
		problem string    // why it cannot be read any more
		rest    time.Time // no reading before this
	)
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if now := time.Now(); st == nil || now.After(rest) {
			files, changed := a.changed(cfg, l, seen)
			if st == nil || changed {
				fresh, look, err := a.statusOf(cfg, o)
				switch {
				case err == nil:
					st, l, seen, problem = fresh, look, files, ""
				case st == nil:
					return err
				default: // somebody may be saving it just now
					problem, _, _ = strings.Cut(err.Error(), "\n")
				}
				rest = now.Add(9 * time.Since(now))
			}
		}
		l.now = time.Now()
		width, height, err := term.GetSize(int(fileOf(a.stdout).Fd()))
		if err != nil {
			width, height = 80, 24
		}
		var text strings.Builder
		if err := a.statusText(&text, st, l, o, ui.Screen{Width: width - 1, Style: a.screen().Style}); err != nil {
			return err
		}
		if problem != "" {
			text.WriteString("\n" + ui.Wrap("as it was before; now: "+ui.Clean(problem), width-1, "") + "\n")
		}
		lines := ui.Frame(text.String(), height)
		var b strings.Builder
		switch {
		case columns != 0 && columns != width: // the terminal has wrapped what was there
			b.WriteString("\x1b[2J\x1b[H")
		case drawn > 0:
			fmt.Fprintf(&b, "\x1b[%dA\r", drawn)
		}
		for _, line := range lines {
			b.WriteString(ui.Cut(line, width-1) + "\x1b[K\r\n")
		}
		b.WriteString("\x1b[J")
		if _, err := io.WriteString(a.stdout, b.String()); err != nil && ctx.Err() == nil {
			return err
		}
		drawn, columns = len(lines), width
		select {
		case <-ctx.Done():
			// The picture stays; the terminal has printed ^C below it.
			_, _ = io.WriteString(a.stdout, "\r\x1b[K") // a terminal that takes nothing does not keep us
			return &exitError{code: interrupted()}
		case <-tick.C:
		}
	}
}

// changed tells whether a file has changed that the status comes from.
func (a *app) changed(cfg *config.Config, l *look, before []fsutil.Identity) (now []fsutil.Identity, changed bool) {
	loc, err := a.locate(cfg)
	if err != nil {
		return before, true
	}
	for _, name := range []string{loc.Path(), loc.JournalPath(), loc.RecoveryPath(), filepath.Join(loc.Dir, "artifacts", "attempts.ndjson"),
		loc.Hidden("holds.json"), loc.Hidden("run.lock")} {
		var id fsutil.Identity
		if info, err := os.Stat(name); err == nil {
			id = fsutil.IdentityOf(info)
		}
		now = append(now, id)
	}
	if l == nil || !slices.Equal(now, before) {
		return now, true
	}
	run, _ := session.Held(loc) // a run may end without a file's changing
	return now, (run == nil) != (l.run == nil)
}
