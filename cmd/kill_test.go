//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// completions are the ids whose completion stands in whole lines of
// --progress json.
func completions(t *testing.T, out string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, "\n") {
			break // cut off by the kill
		}
		var ev struct{ Type, ID, Status string }
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if ev.Type == "subtaskFinished" && ev.Status == "Complete" {
			ids[ev.ID] = true
		}
	}
	return ids
}

// itemStatuses are the statuses by id that `status -o json` prints.
func itemStatuses(t *testing.T, dir string) map[string]string {
	t.Helper()
	res := hacky(t, dir, "status", "-o", "json")
	res.wants(t, 0)
	var doc struct {
		Items []struct{ ID, Status string }
	}
	if err := json.Unmarshal([]byte(res.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, it := range doc.Items {
		out[it.ID] = it.Status
	}
	return out
}

// What was printed as complete survives kill -9 at any moment, for readers at
// once and for the next run, which does not repeat it.
func TestKilledManyTimes(t *testing.T) {
	t.Parallel()
	subtasks := make([]subtask, 200)
	for i := range subtasks {
		subtasks[i] = subtask{run: `"echo $HACKY_TASK_ID >> ran.txt; sleep 0.01"`}
	}
	dir := session(t, oneTask(subtasks...))
	ran := filepath.Join(dir, "ran.txt")
	printed := map[string]bool{}
	kills := 0
	for round := range 8 {
		before := map[string]bool{} // printed before this run began
		for id := range printed {
			before[id] = true
		}
		var known int // how much of ran.txt is of earlier runs
		if exists(ran) {
			known = len(read(t, ran))
		}
		r := start(t, dir, "--progress", "json", "--parallelism", "4")
		target := 1 + 7*round%23
		ended := make(chan struct{})
		go func() { _ = r.Wait(); close(ended) }() // killed, or at its end
		deadline := time.After(patience)
	watch:
		for strings.Count(r.stdout.String(), `"subtaskFinished"`) < target {
			select {
			case <-ended:
				break watch
			case <-deadline:
				t.Fatal("the run makes no progress")
			case <-time.After(time.Duration(round+1) * 100 * time.Microsecond):
			}
		}
		if r.Process.Signal(syscall.SIGKILL) == nil {
			kills++
		}
		<-ended
		for id := range completions(t, r.stdout.String()) {
			printed[id] = true
		}
		now := itemStatuses(t, dir)
		for id := range printed {
			if now[id] != "Complete" {
				t.Fatalf("round %d: the completion of %s was printed, but it is %s", round, id, now[id])
			}
		}
		eventually(t, "what the run started has ended", func() bool { return len(r.processes()) == 0 })
		if !exists(ran) {
			continue
		}
		for _, id := range strings.Fields(read(t, ran)[known:]) {
			if before[id] {
				t.Fatalf("round %d: %s was run again, but its completion had been printed", round, id)
			}
		}
	}
	if kills == 0 || len(printed) == 0 {
		t.Fatalf("%d kills, %d completions: nothing was tested", kills, len(printed))
	}
	known := len(read(t, ran))
	hacky(t, dir, "run", "--progress", "none", "--parallelism", "16").wants(t, 0)
	all := read(t, ran)
	for _, id := range strings.Fields(all[known:]) {
		if printed[id] {
			t.Errorf("the last run repeated %s, but its completion had been printed", id)
		}
	}
	started := map[string]bool{}
	for _, id := range strings.Fields(all) {
		started[id] = true
	}
	if len(started) != len(subtasks) {
		t.Errorf("%d of %d subtasks were run", len(started), len(subtasks))
	}
}

// An attempt that kill -9 cut off counts: its log is not written over.
func TestKilledAttemptCounts(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"echo attempt $HACKY_ATTEMPT | tee -a attempts.txt; touch started-$HACKY_ATTEMPT; until test -e go-on; do sleep 0.02; done"`}))
	r := start(t, dir)
	r.appears("started-1")
	logs := filepath.Join(dir, "artifacts", "P1.M1.T1.S1")
	first := filepath.Join(logs, "attempt-1", "run.log")
	eventually(t, "the first attempt is logged", func() bool {
		data, _ := os.ReadFile(first)
		return len(data) > 0
	})
	r.send(syscall.SIGKILL)
	_ = r.Wait() // it was killed
	r.endAll()
	write(t, filepath.Join(dir, "go-on"), "")
	hacky(t, dir, "run").wants(t, 0)
	if got := read(t, filepath.Join(dir, "attempts.txt")); got != "attempt 1\nattempt 2\n" {
		t.Errorf("attempts: %q", got)
	}
	for path, want := range map[string]string{first: "attempt 1\n", filepath.Join(logs, "attempt-2", "run.log"): "attempt 2\n"} {
		if got := read(t, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

// A third Ctrl+C while tasks.json cannot be written loses nothing that was
// printed as complete.
func TestInterruptThriceWithoutBacklog(t *testing.T) {
	t.Parallel()
	stubborn := `"trap '' TERM; touch started-$HACKY_TASK_ID; while :; do sleep 0.1; done"`
	dir := session(t, oneTask(subtask{run: `["true"]`}, subtask{run: `["true"]`}, subtask{run: stubborn, deps: `["P1.M1.T1.S1", "P1.M1.T1.S2"]`}))
	backlog, away := filepath.Join(dir, "tasks.json"), filepath.Join(dir, "away.json")
	r := start(t, dir, "--flush-interval", "1h", "--progress", "json")
	r.appears("started-P1.M1.T1.S3")
	if err := os.Rename(backlog, away); err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"letting running subtasks finish", "stopping running subtasks", ""} {
		r.again(syscall.SIGINT)
		if said != "" {
			r.says(said)
		}
	}
	_ = r.Wait() // the code tells
	res := result{r.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String(), r.ProcessState}
	res.noTrace(t)
	res.wants(t, 130)
	r.endAll()
	var kept []byte
	for _, name := range []string{".hacky/journal", "tasks.json.failed"} {
		data, _ := os.ReadFile(filepath.Join(dir, name)) // one of them is there
		kept = append(kept, data...)
	}
	printed := completions(t, res.stdout)
	if len(printed) != 2 {
		t.Errorf("printed as complete: %v", printed)
	}
	for id := range printed {
		if !bytes.Contains(kept, []byte(id)) {
			t.Errorf("%s is neither in the journal nor in the recovery file:\n%s", id, clip(string(kept)))
		}
	}
	if err := os.Rename(away, backlog); err != nil {
		t.Fatal(err)
	}
	hacky(t, dir, "recover").wants(t, 0)
	text := read(t, backlog)
	for id := range printed {
		if got := itemStatuses(t, dir)[id]; got != "Complete" {
			t.Errorf("after recover %s is %s", id, got)
		}
	}
	if strings.Count(text, `"Complete"`) < len(printed) {
		t.Errorf("tasks.json lacks what was recovered:\n%s", clip(text))
	}
}
