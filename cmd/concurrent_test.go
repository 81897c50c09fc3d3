package cmd_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Fifty processes set fifty items while a run goes on in the same session:
// nothing is lost.
func TestConcurrentSet(t *testing.T) {
	t.Parallel()
	const sets, runs = 50, 30
	var subtasks []subtask
	for range sets {
		subtasks = append(subtasks, subtask{run: `"touch never"`, deps: fmt.Sprintf(`["P1.M1.T1.S%d"]`, sets+runs+1)})
	}
	for range runs {
		subtasks = append(subtasks, subtask{run: `["sleep", "0.02"]`})
	}
	subtasks = append(subtasks, subtask{run: `"until test -e go-on; do sleep 0.02; done; exit 1"`})
	dir := session(t, oneTask(subtasks...))
	r := start(t, dir, "--flush-interval", "10ms", "--parallelism", "3")
	eventually(t, "the run has begun", func() bool { return strings.Contains(r.stdout.String(), "started") })
	var all sync.WaitGroup
	limit := make(chan bool, 8)
	for i := range sets {
		all.Go(func() {
			limit <- true
			defer func() { <-limit }()
			status := []string{"Complete", "Obsolete"}[i%2]
			hacky(t, dir, "set", fmt.Sprintf("P1.M1.T1.S%d", i+1), status).wants(t, 0)
		})
	}
	all.Wait()
	write(t, filepath.Join(dir, "go-on"), "")
	r.ends(1)
	got := strings.Fields(statuses(t, dir))
	for i, s := range got {
		want := "Complete"
		switch {
		case i < sets && i%2 == 1:
			want = "Obsolete"
		case i == sets+runs:
			want = "Failed"
		}
		if s != want {
			t.Errorf("S%d is %s, want %s", i+1, s, want)
		}
	}
	if exists(filepath.Join(dir, "never")) {
		t.Error("something was run that had failed dependencies")
	}
	noLitter(t, dir)
}
