package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/result"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) logsCmd() *cobra.Command {
	var o logsOptions
	c := &cobra.Command{
		Use:   "logs ID",
		Short: "Print what the attempts of a subtask printed",
		Long: `Print the logs of a subtask: of every attempt, every stage and gate, oldest
first, and of the last "hacky verify", each under a line that says which. Secrets are masked as they are in the
files; on a terminal, control characters are taken out. It takes no lock.

With -f what is still printed follows, through retries and stages, until the
subtask is at rest: it has ended, or no run is going on.

Exit codes: 0, 2 there is no such subtask, attempt or stage, or a log cannot be
read, 130/143 ended by Ctrl+C or SIGTERM while it followed.`,
		Example: `  hacky logs P1.M1.T1.S1 --tail 20
  hacky logs -f P1.M1.T1.S1 --stage implement`,
		Args: exactArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(o.output, "text", "json", "yaml"); err != nil {
				return err
			}
			switch {
			case c.Flags().Changed("tail") && o.tail < 0:
				return fmt.Errorf("--tail: %d is not a number of lines", o.tail)
			case c.Flags().Changed("attempt") && o.attempt < 1:
				return fmt.Errorf("--attempt: %d is not an attempt; they count from 1", o.attempt)
			case o.follow && o.output != "text":
				return fmt.Errorf("--follow prints text only; leave --output %s out", o.output)
			}
			loc, err := a.locate(cfg)
			if err != nil {
				return err
			}
			return a.logs(c.Context(), loc, args[0], o)
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on until the subtask is at rest")
	c.Flags().IntVar(&o.attempt, "attempt", 0, "only this attempt")
	c.Flags().StringVar(&o.stage, "stage", "", "only this stage or gate")
	c.Flags().IntVar(&o.tail, "tail", -1, "only so many lines of every log that is there")
	c.Flags().StringVarP(&o.output, "output", "o", "text", "output: text, or which logs there are as json, yaml")
	return c
}

type logsOptions struct {
	follow  bool
	attempt int    // 0: all
	stage   string // "": all
	tail    int    // lines; -1: all
	output  string
}

