package backlog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Work is the identity of a subtask's work. Ids are positions: every plan has a
// P1.M1.T1.S1. A status, a checkpoint or an attempt belongs to an item only if
// the id and the work are those it was made for.
type Work struct {
	Digest Digest `json:"work,omitempty" yaml:"work,omitempty"`
	Title  string `json:"title,omitempty" yaml:"title,omitempty"` // see maxWorkTitle
}

// Digest is a work digest: "sha256:" and 64 hexadecimal digits. It is "" where
// none was recorded, and Unknown where none can be.
type Digest string

// Unknown is the digest of work of which nothing can tell which it was. It is
// the same as no other, also not as itself.
const Unknown Digest = "unknown"

const digestPrefix = "sha256:"

// DigestOf is the digest with these 32 bytes.
func DigestOf(sum [sha256.Size]byte) Digest {
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// Sum are the 32 bytes of a digest; ok is false for "", Unknown and malformed ones.
func (d Digest) Sum() (sum [sha256.Size]byte, ok bool) {
	text, ok := strings.CutPrefix(string(d), digestPrefix)
	if !ok || len(text) != 2*len(sum) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

// Same reports whether both are the same work: the digests are equal, and so
// are the titles, apart from a fixed typo. Work without a digest is the same as
// no other.
//
// The digest of a subtask with a command of its own leaves out a title that the
// command does not mention, so that the title alone tells two plans with the
// same command at the same place apart.
func (w Work) Same(other Work) bool {
	_, ok := w.Digest.Sum()
	return ok && w.Digest == other.Digest && SameTitle(w.Title, other.Title)
}

// Recorded reports whether the work was recorded at all; older records have
// none.
func (w Work) Recorded() bool { return w.Digest != "" }

// maxWorkTitle bounds the title in a Work, in bytes. Of a longer one it has the
// beginning and a digest, so that a typo fixed in it makes it another title.
const maxWorkTitle = 512

// WorkTitle is a title as Work carries it.
func WorkTitle(title string) string {
	if len(title) <= maxWorkTitle {
		return title
	}
	sum := sha256.Sum256([]byte(title))
	return strings.ToValidUTF8(title[:maxWorkTitle-80], "") + "... " + string(DigestOf(sum))
}

// Work is the identity of the work of subtask i, computed from the backlog
// alone, so that every command computes the same whatever the configuration is.
// The digest covers the parts that are executed and that commands can see:
//
//   - the command and the gates, without their limits;
//   - the environment as its parents and it define it, and the directory;
//   - for a subtask without a command: all that prompts show of it, which are its
//     title and context and its parents' titles and descriptions; and its agent,
//     model, stages, requirements and question;
//   - for one with a command: the title, if the command or a gate mentions the
//     variable that has it.
//
// Ids, statuses, story points, dependencies, limits, unknown fields and the
// order and spelling of JSON do not count. It reads a subtask without a command
// again, so it is for items with records, not for all.
func (b *Backlog) Work(i int32) Work {
	spec := b.Effective(i)
	e := encoder{sha256.New()}
	e.text("hacky work 1")
	e.command(spec.Run)
	e.gates(spec)
	e.env(spec.Env)
	e.text(spec.Workdir)
	switch {
	case spec.Run.IsZero():
		e.text("told")
		b.told(i, e)
	case mentionsTitle(spec):
		e.text("titled")
		e.text(b.Items[i].Title)
	}
	return Work{Digest: DigestOf([sha256.Size]byte(e.h.Sum(nil))), Title: WorkTitle(b.Items[i].Title)}
}

// WorkOf is Work for an id; ok is false if there is no such subtask.
func (b *Backlog) WorkOf(id string) (w Work, ok bool) {
	i, ok := b.Lookup(id)
	if !ok || b.Items[i].Kind != Subtask {
		return Work{}, false
	}
	return b.Work(i), true
}

// told adds the parts that only prompts show, and those that choose who reads
// them.
func (b *Backlog) told(i int32, e encoder) {
	e.text(b.Items[i].Title)
	fields := map[string]string{}
	s := scanner{src: b.src, i: int(b.Items[i].at)}
	s.object(func(key string, _ int) bool {
		from := s.i
		ok := s.skip()
		if ok && slices.Contains(toldFields(), key) {
			fields[key] = canonical(s.src[from:s.i])
		}
		return ok
	})
	for _, key := range toldFields() {
		e.text(fields[key])
	}
	if p := b.Items[i].Parent; p >= 0 {
		sum := b.above(p)
		e.text(string(sum[:]))
	}
}

// toldFields are the fields of a subtask that count where it has no command.
func toldFields() []string {
	return []string{"context_scope", "description", "agent", "model", "stages", "requirements", "ask"}
}

// canonical is a JSON value without its spelling. "null" and an empty text are
// as good as no value.
func canonical(value string) string {
	var v any
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	if dec.Decode(&v) != nil || v == nil || v == "" {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil { // what was decoded can be encoded
		return value
	}
	return string(text)
}

// above is the digest of parent p's and its parents' titles and descriptions.
// It is computed once for each, as a parent's fields may stand after all that
// is below it.
func (b *Backlog) above(p int32) [sha256.Size]byte {
	b.aboveMu.Lock()
	defer b.aboveMu.Unlock()
	return b.aboveLocked(p)
}

func (b *Backlog) aboveLocked(p int32) (sum [sha256.Size]byte) {
	if sum, ok := b.aboveOf[p]; ok {
		return sum
	}
	e := encoder{sha256.New()}
	e.text(b.Items[p].Title)
	description, _ := b.Field(p, "description")
	e.text(description)
	if outer := b.Items[p].Parent; outer >= 0 {
		sum := b.aboveLocked(outer)
		e.text(string(sum[:]))
	}
	if b.aboveOf == nil {
		b.aboveOf = map[int32][sha256.Size]byte{}
	}
	sum = [sha256.Size]byte(e.h.Sum(nil))
	b.aboveOf[p] = sum
	return sum
}

// mentionsTitle reports whether a command names the variable that has the
// title, or the file with the prompt.
func mentionsTitle(spec Spec) bool {
	if spec.Run.mentionsTitle() {
		return true
	}
	return slices.ContainsFunc(spec.Gates, func(g Gate) bool { return g.Run.mentionsTitle() })
}

func (c Command) mentionsTitle() bool {
	return slices.ContainsFunc(append([]string{c.Shell}, c.Argv...), func(s string) bool {
		return strings.Contains(s, "HACKY_TASK_TITLE") || strings.Contains(s, "HACKY_PROMPT_FILE")
	})
}

// encoder writes values so that no two lists of them look the same.
type encoder struct{ h hash.Hash }

func (e encoder) number(n int) {
	var b [20]byte
	_, _ = e.h.Write(append(strconv.AppendInt(b[:0], int64(n), 10), ':')) // a hash does not fail
}

func (e encoder) text(s string) {
	e.number(len(s))
	_, _ = io.WriteString(e.h, s) // a hash does not fail
}

func (e encoder) command(c Command) {
	e.text(c.Shell)
	e.number(len(c.Argv))
	for _, a := range c.Argv {
		e.text(a)
	}
}

// gates writes them in the order in which they are executed. None at all is not
// the same as an empty list.
func (e encoder) gates(spec Spec) {
	if !spec.HasGates {
		e.number(-1)
		return
	}
	sorted := slices.Clone(spec.Gates)
	slices.SortStableFunc(sorted, func(x, y Gate) int { return x.Level - y.Level })
	e.number(len(sorted))
	for _, g := range sorted {
		e.number(g.Level)
		e.text(g.Name)
		e.command(g.Run)
	}
}

// env writes the variables that hold, in a fixed order.
func (e encoder) env(vars []EnvVar) {
	held := make([]EnvVar, 0, len(vars))
	for k, v := range vars {
		if !slices.ContainsFunc(vars[k+1:], func(later EnvVar) bool { return later.Name == v.Name }) {
			held = append(held, v)
		}
	}
	slices.SortFunc(held, func(x, y EnvVar) int { return strings.Compare(x.Name, y.Name) })
	e.number(len(held))
	for _, v := range held {
		e.text(v.Name)
		e.text(v.Value)
	}
}
