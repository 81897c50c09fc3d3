package session

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// TestEditorInALoop: somebody reads and saves the file again and again, by
// rename or in place, while updates are flushed one by one. At the end every
// update and the last edit are there.
func TestEditorInALoop(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		inPlace bool
		breath  bool // one edit per flush; else as fast as it can
		updates int
	}{
		{"by rename", false, true, 200},
		{"in place", true, true, 200},
		{"by rename, without a breath", false, false, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it waits for fsync
			l := home(t, sample(planned(tt.updates)...))
			o := options(nil, nil)
			o.Retry.Base, o.Retry.Retries = time.Millisecond, 10 // a half-written file is in order soon
			s := open(t, l, o)
			next, stop, begun := make(chan struct{}), make(chan struct{}), make(chan struct{})
			begin := sync.OnceFunc(func() { close(begun) })
			edits := 0
			var editor sync.WaitGroup
			editor.Go(func() {
				defer begin()
				for {
					select {
					case <-stop:
						return
					case <-next:
					}
					edits++
					if edits > 1 {
						begin()
					}
					if err := resave(l.Path(), fmt.Sprintf(`"title":"p","note":"edit %d"`, edits), tt.inPlace); err != nil {
						t.Error(err)
						<-stop
						return
					}
				}
			})
			if !tt.breath {
				close(next)
				<-begun
			}
			for n := 1; n <= tt.updates; n++ {
				apply(t, s, backlog.Complete, n)
				if tt.breath {
					next <- struct{}{}
				}
				if err := s.Flush(context.Background()); err != nil {
					t.Errorf("update %d: %v", n, err)
					break
				}
			}
			close(stop)
			editor.Wait()
			closeSession(t, s)
			if got := statuses(t, l); got != strings.Repeat("C", tt.updates) {
				t.Errorf("after %d edits the file says %s", edits, got)
			}
			if want := fmt.Sprintf(`"title":"p","note":"edit %d"`, edits); !strings.Contains(get(t, l.Path()), want) {
				t.Errorf("the last edit, %s, is lost", want)
			}
			if left := litter(t, l); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

// resave gives the phase another field, like a program that knows nothing of
// locks.
func resave(path, title string, inPlace bool) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(string(data), `"type":"Phase",`)
	_, after, _ = strings.Cut(after, `,"status"`)
	text := []byte(before + `"type":"Phase",` + title + `,"status"` + after)
	if inPlace {
		return os.WriteFile(path, text, 0o644)
	}
	if err := os.WriteFile(path+".editor", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".editor", path)
}

// TestTwoSessions flush into the same directory at once.
func TestTwoSessions(t *testing.T) {
	t.Parallel() // it waits for fsync
	const each = 60
	l := home(t, sample(planned(2*each)...))
	var both sync.WaitGroup
	for half := range 2 {
		s := open(t, l, options(nil, nil))
		both.Go(func() {
			for n := 1; n <= each; n++ {
				if err := s.Apply(nil, Change{ID: sub(half*each + n), To: backlog.Complete}); err != nil {
					t.Error(err)
				}
				if err := s.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := statuses(t, l); got != strings.Repeat("C", 2*each) {
		t.Errorf("the file says %s", got)
	}
	if !strings.Contains(get(t, l.Path()), `"title":"p","status":"Complete"`) {
		t.Error("the phase is not complete")
	}
}

// TestManyAppliers shares one session between goroutines, with a flusher.
func TestManyAppliers(t *testing.T) {
	const all = 120
	l := home(t, sample(planned(all)...))
	o := options(nil, nil)
	o.Interval, o.Batch = time.Millisecond, 5
	s := open(t, l, o)
	var appliers sync.WaitGroup
	for half := range 2 {
		appliers.Go(func() {
			for n := half + 1; n <= all; n += 2 {
				for _, to := range []backlog.Status{backlog.Implementing, backlog.Complete} {
					if err := s.Apply(nil, Change{ID: sub(n), To: to}); err != nil {
						t.Error(err)
					}
				}
				_, _ = s.Status(sub(n))
				_, _ = s.Backlog(), s.Statuses()
			}
		})
	}
	appliers.Wait()
	closeSession(t, s)
	if got := statuses(t, l); got != strings.Repeat("C", all) {
		t.Errorf("the file says %s", got)
	}
}
