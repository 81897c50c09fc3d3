package backlog

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// titled is subtask 1 with another title than those of the helpers.
func titled(title string, fields ...string) string {
	return strings.Replace(subtask(1, fields...), `"title":"s"`, fmt.Sprintf(`"title":%q`, title), 1)
}

func workOf(t *testing.T, src string) Work {
	t.Helper()
	w, ok := mustParse(t, src).WorkOf("P1.M1.T1.S1")
	if !ok {
		t.Fatal("there is no P1.M1.T1.S1")
	}
	return w
}

// TestWorkSweep changes one thing after the other, with a command and without.
func TestWorkSweep(t *testing.T) {
	const title = "Write the login page"
	run := []string{`"run":"make"`, `"env":{"A":"1","B":"2"}`, `"workdir":"w"`, `"gates":[{"level":1,"run":"one"},{"level":2,"name":"n","run":["two","x"]}]`}
	told := append([]string{`"context_scope":"c"`, `"agent":"a"`, `"model":"m"`}, run[1:]...)
	with := func(base []string, title, remove string, add ...string) string {
		var fields []string
		for _, f := range base {
			if remove == "" || !strings.HasPrefix(f, `"`+remove+`"`) {
				fields = append(fields, f)
			}
		}
		return oneTask(titled(title, append(fields, add...)...))
	}
	parent := func(base []string, old, new string) string {
		src := with(base, title, "")
		if !strings.Contains(src, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(src, old, new, 1)
	}
	const task = `"title":"t","status":"Planned"`
	for _, tt := range []struct {
		change         string
		make           func(base []string) string
		runSame, other bool // the same with a command of its own; without
	}{
		{"nothing", func(b []string) string { return with(b, title, "") }, true, true},
		{"run", func(b []string) string { return with(b, title, "run", `"run":"make all"`) }, false, false},
		{"run as argv", func(b []string) string { return with(b, title, "run", `"run":["make"]`) }, false, false},
		{"a variable's value", func(b []string) string { return with(b, title, "env", `"env":{"A":"1","B":"3"}`) }, false, false},
		{"a variable's name", func(b []string) string { return with(b, title, "env", `"env":{"A":"1","C":"2"}`) }, false, false},
		{"a variable fewer", func(b []string) string { return with(b, title, "env", `"env":{"A":"1"}`) }, false, false},
		{"order of variables", func(b []string) string { return with(b, title, "env", `"env":{"B":"2","A":"1"}`) }, true, true},
		{"a parent's variable", func(b []string) string { return parent(b, task, task+`,"env":{"C":"3"}`) }, false, false},
		{"a parent's variable that does not hold", func(b []string) string { return parent(b, task, task+`,"env":{"B":"3"}`) }, true, true},
		{"workdir", func(b []string) string { return with(b, title, "workdir", `"workdir":"v"`) }, false, false},
		{"workdir to the parent", func(b []string) string {
			return strings.Replace(with(b, title, "workdir"), task, task+`,"workdir":"w"`, 1)
		}, true, true},
		{"no gates", func(b []string) string { return with(b, title, "gates", `"gates":[]`) }, false, false},
		{"the configuration's gates", func(b []string) string { return with(b, title, "gates") }, false, false},
		{"a gate's run", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":1,"run":"uno"},{"level":2,"name":"n","run":["two","x"]}]`)
		}, false, false},
		{"a gate's argument", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":1,"run":"one"},{"level":2,"name":"n","run":["two","y"]}]`)
		}, false, false},
		{"a gate's level", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":1,"run":"one"},{"level":3,"name":"n","run":["two","x"]}]`)
		}, false, false},
		{"a gate's name", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":1,"run":"one"},{"level":2,"name":"m","run":["two","x"]}]`)
		}, false, false},
		{"a gate's limit", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":1,"run":"one","timeout":"1m"},{"level":2,"name":"n","run":["two","x"]}]`)
		}, true, true},
		{"the order in which gates stand", func(b []string) string {
			return with(b, title, "gates", `"gates":[{"level":2,"name":"n","run":["two","x"]},{"level":1,"run":"one"}]`)
		}, true, true},
		{"timeout and retries", func(b []string) string { return with(b, title, "", `"timeout":"1h"`, `"retries":5`) }, true, true},
		{"story points", func(b []string) string { return with(b, title, "", `"story_points":5`) }, true, true},
		{"status", func(b []string) string {
			return strings.Replace(with(b, title, ""), `"status":"Planned"}`, `"status":"Complete"}`, 1)
		}, true, true},
		{"an unknown field", func(b []string) string { return with(b, title, "", `"owner":"me"`) }, true, true},
		{"spaces", func(b []string) string { return strings.ReplaceAll(with(b, title, ""), `":`, "\" : \n") }, true, true},
		{"an escape", func(b []string) string { return strings.Replace(with(b, title, ""), "login", `\u006cogin`, 1) }, true, true},
		{"a dependency", func(b []string) string {
			return oneTask(strings.TrimSuffix(strings.TrimSpace(titled(title, append(b, dependsOn(2))...)), ","), subtask(2))
		}, true, true},
		{"an item after it", func(b []string) string { return oneTask(titled(title, b...), subtask(2)) }, true, true},
		{"a typo in the title", func(b []string) string { return with(b, "Write teh login page.", "") }, true, false},
		{"another title", func(b []string) string { return with(b, "Delete all users", "") }, false, false},
		{"context", func(b []string) string { return with(b, title, "context_scope", `"context_scope":"d"`) }, true, false},
		{"agent", func(b []string) string { return with(b, title, "agent", `"agent":"b"`) }, true, false},
		{"model", func(b []string) string { return with(b, title, "model", `"model":"n"`) }, true, false},
		{"stages", func(b []string) string { return with(b, title, "", `"stages":["implement"]`) }, true, false},
		{"requirements", func(b []string) string { return with(b, title, "", `"requirements":["R1"]`) }, true, false},
		{"a question", func(b []string) string { return with(b, title, "", `"ask":"Which?"`) }, true, false},
		{"a parent's title", func(b []string) string { return parent(b, `"title":"m"`, `"title":"n"`) }, true, false},
		{"a parent's description", func(b []string) string { return parent(b, task, task+`,"description":"d"`) }, true, false},
	} {
		for _, base := range []struct {
			name   string
			fields []string
			same   bool
		}{{"with a command", run, tt.runSame}, {"without", told, tt.other}} {
			before, after := workOf(t, with(base.fields, title, "")), workOf(t, tt.make(base.fields))
			if before.Same(after) != base.same || after.Same(before) != base.same {
				t.Errorf("%s: changing %s: same work is %v, want %v\n%v\n%v", base.name, tt.change, !base.same, base.same, before, after)
			}
		}
	}
}

