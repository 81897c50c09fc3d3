// hacky runs a backlog of commands or coding agents and never loses a finished
// one. See README.md.
package main

import (
	"os"

	"github.com/hacky-run/hacky/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:]))
}
