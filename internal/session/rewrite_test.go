package session

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// TestRewrite: what change makes of the text is written whole; what is no backlog,
// or comes with an error, leaves the file as it was; and what another program
// saves meanwhile is what change gets next.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	l := Location{dir, TasksFile}
	put(t, filepath.Join(dir, TasksFile), EmptyBacklog)
	rewrite := func(change func(*backlog.Backlog) (string, error)) error {
		return Rewrite(t.Context(), l, Options{}, change)
	}
	refused := errors.New("refused")
	if err := rewrite(func(*backlog.Backlog) (string, error) { return "", refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	var invalid *backlog.InvalidError
	if err := rewrite(func(*backlog.Backlog) (string, error) { return "{}", nil }); !errors.As(err, &invalid) {
		t.Error(err)
	}
	if got := get(t, l.Path()); got != EmptyBacklog {
		t.Errorf("the file is now %q", got)
	}
	calls := 0
	err := rewrite(func(b *backlog.Backlog) (string, error) {
		if calls++; calls == 1 {
			put(t, l.Path(), `{"backlog":[],"theirs":1}`)
		}
		return strings.Replace(b.Source(), "{", `{"ours":1,`, 1), nil
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if got := get(t, l.Path()); got != `{"ours":1,"backlog":[],"theirs":1}` {
		t.Errorf("the file is now %q", got)
	}
}
