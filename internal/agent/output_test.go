package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// A command that prints nothing costs no file; the first byte makes one.
func TestLogsAreMadeOnTheFirstByte(t *testing.T) {
	gates := []backlog.Gate{{Level: 1, Run: backlog.Command{Shell: "exit 0"}}, {Level: 2, Run: backlog.Command{Shell: "printf x"}}}
	p := setUp(t, Recipe{}, argv("true"))
	res := p.execute()
	if p.sessionFiles() != "" || res.Log != "" || res.Commands[0].Log != "" {
		t.Errorf("a silent subtask makes %q, log %q", p.sessionFiles(), res.Log)
	}
	p = setUp(t, Recipe{Gates: gates}, argv("true"))
	res = p.execute()
	const dir = "artifacts/P1.M1.T1.S1/attempt-1"
	if want := "artifacts artifacts/P1.M1.T1.S1 " + dir + " " + dir + "/gate-2.log artifacts/P1.M1.T1.S1/checkpoints.json"; p.sessionFiles() != want {
		t.Errorf("one byte makes %q, want %q", p.sessionFiles(), want)
	}
	if res.Log != dir+"/gate-2.log" || res.Commands[1].Log != "" || res.Commands[2].Log != res.Log || res.Tail != nil {
		t.Errorf("the result is %+v", res)
	}
}

func TestOneLogInOrder(t *testing.T) {
	p := setUp(t, Recipe{}, shell(`for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 4`))
	res := p.execute()
	want := "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"
	if p.log(RunStage) != want || string(res.Tail) != want {
		t.Errorf("the log is %q, the tail %q", p.log(RunStage), res.Tail)
	}
}

func TestBinaryOutput(t *testing.T) {
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	p := setUp(t, Recipe{}, argv("cat", "bytes"))
	p.write("bytes", string(all)+"no newline", 0o644)
	expectResult(t, p.execute(), OK, 0, "")
	if got := p.log(RunStage); got != string(all)+"no newline" {
		t.Errorf("the log is %q", got)
	}
}

// Output is on disk as it comes, not at the end.
func TestOutputIsStreamed(t *testing.T) {
	p := setUp(t, Recipe{Timeout: 20 * time.Second}, shell(`echo first; while ! test -e go; do sleep 0.01; done; echo last`))
	done := make(chan Result)
	go func() { done <- p.execute() }()
	await(t, "first line in the log", func() bool {
		text, err := os.ReadFile(p.session + "/artifacts/P1.M1.T1.S1/attempt-1/run.log")
		return err == nil && string(text) == "first\n"
	})
	p.write("go", "", 0o644)
	expectResult(t, <-done, OK, 0, "")
	if got := p.log(RunStage); got != "first\nlast\n" {
		t.Errorf("the log is %q", got)
	}
}

func TestTail(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for _, c := range []struct{ lines, odd int }{{0, 5}, {1, 0}, {40, 96}, {41, 0}, {500, 3}, {5000, 1}} {
		p := setUp(t, Recipe{}, shell("cat text; exit 1"))
		text := strings.Repeat(line, c.lines) + strings.Repeat("y", c.odd)
		p.write("text", text, 0o644)
		res := p.execute()
		if want := text[max(0, len(text)-TailSize):]; string(res.Tail) != want {
			t.Errorf("%d bytes: the tail has %d, want the last %d", len(text), len(res.Tail), len(want))
		}
	}
	// In pieces that do not arrive at once.
	p := setUp(t, Recipe{}, shell(`i=0; while test $i -lt 700; do echo line $i; i=$((i+1)); done; exit 1`))
	res := p.execute()
	if log := p.log(RunStage); len(res.Tail) != TailSize || !strings.HasSuffix(log, string(res.Tail)) {
		t.Errorf("the tail has %d bytes and is no end of the log", len(res.Tail))
	}
}

