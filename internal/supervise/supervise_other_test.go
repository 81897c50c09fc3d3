//go:build unix && !linux

package supervise

import (
	"syscall"
	"testing"
)

// ignores cannot be known here; that of a supervisor that has just been
// started is told by the test.
func ignores(*testing.T, int, syscall.Signal) bool { return true }