func (a *app) logs(ctx context.Context, loc session.Location, id string, o logsOptions) error {
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	i, err := subtask(b, id)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(loc.Dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only read from
	l := &logReader{loc: loc, root: root, id: id, o: o}
	if o.output != "text" {
		return a.listLogs(l, statuses[i])
	}
	p := &logPrinter{w: a.stdout, root: root, id: id, tail: o.tail, width: a.width(), at: map[string]int64{}}
	if isTerminal(a.stdout) {
		p.w = newCleaner(a.stdout)
	}
	if o.follow {
		return a.follow(ctx, l, p)
	}
	sections, err := l.sections()
	if err != nil {
		return err
	}
	if err := l.unfit(sections); err != nil {
		return err
	}
	if len(sections) == 0 {
		_, err := fmt.Fprintf(a.stderr, "%s has no such log; it is %s\n", id, statuses[i])
		return err
	}
	_, err = p.print(sections)
	return errors.Join(err, p.end())
}

func (a *app) listLogs(l *logReader, status backlog.Status) error {
	sections, err := l.sections()
	if err != nil {
		return err
	}
	if err := l.unfit(sections); err != nil {
		return err
	}
	if sections == nil {
		sections = []result.Log{}
	}
	return document(a.stdout, l.o.output, result.Logs{ID: l.id, Status: status.String(), Logs: sections})
}

// logReader finds the logs of a subtask, of which a run may be making more.
type logReader struct {
	loc  session.Location
	root *os.Root
	id   string
	o    logsOptions

	evidence fs.FileInfo // as it was when records were read
	records  map[int][]result.Log
}

// sections are the logs there are, oldest attempt first, in the order in which
// the commands were executed.
func (l *logReader) sections() ([]result.Log, error) {
	if err := l.readRecords(); err != nil {
		return nil, err
	}
	byAttempt := map[int][]result.Log{}
	for n, known := range l.records {
		byAttempt[n] = slices.Clone(known)
	}
	for _, n := range l.attempts() {
		byAttempt[n] = l.files(n, byAttempt[n])
	}
	if logs := l.files(verified, nil); logs != nil {
		byAttempt[verified] = logs
	}
	var out []result.Log
	for n, sections := range byAttempt {
		for _, s := range sections {
			if (l.o.attempt == 0 || l.o.attempt == n) && (l.o.stage == "" || l.o.stage == s.Stage || l.o.stage == gateName(s.Stage)) {
				out = append(out, s)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b result.Log) int { return cmp.Compare(order(a.Attempt), order(b.Attempt)) })
	return out, nil
}

// unfit says what --attempt and --stage may name, if nothing is like that.
func (l *logReader) unfit(sections []result.Log) error {
	if len(sections) > 0 || l.o.attempt == 0 && l.o.stage == "" {
		return nil
	}
	wanted := l.o
	all := *l
	all.o.attempt, all.o.stage = 0, ""
	there, err := all.sections()
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return fmt.Errorf("%s has no logs yet; \"hacky why %s\" tells what it waits for", l.id, l.id)
	}
	var attempts, stages []string
	for _, s := range there {
		if n := strconv.Itoa(s.Attempt); s.Attempt != verified && !slices.Contains(attempts, n) {
			attempts = append(attempts, n)
		}
		if (wanted.attempt == 0 || wanted.attempt == s.Attempt) && !slices.Contains(stages, s.Stage) {
			stages = append(stages, s.Stage)
		}
	}
	switch {
	case wanted.attempt != 0 && len(stages) == 0 && len(attempts) == 0:
		return fmt.Errorf("--attempt: %s has logs of no attempt, but of \"hacky verify\"", l.id)
	case wanted.attempt != 0 && len(stages) == 0:
		return fmt.Errorf("--attempt: %s has no logs of attempt %d; there are %s", l.id, wanted.attempt, strings.Join(attempts, ", "))
	}
	return fmt.Errorf("--stage: %s has no log of a stage or gate %q; there are %s", l.id, wanted.stage, strings.Join(stages, ", "))
}

// verified stands for no attempt, but the last "hacky verify".
const verified = 0

// order puts what was verified behind all attempts.
func order(attempt int) int {
	if attempt == verified {
		return math.MaxInt
	}
	return attempt
}

// gateName is what the configuration calls a gate that logs call gate-1-NAME.
func gateName(stage string) string {
	level, name, _ := strings.Cut(strings.TrimPrefix(stage, "gate-"), "-")
	if len(level) != 1 || !strings.HasPrefix(stage, "gate-") {
		return stage
	}
	return name
}

// attempts are those that have a directory.
func (l *logReader) attempts() []int {
	dir, err := l.root.OpenFile(path.Join("artifacts", l.id), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil // none has printed anything
	}
	defer dir.Close()                //nolint:errcheck // only read from
	names, _ := dir.Readdirnames(-1) // what cannot be listed is not there
	var out []int
	for _, name := range names {
		text, ok := strings.CutPrefix(name, "attempt-")
		if n, err := strconv.Atoi(text); ok && err == nil && n > 0 && strconv.Itoa(n) == text {
			out = append(out, n)
		}
	}
	return out
}

// files adds what is on disk to what is on record of an attempt.
func (l *logReader) files(n int, known []result.Log) []result.Log {
	name := l.file(n, "")
	dir, err := l.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return known
	}
	defer dir.Close() //nolint:errcheck // only read from
	entries, _ := dir.ReadDir(-1)
	var more []result.Log
	for _, e := range entries {
		stage, ok := strings.CutSuffix(e.Name(), ".log")
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		file := path.Join(name, e.Name())
		if k := slices.IndexFunc(known, func(s result.Log) bool { return s.File == file }); k >= 0 {
			known[k].Bytes, known[k].At = info.Size(), info.ModTime()
			continue
		}
		more = append(more, result.Log{Attempt: n, Stage: stage, File: file, Bytes: info.Size(), At: info.ModTime()})
	}
	slices.SortFunc(more, func(a, b result.Log) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Stage, b.Stage))
	})
	return append(known, more...)
}

func (l *logReader) file(attempt int, name string) string {
	if attempt == verified {
		return path.Join("artifacts", l.id, "verify", name)
	}
	return path.Join("artifacts", l.id, "attempt-"+strconv.Itoa(attempt), name)
}

// readRecords reads what is on record, if that has changed.
func (l *logReader) readRecords() error {
	info, err := l.root.Stat("artifacts/attempts.ndjson")
	if err != nil || l.evidence != nil && info.Size() == l.evidence.Size() && info.ModTime().Equal(l.evidence.ModTime()) {
		return nil //nolint:nilerr // without a record there are the files still
	}
	l.evidence, l.records = info, map[int][]result.Log{}
	mark := []byte(`"` + l.id + `"`)
	return session.EachAttempt(l.loc, func(line []byte) bool { return bytes.Contains(line, mark) }, func(r *session.Attempted) {
		if r.ID == l.id && r.Attempt > 0 {
			l.records[r.Attempt] = l.record(r)
		}
	})
}