func TestLargeOutput(t *testing.T) {
	const size = 200_000_000
	p := setUp(t, Recipe{}, argv("head", "-c", "200000000", "/dev/zero"))
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, peak := stats.HeapAlloc, uint64(0)
	done := make(chan Result)
	go func() { done <- p.execute() }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for running := true; running; {
		select {
		case res := <-done:
			expectResult(t, res, OK, 0, "")
			running = false
		case <-look.C:
		}
		runtime.ReadMemStats(&stats)
		peak = max(peak, stats.HeapAlloc)
	}
	if peak > before+10<<20 {
		t.Errorf("it took %d bytes of memory", peak-before)
	}
	info, err := os.Stat(p.session + "/artifacts/P1.M1.T1.S1/attempt-1/run.log")
	if err != nil || info.Size() != size {
		t.Errorf("the log is %v, %v", info, err)
	}
}

// A log that cannot be written does not change what became of the attempt, and
// does not hold the command back.
func TestUnwritableLog(t *testing.T) {
	for name, spoil := range map[string]func(p *place) error{
		"a file instead of a directory": func(p *place) error {
			return os.WriteFile(p.session+"/artifacts", nil, 0o644)
		},
		"a directory instead of the log": func(p *place) error {
			return os.MkdirAll(p.session+"/artifacts/P1.M1.T1.S1/attempt-1/run.log", 0o755)
		},
		"the session is gone": func(p *place) error { return os.Remove(p.session) },
	} {
		for line, class := range map[string]Class{"head -c 1000000 /dev/zero; echo end": OK, "head -c 1000000 /dev/zero; echo end; exit 75": Transient} {
			p := setUp(t, Recipe{}, shell(line))
			if err := spoil(p); err != nil {
				t.Fatal(err)
			}
			res := p.execute()
			if res.Class != class || res.Log != "" || !strings.HasPrefix(res.LogError, "write log: ") {
				t.Errorf("%s: it is %s, log %q, error %q", name, res.Class, res.Log, res.LogError)
			}
			if class == Transient && !bytes.HasSuffix(res.Tail, []byte("end\n")) {
				t.Errorf("%s: the tail is lost", name)
			}
		}
	}
}

func TestUnwritableDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	p := setUp(t, Recipe{}, shell("echo hello"))
	if err := os.Chmod(p.session, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(p.session, 0o755) })
	if res := p.execute(); res.Class != OK || res.LogError == "" {
		t.Errorf("it is %s, error %q", res.Class, res.LogError)
	}
}

// Whoever may write into artifacts must not make hacky write elsewhere.
func TestSymlinksOutOfTheSession(t *testing.T) {
	for _, at := range []string{"artifacts", "artifacts/P1.M1.T1.S1", "artifacts/P1.M1.T1.S1/attempt-1"} {
		outside := t.TempDir()
		p := setUp(t, Recipe{Stages: []Stage{{Name: "run", Run: backlog.Command{Shell: "echo hello"}, Prompt: "a prompt"}}}, shell("echo hello"))
		planted := filepath.Join(p.session, at)
		if err := os.MkdirAll(filepath.Dir(planted), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, planted); err != nil {
			t.Fatal(err)
		}
		res := p.execute()
		if res.Class != OK || !strings.Contains(res.LogError, "is a symbolic link") {
			t.Errorf("%s: it is %s, error %q", at, res.Class, res.LogError)
		}
		left, err := os.ReadDir(outside)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: outside is now %v, %v", at, left, err)
		}
	}
	// The same for a log that is a link, and for a prompt.
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("keep me"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := setUp(t, Recipe{Stages: []Stage{{Name: "one", Run: backlog.Command{Shell: "echo hello"}, Prompt: "a prompt"}}}, `"story_points":1`)
	dir := p.session + "/artifacts/P1.M1.T1.S1/attempt-1/"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.log", "prompt.md"} {
		_ = os.Remove(dir + name) // of the round before
		if err := os.Symlink(victim, dir+name); err != nil {
			t.Fatal(err)
		}
		res := p.execute()
		if text, err := os.ReadFile(victim); err != nil || string(text) != "keep me" {
			t.Fatalf("%s: the file outside is %q, %v", name, text, err)
		}
		if name == "one.log" && res.LogError == "" || name == "prompt.md" && res.Class != Permanent {
			t.Errorf("%s: it is %s, %q, error %q", name, res.Class, res.Reason, res.LogError)
		}
	}
}
