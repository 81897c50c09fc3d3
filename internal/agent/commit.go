package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hacky-run/hacky/internal/git"
)

// commitStage is the name of the step that a commit is.
const commitStage = "commit"

// commitLevel is that of a refused commit among the gates: after all others.
const commitLevel = 4

// commit commits what the attempt changed, after its gates have passed. It
// reports whether the attempt has passed: without its commit a subtask is not
// complete. A hook that refuses is a gate that failed, and its output goes to
// whom a gate's output goes to; any other failure is a step that failed, which
// no agent can mend. The limits of the attempt hold for it, too.
func (a *attempt) commit(ctx context.Context) bool {
	if !a.recipe.Commit || a.repo == nil {
		return true
	}
	if a.snapshot == nil {
		reason := fmt.Sprintf("it cannot be told what it changed: %v", cmp.Or(a.blind, errors.New("git status was not read")))
		return a.decide(a.execution(commitStage, a.spec.Run, 0), ended{class: Transient, exit: -1, reason: a.masker.MaskString(reason)})
	}
	message := a.item.ID + ": " + a.item.Title
	if a.said != nil && a.said.Text != "" {
		message += "\n\n" + a.said.Text
	}
	limited, done := a.limited(ctx)
	defer done()
	result, err := a.repo.Commit(limited, a.snapshot, git.Options{Message: message, Exclude: a.stateFile})
	if len(result.LeftOut) > 0 {
		a.warn(fmt.Sprintf("%d files that it changed had changes before, and are not committed: %s", len(result.LeftOut), strings.Join(result.LeftOut[:min(3, len(result.LeftOut))], ", ")))
	}
	a.res.Head.Commit = result.Hash
	if err == nil {
		return true
	}
	if result.Hash != "" { // the commit is made; git's index is behind it
		a.warn(err.Error())
		return true
	}
	end := commitFailure(ctx, limited, err)
	x := a.execution(commitStage, a.spec.Run, 0)
	var hook *git.HookError
	if errors.As(err, &hook) {
		x.gate = commitLevel
		x.log.write([]byte(hook.Output))
	} else if end.class != Interrupted {
		x.log.write([]byte(err.Error() + "\n"))
	}
	end.reason = a.masker.MaskString(end.reason)
	return a.decide(x, end)
}

// commitFailure judges a commit that was not made. What asks for a person is
// permanent; a lock or a time limit may be another matter a moment later.
func commitFailure(ctx, limited context.Context, err error) ended {
	var (
		hook       *git.HookError
		unfinished *git.UnfinishedError
		identity   *git.IdentityError
		locked     *git.LockedError
	)
	switch {
	case errors.As(err, &hook):
		return ended{class: Permanent, exit: 1, reason: hook.Error()}
	case ctx.Err() != nil:
		return ended{class: Interrupted, exit: -1, reason: errInterrupted.Error()}
	case limited.Err() != nil:
		return ended{class: Transient, exit: -1, reason: "the commit " + context.Cause(limited).Error()}
	case errors.As(err, &unfinished), errors.As(err, &identity):
		return ended{class: Permanent, exit: -1, reason: "what it changed cannot be committed: " + err.Error()}
	case errors.As(err, &locked):
		return ended{class: Transient, exit: -1, reason: "what it changed cannot be committed: " + err.Error()}
	}
	return ended{class: Permanent, exit: -1, reason: "what it changed cannot be committed: " + err.Error()}
}

// limited is ctx with the limits of the attempt, whichever ends first. A commit
// prints nothing while it runs, so the limit of silence is one of its time.
func (a *attempt) limited(ctx context.Context) (limited context.Context, done context.CancelFunc) {
	limited, done = ctx, func() {}
	if !a.deadline.IsZero() {
		limited, done = context.WithDeadlineCause(limited, a.deadline, fmt.Errorf("timed out after %v", a.timeout))
	}
	if idle := a.recipe.IdleTimeout; idle > 0 {
		outer := done
		var inner context.CancelFunc
		limited, inner = context.WithTimeoutCause(limited, idle, fmt.Errorf("had no end for %v", idle))
		done = func() { inner(); outer() }
	}
	return limited, done
}
