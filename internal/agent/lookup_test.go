package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

func script(says string) string { return "#!/bin/sh\necho " + says + "\n" }

func TestWorkdir(t *testing.T) {
	p := setUpBacklog(t, Recipe{Gates: []backlog.Gate{{Level: 1, Run: backlog.Command{Argv: []string{"pwd", "-P"}}}}}, frame(`"workdir":"sub/dir"`,
		argv("pwd", "-P"),
		argv("pwd", "-P")+`,"workdir":"other/"`,
		argv("pwd", "-P")+`,"workdir":"/"`,
		argv("pwd", "-P")+`,"workdir":"missing"`,
		argv("pwd", "-P")+`,"workdir":"file"`,
		argv("no-such-program")+`,"workdir":"missing"`), nil)
	p.write("sub/dir/x", "", 0o644)
	p.write("other/x", "", 0o644)
	p.write("file", "", 0o755)
	here, err := filepath.EvalSymlinks(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{1: here + "/sub/dir", 2: here + "/other", 3: "/"} {
		expectResult(t, p.attempt(t.Context(), n, 1), OK, 0, "")
		for _, stage := range []string{"run", "gate-1"} {
			if got := p.read("artifacts/P1.M1.T1.S" + string(rune('0'+n)) + "/attempt-1/" + stage + ".log"); got != want+"\n" {
				t.Errorf("subtask %d, %s: it is in %q, want %s", n, stage, got, want)
			}
		}
		if err := p.r.Check(lookupItem(p, n)); err != nil {
			t.Errorf("subtask %d: %v", n, err)
		}
	}
	expectResult(t, p.attempt(t.Context(), 4, 1), Permanent, 126, "start pwd: the workdir "+p.dir+"/missing: no such file or directory")
	expectResult(t, p.attempt(t.Context(), 5, 1), Permanent, 126, "start pwd: the workdir "+p.dir+"/file: not a directory")
	for n, want := range map[int]string{4: "does not exist", 5: "is not a directory"} {
		if err := p.r.Check(lookupItem(p, n)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check of subtask %d says %v", n, err)
		}
	}
	// Made meanwhile: the next attempt finds it.
	p.write("missing/x", "", 0o644)
	expectResult(t, p.attempt(t.Context(), 4, 2), OK, 0, "")
}

func lookupItem(p *place, subtask int) int32 {
	i, _ := p.b.Lookup("P1.M1.T1.S" + string(rune('0'+subtask)))
	return i
}

// Without a workdir a command runs in the directory of the run, which need not
// be this process's.
func TestDirectoryOfTheRun(t *testing.T) {
	p := setUp(t, Recipe{}, shell(`touch here`))
	expectResult(t, p.execute(), OK, 0, "")
	if _, err := os.Stat(p.dir + "/here"); err != nil {
		t.Error(err)
	}
}

func TestProgramIsFoundInItsOwnPATH(t *testing.T) {
	p := setUpBacklog(t, Recipe{Stages: []Stage{
		{Name: "one", Run: backlog.Command{Argv: []string{"prog"}}},
	}}, frame("",
		argv("prog"),
		argv("prog")+`,"env":{"PATH":"bin:/bin:/usr/bin"}`,
		argv("prog")+`,"env":{"PATH":"/bin::/usr/bin"},"workdir":"bin"`,
		argv("bin/prog"),
		argv("./prog")+`,"workdir":"bin"`,
		argv("prog")+`,"env":{"PATH":"bin:/bin:/usr/bin"},"workdir":"other"`,
		argv("prog")+`,"env":{"PATH":""}`), nil)
	p.write("bin/prog", script("found"), 0o755)
	p.write("other/bin/prog", script("other"), 0o755)
	for n, want := range map[int]string{1: "", 2: "found", 3: "found", 4: "found", 5: "found", 6: "other", 7: ""} {
		for attempt := range 2 { // the second time it is remembered
			res := p.attempt(t.Context(), n, attempt+1)
			if want == "" {
				expectResult(t, res, Permanent, 127, "start prog: not found")
				continue
			}
			expectResult(t, res, OK, 0, "")
			if got := p.read(res.Log); got != want+"\n" {
				t.Errorf("subtask %d: executed %q, want %s", n, got, want)
			}
		}
	}
}

func TestProgramIsFoundInTheStagesPATH(t *testing.T) {
	p := setUp(t, Recipe{Stages: []Stage{{Name: "one", Run: backlog.Command{Argv: []string{"prog"}},
		Env: []backlog.EnvVar{{Name: "PATH", Value: "bin:" + os.Getenv("PATH")}}}}}, `"story_points":1`)
	p.write("bin/prog", script("found"), 0o755)
	expectResult(t, p.execute(), OK, 0, "")
}

// A program may appear, move and go while a run lasts.
func TestProgramsComeAndGo(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	p := setUpBacklog(t, Recipe{}, frame("", argv("prog")), []string{"PATH=" + one + ":" + two + ":" + os.Getenv("PATH")})
	attempt := 0
	expect := func(class Class, says string) {
		t.Helper()
		attempt++
		res := p.attempt(t.Context(), 1, attempt)
		if res.Class != class || says != "" && p.read(res.Log) != says+"\n" {
			t.Errorf("attempt %d is %s, %q, log %q; want %s, %q", attempt, res.Class, res.Reason, res.Log, class, says)
		}
	}
	put := func(dir, says string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(dir+"/prog", []byte(script(says)), mode); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(dir string) {
		t.Helper()
		if err := os.Remove(dir + "/prog"); err != nil {
			t.Fatal(err)
		}
	}
	expect(Permanent, "")
	put(one, "one", 0o644) // not executable
	expect(Permanent, "")
	put(two, "two", 0o755)
	expect(OK, "two")
	remove(one)
	put(one, "one", 0o755) // what was found once stays, as in a shell
	expect(OK, "two")
	remove(two)
	expect(OK, "one") // at once: it was not executed, so nothing is executed twice
	remove(one)
	expect(Permanent, "")
	put(one, "back", 0o755)
	expect(OK, "back")
}

// A program that says 127 itself has been executed, and is not again.
func TestExit127IsNotRepeated(t *testing.T) {
	p := setUp(t, Recipe{}, argv("sh", "-c", "echo once; exit 127"))
	expectResult(t, p.execute(), Permanent, 127, "exit 127")
	if got := p.log(RunStage); got != "once\n" {
		t.Errorf("it printed %q", got)
	}
}

func TestAProgramThatRemovesItselfIsNotRepeated(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	p := setUpBacklog(t, Recipe{}, frame("", argv("prog")), []string{"PATH=" + one + ":" + two + ":" + os.Getenv("PATH")})
	for dir, text := range map[string]string{one: "#!/bin/sh\nrm \"$0\"; echo once; exit 127\n", two: script("twice")} {
		if err := os.WriteFile(dir+"/prog", []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	expectResult(t, p.execute(), Permanent, 127, "exit 127")
	if got := p.log(RunStage); got != "once\n" {
		t.Errorf("it printed %q", got)
	}
}

func TestCheck(t *testing.T) {
	p := setUp(t, Recipe{}, `"story_points":1`)
	if err := p.r.Check(lookupItem(p, 1)); err == nil || !strings.Contains(err.Error(), `P1.M1.T1.S1 has no "run", and no stages are configured`) {
		t.Errorf("without anything to run it says %v", err)
	}
	p = setUp(t, Recipe{Stages: []Stage{{Name: "one", Run: printEnv}, {Name: "two", Run: printEnv}}}, `"story_points":1`)
	if err := p.r.Check(lookupItem(p, 1)); err != nil {
		t.Error(err)
	}
	if got := p.r.Describe(lookupItem(p, 1)); got != "one, then two" {
		t.Errorf("it is described as %q", got)
	}
	p = setUp(t, Recipe{Stages: []Stage{{Name: "one", Run: printEnv}}}, argv("make", "all"))
	if got := p.r.Describe(lookupItem(p, 1)); got != "make all" {
		t.Errorf("it is described as %q", got)
	}
}

func TestWorkdirOutsideIsSaid(t *testing.T) {
	var notes []string
	recipe := Recipe{Note: func(id, text string) { notes = append(notes, id+" "+text) }}
	elsewhere := t.TempDir()
	p := setUpBacklog(t, recipe, frame("", shell("true")+`,"workdir":"in"`, shell("true")+`,"workdir":"link"`, shell("true")+`,"workdir":`+quoted(elsewhere),
		shell("true")+`,"workdir":`+quoted(elsewhere), shell("true")+`,"workdir":".."`), nil)
	for _, name := range []string{"in", ".git"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(p.dir, "link")); err != nil {
		t.Fatal(err)
	}
	home, err := filepath.EvalSymlinks(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for i := range p.b.Items {
			if p.b.Items[i].Kind == backlog.Subtask {
				if err := p.r.Check(int32(i)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	check()
	want := []string{
		"P1.M1.T1.S2 its workdir " + filepath.Join(p.dir, "link") + " is outside the repository " + home,
		"P1.M1.T1.S3 its workdir " + elsewhere + " is outside the repository " + home,
		"P1.M1.T1.S5 its workdir " + filepath.Dir(p.dir) + " is outside the repository " + home,
	}
	if !slices.Equal(notes, want) {
		t.Errorf("it is said %q, want %q", notes, want)
	}
}