// record are the sections of an attempt. Commands that share a log, as a stage
// does that a failed gate has sent back, share a section.
func (l *logReader) record(r *session.Attempted) []result.Log {
	var out []result.Log
	for k, c := range r.Commands {
		ended := fmt.Sprintf("exit %d (%s)", c.Exit, ui.Duration(time.Duration(c.DurationMs)*time.Millisecond))
		if k == len(r.Commands)-1 && r.Class != "ok" {
			ended = ui.Clean(fmt.Sprintf("%s, %s: %s", ended, r.Class, r.Reason))
		}
		s := result.Log{Attempt: r.Attempt, Stage: ui.Clean(c.Stage), Result: ended, At: r.Ended}
		if c.Log != "" { // only its last part counts: the record may have been edited
			s.File = l.file(r.Attempt, path.Base(c.Log))
		}
		if n := slices.IndexFunc(out, func(o result.Log) bool { return s.File != "" && o.File == s.File }); n >= 0 {
			out[n].Result += ", then " + ended
			continue
		}
		out = append(out, s)
	}
	return out
}

// pollEvery is how often -f looks.
const pollEvery = 200 * time.Millisecond

// follow prints until the subtask is at rest. What comes is looked for, not
// waited for: notifications do not work on all file systems.
func (a *app) follow(ctx context.Context, l *logReader, p *logPrinter) error {
	ctx, interrupted := a.interruptible(ctx)
	err := a.printAll(ctx, l, p)
	if code := interrupted(); code != 0 && ctx.Err() != nil {
		return &exitError{code: code}
	}
	return err
}

// printAll prints until the subtask is at rest or ctx ends.
func (a *app) printAll(ctx context.Context, l *logReader, p *logPrinter) error {
	w := watch{loc: l.loc, id: l.id}
	for {
		rest, status, err := w.atRest(l) // before the last look at the logs
		if err != nil {
			return err
		}
		sections, err := l.sections()
		if err != nil {
			return err
		}
		grown, err := p.print(sections)
		if err != nil {
			return err
		}
		p.tail = -1 // of what comes, everything
		if rest {
			if err := errors.Join(l.unfit(sections), p.end()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.stderr, "%s is %s\n", l.id, status)
			return err
		}
		if !grown {
			if err := p.pause(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			if isTerminal(a.stdout) { // it has printed ^C
				p.middle = true
			}
			return errors.Join(p.pause(), p.end())
		case <-time.After(pollEvery):
		}
	}
}

// watch knows the status of a subtask while a run may be changing it.
type watch struct {
	loc session.Location
	id  string

	seen   string // what the files looked like at the last reading
	status backlog.Status
	gone   bool
	next   time.Time // not read again before
}

// atRest tells whether nothing more comes for now, and the status.
func (w *watch) atRest(l *logReader) (rest bool, status string, err error) {
	held, err := session.Held(w.loc)
	if err != nil {
		return false, "", err
	}
	if held == nil {
		w.next = time.Time{} // this is the last time
	}
	if err := w.read(); err != nil {
		return false, "", err
	}
	switch {
	case w.gone:
		return true, "no longer in the backlog", nil
	case held == nil, w.status.Satisfied():
		return true, w.status.String(), nil
	case w.status != backlog.Failed:
		return false, "", nil
	}
	// One that failed in an earlier run will be taken up by this one.
	all := *l
	all.o.attempt, all.o.stage = 0, ""
	sections, err := all.sections()
	ours := slices.ContainsFunc(sections, func(s result.Log) bool { return !s.At.Before(held.Since) })
	return ours, w.status.String(), err
}

// read reads the status if it may have changed, and not all the time: a large
// backlog takes a while.
func (w *watch) read() error {
	seen := fileState(w.loc.Path()) + fileState(w.loc.JournalPath())
	if seen == w.seen || time.Now().Before(w.next) {
		return nil
	}
	begun := time.Now()
	b, statuses, err := session.View(w.loc)
	if err != nil {
		return err
	}
	w.seen, w.next = seen, time.Now().Add(10*time.Since(begun))
	i, ok := b.Lookup(w.id)
	if w.gone = !ok; ok {
		w.status = statuses[i]
	}
	return nil
}

func fileState(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return "none;"
	}
	inode := uint64(0)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return fmt.Sprintf("%d %d %d;", inode, info.Size(), info.ModTime().UnixNano())
}