// TestWorkKnowsAllFields fails for a field that nobody has decided on: does it
// count as work (then Work and TestWorkSweep must have it), or not?
func TestWorkKnowsAllFields(t *testing.T) {
	for _, tt := range []struct {
		of    reflect.Type
		known string
	}{
		{reflect.TypeFor[Spec](), "Run Timeout(limit) Env Workdir Gates HasGates Retries(limit)"},
		{reflect.TypeFor[Gate](), "Level Name Run Timeout(limit)"},
		{reflect.TypeFor[Command](), "Shell Argv"},
	} {
		for k := range tt.of.NumField() {
			name := tt.of.Field(k).Name
			if !strings.Contains(" "+strings.ReplaceAll(tt.known, "(", " (")+" ", " "+name+" ") {
				t.Errorf("%s.%s: does it count as work? Decide in Work, and test it in TestWorkSweep", tt.of.Name(), name)
			}
		}
	}
}

func TestWorkCountsTheTitleThatIsMentioned(t *testing.T) {
	for _, fields := range [][]string{
		{`"run":"echo $HACKY_TASK_TITLE"`},
		{`"run":["sh","-c","cat \"$HACKY_PROMPT_FILE\""]`},
		{`"run":"make"`, `"gates":[{"level":1,"run":"grep \"$HACKY_TASK_TITLE\" log"}]`},
	} {
		a, b := workOf(t, oneTask(titled("Write the page", fields...))), workOf(t, oneTask(titled("Write teh page", fields...)))
		if a.Same(b) {
			t.Errorf("%s: a typo in the title is the same work, though a command sees it", fields)
		}
	}
}

