package backlog

import (
	"fmt"
	"strings"
)

// Status is where an item stands.
type Status uint8

// The statuses, in the order in which a subtask usually goes through them.
const (
	Planned Status = iota
	Researching
	Implementing
	Retrying
	Complete
	Failed
	Obsolete
)

// Statuses returns all statuses.
func Statuses() []Status {
	return []Status{Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete}
}

// String is the word in the file.
func (s Status) String() string {
	switch s {
	case Planned:
		return "Planned"
	case Researching:
		return "Researching"
	case Implementing:
		return "Implementing"
	case Retrying:
		return "Retrying"
	case Complete:
		return "Complete"
	case Failed:
		return "Failed"
	case Obsolete:
		return "Obsolete"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// MarshalText writes the word; encoders of JSON and YAML use it.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts exactly the words in the file.
func (s *Status) UnmarshalText(text []byte) error {
	v, err := ParseStatus(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// ParseStatus is the status with exactly this name. The error names the
// allowed ones.
func ParseStatus(name string) (Status, error) {
	if s, ok := statusNamed(name); ok {
		return s, nil
	}
	return 0, fmt.Errorf("unknown status %s; allowed: %s", quote(name), statusWords())
}

// StatusTyped is the status that somebody has typed: with this name, whatever
// the case.
func StatusTyped(name string) (s Status, ok bool) {
	for _, s := range Statuses() {
		if strings.EqualFold(strings.TrimSpace(name), s.String()) {
			return s, true
		}
	}
	return 0, false
}

func statusNamed(name string) (Status, bool) {
	switch name {
	case "Planned":
		return Planned, true
	case "Researching":
		return Researching, true
	case "Implementing":
		return Implementing, true
	case "Retrying":
		return Retrying, true
	case "Complete":
		return Complete, true
	case "Failed":
		return Failed, true
	case "Obsolete":
		return Obsolete, true
	}
	return 0, false
}

func statusWords() string {
	var words []string
	for _, s := range Statuses() {
		words = append(words, s.String())
	}
	return strings.Join(words, ", ")
}

// Satisfied reports whether a dependency on an item with this status is met.
func (s Status) Satisfied() bool { return s == Complete || s == Obsolete }

// Running reports whether an attempt is under way, or was when its run died.
func (s Status) Running() bool { return s == Researching || s == Implementing || s == Retrying }

// Kind is the level of an item.
type Kind uint8

// The kinds, outermost first.
const (
	Phase Kind = iota
	Milestone
	Task
	Subtask
)

// String is the item's "type" in the file.
func (k Kind) String() string {
	return [...]string{"Phase", "Milestone", "Task", "Subtask"}[k]
}

// childrenKey is the field that holds a kind's children; "" for subtasks.
func (k Kind) childrenKey() string {
	return [...]string{"milestones", "tasks", "subtasks", ""}[k]
}

// letter begins the last segment of a kind's ids.
func (k Kind) letter() byte { return "PMTS"[k] }

// ParseID says which kind of item an id names, or that it is no id at all. An
// id that passes holds only the letters P, M, T, S, digits and dots, in that
// shape, and so is safe as a file name.
func ParseID(id string) (Kind, error) {
	rest := id
	for k := Phase; k <= Subtask; k++ {
		if len(rest) == 0 || rest[0] != k.letter() {
			break
		}
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 1 || n > maxIDDigits+1 {
			break
		}
		if n == len(rest) {
			return k, nil
		}
		if rest[n] != '.' {
			break
		}
		rest = rest[n+1:]
	}
	return 0, fmt.Errorf("%s is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4", quote(id))
}

// maxIDDigits bounds a segment's number, so that four segments stay well under
// the length a file name may have.
const maxIDDigits = 18
