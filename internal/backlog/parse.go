package backlog

import (
	"slices"
	"strconv"
	"strings"
)

// Parse reads a tasks.json. The name of the file is for messages only. The
// error, if any, is an *InvalidError with everything that is wrong.
//
// The Backlog keeps src; ids and titles are pieces of it.
func Parse(file, src string) (*Backlog, error) {
	if len(src) > MaxSize {
		return nil, invalid(file, src, nil, Problem{Message: "the file has " + strconv.Itoa(len(src)) +
			" bytes; hacky reads at most " + strconv.Itoa(MaxSize)})
	}
	p := parser{
		scanner: scanner{src: src},
		b:       &Backlog{src: src, Items: make([]Item, 0, len(src)/512+16)},
	}
	p.keys = make([]uint64, 0, cap(p.b.Items))
	if strings.HasPrefix(src, bom) {
		p.i = len(bom)
	}
	if p.file() {
		p.check()
	}
	if p.fatal != nil {
		return nil, invalid(file, src, &p.scanner, *p.fatal)
	}
	if len(p.problems) > 0 {
		return nil, invalid(file, src, &p.scanner)
	}
	locate(src, p.b.warnings)
	return p.b, nil
}

func invalid(file, src string, s *scanner, ps ...Problem) *InvalidError {
	e := &InvalidError{File: file, Problems: ps}
	if s != nil {
		e.Problems = slices.Concat(s.problems, ps)
		e.More = s.more
	}
	locate(src, e.Problems)
	return e
}

type parser struct {
	scanner
	b    *Backlog
	keys []uint64 // parallel to b.Items: pack(ID)
	deps []depRef // parallel to b.deps, as they stand in the file

	meant map[ownKey]string // what unknown keys probably stand for
}

// depRef is a dependency in the source: src[from:to], without the quotes.
type depRef struct {
	key      uint64 // pack of the id
	from, to int32
}

// file reads the whole document.
func (p *parser) file() bool {
	if utf16(p.src) {
		return p.fail(0, "the file is UTF-16; save it as UTF-8")
	}
	switch c := p.space(); {
	case c == 0:
		return p.fail(0, `the file is empty; a backlog looks like {"backlog":[...]}: "hacky init --example" writes one`)
	case c != '{':
		start := p.i
		if !p.skip() {
			return false
		}
		p.problem(start, `expected an object like {"backlog":[...]}, found %s`, describe(p.src[start:]))
		return false
	}
	start, found := p.i, false
	ok := p.object(func(key string, _ int) bool {
		if key != "backlog" || found {
			return p.skip()
		}
		found = true
		if p.i < len(p.src) && p.src[p.i] != '[' {
			return p.mismatch(`"backlog" must be a list of phases`)
		}
		return p.array(func() bool { return p.item(Phase, -1) })
	})
	if !ok {
		return false
	}
	if !found {
		p.problem(start, `the key "backlog" is missing; a backlog looks like {"backlog":[...]}`)
	}
	if p.space() != 0 {
		return p.unexpected("the end of the file")
	}
	return true
}

// utf16 recognises the other encoding in which editors save JSON: by its mark,
// or because of the first two characters, which are ASCII, one byte is 0.
func utf16(src string) bool {
	if strings.HasPrefix(src, "\xff\xfe") || strings.HasPrefix(src, "\xfe\xff") {
		return true
	}
	return len(src) >= 4 &&
		(src[0] == 0) != (src[1] == 0) && (src[0] == 0) == (src[2] == 0) && (src[1] == 0) == (src[3] == 0)
}

