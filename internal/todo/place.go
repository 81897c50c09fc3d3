package todo

import (
	"fmt"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/nearest"
)

// Placed is where a list goes in a backlog.
type Placed struct {
	Insertions []backlog.Insertion
	New        []*backlog.Draft // the subtasks among them, in the list's order
	Known      int              // subtasks of the list that the backlog has already
}

// Place finds what a backlog does not have yet: items are the same if their
// titles and those of their parents are. Each subtask depends on the one before
// it, or on the items that its "after:" names instead; "after: none" is none.
func (l *List) Place(b *backlog.Backlog) (*Placed, error) {
	p := &Placed{}
	l.place(p, b, -1, shape(l.items, backlog.Phase, "Work"))
	return p, l.link(b)
}

// shape gives items their kinds. Where subtasks stand beside parents, or higher
// than subtasks may, parents of the same title as the one above are put between.
func shape(items []*item, kind backlog.Kind, above string) []*backlog.Draft {
	var out []*backlog.Draft
	for k := 0; k < len(items); {
		it := items[k]
		if kind == backlog.Subtask {
			d := &backlog.Draft{Kind: kind, Title: it.title, Run: it.run, Gates: it.gates}
			if it.done {
				d.Status = backlog.Complete
			}
			it.draft = d
			out = append(out, d)
			k++
			continue
		}
		if len(it.children) > 0 {
			it.draft = &backlog.Draft{Kind: kind, Title: it.title, Children: shape(it.children, kind+1, it.title)}
			out = append(out, it.draft)
			k++
			continue
		}
		first := k
		for k < len(items) && len(items[k].children) == 0 {
			k++
		}
		out = append(out, &backlog.Draft{Kind: kind, Title: above, Children: shape(items[first:k], kind+1, above)})
	}
	for _, d := range out { // a parent of nothing but finished work is finished
		if kind != backlog.Subtask && finished(d) {
			d.Status = backlog.Complete
		}
	}
	return out
}

func finished(d *backlog.Draft) bool {
	for _, c := range d.Children {
		if c.Status != backlog.Complete {
			return false
		}
	}
	return true
}

func (l *List) place(p *Placed, b *backlog.Backlog, parent int32, drafts []*backlog.Draft) {
	first, end := int32(0), int32(len(b.Items))
	if parent >= 0 {
		first, end = parent+1, b.Items[parent].End
	}
	used := map[int32]bool{}
	var fresh []*backlog.Draft
	for _, d := range drafts {
		found := int32(-1)
		for i := first; i < end && found < 0; i = b.Items[i].End {
			if !used[i] && b.Items[i].Title == d.Title {
				found = i
			}
		}
		switch {
		case found < 0:
			d.ID = b.NextID(parent, len(fresh))
			d.Number()
			fresh = append(fresh, d)
			p.collect(d)
			continue
		case d.Kind == backlog.Subtask:
			p.Known++
		default:
			l.place(p, b, found, d.Children)
		}
		used[found] = true
		d.ID = b.Items[found].ID
	}
	if len(fresh) > 0 {
		p.Insertions = append(p.Insertions, backlog.Insertion{Parent: parent, Drafts: fresh})
	}
}

func (p *Placed) collect(d *backlog.Draft) {
	if d.Kind == backlog.Subtask {
		p.New = append(p.New, d)
	}
	for _, c := range d.Children {
		p.collect(c)
	}
}

// link gives the subtasks their dependencies.
func (l *List) link(b *backlog.Backlog) error {
	ids := map[string][]string{}
	var names []string
	var leaves []*item
	var walk func([]*item)
	walk = func(items []*item) {
		for _, it := range items {
			key := strings.ToLower(it.title)
			ids[key] = append(ids[key], it.draft.ID)
			names = append(names, it.title)
			if len(it.children) == 0 {
				leaves = append(leaves, it)
			}
			walk(it.children)
		}
	}
	walk(l.items)
	previous := ""
	for _, it := range leaves {
		if len(it.after) == 0 && previous != "" {
			it.draft.After = []string{previous}
		}
		previous = it.draft.ID
		for _, name := range it.after {
			found := ids[strings.ToLower(name)]
			_, isID := b.Lookup(name)
			switch {
			case len(found) == 1:
				it.draft.After = append(it.draft.After, found[0])
			case len(found) > 1:
				return fmt.Errorf("%s:%d: \"after: %s\" may be %s; give them different titles", l.file, it.line, name, strings.Join(found, " or "))
			case isID:
				it.draft.After = append(it.draft.After, name)
			case !strings.EqualFold(name, "none"):
				then := "it has to be the title of another item, or an id"
				if near := nearest.Near(name, names); near != "" {
					then = near
				}
				return fmt.Errorf("%s:%d: \"after: %s\" is not an item of this list; %s", l.file, it.line, name, then)
			}
		}
	}
	return nil
}
