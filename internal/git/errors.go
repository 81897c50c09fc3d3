package git

import (
	"fmt"
	"strings"
)

// HookError is a commit that a hook refused. The work tree and the index are as
// they were, but for what the hook itself did.
type HookError struct {
	Hooks  []string // those that there are; git does not tell which of them it was
	Output string   // the last kilobytes of what was printed
}

func (e *HookError) Error() string {
	said := strings.TrimSpace(e.Output)
	if i := strings.LastIndexByte(said, '\n'); i >= 0 {
		said = said[i+1:]
	}
	if said != "" {
		said = ": " + said
	}
	return fmt.Sprintf("the commit was refused by a hook (%s)%s", strings.Join(e.Hooks, ", "), said)
}

// UnfinishedError is a commit refused because the repository is in the middle
// of something that the commit would become part of.
type UnfinishedError struct {
	What string // merge, rebase, am, cherry-pick, revert, bisect, conflict
	Top  string
}

func (e *UnfinishedError) Error() string {
	switch e.What {
	case "bisect":
		return fmt.Sprintf("a bisect is unfinished in %s: end it with git bisect reset", e.Top)
	case "conflict":
		return fmt.Sprintf("files with conflicts are in %s: resolve them and git add them, see git status", e.Top)
	}
	return fmt.Sprintf("a %s is unfinished in %s: finish it, or undo it with git %s --abort", e.What, e.Top, e.What)
}

// IdentityError says that git does not know whom to name as author.
type IdentityError struct{ Top string }

func (e *IdentityError) Error() string {
	return fmt.Sprintf(`git does not know who commits in %s: type git config --global user.name "Your Name" and git config --global user.email you@example.com`, e.Top)
}

// LockedError is a commit that was not made because another git holds the
// index, or held it when it was killed.
type LockedError struct{ Top, Lock string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("another git is at work in %s: if there is none, remove %s", e.Top, e.Lock)
}
