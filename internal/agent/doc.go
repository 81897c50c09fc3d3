// Package agent executes one attempt of a subtask as real processes: its
// stages in order, then its gates.
//
// Every command runs in a session, and so a process group, of its own: it has
// no terminal to ask on, its standard input is the stage's prompt or
// /dev/null, and a signal reaches all that it started. A command that has to
// end (time limit, cancellation) gets SIGTERM and, Grace later, SIGKILL. What
// an attempt leaves running in its groups is ended the same way before Execute
// returns.
//
// On Linux, after Adopt, that includes what made itself a daemon: this process
// becomes its parent, and its environment tells whose it is. One that cleared
// its environment, or forbids to look at it, is ended in Finish. Elsewhere
// daemons are out of reach. If this process is killed, package supervise ends
// what it knows of.
//
// Output goes through a pipe into the stage's log as it comes; only its last
// few kilobytes are kept in memory. The log, and the attempt's directory, are
// made on the first byte: a command that prints nothing costs no file.
//
// No text of a backlog is put into a shell line: it travels in the environment
// and in the prompt.
package agent
