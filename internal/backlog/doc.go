// Package backlog reads, checks and rewrites tasks.json.
//
// Four nouns: a Backlog is one parsed file; an Item is a phase, milestone,
// task or subtask in it, in document order; a Status is where an item stands;
// a Problem is one thing wrong with the file, with line and column.
//
// # The file
//
//	{"backlog":[Phase...]}
//
// A phase has "milestones", a milestone "tasks", a task "subtasks". Every item
// has "id", "type", "title" and "status"; ids extend their parent's: P1,
// P1.M2, P1.M2.T3, P1.M2.T3.S4. A subtask may have "story_points" (a number
// >= 0), "dependencies" (ids of any item), "context_scope", and what to
// execute: "run", "timeout", "env", "workdir", "gates", "retries". Parents may
// have "env", "workdir" and "timeout", inherited downwards. Anything else is
// somebody else's and is kept.
//
// # What it guarantees
//
// There is no encoder. The file's text is kept as it was read, and Render
// writes it back with other status values in between, so that everything else
// (unknown fields, key order, number spelling, escapes, line endings, a BOM)
// is byte for byte what it was, by construction.
//
// Parse accepts what RFC 8259 accepts, and nothing else: one pass, strict
// UTF-8, no duplicate keys in any object, at most MaxDepth levels and MaxSize
// bytes. What is wrong is reported all at once, except that text that is not
// JSON ends at the first error.
//
// The package is pure: no files, no clock, no goroutines, and nothing depends
// on the order of a map. A Backlog never changes and may be shared.
package backlog
