package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// attemptLine is a line of attempts.ndjson; times are seconds after a moment.
func attemptLine(run, id string, attempt int, class string, from, to int) string {
	at := func(s int) string {
		return time.Unix(1_700_000_000, 0).Add(time.Duration(s) * time.Second).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf(`{"id":%q,"attempt":%d,"class":%q,"exit":0,"started":%q,"ended":%q,"runId":%q,"commands":[{"stage":"run","tokensIn":2,"tokensOut":1,"costUsd":0.5},{"stage":"look"}]}`+"\n",
		id, attempt, class, at(from), at(to), run)
}

// A run's counts are of what each subtask came to in it.
func TestHistory(t *testing.T) {
	l := home(t, sample(planned(2)...))
	if runs, err := History(l, 0); err != nil || len(runs) > 0 {
		t.Fatalf("%v, %v without a file", runs, err)
	}
	if err := os.Mkdir(filepath.Join(l.Dir, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(l.Dir, "artifacts", "attempts.ndjson"),
		attemptLine("a", sub(1), 1, "transient", 10, 12)+attemptLine("a", sub(2), 1, "permanent", 8, 11)+attemptLine("a", sub(1), 2, "ok", 13, 20)+
			"no record\n\n"+strings.Repeat("x", 2*maxAttemptLine)+"\n"+
			attemptLine("b", sub(2), 2, "quota", 30, 31)+attemptLine("b", sub(3), 1, "interrupted", 30, 40)+
			attemptLine("c", sub(2), 3, "transient", 50, 51)+attemptLine("c", sub(4), 1, "ok", 50, 50)+`{"id":"cut o`)
	all, err := History(l, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprintf("%s %v busy %v: %d attempts, %d ok, %d failed %v, %d stopped, %d retried, %d %d %v",
			r.ID, r.Ended.Sub(r.Started), r.Busy, r.Attempts, r.Completed, r.Failed, r.FailedIDs, r.Interrupted, r.Retried, r.TokensIn, r.TokensOut, r.CostUSD))
	}
	want := `a 12s busy 12s: 3 attempts, 1 ok, 1 failed [P1.M1.T1.S2], 0 stopped, 1 retried, 6 3 1.5
b 10s busy 11s: 2 attempts, 0 ok, 0 failed [], 2 stopped, 0 retried, 4 2 1
c 1s busy 1s: 2 attempts, 1 ok, 1 failed [P1.M1.T1.S2], 0 stopped, 0 retried, 4 2 1`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	for n := 1; n < 5; n++ {
		some, err := History(l, n)
		if err != nil || len(some) != min(n, 3) || some[len(some)-1].ID != "c" || some[0].ID != all[max(0, 3-n)].ID {
			t.Errorf("the last %d: %d runs, %v", n, len(some), err)
		}
	}
}

// The failed that are named are bounded.
func TestHistoryManyFailed(t *testing.T) {
	l := home(t, sample(planned(2)...))
	var b strings.Builder
	for n := range 1000 {
		b.WriteString(attemptLine("a", sub(n), 1, "permanent", n, n+1))
	}
	if err := os.Mkdir(filepath.Join(l.Dir, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(l.Dir, "artifacts", "attempts.ndjson"), b.String())
	runs, err := History(l, 0)
	if err != nil || len(runs) != 1 || runs[0].Failed != 1000 || len(runs[0].FailedIDs) != MaxRunIDs {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// A run is found by its id or the beginning of it, with what became of each
// subtask, what changed in git, and what was said meanwhile.
func TestFindRun(t *testing.T) {
	l := home(t, sample(planned(2)...))
	if err := os.Mkdir(filepath.Join(l.Dir, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	changed := func(line, more string) string { return strings.TrimSuffix(line, "}\n") + `,"git":` + more + "}\n" }
	put(t, filepath.Join(l.Dir, "artifacts", "attempts.ndjson"),
		attemptLine("a-1", sub(1), 1, "transient", 10, 12)+
			changed(attemptLine("a-1", sub(2), 1, "permanent", 8, 11), `{"before":"x","after":"x","files":2,"insertions":3,"deletions":1}`)+
			changed(attemptLine("a-1", sub(1), 2, "ok", 13, 20), `{"before":"x","after":"y","files":1,"insertions":4,"deletions":0,"commit":"y"}`)+
			attemptLine("a-12", sub(3), 1, "interrupted", 30, 40)+attemptLine("b", sub(4), 1, "ok", 50, 51))
	for id, want := range map[string]string{"a-1": "a-1", "a-12": "a-12", "b": "b"} {
		r, err := FindRun(l, id)
		if err != nil || r.ID != want {
			t.Errorf("%s: %v, %v", id, r, err)
		}
	}
	for id, want := range map[string]string{"": "no run", "c": "no run", "a": "2 runs have ids that begin with \"a\": the first is a-1, the last is a-12"} {
		if _, err := FindRun(l, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", id, err)
		}
	}
	r, err := FindRun(l, "a-1")
	if err != nil {
		t.Fatal(err)
	}
	want := `[{P1.M1.T1.S1 ok  2 9s} {P1.M1.T1.S2 permanent  1 3s}] {1 3 7 1} [P1.M1.T1.S1] [P1.M1.T1.S2]`
	if got := fmt.Sprint(r.Subtasks, r.Git, r.CompletedIDs, r.FailedIDs); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	note := func(second int, text, id string) string {
		return fmt.Sprintf(`{"at":%q,"to":"Failed","note":%q,"ids":[%q]}`+"\n", time.Unix(1_700_000_000+int64(second), 0).UTC().Format(time.RFC3339), text, id)
	}
	put(t, filepath.Join(l.Dir, "artifacts", "notes.ndjson"), note(7, "before", sub(1))+note(9, "one", sub(1))+note(9, "one", sub(2))+note(20, "last", sub(1))+note(21, "after", sub(1)))
	got, err := CommentsBetween(l, r.Started, r.Ended, 20)
	if err != nil || len(got) != 2 || got[0].Text != "one" || len(got[0].IDs) != 2 || got[1].Text != "last" {
		t.Errorf("%v, %v", got, err)
	}
}
