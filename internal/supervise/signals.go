package supervise

import (
	"os/signal"
	"syscall"
)

// ignoreSignals leaves SIGKILL: whoever ends all processes politely, as a
// system that shuts down does, ends hacky too, and its end is what counts.
func ignoreSignals() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE)
}
