package agent

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

func TestExitClasses(t *testing.T) {
	for _, c := range []struct {
		run    string
		class  Class
		exit   int
		reason string
	}{
		{argv("true"), OK, 0, ""},
		{shell("exit 0"), OK, 0, ""},
		{shell("exit 1"), Permanent, 1, "exit 1"},
		{argv("false"), Permanent, 1, "exit 1"},
		{shell("exit 75"), Transient, 75, "exit 75, a temporary failure"},
		{shell("exit 255"), Permanent, 255, "exit 255"},
		{shell("exit 143"), Permanent, 143, "exit 143"}, // it said so itself
		{shell("kill -KILL $$"), Transient, -1, "killed by signal 9 (killed)"},
		{shell("kill -TERM $$"), Transient, -1, "killed by signal 15 (terminated)"},
		{shell("kill -SEGV $$"), Transient, -1, "killed by signal 11 (segmentation fault)"},
		{argv("no-such-program"), Permanent, 127, "start no-such-program: not found"},
		{argv("./no-such-program"), Permanent, 127, "start ./no-such-program: not found"},
		{shell("no-such-program"), Permanent, 127, "exit 127"},
		{argv("./text"), Permanent, 126, "start ./text: permission denied"},
		{argv("/"), Permanent, 126, "start /: permission denied"},
		{argv("./no-format"), Permanent, 126, "start ./no-format: exec format error"},
		{argv("./lost"), Permanent, 127, "start ./lost: not found"},
		{argv("true", strings.Repeat("x", 4<<20)), Permanent, 126, "start true: argument list too long"},
	} {
		p := setUp(t, Recipe{}, c.run)
		p.write("text", "no program\n", 0o644)
		p.write("no-format", "\x01\x02", 0o755)
		p.write("lost", "#!/no/such/interpreter\n", 0o755)
		name := c.run[:min(len(c.run), 40)]
		res := p.execute()
		if res.Class != c.class || res.Exit != c.exit || res.Reason != c.reason {
			t.Errorf("%s: it is %s, exit %d, %q; want %s, exit %d, %q", name, res.Class, res.Exit, res.Reason, c.class, c.exit, c.reason)
		}
		if res.Stage != RunStage || len(res.Commands) != 1 || res.Commands[0].Stage != RunStage || res.Commands[0].Exit != c.exit {
			t.Errorf("%s: decided by %q, commands %+v", name, res.Stage, res.Commands)
		}
		if strings.Join(p.announced, " ") != RunStage {
			t.Errorf("%s: announced %q", name, p.announced)
		}
		if res.Started.IsZero() || res.Ended.Before(res.Started) {
			t.Errorf("%s: from %v to %v", name, res.Started, res.Ended)
		}
	}
}

func TestClassesAreWords(t *testing.T) {
	for c := OK; c <= Interrupted; c++ {
		text, err := c.MarshalText()
		var back Class
		if err != nil || back.UnmarshalText(text) != nil || back != c {
			t.Errorf("%d is %q and back %d", c, text, back)
		}
	}
	var c Class
	if err := c.UnmarshalText([]byte("odd")); err == nil {
		t.Error("any word is a class")
	}
}

// within fails the test if something took longer: a bound on hanging, not a
// measurement.
func within(t testing.TB, limit time.Duration, what string, do func()) {
	t.Helper()
	begin := time.Now()
	do()
	if took := time.Since(begin); took > limit {
		t.Errorf("%s took %v", what, took)
	}
}

func TestTimeouts(t *testing.T) {
	const short, long = 100 * time.Millisecond, time.Hour
	slow := backlog.Command{Shell: "sleep 60"}
	quick := backlog.Command{Shell: "exit 0"}
	for _, c := range []struct {
		name   string
		recipe Recipe
		phase  string
		fields string
		reason string
		stage  string
	}{
		{"attempt, configured", Recipe{Timeout: short}, "", shell("sleep 60"), "timed out after 100ms", "run"},
		{"attempt, its own is shorter", Recipe{Timeout: long}, "", shell("sleep 60") + `,"timeout":"90ms"`, "timed out after 90ms", "run"},
		{"attempt, its own is longer", Recipe{Timeout: time.Nanosecond}, "", shell("sleep 60") + `,"timeout":"90ms"`, "timed out after 90ms", "run"},
		{"attempt, inherited", Recipe{}, `"timeout":"80ms"`, shell("sleep 60"), "timed out after 80ms", "run"},
		{"attempt, inherited and its own", Recipe{}, `"timeout":"1h"`, shell("sleep 60") + `,"timeout":"70ms"`, "timed out after 70ms", "run"},
		{"stage", Recipe{Stages: []Stage{{Name: "one", Run: quick, Timeout: long}, {Name: "two", Run: slow, Timeout: short}}}, "",
			`"story_points":1`, "timed out after 100ms", "two"},
		{"gate", Recipe{Gates: []backlog.Gate{{Level: 2, Run: slow, Timeout: short}}}, "", shell("exit 0"), "timed out after 100ms", "gate-2"},
		{"attempt, in a gate", Recipe{Timeout: short, Gates: []backlog.Gate{{Level: 2, Run: slow, Timeout: long}}}, "", shell("exit 0"),
			"timed out after 100ms", "gate-2"},
		{"silence", Recipe{IdleTimeout: short}, "", shell("sleep 60"), "no output for 100ms", "run"},
		{"silence after output", Recipe{IdleTimeout: short}, "", shell("echo hello; sleep 60"), "no output for 100ms", "run"},
		{"silence of a gate", Recipe{IdleTimeout: short, Gates: []backlog.Gate{{Level: 1, Run: slow}}}, "", shell("exit 0"),
			"no output for 100ms", "gate-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := setUpBacklog(t, c.recipe, frame(c.phase, c.fields), nil)
			within(t, 8*time.Second, "the attempt", func() {
				res := p.execute()
				if res.Class != Transient || res.Exit != -1 || res.Reason != c.reason || res.Stage != c.stage {
					t.Errorf("it is %s, exit %d, %q, by %s; want transient, %q, by %s", res.Class, res.Exit, res.Reason, res.Stage, c.reason, c.stage)
				}
			})
		})
	}
}

// What prints often enough is not silent, however long it takes.
func TestOutputKeepsTheIdleClockBack(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{IdleTimeout: 600 * time.Millisecond}, shell("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1; done"))
	expectResult(t, p.execute(), OK, 0, "")
}

// A command that ends well although it was told to end was still cut short.
func TestTimeoutThatIsAnsweredWithExit0(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{Timeout: 100 * time.Millisecond}, shell("trap 'exit 0' TERM; while :; do sleep 0.01; done"))
	expectResult(t, p.execute(), Transient, 0, "timed out after 100ms")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	p := setUp(t, Recipe{}, shell(`echo $$ > pid; sleep 60`))
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		await(t, "process", func() bool { return pidIn(p.dir+"/pid") > 0 })
	}()
	within(t, 8*time.Second, "stopping", func() {
		expectResult(t, p.attempt(ctx, 1, 1), Interrupted, -1, "stopped with the run")
	})
	if alive(pidIn(p.dir + "/pid")) {
		t.Error("the process is still there")
	}
	// And when the run is over already, nothing is started.
	if err := os.Remove(p.dir + "/pid"); err != nil {
		t.Fatal(err)
	}
	expectResult(t, p.attempt(ctx, 1, 2), Interrupted, -1, "stopped with the run")
	if _, err := os.Stat(p.dir + "/pid"); err == nil {
		t.Error("a command was started after the end")
	}
}
