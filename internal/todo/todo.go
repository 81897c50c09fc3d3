// Package todo reads nested Markdown lists as work to be done. It is pure: it
// knows no files and no sessions.
package todo

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/hacky-run/hacky/internal/backlog"
)

// List is the work in a Markdown file. Headings and list items with items below
// them are parents; the other list items are subtasks.
type List struct {
	file  string
	items []*item
}

// item is a heading or a list item.
type item struct {
	title    string
	line     int
	level    int // of a heading; 0: a list item
	done     bool
	run      string
	gates    []string
	after    []string
	children []*item

	draft *backlog.Draft
}

// Parse reads a Markdown file. The name is for messages only.
func Parse(file, source string) (*List, error) {
	source = strings.TrimPrefix(source, "\ufeff")
	doc := goldmark.DefaultParser().Parse(text.NewReader([]byte(source)))
	r := reader{source: source}
	root := &item{}
	open := []*item{root} // the headings that hold what follows
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			for len(open) > 1 && open[len(open)-1].level >= n.Level {
				open = open[:len(open)-1]
			}
			h := &item{level: n.Level, title: strings.Join(r.lines(n), " "), line: r.line(n)}
			above := open[len(open)-1]
			above.children = append(above.children, h)
			open = append(open, h)
		case *ast.List:
			above := open[len(open)-1]
			above.children = append(above.children, r.list(n, above)...)
		}
	}
	l := &List{file: file, items: worked(root.children)}
	if len(l.items) == 0 {
		return nil, fmt.Errorf("%s has no list items; write a line for each subtask, as in: - [ ] Build it: `make build`", file)
	}
	if len(l.items) == 1 && l.items[0].level > 0 && depth(l.items) > levels && depth(l.items[0].children) <= levels {
		l.items = l.items[0].children // the heading is the title of the file
	}
	return l, l.check(l.items, 1)
}

// levels are those of a backlog: phase, milestone, task, subtask.
const levels = 4

func depth(items []*item) int {
	deepest := 0
	for _, it := range items {
		deepest = max(deepest, 1+depth(it.children))
	}
	return deepest
}

// worked leaves out headings without work below them.
func worked(items []*item) []*item {
	var out []*item
	for _, it := range items {
		it.children = worked(it.children)
		if it.level == 0 || len(it.children) > 0 {
			out = append(out, it)
		}
	}
	return out
}

func (l *List) check(items []*item, level int) error {
	for _, it := range items {
		switch {
		case level > levels:
			return fmt.Errorf("%s:%d: %q is nested more than %d levels deep; a backlog has phases, milestones, tasks and subtasks", l.file, it.line, it.title, levels)
		case len(it.children) > 0 && (it.run != "" || len(it.gates)+len(it.after) > 0):
			return fmt.Errorf("%s:%d: %q has items below it and so no command, gate or \"after:\" of its own; give them to the items", l.file, it.line, it.title)
		}
		if err := l.check(it.children, level+1); err != nil {
			return err
		}
	}
	return nil
}

type reader struct{ source string }

// lines are the lines of a block as they stand in the file, trimmed.
func (r reader) lines(n ast.Node) []string {
	var out []string
	for k := range n.Lines().Len() {
		s := n.Lines().At(k)
		if line := strings.TrimSpace(r.source[s.Start:s.Stop]); line != "" {
			out = append(out, strings.ToValidUTF8(line, "\ufffd"))
		}
	}
	return out
}

// line is the number of a block's first line.
func (r reader) line(n ast.Node) int {
	if n.Lines().Len() == 0 {
		return 1
	}
	return 1 + strings.Count(r.source[:n.Lines().At(0).Start], "\n")
}

// list reads the items of a list. One that only says something about the item
// above it, such as "run: make", becomes part of that.
func (r reader) list(n ast.Node, above *item) []*item {
	var out []*item
	for li := n.FirstChild(); li != nil; li = li.NextSibling() {
		it := &item{}
		for c := li.FirstChild(); c != nil; c = c.NextSibling() {
			switch c := c.(type) {
			case *ast.List:
				it.children = append(it.children, r.list(c, it)...)
			case *ast.TextBlock, *ast.Paragraph:
				if it.line == 0 {
					it.line = r.line(c)
					it.read(r.lines(c))
				}
			}
		}
		switch {
		case it.title != "":
			out = append(out, it)
		case above.level == 0 && above.line > 0 && len(it.children) == 0:
			above.take(it)
		case it.run != "":
			it.title = it.run
			out = append(out, it)
		default:
			out = append(out, it.children...)
		}
	}
	return out
}

// take adds to an item what another says about it.
func (it *item) take(other *item) {
	if other.run != "" {
		it.run = other.run
	}
	it.gates = append(it.gates, other.gates...)
	it.after = append(it.after, other.after...)
}

// read reads the text of a list item.
func (it *item) read(lines []string) {
	box := regexp.MustCompile(`^\[([ xX])\](?:\s+|$)`)
	for n, line := range lines {
		if m := box.FindStringSubmatch(line); n == 0 && m != nil {
			it.done = m[1] != " "
			line = line[len(m[0]):]
		}
		if rest := it.words(line); rest != "" {
			it.title = strings.TrimSpace(it.title + " " + rest)
		}
	}
	// Only a command that is marked as one is taken for it: a title may well end
	// with the name of a file in backquotes.
	command := regexp.MustCompile("^(?:([^`]*):\\s*)?`([^`]+)`$")
	if m := command.FindStringSubmatch(it.title); m != nil && it.run == "" {
		it.run = strings.TrimSpace(m[2])
		if it.title = strings.TrimSpace(m[1]); it.title == "" {
			it.title = it.run
		}
	}
}

// words takes "after: ...", "gate: ..." and "run: ..." out of a line and returns
// what is before them. A command goes to the end of the line.
func (it *item) words(line string) string {
	note := regexp.MustCompile(`(?i)(?:^|[\s(])(after|run|gate):\s+`)
	brackets := regexp.MustCompile(`(?i)\(after:\s*([^)]*)\)`)
	if m := brackets.FindStringSubmatchIndex(line); m != nil {
		it.wait(line[m[2]:m[3]])
		line = strings.TrimSpace(line[:m[0]]) + " " + strings.TrimSpace(line[m[1]:])
	}
	m := note.FindStringSubmatchIndex(line)
	if m == nil {
		return strings.TrimSpace(line)
	}
	rest := strings.TrimSpace(line[m[1]:])
	plain := rest
	if len(rest) > 2 && strings.Count(rest, "`") == 2 && rest[0] == '`' && rest[len(rest)-1] == '`' {
		plain = rest[1 : len(rest)-1]
	}
	switch strings.ToLower(line[m[2]:m[3]]) {
	case "run":
		it.run = plain
	case "gate":
		it.gates = append(it.gates, plain)
	default:
		if next := note.FindStringIndex(rest); next != nil {
			it.words(rest[next[0]:])
			rest = rest[:next[0]]
		}
		it.wait(rest)
	}
	return strings.TrimRight(strings.TrimSpace(line[:m[0]]), " ,;")
}

func (it *item) wait(names string) {
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.Trim(name, " \t`\""); name != "" {
			it.after = append(it.after, name)
		}
	}
}
