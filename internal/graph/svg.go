package graph

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/hacky-run/hacky/internal/backlog"
)

// SVG writes the graph as a drawing. It takes light or dark colours as the
// viewer prefers, names nothing outside itself, and its class names and ids
// begin with "hg-", so that it may be put into a page.
func (g *Graph) SVG(w io.Writer) error {
	d := lay(g)
	out := bufio.NewWriterSize(w, 1<<16)
	legend := g.legend()
	legendTop := d.height
	if len(g.Nodes) == 0 {
		legendTop = margin
	}
	width := max(d.width, legendWidth(legend), 320)
	height := legendTop + 30
	_, _ = fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" class="hg" role="img" width="%s" height="%s" viewBox="0 0 %[1]s %[2]s">`+"\n",
		px(width), px(height))
	_, _ = fmt.Fprintf(out, "<title>%s</title>\n", xmlText(g.summary()))
	writeStyle(out)
	_, _ = out.WriteString(`<defs>` +
		`<marker id="hg-a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="hg-a" d="M0 0L8 4L0 8z"/></marker>` +
		`<marker id="hg-c" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="hg-c" d="M0 0L8 4L0 8z"/></marker>` +
		"</defs>\n" + `<rect class="hg-bg" width="100%" height="100%"/>` + "\n")
	for k := range d.lines {
		writeLine(out, &d.lines[k])
	}
	for i := range g.Nodes {
		writeNode(out, &g.Nodes[i], d.at[i])
	}
	if len(g.Nodes) == 0 {
		_, _ = fmt.Fprintf(out, `<text class="hg-l" x="%d" y="%d">nothing to draw</text>`+"\n", margin, margin+11)
	}
	x := float64(margin)
	for _, e := range legend {
		_, _ = fmt.Fprintf(out, `<g class="hg-%s"><rect class="hg-n%s" x="%s" y="%s" width="14" height="14" rx="3"/><text class="hg-l" x="%s" y="%s">%s</text></g>`+"\n",
			e.class, e.extra, px(x), px(legendTop), px(x+20), px(legendTop+11), xmlText(e.text))
		x += e.width()
	}
	_, _ = out.WriteString("</svg>\n")
	return out.Flush()
}

// summary says in words what is drawn.
func (g *Graph) summary() string {
	counts := make([]int, len(backlog.Statuses()))
	nodes := 0
	for i := range g.Nodes {
		if !g.Nodes[i].Joint {
			nodes++
			counts[g.Nodes[i].Status]++
		}
	}
	s := fmt.Sprintf("%d %ss and what waits for what", nodes, strings.ToLower(g.Level.String()))
	for _, st := range backlog.Statuses() {
		if counts[st] > 0 {
			s += fmt.Sprintf(", %d %s", counts[st], st)
		}
	}
	return s
}

// entry is a part of the legend.
type entry struct{ class, extra, text string }

func (e entry) width() float64 { return 42 + textWidth(e.text, 11) }

func (g *Graph) legend() []entry {
	used := map[string]bool{}
	critical, outside := false, false
	for i := range g.Nodes {
		n := &g.Nodes[i]
		used[n.class()] = true
		critical, outside = critical || n.Critical, outside || n.Outside
	}
	var out []entry
	for _, l := range looks() {
		if used[l.class] && l.class != "joint" {
			out = append(out, entry{l.class, "", l.class})
		}
	}
	if used["joint"] {
		out = append(out, entry{"joint", "", "all below an item"})
	}
	if outside {
		out = append(out, entry{"planned", " hg-o", "outside the scope"})
	}
	if critical {
		out = append(out, entry{"planned", " hg-k", "critical path"})
	}
	return out
}

func legendWidth(l []entry) float64 {
	w := float64(2 * margin)
	for _, e := range l {
		w += e.width()
	}
	return w
}

// writeStyle writes the colours. Plain rules and no variables: viewers of SVG
// that are no browsers know no more.
func writeStyle(w io.Writer) {
	var light, dark strings.Builder
	for _, l := range looks() {
		fmt.Fprintf(&light, ".hg-%s .hg-n{fill:%s;stroke:%s}.hg-%[1]s text{fill:%[4]s}\n", l.class, l.fill, l.stroke, l.text)
		fmt.Fprintf(&dark, ".hg-%s .hg-n{fill:%s;stroke:%s}.hg-%[1]s text{fill:%[4]s}\n", l.class, l.darkFill, l.darkStroke, l.darkText)
	}
	_, _ = fmt.Fprintf(w, "<style>\n"+
		".hg{font-family:system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"+
		".hg-bg{fill:#fff}.hg-n{stroke-width:1.2}.hg .hg-n.hg-k{stroke:#1f2328;stroke-width:3.4}.hg-n.hg-o,.hg-obsolete .hg-n{stroke-dasharray:5 3}\n"+
		".hg text.hg-i{font-size:11px;font-weight:600}.hg text.hg-t{font-size:11px}.hg text.hg-s{font-size:10px}.hg text.hg-b{font-weight:600}.hg text.hg-l{font-size:11px;fill:#1f2328}\n"+
		".hg-e{fill:none;stroke:#8c959f;stroke-width:1.1}.hg-e.hg-f{stroke-width:.8;stroke-opacity:.45}.hg-e.hg-k{stroke:#1f2328;stroke-width:3;stroke-opacity:1}.hg-a{fill:#8c959f}.hg-c{fill:#1f2328}\n"+
		"%s@media (prefers-color-scheme:dark){\n"+
		".hg-bg{fill:#0d1117}.hg text.hg-l{fill:#e6edf3}.hg-e{stroke:#768390}.hg .hg-n.hg-k{stroke:#f0f6fc}.hg-e.hg-k{stroke:#f0f6fc}.hg-a{fill:#768390}.hg-c{fill:#f0f6fc}\n"+
		"%s}\n</style>\n", light.String(), dark.String())
}

