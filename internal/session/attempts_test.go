package session

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func record(t *testing.T, s *Session, n, attempt int) {
	t.Helper()
	if err := s.RecordAttempt(AttemptRecord{ID: sub(n), Attempt: attempt, Class: "permanent", Exit: 3, Reason: "exit status 3",
		Started: time.Unix(1, 0).UTC(), Ended: time.Unix(2, 0).UTC(), Log: "artifacts/x.log", RunID: "r",
		Commands: []CommandRecord{{Stage: "run", Exit: 3}, {Stage: "lint", Gate: 2, Log: "lint.log"}}}); err != nil {
		t.Fatal(err)
	}
}

func wantAttempts(t *testing.T, l Location, want map[string]int) {
	t.Helper()
	got, err := Attempts(l, nil)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("attempts %v, %v; want %v", got, err, want)
	}
}

func TestAttempts(t *testing.T) {
	l := home(t, sample(planned(3)...))
	wantAttempts(t, l, map[string]int{}) // no file yet
	s := open(t, l, options(nil, nil))
	closeSession(t, s)
	if exists(t, attemptsPath(l.Dir)) {
		t.Error("a file was made with nothing to put in")
	}
	s = open(t, l, options(nil, nil))
	record(t, s, 1, 1)
	record(t, s, 1, 2)
	record(t, s, 2, 1)
	closeSession(t, s)
	s = open(t, l, options(nil, nil))
	record(t, s, 1, 3)
	closeSession(t, s)
	wantAttempts(t, l, map[string]int{sub(1): 3, sub(2): 1})
	first, _, _ := strings.Cut(get(t, attemptsPath(l.Dir)), "\n")
	want := `{"id":"P1.M1.T1.S1","attempt":1,"class":"permanent","exit":3,"reason":"exit status 3","started":"1970-01-01T00:00:01Z","ended":"1970-01-01T00:00:02Z","commands":[{"stage":"run","exit":3,"durationMs":0},{"stage":"lint","gate":2,"exit":0,"durationMs":0,"log":"lint.log"}],"log":"artifacts/x.log","runId":"r"}`
	if first != want {
		t.Errorf("line\n%s, want\n%s", first, want)
	}
}

// TestAttemptsAfterACrash: a line that was cut off swallows no other.
func TestAttemptsAfterACrash(t *testing.T) {
	l := home(t, sample(planned(3)...))
	s := open(t, l, options(nil, nil))
	record(t, s, 1, 1)
	record(t, s, 2, 5)
	closeSession(t, s)
	whole := get(t, attemptsPath(l.Dir))
	line := strings.IndexByte(whole, '\n') + 1
	for n := range len(whole) + 1 {
		put(t, attemptsPath(l.Dir), whole[:n])
		s := open(t, l, options(nil, nil))
		record(t, s, 3, 7)
		closeSession(t, s)
		want := map[string]int{sub(3): 7}
		if n >= line-1 { // only the line's end is missing
			want[sub(1)] = 1
		}
		if n >= len(whole)-1 {
			want[sub(2)] = 5
		}
		wantAttempts(t, l, want)
	}
}

func TestAttemptsAmongOtherThings(t *testing.T) {
	l := home(t, sample(planned(2)...))
	if err := os.Mkdir(l.Dir+"/artifacts", 0o755); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat(" ", maxAttemptLine-20)
	put(t, attemptsPath(l.Dir), strings.Join([]string{
		`{"id":"P1.M1.T1.S1","attempt":2}`, "", "\x00\x00", "[]", `{"id":5}`, `{"attempt":9}`, "// edited by hand",
		`{"id":"P1.M1.T1.S1","attempt":1}`,
		`{"id":"P1.M1.T1.S2",` + long + `"attempt":8}`, // too long: its parts are no record either
		`{"id":"P1.M1.T1.S2","attempt":4}`,
	}, "\r\n"))
	wantAttempts(t, l, map[string]int{sub(1): 2, sub(2): 4})
	if err := os.Remove(attemptsPath(l.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(attemptsPath(l.Dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Attempts(l, nil); err == nil || !strings.Contains(err.Error(), "read attempts") {
		t.Errorf("attempts of a directory: %v", err)
	}
	log := &logged{}
	s := open(t, l, options(nil, log))
	record(t, s, 1, 1)
	closeSession(t, s)
	if text := log.String(); !strings.Contains(text, "1 attempt could not be written to "+attemptsPath(l.Dir)) {
		t.Errorf("a record into a directory: %s", text)
	}
}

// TestAttemptsLater: what cannot be written is said once, and written when it
// can be; a part of it is not.
func TestAttemptsLater(t *testing.T) {
	l := home(t, sample(planned(2)...))
	log := &logged{}
	s := open(t, l, options(nil, log))
	if err := errors.Join(os.Mkdir(filepath.Dir(attemptsPath(l.Dir)), 0o755), os.Mkdir(attemptsPath(l.Dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		record(t, s, 1, n+1)
		apply(t, s, backlog.Failed, 1)
		flush(t, s)
	}
	if text := log.String(); strings.Count(text, "cannot keep the evidence") != 1 {
		t.Errorf("said:\n%s", text)
	}
	if err := os.Remove(attemptsPath(l.Dir)); err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
	wantAttempts(t, l, map[string]int{sub(1): 3})
	if n, err := BadAttempts(l); n != 0 || err != nil {
		t.Errorf("%d bad lines, %v", n, err)
	}
}

func TestAttemptsAtOnce(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s := open(t, l, options(nil, nil))
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 50 {
				if err := s.RecordAttempt(AttemptRecord{ID: sub(w + 1), Attempt: n + 1, Reason: strings.Repeat("x", 5000)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	closeSession(t, s)
	n := 0
	for line := range strings.Lines(get(t, attemptsPath(l.Dir))) {
		n++
		if !json.Valid([]byte(line)) {
			t.Fatalf("line %d is broken", n)
		}
	}
	want := map[string]int{}
	for w := range 4 {
		want[sub(w+1)] = 50
	}
	wantAttempts(t, l, want)
	if n != 200 {
		t.Errorf("%d lines", n)
	}
}

// TestEvidenceBeforeAcknowledgement: a kill -9 right after an acknowledgement
// finds the attempt written down.
func TestEvidenceBeforeAcknowledgement(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s := open(t, l, runOptions(nil, nil))
	record(t, s, 1, 7)
	if !acknowledge(t, s, backlog.Complete, 1) {
		t.Fatal("not acknowledged")
	}
	wantAttempts(t, l, map[string]int{sub(1): 7})
	closeSession(t, s)
}
