// Package secret keeps the values of secret environment variables out of what
// hacky writes and shows.
//
// A variable is secret by its name (IsSecretName). Its value is looked for as
// it stands and in the forms in which it leaks: inside JSON, once and twice
// encoded, in a URL, in HTML, quoted for a shell or by Python, in hex, and in
// base64 at any alignment (a Basic header holds user:password, so the value seldom
// begins a group of it). Of a value of
// several lines, a private key, every line of 16 bytes is looked for by itself,
// too.
//
// Every byte that belongs to any such form is masked, so of two secrets of which
// one holds or overlaps the other nothing is left; one run of such bytes becomes
// one "***". Not the variable's name: names come from outside and may hold what
// breaks a line of JSON, "***" is what CI systems have taught everybody to read,
// and as it is shorter than any secret, masked output never grows.
//
// What cannot be found: a value that a program cuts, reverses, hashes, encrypts,
// compresses or wraps at a column, and secrets that are in files
// or inside a variable with another name (a password in DATABASE_URL).
package secret

import (
	"io"
	"slices"
	"strings"
)

// mask stands for what was masked.
const mask = "***"

// Masker masks the secrets it was made with. It never changes, so it may be
// used by many goroutines; nil masks nothing.
type Masker struct {
	names []string
	set   *set // nil without secrets
}

// New collects the secrets of environments, lists of NAME=value.
//
// Values that are plainly none are left alone, see isPlain. It looks at the
// disk for that: whether a value is the path of something.
func New(environs ...[]string) *Masker {
	var names []string
	var values []string
	for _, env := range environs {
		for _, kv := range env {
			name, value, _ := strings.Cut(kv, "=")
			value = strings.TrimSpace(value)
			if !IsSecretName(name) || isPlain(name, value) {
				continue
			}
			names = append(names, name)
			values = append(values, value)
		}
	}
	slices.Sort(names)
	return &Masker{names: slices.Compact(names), set: newSet(forms(values))}
}

// Names are the variables whose values are masked, sorted.
func (m *Masker) Names() []string {
	if m == nil {
		return nil
	}
	return slices.Clone(m.names)
}

// Mask returns b with every secret masked: b itself if there is none in it,
// else a copy.
func (m *Masker) Mask(b []byte) []byte {
	if m == nil || m.set == nil {
		return b
	}
	var out []byte
	done := 0
	for r := range m.set.runs(b) {
		// Runs that touch or overlap share one mask.
		if out == nil {
			out = make([]byte, 0, len(b))
			out = append(append(out, b[:r.start]...), mask...)
		} else if r.start > done {
			out = append(append(out, b[done:r.start]...), mask...)
		}
		done = max(done, r.end)
	}
	if out == nil {
		return b
	}
	return append(out, b[done:]...)
}

// MaskString is Mask for text.
func (m *Masker) MaskString(s string) string {
	if m == nil || m.set == nil {
		return s
	}
	if b := []byte(s); m.set.any(b) {
		return string(m.Mask(b))
	}
	return s
}

// Stream returns a writer that masks what is written to it, in whatever pieces
// it comes, and writes it to w.
func (m *Masker) Stream(w io.Writer) *Stream {
	s := &Stream{w: w}
	if m != nil {
		s.set = m.set
	}
	return s
}
