package ui

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// DryRun prints what a run would do: an item a line, in order, or with kind
// "json" an event a line and a summary.
func DryRun(w io.Writer, kind, session string, b *backlog.Backlog, order []int32, describe func(int32) string) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if kind == "json" {
		enc := json.NewEncoder(out)
		type planned struct {
			V       int       `json:"v"`
			Time    time.Time `json:"time"`
			Type    string    `json:"type"`
			Session string    `json:"session"`
			ID      string    `json:"id"`
			Title   string    `json:"title"`
			Command string    `json:"command"`
		}
		now := time.Now()
		for _, i := range order {
			if err := enc.Encode(planned{1, now, "subtaskPlanned", session, b.Items[i].ID, b.Items[i].Title, describe(i)}); err != nil {
				return err
			}
		}
		if err := enc.Encode(struct {
			V       int       `json:"v"`
			Time    time.Time `json:"time"`
			Type    string    `json:"type"`
			Session string    `json:"session"`
			DryRun  bool      `json:"dryRun"`
			Total   int       `json:"total"`
			Exit    int       `json:"exit"`
		}{1, now, "summary", session, true, len(order), 0}); err != nil {
			return err
		}
		return out.Flush()
	}
	for _, i := range order {
		_, _ = out.WriteString(b.Items[i].ID + "  " + Clean(b.Items[i].Title) + "  $ " + Clean(describe(i)) + "\n") // Flush tells
	}
	_, _ = out.WriteString(subtasks(len(order)) + " would run\n")
	return out.Flush()
}

// Table prints rows in columns, the first being the head. The column cutColumn
// is cut so that a line fits into width; 0 is no limit.
func Table(w io.Writer, width, cutColumn int, rows [][]string) error {
	return table(w, width, cutColumn, rows)
}
