package cmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/nearest"
	"github.com/hacky-run/hacky/internal/session"
)

// locate finds the session that is meant, and refuses one in which hacky's own
// files are links, pipes or the like. An error about a bad name says where it
// was given.
func (a *app) locate(cfg *config.Config) (session.Location, error) {
	loc, err := a.find(cfg)
	if err == nil {
		err = session.Inspect(loc)
	}
	return loc, err
}

// find is locate without a look at what is in the session.
func (a *app) find(cfg *config.Config) (session.Location, error) {
	loc, err := session.Locate(cfg.Session)
	if err == nil {
		return loc, nil
	}
	for _, candidate := range candidates(cfg.Session) {
		if lost := a.lostBacklog(candidate); lost != nil {
			return session.Location{}, lost
		}
	}
	if cfg.Session != "" {
		if near := nearSession(cfg.Session); near != "" {
			err = fmt.Errorf("%w; %s", err, near)
		}
		err = fmt.Errorf("%s: %w", a.origin("session"), err)
	}
	return session.Location{}, err
}

// nearSession names the session under plan/ that is nearest to a mistyped one;
// "" if there are none.
func nearSession(name string) string {
	all := session.Sessions()
	if len(all) == 0 {
		return ""
	}
	var names []string
	for _, loc := range all {
		name, hash := session.NameOf(loc)
		names = append(names, name, hash, loc.Dir)
	}
	const list = "\"hacky sessions\" lists all"
	if near := nearest.Near(name, names); near != "" {
		return near + " " + list
	}
	return list
}

// candidates are where the session would be if its backlog were there.
func candidates(name string) []session.Location {
	if name == "" {
		return []session.Location{{Dir: ".", Name: session.TasksFile}}
	}
	return []session.Location{
		{Dir: filepath.Clean(name), Name: session.TasksFile},
		{Dir: filepath.Dir(name), Name: filepath.Base(name)},
		{Dir: filepath.Join("plan", name), Name: session.TasksFile},
	}
}

// lostBacklog says how to get a backlog back that is gone while its recovery
// file is there; nil if there is none, or it is no recovery file.
func (a *app) lostBacklog(loc session.Location) error {
	path := loc.RecoveryPath()
	if session.Inspect(loc) != nil {
		return nil //nolint:nilerr // what is there is no recovery file
	}
	if _, err := session.ReadRecovery(path); err != nil {
		return nil //nolint:nilerr // there is nothing to restore from; what was wrong before is told
	}
	var content struct {
		PendingUpdates *struct{} `json:"pendingUpdates"`
	}
	data, err := session.ReadInput(path)
	if err == nil {
		err = json.Unmarshal([]byte(data), &content)
	}
	then := "hacky recover" + a.sessionArg(loc.Path())
	if err != nil || content.PendingUpdates == nil {
		return fmt.Errorf("%s is missing, but the updates in %s wait for it; put the backlog back, from version control or a backup, then type: %s",
			loc.Path(), path, then)
	}
	return fmt.Errorf("%s is missing, but %s is there, and its \"pendingUpdates\" is the whole backlog; put it back from version control, or type: jq .pendingUpdates %s > %s && %s",
		loc.Path(), path, shellQuote(path), shellQuote(loc.Path()), then)
}
