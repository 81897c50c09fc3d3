package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table; what is zero is left out of it.
type row struct {
	workload, contestant string
	rounds               int
	wall, cpu            time.Duration
	ratio                float64
	goal, verdict        string
}

type report struct {
	rows    []row
	perTask map[string]float64 // nanoseconds that hacky took for one subtask of a workload
	broken  []string           // what makes the exit code 1
}

// failed adds a contestant that did not do the work. That of a yardstick is only reported.
func (r *report) failed(workload, contestant string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	r.rows = append(r.rows, row{workload: workload, contestant: contestant, verdict: "failed: " + text})
	if contestant == nameBare || strings.HasPrefix(contestant, nameHacky) {
		r.broken = append(r.broken, fmt.Sprintf("%s, %s: %s", workload, contestant, text))
	}
}

func (r *report) print(to io.Writer) error {
	if len(r.rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWORKLOAD\tCONTESTANT\tROUNDS\tWALL\tRATIO\tCPU\tGOAL\tVERDICT")
	last := ""
	for _, line := range r.rows {
		if line.workload != last && last != "" {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t")
		}
		last = line.workload
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", line.workload, line.contestant,
			unless(line.rounds == 0, fmt.Sprint(line.rounds)),
			unless(line.wall == 0, milliseconds(line.wall)),
			unless(line.ratio == 0, fmt.Sprintf("%.2fx", line.ratio)),
			unless(line.cpu == 0, milliseconds(line.cpu)),
			line.goal, line.verdict)
	}
	return w.Flush()
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "NOT MET"
}

func unless(empty bool, text string) string {
	if empty {
		return ""
	}
	return text
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
