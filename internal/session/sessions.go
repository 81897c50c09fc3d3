package session

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// planDir is where sessions are, seen from the current directory.
const planDir = "plan"

// Sessions are the sessions under ./plan with a backlog, lowest number first,
// each followed by those in its bugfix/.
func Sessions() []Location {
	var out []Location
	for _, dir := range sessionsIn(planDir) {
		out = append(out, Location{dir, TasksFile})
		for _, fix := range sessionsIn(filepath.Join(dir, "bugfix")) {
			out = append(out, Location{fix, TasksFile})
		}
	}
	return out
}

// NameOf is a session's name, NNN_hash, and the hash in it.
func NameOf(l Location) (name, hash string) {
	name = filepath.Base(l.Dir)
	_, hash, _ = strings.Cut(name, "_")
	return name, hash
}

// LastActivity is when something of a session was last written: its backlog,
// its journal, its attempts. It is zero if there is nothing.
func LastActivity(l Location) (last time.Time) {
	for _, name := range []string{l.Path(), l.JournalPath(), attemptsPath(l.Dir)} {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
