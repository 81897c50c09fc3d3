package session

import (
	"fmt"
	"io/fs"
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
//   - theirs is one that the file had before, under our eyes, and no hacky has
//     noted that it said so: their program had read the file earlier and saved
//     an old status with it. Ours stays;
//   - else the later change wins. When they made theirs is not known better
//     than by a hacky's note, or the time of the file.
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
		doc.seen[i] |= old.seen[was]
		if it.Kind != backlog.Subtask || it.Status == old.disk[was] {
			continue
		}
		s.decide(it, old.seen[was], s.opts.Run && old.now[was].Running(), f.info.ModTime())
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
func (s *Session) decide(it *backlog.Item, seen uint8, running bool, saved time.Time) {
	theirs := it.Status
	when, noted := s.notes[said{it.ID, theirs}]
	if !noted {
		when = saved
	}
	ours, pending := s.batch[it.ID]
	if !pending {
		var flushed bool
		if ours, flushed = s.written[it.ID]; !flushed {
			s.log.Debug().Str("id", it.ID).Stringer("theirs", theirs).Msg("another program changed this status; taken over")
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
	case theirs == backlog.Complete && (!s.reopened[it.ID] || !noted || when.After(s.read)):
		why = "a Complete of another program is never turned back"
	case s.notes.later(it.ID, ours.At):
		why = "another hacky has said something else since"
	case seen&(1<<theirs) != 0 && !noted:
		keepOurs, why = true, "the other program saved a status from before ours"
	case ours.At.After(when):
		keepOurs, why = true, "ours is later"
	default:
		why = "theirs is later"
		s.judged[said{it.ID, theirs}] = when
	}
	s.log.Warn().Str("id", it.ID).Stringer("ours", ours.To).Stringer("theirs", theirs).Bool("oursKept", keepOurs).
		Str("why", why).Msg("a status was changed here and by another program")
	if keepOurs {
		ours.From = theirs
		s.batch[it.ID] = ours
	} else {
		delete(s.batch, it.ID)
		delete(s.written, it.ID)
	}
}
