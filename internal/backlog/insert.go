package backlog

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Draft is an item to be added. Children and the fields below Status have the
// meaning of the fields of a tasks.json; what is empty is left out.
type Draft struct {
	ID     string
	Kind   Kind
	Title  string
	Status Status

	Description string
	Run         string
	Agent       string
	Timeout     string
	Gates       []string // shell lines, all of level 1
	After       []string // ids
	Children    []*Draft
}

// Insertion adds drafts behind the last child of an item.
type Insertion struct {
	Parent int32 // -1: the drafts are phases
	Drafts []*Draft
}

// NextID is the id for a new child of an item, -1 for a new phase: one above
// the highest number of its siblings, plus skip.
func (b *Backlog) NextID(parent int32, skip int) string {
	kind, prefix := Phase, ""
	first, end := int32(0), int32(len(b.Items))
	if parent >= 0 {
		it := &b.Items[parent]
		kind, prefix, first, end = it.Kind+1, it.ID+".", parent+1, it.End
	}
	highest := 0
	for i := first; i < end; i = b.Items[i].End {
		own := b.Items[i].ID[len(prefix)+1:]
		if n, err := strconv.Atoi(own); err == nil {
			highest = max(highest, n)
		}
	}
	return prefix + string(kind.letter()) + strconv.Itoa(highest+1+skip)
}

// Number gives ids to the children of a draft, and to those below them.
func (d *Draft) Number() {
	for n, c := range d.Children {
		c.ID = d.ID + "." + string(c.Kind.letter()) + strconv.Itoa(n+1)
		c.Number()
	}
}

// Insert returns the text of the backlog with drafts added to it. All bytes that
// were there are kept, but for a parent's "null" in the place of a list, and for
// the status of a finished parent that gets work. New text is indented, and its
// lines end, as the text around it. The result is not checked: Parse does that.
func (b *Backlog) Insert(insertions ...Insertion) string {
	var edits []edit
	for _, in := range insertions {
		if len(in.Drafts) == 0 {
			continue
		}
		edits = append(edits, b.insertion(in))
		open := slices.ContainsFunc(in.Drafts, func(d *Draft) bool { return !d.satisfied() })
		for p := in.Parent; open && p >= 0; p = b.Items[p].Parent {
			it := &b.Items[p]
			e := edit{int(it.statusAt), int(it.statusTo), Implementing.String()}
			if it.Status.Satisfied() && !slices.Contains(edits, e) {
				edits = append(edits, e)
			}
		}
	}
	return apply(b.src, edits)
}

// satisfied reports whether the draft leaves nothing to do.
func (d *Draft) satisfied() bool {
	if d.Kind == Subtask {
		return d.Status.Satisfied()
	}
	return !slices.ContainsFunc(d.Children, func(c *Draft) bool { return !c.satisfied() })
}

