// Package profile knows coding agents: how each is called, how its output is
// read, and what became of it. It is pure: it starts no process, looks at no
// clock and opens no file, but for what the time package reads of a zone.
//
// A Profile is data. The built-in ones are in profiles.yaml, decoded by the
// same strict decoder as those of hacky.yaml (Load). A Reader takes the output
// as it comes, in bounded memory and at the speed of a newline count, and makes
// a Report. Judge turns a Report and the way the process ended into a Verdict:
// the structured event first, then the exit code, then patterns, these over the
// last assistant text and the last lines of standard error only. What a tool
// printed, and an agent quoted, is never looked at: it quotes rate limits all
// the time.
//
// Only lines that begin with "{" are events. Output is never trusted to be
// text: junk of any kind costs nothing and fails nothing.
package profile