func TestWorkOfNothingKnown(t *testing.T) {
	for _, w := range []Work{{}, {Digest: Unknown}, {Digest: "sha256:12"}, {Digest: "md5:" + Digest(strings.Repeat("0", 64))}} {
		if w.Same(w) {
			t.Errorf("%v is the same as itself", w)
		}
	}
	if _, ok := mustParse(t, oneTask(subtask(1))).WorkOf("P1.M1.T1"); ok {
		t.Error("a task has work of its own")
	}
}

func TestWorkTitleIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 100_000)
	if got := WorkTitle(long); len(got) > maxWorkTitle || !strings.HasPrefix(long, strings.Split(got, "...")[0]) {
		t.Errorf("%d bytes", len(got))
	}
	if WorkTitle(long) == WorkTitle(long+"x") {
		t.Error("the end of a long title does not count")
	}
}

func TestSameTitle(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"Deploy", "Deploy", true},
		{"", "", true},
		{"Deploy", "", false},
		{"Deploy the app", "deploy the app.", true},
		{"front end", "Front-End", true},
		{"front end", "frontend", true},
		{"Implment the page", "Implement the page", true},
		{"Recieve mail", "Receive mail", true},
		{"Write teh page", "Write the page", true},
		{"Fix the the bug", "Fix the bug", true},
		{"Seperate the modles", "Separate the models", true},
		{"Seperate teh modles", "Separate the models", false},
		{"old work", "deploy", false},
		{"Subtask 1", "Subtask 2", false},
		{"Subtask 1", "Subtask 11", false},
		{"Subtask 11", "Subtask 1 1", false},
		{"Upgrade to 1.1", "Upgrade to 11", false},
		{"Upgrade to 1.1", "Upgrade to 1-1", true},
		{"port to v1beta", "port to v2beta", false},
		{"Run 1 1", "Run 1", false},
		{"Deploy A", "Deploy B", false},
		{"lock it", "unlock it", false},
		{"Install it", "Uninstall it", false},
		{"Enable login", "Disable login", false},
		{"Activate login", "Deactivate login", false},
		{"Add a page", "Add the page", false},
		{"---", "+++", false},
		{"Überprüfen", "Uberprüfen", true},
	} {
		if SameTitle(tt.a, tt.b) != tt.same || SameTitle(tt.b, tt.a) != tt.same {
			t.Errorf("%q and %q: same is not %v", tt.a, tt.b, tt.same)
		}
	}
}

// TestWorkIsNoPosition: whatever stands around an item, and whichever id it
// has, its work is the same, and that of no item of another title.
func TestWorkIsNoPosition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + r.IntN(8)
		var before, after []string
		for k := range n {
			line := strings.Replace(subtask(k+1, `"run":"./work"`), `"title":"s"`, fmt.Sprintf(`"title":"piece %d"`, k), 1)
			before = append(before, line)
		}
		at := r.IntN(n)
		after = append(after, before[:at]...)
		after = append(after, subtask(at+1, `"run":"./new"`))
		for k := at; k < n; k++ {
			after = append(after, strings.Replace(before[k], fmt.Sprintf(`S%d"`, k+1), fmt.Sprintf(`S%d"`, k+2), 1))
		}
		x, y := mustParse(t, oneTask(before...)), mustParse(t, oneTask(after...))
		for i := int32(3); i < int32(x.Len()); i++ {
			for j := int32(3); j < int32(y.Len()); j++ {
				if want := x.Items[i].Title == y.Items[j].Title; x.Work(i).Same(y.Work(j)) != want {
					t.Fatalf("%s %q and %s %q: same is not %v", x.Items[i].ID, x.Items[i].Title, y.Items[j].ID, y.Items[j].Title, want)
				}
			}
		}
	}
}
