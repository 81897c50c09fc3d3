package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/session"
)

// check looks, after the end of p, whether everything acknowledged so far is
// there.
func (r *round) check(ctx context.Context, p *process) error {
	count, err := r.executions()
	if err != nil {
		return err
	}
	for _, id := range r.run {
		if n, ok := r.printed[id]; ok && count[id] > n {
			r.lose(id, "that it is not executed again after its completion was printed", fmt.Sprintf("%d executions, %d before", count[id], n))
		}
	}
	for _, id := range p.completed {
		r.t.tally.Acknowledged++
		if _, twice := r.printed[id]; twice {
			r.lose(id, "one completion", "its completion was printed twice")
		}
		if count[id] == 0 {
			r.lose(id, "that it is executed before its completion is printed", "it was never executed")
		}
		r.printed[id] = count[id]
	}
	sets := r.sets.takeReport()
	r.t.tally.Acknowledged += sets.acknowledged
	r.t.tally.Kills += sets.kills
	for _, problem := range sets.problems {
		r.lose("", "that \"hacky set\" works", problem)
	}

	if _, err := session.Read(r.loc); err != nil {
		r.lose("", "a whole tasks.json", err.Error())
		return nil
	}
	statuses, ok := r.statuses(ctx)
	if !ok {
		return nil
	}
	for _, id := range r.run {
		if _, ok := r.printed[id]; ok && statuses[id] != "Complete" {
			r.lose(id, "Complete, as was printed", found(statuses[id]))
		}
	}
	expected := r.sets.expected()
	for _, id := range slices.Sorted(maps.Keys(expected)) {
		allowed := expected[id]
		if !slices.Contains(allowed, statuses[id]) {
			r.lose(id, strings.Join(allowed, " or ")+", as \"hacky set\" said with exit code 0", found(statuses[id]))
		}
	}
	return nil
}

func found(status string) string {
	if status == "" {
		return "no such item"
	}
	return status
}

// statuses asks hacky. ok is false if that cannot be judged.
func (r *round) statuses(ctx context.Context) (statuses map[string]string, ok bool) {
	out, err := r.t.output(ctx, r.env, "status", "--session", r.loc.Dir, "-o", "json")
	if over(ctx) {
		return nil, false
	}
	var doc struct {
		Items []struct{ ID, Status string }
	}
	if err == nil {
		err = json.Unmarshal(out, &doc)
	}
	if err != nil {
		r.lose("", "that \"hacky status -o json\" works", err.Error())
		return nil, false
	}
	statuses = map[string]string{}
	for _, it := range doc.Items {
		statuses[it.ID] = it.Status
	}
	return statuses, true
}

// checkEnd looks at a session whose work is done.
func (r *round) checkEnd(ctx context.Context) error {
	statuses, ok := r.statuses(ctx)
	if !ok {
		return nil
	}
	for _, id := range r.run {
		if statuses[id] != "Complete" {
			r.lose(id, "Complete, as the last run ended with exit code 0", found(statuses[id]))
		}
	}
	// Without what hacky would read beside it: tasks.json alone has to tell.
	data, err := os.ReadFile(r.loc.Path())
	if err != nil {
		return err
	}
	b, err := backlog.Parse(r.loc.Path(), string(data))
	if err != nil {
		r.lose("", "a whole tasks.json", err.Error())
		return nil
	}
	for i := range b.Items {
		if id, st := b.Items[i].ID, b.Items[i].Status.String(); st != statuses[id] {
			r.lose(id, statuses[id]+" in tasks.json, as \"hacky status\" says", st)
		}
	}
	return filepath.WalkDir(r.loc.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case strings.HasSuffix(name, ".hacky-tmp"), strings.HasPrefix(name, session.TasksFile+".failed"):
			r.lose("", "no litter after the last run", name+" was left behind")
		case path == r.loc.JournalPath(), name == session.TasksFile+".journal":
			if info, err := d.Info(); err == nil && info.Size() > 0 {
				r.lose("", "an empty journal or none after the last run", fmt.Sprintf("%s has %d bytes", name, info.Size()))
			}
		}
		return nil
	})
}

// executions counts how often each id was executed.
func (r *round) executions() (map[string]int, error) {
	data, err := os.ReadFile(r.executed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	count := map[string]int{}
	for line := range strings.Lines(string(data)) {
		count[strings.TrimSuffix(line, "\n")]++
	}
	return count, nil
}

// crashed reports whether a program of Go ended by a panic or a fatal error.
func crashed(stderr string) bool {
	data, err := os.ReadFile(stderr)
	return err == nil && (bytes.HasPrefix(data, []byte("goroutine ")) || bytes.Contains(data, []byte("\ngoroutine ")))
}

// holdsUpdates reports whether standard error holds updates that could be kept
// in no file.
func holdsUpdates(stderr string) bool {
	data, err := os.ReadFile(stderr)
	return err == nil && bytes.Contains(data, []byte(session.MarkedPrefix))
}
