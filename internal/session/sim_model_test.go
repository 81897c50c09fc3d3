package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// The model knows of every status who wrote it and when it was acknowledged,
// and so which statuses an item may have. It knows nothing of how sessions
// find out: of an item that two wrote without knowing of each other it allows
// either status (§5.5 says which; merge_test.go and journal_test.go check
// that). What was acknowledged with the knowledge of what was there before
// replaces that.

// simWrite is a status that somebody gave an item.
type simWrite struct {
	id     string
	to     backlog.Status
	by     *simProc           // nil: an editor, or it was there at the beginning
	seq    int                // in by's order
	at     time.Time          // accepted
	read   time.Time          // when by had looked at tasks.json last
	knew   map[*simWrite]bool // what by had seen there
	safe   time.Time          // acknowledged; of an editor: saved
	inFile time.Time          // since when tasks.json says so, or what came of it
	void   bool               // it is known not to come back

	// Of an editor that saved an old status without wanting to: which
	// sessions had seen that status before.
	stale  bool
	seenBy map[*simProc]bool
}

// replaces reports whether v is over with a. Who writes twice means the second.
func (a *simWrite) replaces(v *simWrite) bool {
	switch {
	case a.by == nil || a.safe.IsZero():
		return false
	case a.by == v.by:
		return a.seq > v.seq
	case v.safe.IsZero() || !v.safe.Before(a.at):
		return false
	case v.by != nil && v.by.isDead() && v.by.died.Before(a.by.born) && a.by.replayed[v.id]:
		return true
	}
	return a.knew[v]
}

// simAck is a promised acknowledgement.
type simAck struct {
	writes []*simWrite
	what   string
	calls  int
}

type mask uint8

func (m mask) has(s backlog.Status) bool { return m>>s&1 == 1 }

func (m mask) String() string {
	var out []string
	for _, s := range backlog.Statuses() {
		if m.has(s) {
			out = append(out, s.String())
		}
	}
	return "{" + strings.Join(out, " ") + "}"
}

// simModel is what is known of the items; guarded by simWorld.mu.
type simModel struct {
	items  []string // subtasks
	writes map[string][]*simWrite
	ever   map[string]mask
	shapes map[string]bool // texts of tasks.json, apart from statuses
	shape  string          // the one an editor saved last
	handed []Update        // printed, for want of any file
}

// begin forgets everything but what tasks.json says now.
func (m *simModel) begin(b *backlog.Backlog) {
	m.writes, m.ever = map[string][]*simWrite{}, map[string]mask{}
	now := time.Now()
	for _, id := range m.items {
		i, _ := b.Lookup(id)
		s := b.Items[i].Status
		m.writes[id] = []*simWrite{{to: s, at: now, safe: now, inFile: now}}
		m.ever[id] = 1 << s
	}
	m.shape = shapeOf(b)
	m.shapes = map[string]bool{m.shape: true}
}

// shapeOf is a backlog's text with every status Planned.
func shapeOf(b *backlog.Backlog) string {
	return string(b.Bytes(make([]backlog.Status, b.Len())))
}

func (m *simModel) add(id string, v *simWrite) {
	v.id, v.knew = id, map[*simWrite]bool{}
	for _, o := range m.writes[id] {
		v.knew[o] = !o.inFile.IsZero() && o.inFile.Before(v.read)
	}
	m.writes[id] = append(m.writes[id], v)
	m.ever[id] |= 1 << v.to
}

// open are the writes that may be what holds.
func (m *simModel) open(id string) []*simWrite {
	var out []*simWrite
	for _, v := range m.writes[id] {
		if !v.void && !slices.ContainsFunc(m.writes[id], func(a *simWrite) bool { return a != v && !a.void && a.replaces(v) }) {
			out = append(out, v)
		}
	}
	return out
}

func (m *simModel) allowed(id string) (allowed mask) {
	for _, v := range m.open(id) {
		allowed |= 1 << v.to
	}
	return allowed
}

// said notes what tasks.json says now. What an editor saves over is no longer
// known to who reads it then; a hacky merges.
func (m *simModel) said(b *backlog.Backlog, editor bool) {
	for _, id := range m.items {
		i, _ := b.Lookup(id)
		for _, v := range m.writes[id] {
			switch is := v.to == b.Items[i].Status; {
			case is && v.inFile.IsZero() && !m.saidBefore(v):
				v.inFile = time.Now()
			case !is && editor:
				v.inFile = time.Time{}
			}
		}
	}
}