// apply replaces parts of a text that do not overlap.
func apply(src string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out strings.Builder
	at := 0
	for _, e := range edits {
		out.WriteString(src[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.WriteString(src[at:])
	return out.String()
}

// insertion is the edit that adds drafts to the list of a parent's children.
func (b *Backlog) insertion(in Insertion) edit {
	key, at := "backlog", len(b.src)-len(strings.TrimPrefix(b.src, bom))
	if in.Parent >= 0 {
		key, at = b.Items[in.Parent].Kind.childrenKey(), int(b.Items[in.Parent].at)
	}
	s := scanner{src: b.src, i: at}
	s.space()
	open := s.i
	l := list{from: -1}
	last := open + 1 // the end of the object's last value
	s.object(func(k string, _ int) bool {
		from := s.i
		if k != key || b.src[from] != '[' {
			ok := s.skip()
			if last = s.i; k == key {
				l = list{from: from, to: s.i}
			}
			return ok
		}
		l = list{from: from}
		ok := s.array(func() bool {
			l.last = s.i
			ok := s.skip()
			l.end = s.i
			return ok
		})
		l.to, last = s.i, s.i
		return ok
	})
	st := styleOf(b.src)
	base := lineIndent(b.src, open)
	switch {
	case l.end > 0: // behind the last element, separated from it as that is from what is before it
		gap := b.src[len(strings.TrimRight(b.src[:l.last], " \t\r\n")):l.last]
		st.spread = strings.Contains(gap, "\n")
		if st.spread {
			base = gap[strings.LastIndexByte(gap, '\n')+1:]
		}
		st.lines = strings.Contains(b.src[l.last:l.end], "\n")
		var text strings.Builder
		for _, d := range in.Drafts {
			text.WriteString("," + gap)
			st.item(&text, d, base)
		}
		return edit{l.end, l.end, text.String()}
	case l.from >= 0: // an empty list, or null
		var text strings.Builder
		st.items(&text, in.Drafts, lineIndent(b.src, l.from))
		return edit{l.from, l.to, text.String()}
	}
	var text strings.Builder
	text.WriteString(",")
	st.newline(&text, base+st.unit)
	text.WriteString(encode(key) + ":" + st.blank())
	st.items(&text, in.Drafts, base+st.unit)
	return edit{last, last, text.String()}
}

// list is a list of children in the source: src[from:to], its last element
// src[last:end]; end is 0 if it has none.
type list struct{ from, to, last, end int }

// style is how new text is laid out.
type style struct {
	eol, unit string
	lines     bool // each key of an item on a line of its own
	spread    bool // each item of a list begins a line
}

func styleOf(src string) style {
	st := style{eol: "\n", unit: "  "}
	i := strings.IndexByte(src, '\n')
	if i < 0 || strings.Trim(src[i:], " \t\r\n") == "" {
		return st
	}
	if i > 0 && src[i-1] == '\r' {
		st.eol = "\r\n"
	}
	st.lines, st.spread = true, true
	for line := range strings.Lines(src) {
		text := strings.TrimLeft(line, " \t")
		if blank := line[:len(line)-len(text)]; blank != "" && strings.HasPrefix(text, `"`) {
			st.unit = blank
			break
		}
	}
	return st
}

// lineIndent is the white space at the beginning of the line of an offset.
func lineIndent(src string, at int) string {
	line := strings.TrimPrefix(src[strings.LastIndexByte(src[:at], '\n')+1:at+1], bom)
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

func (st style) newline(w *strings.Builder, indent string) {
	if st.lines {
		w.WriteString(st.eol + indent)
	}
}

// blank separates a key from its value.
func (st style) blank() string {
	if st.lines {
		return " "
	}
	return ""
}

// items writes a list of drafts; indent is that of the line it begins on.
func (st style) items(w *strings.Builder, drafts []*Draft, indent string) {
	w.WriteByte('[')
	for n, d := range drafts {
		if n > 0 {
			w.WriteByte(',')
		}
		if st.spread {
			w.WriteString(st.eol + indent + st.unit)
		}
		st.item(w, d, indent+st.unit)
	}
	if st.spread {
		w.WriteString(st.eol + indent)
	}
	w.WriteByte(']')
}

// item writes one draft, whose first line is indented already.
func (st style) item(w *strings.Builder, d *Draft, indent string) {
	inner := indent + st.unit
	first := true
	field := func(key, value string) {
		if !first {
			w.WriteByte(',')
		}
		first = false
		st.newline(w, inner)
		w.WriteString(encode(key) + ":" + st.blank() + value)
	}
	optional := func(key, value string) {
		if value != "" {
			field(key, encode(value))
		}
	}
	w.WriteByte('{')
	field("id", encode(d.ID))
	field("type", encode(d.Kind.String()))
	field("title", encode(d.Title))
	field("status", encode(d.Status.String()))
	if d.Kind != Subtask || d.Description != "" {
		field("description", encode(d.Description))
	}
	optional("run", d.Run)
	optional("agent", d.Agent)
	optional("timeout", d.Timeout)
	if len(d.Gates) > 0 {
		var gates []string
		for _, g := range d.Gates {
			gates = append(gates, `{"level":`+st.blank()+`1,`+st.blank()+`"run":`+st.blank()+encode(g)+`}`)
		}
		field("gates", "["+strings.Join(gates, ","+st.blank())+"]")
	}
	if d.Kind == Subtask {
		field("story_points", "1")
		var ids []string
		for _, id := range d.After {
			ids = append(ids, encode(id))
		}
		field("dependencies", "["+strings.Join(ids, ","+st.blank())+"]")
		field("context_scope", `""`)
	} else {
		var children strings.Builder
		st.items(&children, d.Children, inner)
		field(d.Kind.childrenKey(), children.String())
	}
	st.newline(w, indent)
	w.WriteByte('}')
}

// encode is a string as JSON, with < > and & as they are.
func encode(s string) string {
	var w strings.Builder
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string does not fail
	return strings.TrimSuffix(w.String(), "\n")
}
