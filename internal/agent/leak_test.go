package agent

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Many attempts of every kind leave no descriptor, no goroutine (TestMain) and
// no child behind.
func TestNothingLeaks(t *testing.T) {
	needProc(t)
	var places []*place
	for _, fields := range []string{
		argv("true"), shell("echo hello"), shell("echo hello; exit 1"), argv("no-such-program"), argv("./no-such-program"),
		argv("true") + `,"workdir":"missing"`, shell("kill -9 $$"), shell("sleep 60") + `,"timeout":"2ms"`,
		planned,
	} {
		p := setUp(t, Recipe{IdleTimeout: time.Minute, Timeout: time.Minute,
			Stages: []Stage{{Name: "implement", Run: sh("cat; exit 0"), Prompt: "hello", Output: "missing"}},
			Gates:  []backlog.Gate{{Level: 1, Run: backlog.Command{Argv: []string{"true"}}}}}, fields)
		places = append(places, p)
		p.execute()
	}
	before := openFiles(t)
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for k := range 125 {
				places[k%len(places)].attempt(t.Context(), 1, 2+k+1000*w)
			}
		})
	}
	workers.Wait()
	if after := openFiles(t); after > before {
		t.Errorf("after 500 attempts %d files are open, before %d", after, before)
	}
	if left := goroutines(); left != "" {
		t.Errorf("goroutines are left:\n%s", left)
	}
}
