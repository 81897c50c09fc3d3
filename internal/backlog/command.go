package backlog

import (
	"strings"
	"time"
)

// Command is what a subtask, a stage or a gate executes: either a shell line,
// given to `sh -c`, or an argument vector, executed as it is. Exactly one of
// the two is set in a command that is given; the zero Command is "none".
type Command struct {
	Shell string
	Argv  []string
}

// IsZero reports whether no command is given.
func (c Command) IsZero() bool { return c.Shell == "" && len(c.Argv) == 0 }

// String is the command for people: the shell line, or the arguments joined by
// blanks. It is not fit to be executed.
func (c Command) String() string {
	if c.Shell != "" {
		return c.Shell
	}
	return strings.Join(c.Argv, " ")
}

// Gate is one validation command of a subtask.
type Gate struct {
	Level   int // 1 to 4; gates run in ascending order, same level in the order given
	Name    string
	Run     Command
	Timeout time.Duration // 0: none of its own
}
