package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/hacky-run/hacky/internal/backlog"
)

// maxTitle bounds a title in DOT and Mermaid, in runes; in SVG what fits into
// a node is shown, and this much as its tooltip.
const maxTitle = 200

// clean makes text one line: control characters and format characters, which
// hide text or turn it around, become spaces, as does what is no text.
func clean(s string) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		const joiner, nonJoiner = '\u200d', '\u200c'
		switch n++; {
		case n > maxTitle:
			return -1
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner,
			r == '\u2028', r == '\u2029', r == unicode.ReplacementChar, r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef:
			return ' '
		}
		return r
	}, s))
}

// State says in words where a node stands: its status, how much of what is
// merged into it is done, and what matters besides.
func (n *Node) State() string {
	return strings.Join(append([]string{n.standing()}, n.notes()...), ", ")
}

func (n *Node) standing() string {
	s := n.Status.String()
	if n.Joint {
		s = "all below"
	}
	if n.Total > 1 {
		s += fmt.Sprintf(" %d/%d", n.Done, n.Total)
	}
	return s
}

func (n *Node) notes() []string {
	var notes []string
	if n.Failed > 0 && n.Total > 1 {
		notes = append(notes, fmt.Sprintf("%d failed", n.Failed))
	}
	if n.Blocked {
		notes = append(notes, "blocked")
	}
	if n.Outside {
		notes = append(notes, "outside")
	}
	return notes
}

// class is what a node's colours are chosen by.
func (n *Node) class() string {
	switch {
	case n.Joint:
		return "joint"
	case n.Blocked:
		return "blocked"
	}
	return strings.ToLower(n.Status.String())
}

// look is how a class is drawn.
type look struct{ class, fill, stroke, text, darkFill, darkStroke, darkText string }

// looks are the colours; contrast of text on fill is at least 7:1 in light and
// dark.
func looks() []look {
	return []look{
		{"planned", "#f6f8fa", "#8c959f", "#1f2328", "#21262d", "#6e7681", "#e6edf3"},
		{"researching", "#e5dcff", "#6639ba", "#2b0f66", "#2f2250", "#a371f7", "#eddeff"},
		{"implementing", "#d7ebff", "#0550ae", "#002b66", "#12305a", "#58a6ff", "#d7ebff"},
		{"retrying", "#fff1b8", "#9a6700", "#3d2a00", "#43330a", "#d29922", "#ffeeb3"},
		{"complete", "#d3f5d9", "#1a7f37", "#07331a", "#12361f", "#3fb950", "#ccf5d3"},
		{"failed", "#ffdbd7", "#cf222e", "#5c0a10", "#4a1517", "#ff7b72", "#ffdfdb"},
		{"blocked", "#fbeee8", "#bc4c00", "#4a1f00", "#38231a", "#f0883e", "#ffe2cc"},
		{"obsolete", "#eaeef2", "#afb8c1", "#3b434b", "#161b22", "#484f58", "#b8c0c8"},
		{"joint", "#ffffff", "#8c959f", "#1f2328", "#0d1117", "#6e7681", "#e6edf3"},
	}
}

// DOT writes the graph for Graphviz.
func (g *Graph) DOT(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	_, _ = out.WriteString("digraph backlog {\n" +
		"  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", fontsize=10];\n" +
		"  edge [color=\"#8c959f\"];\n")
	style := map[string]look{}
	for _, l := range looks() {
		style[l.class] = l
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		label := dotText(n.ID + "  " + n.State())
		if t := clean(n.Title); t != "" {
			label += `\n` + dotText(t)
		}
		l := style[n.class()]
		_, _ = fmt.Fprintf(out, "  %s [label=\"%s\", fillcolor=\"%s\", color=\"%s\", fontcolor=\"%s\"", dotID(n.ID), label, l.fill, l.stroke, l.text)
		switch {
		case n.Joint:
			_, _ = out.WriteString(", shape=ellipse")
		case n.Outside || n.Status == backlog.Obsolete:
			_, _ = out.WriteString(`, style="filled,rounded,dashed"`)
		}
		if n.Critical {
			_, _ = out.WriteString(", penwidth=3")
		}
		_, _ = out.WriteString("];\n")
	}
	for _, e := range g.Edges {
		_, _ = fmt.Fprintf(out, "  %s -> %s", dotID(g.Nodes[e.From].ID), dotID(g.Nodes[e.To].ID))
		if e.Critical {
			_, _ = out.WriteString(" [penwidth=3, color=\"#1f2328\"]")
		}
		_, _ = out.WriteString(";\n")
	}
	_, _ = out.WriteString("}\n")
	return out.Flush()
}

func dotID(id string) string { return `"` + dotText(id) + `"` }

// dotText escapes text for a quoted string of DOT: backslashes are read as
// escapes of labels there, and character references as in HTML.
func dotText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`).Replace(clean(s))
}

// Mermaid writes the graph as a flowchart of Mermaid.
func (g *Graph) Mermaid(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	_, _ = out.WriteString("flowchart TD\n")
	for _, l := range looks() {
		_, _ = fmt.Fprintf(out, "  classDef %s fill:%s,stroke:%s,color:%s\n", l.class, l.fill, l.stroke, l.text)
	}
	_, _ = out.WriteString("  classDef critical stroke-width:4px\n  classDef outside stroke-dasharray:5 3\n")
	for i := range g.Nodes {
		n := &g.Nodes[i]
		label := mermaidText(n.ID + "  " + n.State())
		if t := mermaidText(n.Title); t != "" {
			label += "<br/>" + t
		}
		left, right := `["`, `"]`
		if n.Joint {
			left, right = `(["`, `"])`
		}
		_, _ = fmt.Fprintf(out, "  n%d%s%s%s\n", i, left, label, right)
	}
	var critical []string
	for k, e := range g.Edges {
		arrow := "-->"
		if e.Critical {
			arrow = "==>"
			critical = append(critical, fmt.Sprint(k))
		}
		_, _ = fmt.Fprintf(out, "  n%d %s n%d\n", e.From, arrow, e.To)
	}
	classes := map[string][]string{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		name := fmt.Sprintf("n%d", i)
		classes[n.class()] = append(classes[n.class()], name)
		if n.Critical {
			classes["critical"] = append(classes["critical"], name)
		}
		if n.Outside {
			classes["outside"] = append(classes["outside"], name)
		}
	}
	for _, l := range append(looks(), look{class: "critical"}, look{class: "outside"}) {
		if names := classes[l.class]; len(names) > 0 {
			_, _ = fmt.Fprintf(out, "  class %s %s\n", strings.Join(names, ","), l.class)
		}
	}
	if len(critical) > 0 {
		_, _ = fmt.Fprintf(out, "  linkStyle %s stroke-width:4px\n", strings.Join(critical, ","))
	}
	return out.Flush()
}

// mermaidText escapes text for a quoted label of Mermaid, which is read as
// Mermaid, as Markdown and as HTML: of what is ASCII only letters, digits and a
// little between them stay. A number or a dash where a line begins would make a
// list, so that a dot or dash is escaped there.
func mermaidText(s string) string {
	var out strings.Builder
	start := true
	for _, r := range clean(s) {
		digit := r >= '0' && r <= '9'
		plain := r >= 0x80 || r == ' ' || r == ',' || r == '/' || digit || unicode.IsLetter(r) || (r == '.' || r == '-') && !start
		if start = start && digit; plain {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, "#%d;", r)
		if r == '\\' {
			out.WriteString("#8288;") // a word joiner: Mermaid breaks the line at \n, escaped or not
		}
	}
	return out.String()
}
