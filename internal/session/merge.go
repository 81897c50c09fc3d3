package session

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// foreign is a tasks.json that another program saved.
type foreign struct {
	src  string
	info fs.FileInfo
}

// mergeFile reads the file again and merges it.
func (s *Session) mergeFile() error {
	src, info, err := readFile(s.fs, s.path)
	if err != nil {
		return err
	}
	return s.merge(foreign{src, info})
}

// merge takes over what another program saved and keeps what this session
// knows, by id (§5.5). The text, the items and whatever else are theirs. Where
// they changed the status of an item that this session changed too:
//
//   - the same status: there is nothing to decide;
//   - this run executes the item just now: ours stays, whatever they say, as
//     an agent must not award itself a status; a hacky set is believed;
//   - theirs is Complete: it stays, unless it is the very one that was seen when
//     this session was opened, and that ours was meant to turn back;
//   - theirs is an old status: a hacky has noted it before ours, or none has
//     and the file had it before, under our eyes, or it is behind ours. Their
//     program had read the file earlier, or is git, and saved that. Ours stays;
//   - else theirs is later: what was saved before ours was accepted would have
//     been read by then.
//
// Wall clocks and times of files decide nothing.
//
// Every decision that drops a status is logged.
func (s *Session) merge(f foreign) error {
	b, err := backlog.Parse(s.loc.Path(), f.src)
	if err != nil {
		return fmt.Errorf("another program saved a tasks.json that is not in order: %w", err)
	}
	if changed := s.mergeInto(b, f); len(changed) > 0 && s.opts.Changed != nil {
		s.opts.Changed(changed)
	}
	return nil
}

// mergeInto is merge for a backlog that is in order. It returns what now has
// another status than before.
func (s *Session) mergeInto(b *backlog.Backlog, f foreign) (changed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.doc
	doc := newDocument(b, f.info)
	for i := range b.Items {
		it := &b.Items[i]
		was, known := old.b.Lookup(it.ID)
		if !known {
			continue
		}
		if it.Kind != backlog.Subtask {
			continue
		}
		if s.renumbered(b, old.b, it.ID, it.Status != old.disk[was]) {
			continue
		}
		doc.seen[i] |= old.seen[was]
		if it.Status == old.disk[was] {
			continue
		}
		s.decide(b, it, old.seen[was], s.opts.Run && old.now[was].Running())
	}
	for id, u := range s.batch {
		if _, ok := b.Lookup(id); !ok {
			s.log.Warn().Str("id", id).Stringer("status", u.To).Msg("another program removed this item from tasks.json; its status is dropped")
			delete(s.batch, id)
		}
	}
	s.doc, s.foreign = doc, true
	s.overlay()
	if s.journal != nil {
		s.base = digest(b, doc.disk)
	}
	for i := range b.Items {
		if was, known := old.b.Lookup(b.Items[i].ID); known && b.Items[i].Kind == backlog.Subtask && s.doc.now[i] != old.now[was] {
			changed = append(changed, b.Items[i].ID)
		}
	}
	return changed
}

// renumbered reports whether an id stands for other work in a backlog than
// before, as far as that matters: this session has said something of it, or its
// status has changed. Theirs holds then, and what was said here was said of
// other work. s.mu is held.
func (s *Session) renumbered(b, before *backlog.Backlog, id string, changed bool) bool {
	ours, pending := s.batch[id]
	if !pending {
		ours = s.written[id]
	}
	if !ours.Recorded() {
		if !changed {
			return false
		}
		ours = Update{ID: id}
		ours.Work, _ = before.WorkOf(id)
	}
	is, other := otherWork(b, ours)
	if !other {
		return false
	}
	if pending {
		s.refuse(ours, is)
		s.superseded[id] = ours
	}
	delete(s.batch, id)
	delete(s.written, id)
	return true
}

// yield drops updates of items that a hacky has given a status since, even if
// tasks.json has had that all along.
func (s *Session) yield() {
	if changed := s.yielded(); len(changed) > 0 && s.opts.Changed != nil {
		s.opts.Changed(changed)
	}
}

func (s *Session) yielded() (changed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, u := range s.batch {
		i, ok := s.doc.b.Lookup(id)
		if !ok || s.doc.disk[i] == u.To {
			continue
		}
		theirs := s.doc.disk[i]
		if later, _ := s.notes.when(id, theirs, u.At); later {
			s.log.Warn().Str("id", id).Stringer("ours", u.To).Stringer("theirs", theirs).Bool("oursKept", false).
				Str("why", "theirs is later").Msg("a status was changed here and by another program")
			s.superseded[id] = u
			delete(s.batch, id)
			delete(s.written, id)
			s.doc.now[i] = theirs
			changed = append(changed, id)
		}
	}
	return changed
}