func writeLine(w *bufio.Writer, l *line) {
	class, marker := "hg-e", "hg-a"
	if l.far {
		class += " hg-f"
	}
	if l.critical {
		class, marker = class+" hg-k", "hg-c"
	}
	a, b := l.points[0], l.points[1]
	_, _ = w.WriteString(`<path class="` + class + `" d="M` + px(a.x) + " " + px(a.y))
	if a.x == b.x {
		_, _ = w.WriteString("V" + px(b.y))
	} else {
		middle := px((a.y + b.y) / 2)
		_, _ = w.WriteString("C" + px(a.x) + " " + middle + " " + px(b.x) + " " + middle + " " + px(b.x) + " " + px(b.y))
	}
	if len(l.points) > 2 {
		_, _ = w.WriteString("V" + px(l.points[2].y))
	}
	_ = w.WriteByte('"')
	if l.head {
		_, _ = w.WriteString(` marker-end="url(#` + marker + `)"`)
	}
	if l.tail {
		_, _ = w.WriteString(` marker-start="url(#` + marker + `)"`)
	}
	_, _ = w.WriteString("/>\n")
}

func writeNode(w *bufio.Writer, n *Node, at point) {
	extra, radius := "", "6"
	if n.Critical {
		extra += " hg-k"
	}
	if n.Outside {
		extra += " hg-o"
	}
	if n.Joint {
		radius = "21"
	}
	// What is merged says more than fits beside its id.
	title, right, below := clean(n.Title), n.State(), ""
	if n.Total > 1 {
		right, below = n.standing(), strings.Join(n.notes(), ", ")
	}
	const pad, upper, lower = 9, 17, 33
	const room = nodeWidth - 2*pad
	_, _ = fmt.Fprintf(w, `<g class="hg-%s"><title>%s</title><rect class="hg-n%s" x="%s" y="%s" width="%d" height="%d" rx="%s"/>`,
		n.class(), xmlText(n.ID+" "+n.State()+": "+title), extra, px(at.x), px(at.y), nodeWidth, nodeHeight, radius)
	// What a font makes wider than it was taken for is clipped.
	_, _ = fmt.Fprintf(w, `<svg x="%s" y="%s" width="%d" height="%d">`, px(at.x+pad), px(at.y), room, nodeHeight)
	_, _ = fmt.Fprintf(w, `<text class="hg-i" y="%d">%s</text>`, upper, xmlText(fit(n.ID, room-pad-textWidth(right, 10), 12.4)))
	_, _ = fmt.Fprintf(w, `<text class="hg-s" text-anchor="end" x="%d" y="%d">%s</text>`, room, upper, xmlText(right))
	left := float64(room)
	if below != "" {
		left -= pad + textWidth(below, 11.2)
		_, _ = fmt.Fprintf(w, `<text class="hg-s hg-b" text-anchor="end" x="%d" y="%d">%s</text>`, room, lower, xmlText(below))
	}
	_, _ = fmt.Fprintf(w, `<text class="hg-t" y="%d">%s</text></svg></g>`+"\n", lower, xmlText(fit(title, left, 11)))
}

// px is a coordinate with one decimal.
func px(v float64) string { return strconv.FormatFloat(float64(int64(v*10+0.5))/10, 'f', -1, 64) }

// xmlText escapes text for XML and HTML.
func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(clean(s))
}

// textWidth estimates how wide text is in DejaVu Sans, which is wider than the
// other common ones.
func textWidth(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth(r)
	}
	return w * size
}

// runeWidth is in parts of the font's size.
func runeWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("'ijlIJ", r):
		return 0.3
	case strings.ContainsRune(` ,./:;\|-f`, r):
		return 0.37
	case strings.ContainsRune("!()[]rt", r):
		return 0.43
	case strings.ContainsRune("mMW%@", r):
		return 1
	case strings.ContainsRune("#+<=>^~w", r):
		return 0.84
	case r >= 'A' && r <= 'Z' || r == '&':
		return 0.79
	case r < 0x80:
		return 0.65
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < 0x1100:
		return 0.8
	case r < 0x1f000:
		return 1.05
	}
	return 1.3
}

// fit cuts text that is wider than width.
func fit(s string, width, size float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	const more = "..."
	room := width - textWidth(more, size)
	for i, r := range s {
		if room -= runeWidth(r) * size; room < 0 {
			return strings.TrimRight(s[:i], " ") + more
		}
	}
	return s
}
