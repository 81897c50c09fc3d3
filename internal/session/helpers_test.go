package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/retry"
)

// sample is a backlog of one task with one subtask per status, S1 and so on.
// Its parents say what follows from that, or "Planned".
func sample(statuses ...backlog.Status) string {
	var b strings.Builder
	b.WriteString(`{ "backlog": [{"id":"P1","type":"Phase","title":"p","status":"Planned","milestones":[` + "\n" +
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[` + "\n" +
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[` + "\n")
	for i, s := range statuses {
		comma := ","
		if i == len(statuses)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, `  {"id":%q,"type":"Subtask","title":"s %d","status":%q}%s`+"\n", sub(i+1), i+1, s, comma)
	}
	b.WriteString("]}]}]}]}\n")
	return b.String()
}

// sub is the id of the sample's n-th subtask.
func sub(n int) string { return fmt.Sprintf("P1.M1.T1.S%d", n) }

// planned is n times Planned.
func planned(n int) []backlog.Status { return make([]backlog.Status, n) }

// home makes a session directory with this tasks.json.
func home(t testing.TB, content string) Location {
	t.Helper()
	l := Location{Dir: t.TempDir(), Name: TasksFile}
	put(t, l.Path(), content)
	return l
}

func put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func exists(t testing.TB, name string) bool {
	t.Helper()
	_, err := os.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// edit saves the backlog as another program does: by a rename, and with another
// text in it.
func edit(t testing.TB, l Location, oldNew ...string) {
	t.Helper()
	before := get(t, l.Path())
	after := strings.NewReplacer(oldNew...).Replace(before)
	if after == before {
		t.Fatalf("there is nothing to edit with %q in\n%s", oldNew, before)
	}
	put(t, l.Path()+".editor", after)
	if err := os.Rename(l.Path()+".editor", l.Path()); err != nil {
		t.Fatal(err)
	}
}

// word is the part of the sample's line of subtask n up to its status.
func word(n int, s backlog.Status) string { return fmt.Sprintf(`"title":"s %d","status":%q`, n, s) }

// logged collects log lines.
type logged struct{ bytes.Buffer }

func (l *logged) lines(t testing.TB, message string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if text, _ := m["message"].(string); strings.Contains(text, message) {
			out = append(out, m)
		}
	}
	return out
}

// options are a session's with three retries and no background flusher.
func options(fsys fsutil.FS, log *logged) Options {
	o := Options{FS: fsys, Log: zerolog.Nop(), Holder: "the test",
		Retry: retry.Policy{Retries: 3, Base: 100 * time.Millisecond, Max: 2 * time.Second}}
	if log != nil {
		o.Log = zerolog.New(log)
	}
	return o
}

func open(t testing.TB, l Location, o Options) *Session {
	t.Helper()
	s, err := Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t testing.TB, s *Session, to backlog.Status, ns ...int) {
	t.Helper()
	for _, n := range ns {
		if err := s.Apply(nil, Change{ID: sub(n), To: to}); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t testing.TB, s *Session) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func closeSession(t testing.TB, s *Session) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// flushError is the error of a flush that failed for good.
func flushError(t testing.TB, err error) *FlushError {
	t.Helper()
	var failed *FlushError
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *FlushError", err)
	}
	return failed
}

// statuses are what tasks.json says of the sample's subtasks, a letter each.
func statuses(t testing.TB, l Location) string {
	t.Helper()
	b, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	return letters(b, b.Statuses())
}

func letters(b *backlog.Backlog, statuses []backlog.Status) string {
	var out []byte
	for i := range b.Items {
		if b.Items[i].Kind == backlog.Subtask {
			out = append(out, statuses[i].String()[0])
		}
	}
	return string(out)
}

// litter lists temp files in the session directory.
func litter(t testing.TB, l Location) []string {
	t.Helper()
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".hacky-tmp") {
			out = append(out, filepath.Join(l.Dir, e.Name()))
		}
	}
	return out
}

// recovery reads the session's recovery file, which has to be in order.
func recovery(t testing.TB, l Location) *Recovery {
	t.Helper()
	r, err := ReadRecovery(l.RecoveryPath())
	if err != nil {
		t.Fatal(err)
	}
	if r.Damage != nil {
		t.Fatalf("the recovery file is damaged: %v", r.Damage)
	}
	return r
}

// waiting are the changes of a recovery file as "S1=C S2=F".
func waiting(r *Recovery) string {
	var out []string
	for _, u := range r.Changes {
		out = append(out, fmt.Sprintf("%s=%c", strings.TrimPrefix(u.ID, "P1.M1.T1."), u.To.String()[0]))
	}
	return strings.Join(out, " ")
}
