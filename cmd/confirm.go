package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxAnswer bounds a line that somebody types.
const maxAnswer = 4096

// canAsk tells whether there is somebody to ask: both ends are a terminal.
func (a *app) canAsk() bool { return isTerminal(a.stdin) && isTerminal(a.stderr) }

// confirm asks a question whose answer is no unless it is yes. The error of a
// no is exit 1.
func (a *app) confirm(question string) error {
	answer, err := a.ask(question + " [y/N] ")
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return &exitError{exitFailed, errors.New("nothing was changed")}
	}
	return nil
}

// ask prints a question and reads a line, without spaces around it; "" at the
// end of the input.
func (a *app) ask(question string) (string, error) {
	if _, err := fmt.Fprint(a.stderr, question); err != nil {
		return "", err
	}
	// A terminal hands over a line at a time, so nothing of the next is lost.
	line, err := bufio.NewReader(io.LimitReader(a.stdin, maxAnswer)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(a.stderr)
		err = nil
	}
	return strings.TrimSpace(line), err
}