// describe names the kind of the value that begins text.
func describe(text string) string {
	if text == "" {
		return "nothing"
	}
	switch text[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// mismatch notes that the value at i is not what it has to be, and skips it.
func (p *parser) mismatch(want string) bool {
	if p.i >= len(p.src) {
		return p.unexpected("a value")
	}
	at := p.i
	if !p.skip() {
		return false
	}
	p.problem(at, "%s, not %s", want, describe(p.src[at:]))
	return true
}

// stringField reads a string value; one that is something else is a problem.
func (p *parser) stringField(key string, into *string) bool {
	if p.i < len(p.src) && p.src[p.i] != '"' {
		return p.mismatch(quote(key) + " must be a string")
	}
	t, ok := p.str()
	if ok {
		*into = p.decode(t)
	}
	return ok
}

// null skips a null and reports whether there was one.
func (p *parser) null() bool {
	if strings.HasPrefix(p.src[p.i:], "null") {
		p.i += 4
		return true
	}
	return false
}

// item reads one item and those below it.
func (p *parser) item(kind Kind, parent int32) bool {
	if p.i < len(p.src) && p.src[p.i] != '{' {
		return p.mismatch("a " + strings.ToLower(kind.String()) + " must be an object")
	}
	n := int32(len(p.b.Items))
	it := Item{Kind: kind, Parent: parent, at: int32(p.i), idAt: int32(p.i), depsAt: int32(len(p.deps)), depsTo: int32(len(p.deps))}
	p.b.Items = append(p.b.Items, it)
	p.keys = append(p.keys, 0)
	spec := Spec{Retries: -1}
	var hasID, hasTitle, hasStatus, hasType, hasSpec bool
	ok := p.object(func(key string, at int) bool {
		switch key {
		case "id":
			hasID = true
			return p.id(&it)
		case "title":
			hasTitle = true
			return p.stringField(key, &it.Title)
		case "type":
			hasType = true
			return p.typeField(kind)
		case "status":
			hasStatus = true
			return p.status(&it)
		case "description", "context_scope":
			return p.null() || p.plainString(key)
		case "milestones", "tasks", "subtasks":
			if key == kind.childrenKey() {
				return p.children(key, kind+1, n)
			}
			return p.strayChildren(key, kind)
		case "env":
			hasSpec = true
			return p.null() || p.env(&spec)
		case "workdir":
			hasSpec = true
			return p.null() || p.plainText(key, &spec.Workdir)
		case "timeout":
			hasSpec = true
			return p.null() || p.duration(key, &spec.Timeout)
		}
		if kind != Subtask {
			return p.unknown(key, at, kind, it.ID)
		}
		switch key {
		case "story_points":
			return p.null() || p.points()
		case "dependencies":
			return p.null() || p.dependencies(&it)
		case "run":
			hasSpec = true
			return p.null() || p.command(key, &spec.Run)
		case "gates":
			hasSpec = true
			return p.null() || p.gates(&spec)
		case "retries":
			hasSpec = true
			return p.null() || p.integer(key, 0, 10, &spec.Retries)
		}
		return p.unknown(key, at, kind, it.ID)
	})
	if !ok {
		return false
	}
	it.End = int32(len(p.b.Items))
	if hasSpec {
		spec.Env, spec.Gates = slices.Clip(spec.Env), slices.Clip(spec.Gates) // shared: an append must copy
		p.b.specs = append(p.b.specs, spec)
		it.spec = int32(len(p.b.specs))
	}
	p.b.Items[n] = it
	p.keys[n] = pack(it.ID)
	for _, need := range []struct {
		has bool
		key string
	}{{hasID, "id"}, {hasType, "type"}, {hasTitle, "title"}, {hasStatus, "status"}} {
		if !need.has {
			name := strings.ToLower(kind.String())
			if it.ID != "" {
				name += " " + quote(it.ID)
			}
			p.problem(int(it.at), "this %s has no %q; every item needs one", name, need.key)
		}
	}
	return true
}

// id reads an item's id. What it has to look like depends on the parent's, and
// may only be known later; here it is a string that is not empty.
func (p *parser) id(it *Item) bool {
	it.idAt = int32(p.i)
	if strings.HasPrefix(p.src[p.i:], `""`) {
		_, err := ParseID("")
		p.problem(p.i, "%v", err)
	}
	return p.stringField("id", &it.ID)
}

// plainString checks a string without decoding it.
func (p *parser) plainString(key string) bool {
	if p.i < len(p.src) && p.src[p.i] == '"' {
		_, ok := p.str()
		return ok
	}
	return p.mismatch(quote(key) + " must be a string")
}

func (p *parser) typeField(kind Kind) bool {
	at, got := p.i, kind.String()
	if !p.stringField("type", &got) {
		return false
	}
	switch got {
	case kind.String():
	case "Phase", "Milestone", "Task", "Subtask":
		p.problem(at, "a %s stands here, where only a %s may stand", got, kind)
	default:
		p.problem(at, "unknown type %s; here it must be %q", quote(got), kind.String())
	}
	return true
}

func (p *parser) status(it *Item) bool {
	if p.i < len(p.src) && p.src[p.i] != '"' {
		return p.mismatch(`"status" must be a string`)
	}
	at := p.i
	t, ok := p.str()
	if !ok {
		return false
	}
	name := p.decode(t)
	if it.Status, ok = statusNamed(name); !ok {
		mend, edits := mendStatus(name, t)
		p.mendable(at, mend, edits, "unknown status %s; allowed: %s", quote(name), statusWords())
	}
	it.statusAt, it.statusTo = int32(t.from), int32(t.to)
	return true
}

func (p *parser) children(key string, kind Kind, parent int32) bool {
	if p.null() {
		return true
	}
	if p.i < len(p.src) && p.src[p.i] != '[' {
		return p.mismatch(`"` + key + `" must be a list`)
	}
	return p.array(func() bool { return p.item(kind, parent) })
}

// strayChildren refuses children at the wrong level: kept as an unknown field
// they would silently never run.
func (p *parser) strayChildren(key string, kind Kind) bool {
	at := p.i
	if !p.skip() {
		return false
	}
	value := p.src[at:p.i]
	if value != "null" && strings.Trim(value, "[] \t\r\n") != "" {
		name := strings.ToLower(kind.String())
		if kind == Subtask {
			p.problem(at, "a %s has no items below it; remove %q", name, key)
		} else {
			p.problem(at, "a %s has %q below it, not %q", name, kind.childrenKey(), key)
		}
	}
	return true
}

func (p *parser) points() bool {
	if p.i >= len(p.src) || p.src[p.i] != '-' && (p.src[p.i] < '0' || p.src[p.i] > '9') {
		return p.mismatch(`"story_points" must be a number of at least 0`)
	}
	at := p.i
	n, ok := p.number()
	if !ok {
		return false
	}
	if digits, _, _ := strings.Cut(strings.ToLower(n), "e"); n[0] == '-' && strings.ContainsAny(digits, "123456789") {
		p.problem(at, `"story_points" is %s; it must be a number of at least 0`, cut(n))
	}
	return true
}

func (p *parser) dependencies(it *Item) bool {
	if p.i < len(p.src) && p.src[p.i] != '[' {
		return p.mismatch(`"dependencies" must be a list of ids`)
	}
	ok := p.array(func() bool {
		if p.i < len(p.src) && p.src[p.i] != '"' {
			return p.mismatch("a dependency must be an id")
		}
		t, ok := p.str()
		if ok {
			p.deps = append(p.deps, depRef{pack(p.decode(t)), int32(t.from), int32(t.to)})
		}
		return ok
	})
	it.depsTo = int32(len(p.deps))
	return ok
}
