package cmd

import (
	"errors"

	"github.com/hacky-run/hacky/internal/session"
)

// Exit codes (§8 of the contract).
const (
	exitOK          = 0
	exitFailed      = 1   // some failed or are blocked, or a recover conflict
	exitUsage       = 2   // usage, configuration or input; nothing was run
	exitRecovery    = 3   // updates wait in a recovery file
	exitLocked      = 4   // the session is locked by another run
	exitLimit       = 5   // stopped by a limit, nothing failed, work remains
	exitQuota       = 75  // everything left waits for a quota reset beyond --quota-wait
	exitInterrupted = 130 // SIGINT, state saved
	exitTerminated  = 143 // SIGTERM, state saved
)

// exitError gives an error an exit code of its own. Without err there is
// nothing more to say than has been printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode is the only place where errors become exit codes. What is not
// known here is a mistake in the call, the configuration or the input.
func exitCode(err error) int {
	var coded *exitError
	var flush *session.FlushError
	var unstable *session.UnstableError
	var locked *session.LockedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &flush), errors.As(err, &unstable):
		return exitRecovery
	case errors.As(err, &locked):
		return exitLocked
	}
	return exitUsage
}
