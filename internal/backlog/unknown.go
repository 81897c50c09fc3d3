package backlog

import (
	"slices"
	"strings"
)

// maxWarnings bounds what is kept of a file in which every key is unknown.
const maxWarnings = 100

// Warnings are keys that look like a misspelling or a synonym of one that hacky
// reads, in the file's order, at most the first 100. Other unknown keys are the
// user's own, and no warning.
func (b *Backlog) Warnings() []Problem { return b.warnings }

type ownKey struct {
	kind Kind
	key  string
}

// unknown skips the value of a key that hacky does not read.
func (p *parser) unknown(key string, at int, kind Kind, id string) bool {
	if len(p.b.warnings) < maxWarnings {
		known := ownKey{kind, key}
		meant, seen := p.meant[known]
		if !seen { // the same few keys stand in all items
			if p.meant == nil {
				p.meant = map[ownKey]string{}
			}
			meant = meantKey(key, kind)
			p.meant[known] = meant
		}
		if meant != "" {
			where := ""
			if id != "" {
				where = " of " + id
			}
			p.b.warnings = append(p.b.warnings, Problem{offset: at,
				Message: "the key " + quote(key) + where + " is ignored; did you mean " + quote(meant) + "?"})
		}
	}
	return p.skip()
}

// meantKey is the key that an unknown one probably stands for; "" if there is
// none.
func meantKey(key string, kind Kind) string {
	known := []string{"title", "status", "description", "env", "workdir", "timeout"}
	if kind == Subtask {
		known = append(known, "run", "gates", "retries", "dependencies", "story_points", "context_scope")
	} else {
		known = append(known, kind.childrenKey())
	}
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	word := plain(key)
	switch word { // those of other tools
	case "agent", "model", "stages", "requirements", "ask", "labels":
		return "" // they have a meaning
	case "dependson", "deps", "dependency", "depends", "needs", "requires", "after", "blockedby":
		return inList(known, "dependencies")
	case "cmd", "command", "commands", "script", "exec", "shell":
		return inList(known, "run")
	case "check", "checks", "validate", "validation", "verify":
		return inList(known, "gates")
	case "cwd", "dir", "directory", "workingdirectory", "workingdir":
		return "workdir"
	case "environment", "envs", "variables":
		return "env"
	case "retry", "maxretries", "attempts":
		return inList(known, "retries")
	case "timelimit", "deadline":
		return "timeout"
	case "points":
		return inList(known, "story_points")
	case "state":
		return "status"
	case "children", "items", "subitems":
		if kind != Subtask {
			return kind.childrenKey()
		}
	}
	for _, k := range known {
		if near := plain(k); word == near || len(near) > 3 && oneEdit(word, near) {
			return k
		}
	}
	return ""
}

// inList is the key if it is one of those known here, else "".
func inList(known []string, key string) string {
	if slices.Contains(known, key) {
		return key
	}
	return ""
}

// oneEdit reports whether one letter more, less or other, or two neighbours that
// changed places, make one word of the other.
func oneEdit(a, b string) bool {
	k := 0
	for k < len(a) && k < len(b) && a[k] == b[k] {
		k++
	}
	a, b = a[k:], b[k:]
	switch {
	case len(a) == len(b):
		return len(a) > 0 && (a[1:] == b[1:] || len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:])
	case len(a) == len(b)+1:
		return a[1:] == b
	case len(b) == len(a)+1:
		return b[1:] == a
	}
	return false
}