// decide settles one item whose status another program changed. running tells
// that this run executes it just now. s.mu is held.
func (s *Session) decide(b *backlog.Backlog, it *backlog.Item, seen uint8, running bool) {
	theirs := it.Status
	m, noted := s.notes.marks[said{it.ID, theirs}]
	when := m.at
	holds, stale := s.notes.stale(b, it.ID, theirs)
	ours, pending := s.batch[it.ID]
	if !pending {
		var flushed bool
		ours, flushed = s.written[it.ID]
		if stale && holds.At.After(ours.At) && !running {
			s.restore(holds)
			return
		}
		if !flushed {
			s.log.Debug().Str("id", it.ID).Stringer("theirs", theirs).Msg("another program changed this status; taken over")
			s.adopt(b, it.ID, theirs)
			return
		}
	}
	var keepOurs bool
	var why string
	switch {
	case theirs == ours.To: // pending until it is known to be on stable storage
		return
	case running && (!noted || !when.After(ours.At)):
		keepOurs, why = true, "it is being executed, and its status follows from how that ends, not from what a program writes"
	case stale && ours.At.After(holds.At):
		keepOurs, why = true, "the other program saved a status from before ours"
	case theirs == backlog.Complete && (!s.reopened[it.ID] || !noted || when.After(s.read)):
		why = "a Complete of another program is never turned back"
	case s.notes.later(it.ID, ours.At):
		why = "another hacky has said something else since"
	case noted && ours.At.After(when):
		keepOurs, why = true, "ours is later"
	case !noted && (seen&(1<<theirs) != 0 || rank(theirs) < rank(ours.To)):
		keepOurs, why = true, "the other program saved a status from before ours"
	default:
		why = "theirs is later"
		if !noted {
			when = s.afterNotes(it.ID, ours, !pending || s.recorded[it.ID])
		}
		if !when.IsZero() {
			s.judged[said{it.ID, theirs}] = when
		}
	}
	s.log.Warn().Str("id", it.ID).Stringer("ours", ours.To).Stringer("theirs", theirs).Bool("oursKept", keepOurs).
		Str("why", why).Msg("a status was changed here and by another program")
	if keepOurs {
		ours.From = theirs
		s.batch[it.ID] = ours
	} else {
		if pending {
			s.superseded[it.ID] = ours
		}
		delete(s.batch, it.ID)
		delete(s.written, it.ID)
	}
}

// afterNotes is just after all that hackys are known to have said of an item:
// no later, as others may have read theirs and said something else since. known
// tells that ours may be read in the journal or the notes.
func (s *Session) afterNotes(id string, ours Update, known bool) (when time.Time) {
	if known {
		when = ours.At
	}
	for _, m := range s.notes.of(id) {
		if m.at.After(when) {
			when = m.at
		}
	}
	if !when.IsZero() {
		when = when.Add(1)
	}
	return when
}

// restore keeps a status that a hacky had written into tasks.json, and over
// which an old one was saved. s.mu is held.
func (s *Session) restore(u Update) {
	s.log.Warn().Str("id", u.ID).Stringer("kept", u.To).Stringer("old", u.From).
		Msg("tasks.json has an old status of this item, from an editor or git; the one that hacky wrote last is kept (hacky set changes it)")
	s.seq++
	u.Seq = s.seq
	s.batch[u.ID] = u
}

// restored are the updates that bring back what hackys have written into
// tasks.json, and over which old statuses were saved since.
func restored(doc *document, n *notes) (updates []replayedUpdate) {
	for id := range n.ids {
		i, ok := doc.b.Lookup(id)
		if !ok || doc.b.Items[i].Kind != backlog.Subtask {
			continue
		}
		if u, stale := n.stale(doc.b, id, doc.disk[i]); stale {
			updates = append(updates, replayedUpdate{u, i})
		}
	}
	slices.SortFunc(updates, func(a, b replayedUpdate) int { return cmp.Compare(a.item, b.item) })
	return updates
}

// restoreAll puts into the batch what was written into tasks.json and is not
// there any more, and takes note of what others have made of the rest. Open
// calls it.
func (s *Session) restoreAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range restored(&s.doc, s.notes) {
		if _, pending := s.batch[u.ID]; !pending {
			s.restore(u.Update)
			s.doc.now[u.item] = u.To
		}
	}
	for id := range s.notes.ids {
		if i, ok := s.doc.b.Lookup(id); ok {
			s.adopt(s.doc.b, id, s.doc.disk[i])
		}
	}
}

// adopt takes note of a status that another program gave an item after a hacky
// had, so that it is the last one. s.mu is held.
func (s *Session) adopt(b *backlog.Backlog, id string, theirs backlog.Status) {
	last, m, ok := s.notes.last(id)
	if _, noted := s.notes.marks[said{id, theirs}]; !ok || noted || last == theirs || theirs.Running() {
		return
	}
	if _, stale := s.notes.stale(b, id, theirs); !stale {
		s.judged[said{id, theirs}] = m.at.Add(1) // and before all that a hacky says who has read it
	}
}
