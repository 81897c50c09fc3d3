package cmd

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/hacky-run/hacky/internal/config"
)

// MainAt is Main at a moment, with a terminal as standard output and no
// environment.
func MainAt(now time.Time, terminal *os.File, args ...string) int {
	a := &app{stdin: os.Stdin, stdout: terminal, stderr: io.Discard, messages: &redirect{to: io.Discard}, clock: func() time.Time { return now },
		env: config.Env{Lookup: func(string) (string, bool) { return "", false }}, color: "never"}
	root := a.root()
	root.SetArgs(append([]string{"--color", "never"}, args...))
	return exitCode(root.ExecuteContext(context.Background()))
}
