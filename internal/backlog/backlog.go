package backlog

import (
	"bytes"
	"io"
	"iter"
	"math"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"
)

// MaxSize is the largest file, in bytes, that Parse accepts.
const MaxSize = 1 << 30

// Backlog is one parsed tasks.json. It never changes.
//
// Items are numbered from 0 in document order, a parent before its children,
// so that the items below item i are those from i+1 up to, not including,
// Items[i].End.
type Backlog struct {
	Items []Item

	src   string
	byID  index
	deps  []int32
	specs []Spec

	warnings []Problem

	dependentsOnce sync.Once
	dependentsAt   []int32 // item i's dependents are dependents[dependentsAt[i]:dependentsAt[i+1]]
	dependents     []int32

	aboveMu sync.Mutex
	aboveOf map[int32][32]byte // by parent: the digest that Work uses of it
}

// Item is a phase, milestone, task or subtask.
type Item struct {
	ID     string
	Title  string
	Kind   Kind
	Status Status // as it stands in the file
	Parent int32  // -1 for a phase
	End    int32  // number of the first item after this one that is not below it

	statusAt, statusTo int32 // the status word in the source, without quotes
	at                 int32 // the opening brace
	idAt               int32 // the id's opening quote; the opening brace when there is no id
	depsAt, depsTo     int32 // in Backlog.deps
	spec               int32 // in Backlog.specs, plus 1; 0: the item has none of its fields
}

// Spec holds an item's optional fields about how subtasks are executed. A
// parent's Env, Workdir and Timeout are for the subtasks below it.
type Spec struct {
	Run      Command
	Timeout  time.Duration // 0: not given
	Env      []EnvVar      // in the file's order
	Workdir  string
	Gates    []Gate
	HasGates bool // an empty list means: none, whatever the configuration says
	Retries  int  // -1: not given
}

// EnvVar is one environment variable.
type EnvVar struct{ Name, Value string }

// Len is the number of items.
func (b *Backlog) Len() int { return len(b.Items) }

// Size is the length of the file in bytes.
func (b *Backlog) Size() int { return len(b.src) }

// Source is the text of the file as it was read.
func (b *Backlog) Source() string { return b.src }

// Lookup is the number of the item with this id.
func (b *Backlog) Lookup(id string) (int32, bool) {
	return b.byID.get(pack(id), id)
}

// Dependencies are the items that item i waits for. The slice is shared.
func (b *Backlog) Dependencies(i int32) []int32 {
	it := &b.Items[i]
	return b.deps[it.depsAt:it.depsTo]
}

// Dependents are the subtasks that name item i as a dependency, in document
// order. The slice is shared.
func (b *Backlog) Dependents(i int32) []int32 {
	b.dependentsOnce.Do(b.invert)
	return b.dependents[b.dependentsAt[i]:b.dependentsAt[i+1]]
}

func (b *Backlog) invert() {
	at := make([]int32, len(b.Items)+1)
	for _, d := range b.deps {
		at[d+1]++
	}
	for i := range b.Items {
		at[i+1] += at[i]
	}
	out := make([]int32, len(b.deps))
	next := make([]int32, len(b.Items))
	copy(next, at)
	for i := range b.Items {
		for _, d := range b.Dependencies(int32(i)) {
			out[next[d]] = int32(i)
			next[d]++
		}
	}
	b.dependentsAt, b.dependents = at, out
}

// Children are the items directly below item i, in document order.
func (b *Backlog) Children(i int32) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for c := i + 1; c < b.Items[i].End; c = b.Items[c].End {
			if !yield(c) {
				return
			}
		}
	}
}

// Spec is what item i itself says about execution.
func (b *Backlog) Spec(i int32) Spec {
	if n := b.Items[i].spec; n > 0 {
		return b.specs[n-1]
	}
	return Spec{Retries: -1}
}

// Effective is what holds for subtask i with its parents' Env, Workdir and
// Timeout inherited: the innermost wins, Env name by name. Env keeps the
// outermost first, so that the later of two wins as in os.Environ.
func (b *Backlog) Effective(i int32) Spec {
	spec := b.Spec(i)
	for p := b.Items[i].Parent; p >= 0; p = b.Items[p].Parent {
		if b.Items[p].spec == 0 {
			continue
		}
		outer := b.Spec(p)
		if spec.Timeout == 0 {
			spec.Timeout = outer.Timeout
		}
		if spec.Workdir == "" {
			spec.Workdir = outer.Workdir
		}
		if len(outer.Env) > 0 {
			spec.Env = slices.Concat(outer.Env, spec.Env)
		}
	}
	return spec
}

// Field is the value of any field of item i that is a string: "description",
// "context_scope". It reads the item again, so it is for a few items, not for
// all of them in a loop.
func (b *Backlog) Field(i int32, name string) (value string, ok bool) {
	s := scanner{src: b.src, i: int(b.Items[i].at)}
	s.object(func(key string, _ int) bool {
		if key != name {
			return s.skip()
		}
		t, isString := s.str()
		if isString {
			value, ok = s.decode(t), true
		}
		return false // found: read no further
	})
	return value, ok
}

// Points are the story points of subtask i; 0 if it has none. As Field, it
// reads the item again.
func (b *Backlog) Points(i int32) (points float64) {
	s := scanner{src: b.src, i: int(b.Items[i].at)}
	s.object(func(key string, _ int) bool {
		if key != "story_points" {
			return s.skip()
		}
		if s.src[s.i] != 'n' { // null
			if n, ok := s.number(); ok {
				points, _ = strconv.ParseFloat(n, 64)
			}
		}
		return false
	})
	if points < 0 || math.IsInf(points, 0) { // -0, and what no float holds
		return 0
	}
	return points
}

// Statuses returns the statuses in the file, by item number.
func (b *Backlog) Statuses() []Status {
	out := make([]Status, len(b.Items))
	for i := range b.Items {
		out[i] = b.Items[i].Status
	}
	return out
}

// Render writes the file with these statuses, by item number. Bytes that are
// not part of a status that differs from the file's are copied. An error is
// the writer's.
func (b *Backlog) Render(w io.Writer, statuses []Status) error {
	var changed []int32
	for i := range b.Items {
		if statuses[i] != b.Items[i].Status {
			changed = append(changed, int32(i))
		}
	}
	// A parent's status may stand after its children, so the numbers' order is
	// not the order in the file.
	sort.Slice(changed, func(x, y int) bool {
		return b.Items[changed[x]].statusAt < b.Items[changed[y]].statusAt
	})
	at := int32(0)
	for _, i := range changed {
		it := &b.Items[i]
		if _, err := io.WriteString(w, b.src[at:it.statusAt]); err != nil {
			return err
		}
		if _, err := io.WriteString(w, statuses[i].String()); err != nil {
			return err
		}
		at = it.statusTo
	}
	_, err := io.WriteString(w, b.src[at:])
	return err
}

// Bytes is what Render writes.
func (b *Backlog) Bytes(statuses []Status) []byte {
	var buf bytes.Buffer
	buf.Grow(len(b.src) + 64)
	_ = b.Render(&buf, statuses) // a bytes.Buffer does not fail
	return buf.Bytes()
}
