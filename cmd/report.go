package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/graph"
	htmlreport "github.com/hacky-run/hacky/internal/report"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) reportCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "report",
		Short: "Write what became of a session as one HTML file",
		Long: `Write an HTML file that needs no network: progress over time, attempts by
worker, failures with the end of their logs, those before a reset included, what
waits for what, the slowest subtasks, retries, holds and runs, with links to the
logs of every attempt. It takes no lock, and writes nothing else. The file's name is printed; - writes to standard output. A
file that is there is replaced if it is a report, too.

Exit codes: 0, 2 mistake in the call or the backlog, or the file cannot be
written.`,
		Example: `  hacky report
  hacky report --session plan/003_b3d3efdaf0ed -o ~/nightly.html`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			return a.writeReport(cfg, log, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "hacky-report.html", "the file to write; - is standard output")
	return c
}

func (a *app) writeReport(cfg *config.Config, log zerolog.Logger, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	if output != "-" {
		if err := refuseOther(output); err != nil {
			return err
		}
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	from := "."
	if output != "-" {
		from = filepath.Dir(output)
	}
	logs := openLogs(loc.Dir, from)
	defer logs.close()
	now := time.Now()
	src := htmlreport.Source{Session: sessionName(loc), Backlog: b, Statuses: statuses, Now: now, Clean: ui.Clean, Tail: logs.tail, Link: logs.link,
		Graph: func(level backlog.Kind) *graph.Graph { return drawn(b, statuses, schedule.Select(b, nil), level) }}
	holds, err := session.Holds(loc, now)
	if err != nil {
		log.Warn().Err(err).Msg("the report cannot tell what is held")
	}
	for _, h := range holds {
		src.Holds = append(src.Holds, htmlreport.Hold(h))
	}
	r := htmlreport.New(src)
	err = session.AttemptLines(loc, func(line []byte) {
		var record htmlreport.Attempt
		if json.Unmarshal(line, &record) == nil && record.ID != "" {
			r.Add(record)
		}
	})
	if err != nil {
		log.Warn().Err(err).Msg("the report does not have all attempts")
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		return err
	}
	if output == "-" {
		_, err := page.WriteTo(a.stdout)
		return err
	}
	_, err = fsutil.Replace(fsutil.OS(), fsutil.Replacement{Path: output, Perm: 0o644,
		Write: func(w io.Writer) error { _, err := page.WriteTo(w); return err }})
	if err != nil {
		if _, serr := os.Stat(filepath.Dir(output)); errors.Is(serr, fs.ErrNotExist) {
			return fmt.Errorf("--output: the directory %s does not exist; make it first, or name a file elsewhere", filepath.Dir(output))
		}
		var of *fs.PathError
		if errors.As(err, &of) { // the file it names is a temporary one
			err = of.Err
		}
		return fmt.Errorf("--output: write %s: %w; name a file elsewhere, or - for standard output", output, err)
	}
	_, err = fmt.Fprintln(a.stdout, output)
	return err
}

// refuseOther keeps a report from replacing anything but a report.
func refuseOther(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	if info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read from
		begin := make([]byte, len(htmlreport.Mark))
		if n, _ := io.ReadFull(f, begin); string(begin[:n]) == htmlreport.Mark || n == 0 {
			return nil
		}
	}
	return fmt.Errorf("--output: %s is there and is no report; it is not replaced: name another file, or remove it", path)
}

// sessionName is how a session is called: its directory, or its file if that is
// not tasks.json.
func sessionName(loc session.Location) string {
	path, err := filepath.Abs(loc.Dir)
	if err != nil {
		path = loc.Dir
	}
	if loc.Name != session.TasksFile {
		path = filepath.Join(path, loc.Name)
	}
	return filepath.Base(path)
}

// logs are the logs of a session as a report sees them. Names come from the
// evidence, which people may have edited: a root keeps them inside.
type logs struct {
	root *os.Root // nil: cannot be opened
	base string   // the session directory as seen from the report; "" if that is not known
}

func openLogs(dir, from string) *logs {
	l := &logs{}
	l.root, _ = os.OpenRoot(dir) // without it there are no logs to show
	absDir, err := filepath.Abs(dir)
	absFrom, ferr := filepath.Abs(from)
	if err == nil && ferr == nil {
		if rel, err := filepath.Rel(absFrom, absDir); err == nil {
			l.base = filepath.ToSlash(rel)
		}
	}
	return l
}

func (l *logs) close() {
	if l.root != nil {
		_ = l.root.Close() // only read from
	}
}

// open opens a log, which has to be a regular file below artifacts/.
func (l *logs) open(name string) (*os.File, fs.FileInfo) {
	if l.root == nil || !filepath.IsLocal(name) || !strings.HasPrefix(filepath.Clean(name), "artifacts"+string(filepath.Separator)) {
		return nil, nil
	}
	f, err := l.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // only read from
		return nil, nil
	}
	return f, info
}

// link is the URL of a log that is there.
func (l *logs) link(name string) string {
	f, _ := l.open(name)
	if f == nil || l.base == "" {
		return ""
	}
	_ = f.Close() // only read from
	u := url.URL{Path: l.base + "/" + filepath.ToSlash(filepath.Clean(name))}
	return u.EscapedPath()
}

// How much of a log is shown.
const tailLines, tailSize, tailColumns = 20, 16 << 10, 400

// tail is the end of a log, as text.
func (l *logs) tail(name string) string {
	f, info := l.open(name)
	if f == nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read from
	from := max(0, info.Size()-tailSize)
	data := make([]byte, info.Size()-from)
	n, _ := f.ReadAt(data, from) // what can be read
	data = data[:n]
	if from > 0 {
		if k := bytes.IndexByte(data, '\n'); k >= 0 && k+1 < len(data) {
			data = data[k+1:] // the first line is cut
		}
	}
	escapes := regexp.MustCompile(`\x1b(\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])`)
	lines := strings.Split(strings.TrimRight(string(data), "\r\n\t "), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	for k, line := range lines {
		line = strings.TrimRight(line, "\r")
		if cr := strings.LastIndexByte(line, '\r'); cr >= 0 {
			line = line[cr+1:] // drawn over itself, as progress bars are
		}
		line = strings.ReplaceAll(escapes.ReplaceAllString(line, ""), "\t", "    ")
		if len(line) > tailColumns {
			cut := tailColumns
			for cut > 0 && !utf8.RuneStart(line[cut]) {
				cut--
			}
			line = line[:cut] + "..."
		}
		lines[k] = ui.Clean(strings.ToValidUTF8(line, "?"))
	}
	return strings.Join(lines, "\n")
}