// saidBefore reports whether tasks.json may say v's status because of an earlier
// write of v's process: then nobody can have read v there.
func (m *simModel) saidBefore(v *simWrite) bool {
	return slices.ContainsFunc(m.writes[v.id], func(o *simWrite) bool {
		return o != v && o.by == v.by && o.by != nil && o.seq < v.seq && o.to == v.to && !o.inFile.IsZero()
	})
}

// flushed notes that everything that p had accepted is safe: since, when the
// flush that returns now began, it was pending at most. If nothing went wrong
// meanwhile, the flush has also mended what an editor broke before.
func (m *simModel) flushed(p *simProc, since time.Time, mended, final bool) {
	for _, id := range m.items {
		var last *simWrite
		recorded := false
		for _, a := range m.writes[id] {
			// What comes after what the journal says of the item is not safe
			// before the journal has it, too, or is gone.
			loose := a.by == p && p.kind == "run" && recorded && !final
			recorded = recorded || a.by != nil && a.by.kind == "run"
			if a.by == p && !a.void {
				last = a
				if a.safe.IsZero() && !loose {
					a.safe = time.Now()
				}
			}
		}
		if last == nil || !mended {
			continue
		}
		broken := func(v *simWrite) bool {
			return v.stale && v.safe.Before(since) && v.seenBy[p] && v.to != backlog.Complete
		}
		others := slices.DeleteFunc(m.open(id), func(v *simWrite) bool { return v == last })
		if !slices.ContainsFunc(others, func(v *simWrite) bool { return !broken(v) }) {
			for _, v := range others {
				v.void = true
			}
		}
	}
}

// describe lists an item's writes, for a failure.
func (m *simModel) describe(id string) string {
	var out strings.Builder
	open := m.open(id)
	for _, v := range m.writes[id] {
		who := "an editor"
		if v.by != nil {
			who = v.by.String()
		}
		clock := func(t time.Time) string {
			if t.IsZero() {
				return "-"
			}
			return t.Format("05.000000")
		}
		fmt.Fprintf(&out, "\n    %-12s by %-10s accepted %s, who had read %s; safe %s, in the file %s, stale %v, void %v, possible %v",
			v.to, who, clock(v.at), clock(v.read), clock(v.safe), clock(v.inFile), v.stale, v.void, slices.Contains(open, v))
	}
	return out.String()
}

// waitingIn are the updates in all recovery files of a session.
func waitingIn(l Location) (waiting map[string]mask, err error) {
	waiting = map[string]mask{}
	for _, name := range recoveryFiles(l) {
		r, err := ReadRecovery(name)
		if err != nil {
			return nil, err
		}
		for _, u := range r.Changes {
			waiting[u.ID] |= 1 << u.To
		}
	}
	return waiting, nil
}

// recoveryFiles are the session's, those that were moved aside included, but
// not copies of what was recovered, and those made of the reserve. Nothing is
// kept outside the session here.
func recoveryFiles(l Location) []string {
	names, _ := filepath.Glob(l.RecoveryPath() + "*") // the pattern is in order
	for _, p := range Waiting(l, nil) {
		if !slices.Contains(names, p.Path) {
			names = append(names, p.Path)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, ".kept-") })
}

// check looks at a session directory: tasks.json is whole, everything
// acknowledged is visible or waits, and nothing is made up.
func (w *simWorld) check(l Location, where string) {
	src, err := os.ReadFile(l.Path())
	if err != nil {
		w.failf("%s: %v", where, err)
		return
	}
	file, err := backlog.Parse(l.Path(), string(src))
	if err != nil {
		w.failf("%s: tasks.json is broken: %v", where, err)
		return
	}
	b, now, err := View(l)
	if err != nil {
		w.failf("%s: a reader sees: %v", where, err)
		return
	}
	waiting, err := waitingIn(l)
	if err != nil {
		w.failf("%s: %v", where, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.handed {
		waiting[u.ID] |= 1 << u.To
	}
	if !w.shapes[shapeOf(file)] {
		w.failf("%s: tasks.json is nothing that anybody saved:\n%s", where, src)
	}
	for _, id := range w.items {
		i, _ := b.Lookup(id)
		allowed, ever := w.allowed(id), w.ever[id]
		switch {
		case !ever.has(file.Items[i].Status) || !ever.has(now[i]) || waiting[id]&^ever != 0:
			w.failf("%s: %s is %s, visible as %s, waits for %v; only %v was ever said", where, id, file.Items[i].Status, now[i], waiting[id], ever)
		case !allowed.has(now[i]) && waiting[id]&allowed == 0:
			w.failf("%s: %s is %s, visible as %s, waits for %v; it has to be %v%s", where, id, file.Items[i].Status, now[i], waiting[id], allowed, w.describe(id))
		}
	}
}
