package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/session"
)

// BenchmarkReading compares commands that read with the bare load of a session
// of 100,000 subtasks, half of them complete, some failed, with an attempt of
// each on record. Both are run in turn, so that what else the machine does
// befalls both; the metric of interest is x-load. Goal: under 1.3.
func BenchmarkReading(b *testing.B) {
	dir := b.TempDir()
	text := string(gen.Realistic(100_000))
	half := strings.LastIndex(text[:len(text)/2], `"type": "Subtask"`)
	text = strings.ReplaceAll(text[:half], `"status": "Planned"`, `"status": "Complete"`) + text[half:]
	text = text[:half] + strings.Replace(text[half:], `"status": "Planned"`, `"status": "Failed"`, 5)
	path := filepath.Join(dir, session.TasksFile)
	var attempts strings.Builder
	at := time.Date(2026, 1, 24, 15, 30, 45, 0, time.UTC)
	for k := range 50_000 {
		fmt.Fprintf(&attempts, `{"id":%q,"attempt":1,"class":"ok","exit":0,"started":%q,"ended":%q,"commands":[{"stage":"run","exit":0,"durationMs":1234,"log":"artifacts/%[1]s/attempt-1/run.log","sha256":"%064[4]d"}],"log":"artifacts/%[1]s/attempt-1/run.log","runId":"20260124T153045Z-01234567"}`+"\n",
			gen.ID(k), at.Format(time.RFC3339Nano), at.Add(1234*time.Millisecond).Format(time.RFC3339Nano), k)
	}
	if err := os.Mkdir(filepath.Join(dir, "artifacts"), 0o755); err != nil {
		b.Fatal(err)
	}
	for name, content := range map[string]string{path: text, filepath.Join(dir, "artifacts", "attempts.ndjson"): attempts.String()} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, env: config.Env{Lookup: func(string) (string, bool) { return "", false }}}
	cfg := config.Default()
	cfg.Session = dir
	loc := session.Location{Dir: dir, Name: session.TasksFile}
	last, planned := gen.ID(99_999), map[backlog.Status]bool{backlog.Planned: true}
	for _, command := range []struct {
		name string
		run  func() error
	}{
		{"next", func() error { return a.next(&cfg, "table", nextShown) }},
		{"next-json-all", func() error { return a.next(&cfg, "json", 0) }},
		{"why", func() error { return a.why(&cfg, last, "table", whyShown) }},
		{"why-phase", func() error { return a.why(&cfg, "P5", "table", whyShown) }},
		{"status", func() error { return a.status(&cfg, statusOptions{output: "table"}) }},
		{"status-tree", func() error { return a.status(&cfg, statusOptions{output: "tree"}) }},
		{"status-json", func() error { return a.status(&cfg, statusOptions{output: "json"}) }},
		{"status-yaml", func() error { return a.status(&cfg, statusOptions{output: "yaml"}) }},
		{"status-tree-all", func() error { return a.status(&cfg, statusOptions{output: "tree", all: true}) }},
		{"status-planned", func() error {
			return a.status(&cfg, statusOptions{output: "table", statuses: []string{"Planned"}, among: planned})
		}},
		{"status-planned-json", func() error {
			return a.status(&cfg, statusOptions{output: "json", statuses: []string{"Planned"}, among: planned})
		}},
		{"complete", func() error {
			root := a.root()
			a.complete(root)
			root.SetArgs([]string{"__complete", "--session", dir, "show", last[:len(last)-1]})
			return root.Execute()
		}},
	} {
		b.Run(command.name, func(b *testing.B) {
			load, whole := time.Hour, time.Hour // the least of each: what the machine does else only adds
			for b.Loop() {
				begin := time.Now()
				if _, _, err := session.View(loc); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				if err := command.run(); err != nil {
					b.Fatal(err)
				}
				load = min(load, between.Sub(begin))
				whole = min(whole, time.Since(between))
			}
			b.ReportMetric(float64(whole)/float64(load), "x-load")
			b.ReportMetric(float64(whole.Milliseconds()), "ms")
		})
	}
}
