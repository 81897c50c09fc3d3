package session

import (
	"fmt"
	"io/fs"

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
//   - theirs is Complete: it stays;
//   - theirs is one that the file had before, under our eyes: their program
//     had read the file earlier and saved an old status with it. Ours stays,
//     unless it was a hacky that saved: that merges before it writes;
//   - else the later change wins. When they made theirs is not known better
//     than by the time of the file.
//
// Every decision that drops a status is logged.
func (s *Session) merge(f foreign) error {
	b, err := backlog.Parse(s.loc.Path(), f.src)
	if err != nil {
		return fmt.Errorf("another program saved a tasks.json that is not in order: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.doc
	doc := newDocument(b, f.info)
	meant := doc.identity.String() == s.hackys // written by a hacky, not by who had read it earlier
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
		seen := old.seen[was]
		if meant {
			seen = 0
		}
		s.decide(it, seen, s.opts.Run && !meant && old.now[was].Running(), f.info)
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
	return nil
}

// decide settles one item whose status another program changed. running tells
// that this run executes it just now. s.mu is held.
func (s *Session) decide(it *backlog.Item, seen uint8, running bool, info fs.FileInfo) {
	theirs := it.Status
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
	case running:
		keepOurs, why = true, "it is being executed, and its status follows from how that ends, not from what a program writes"
	case theirs == backlog.Complete:
		why = "a Complete of another program is never turned back"
	case seen&(1<<theirs) != 0:
		keepOurs, why = true, "the other program saved a status from before ours"
	case ours.At.After(info.ModTime()):
		keepOurs, why = true, "ours is later"
	default:
		why = "theirs is later"
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
