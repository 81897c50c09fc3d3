package cmd_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/agent/fakeagent"
)

// ciStep is one step of a recipe: shell text, or the saving or restoring of a cache.
type ciStep struct {
	script        string
	always        bool   // runs after a failed step, too
	restore, save string // the key of a cache
	needs         string // the name of a step that must have succeeded
	name          string
	paths         []string // of the cache
}

// ciRecipe is a recipe of docs/ci.md, read for one branch and one job number.
type ciRecipe struct {
	env   map[string]string
	steps []ciStep
}

// ciGitHub reads the workflow as GitHub Actions would.
func ciGitHub(t *testing.T, text, branch string, job int) ciRecipe {
	t.Helper()
	text = strings.NewReplacer("${{ github.ref }}", "refs/heads/"+branch, "${{ github.run_id }}", fmt.Sprint(job),
		"${{ github.run_attempt }}", "1", "${{ secrets.ANTHROPIC_API_KEY }}", "sk-test").Replace(text)
	var doc struct {
		Jobs map[string]struct {
			Env   map[string]string
			Steps []struct {
				ID, If, Uses, Run string
				With              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	run := doc.Jobs["run"]
	r := ciRecipe{env: run.Env}
	key := ""
	for _, s := range run.Steps {
		step := ciStep{script: s.Run, always: strings.HasPrefix(s.If, "always()"), name: s.ID, paths: strings.Fields(s.With["path"])}
		if _, name, ok := strings.Cut(s.If, "&& steps."); ok {
			step.needs = strings.TrimSuffix(name, ".outcome == 'success'")
		}
		switch action, _, _ := strings.Cut(s.Uses, "@"); action {
		case "actions/cache/restore":
			key, step.restore = s.With["key"], s.With["restore-keys"]
			if !strings.HasPrefix(key, step.restore) {
				t.Errorf("the key %s is not found by %s", key, step.restore)
			}
		case "actions/cache/save":
			step.save = strings.ReplaceAll(s.With["key"], "${{ steps.cache.outputs.cache-primary-key }}", key)
		}
		r.steps = append(r.steps, step)
	}
	r.env["GITHUB_RUN_ID"] = fmt.Sprint(job)
	return r
}

// ciGitLab reads the job as GitLab would.
func ciGitLab(t *testing.T, text, branch string, job int) ciRecipe {
	t.Helper()
	slug := strings.ReplaceAll(branch, "/", "-")
	text = strings.ReplaceAll(text, "$CI_COMMIT_REF_SLUG", slug)
	var doc struct {
		Backlog struct {
			Variables map[string]string
			Cache     struct {
				Key, When string
				Paths     []string
			}
			BeforeScript []string `yaml:"before_script"`
			Script       []string
			AfterScript  []string `yaml:"after_script"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	b := doc.Backlog
	if b.Cache.When != "always" {
		t.Errorf("the cache is saved %s", b.Cache.When)
	}
	b.Variables["BACKLOG_TOKEN"], b.Variables["CI_SERVER_HOST"], b.Variables["CI_PROJECT_PATH"] = "token", "gitlab.example.com", "group/project"
	b.Variables["CI_COMMIT_BRANCH"], b.Variables["CI_PIPELINE_ID"] = branch, fmt.Sprint(job)
	return ciRecipe{env: b.Variables, steps: []ciStep{
		{restore: b.Cache.Key + "/", paths: b.Cache.Paths},
		{script: strings.Join(slices.Concat(b.BeforeScript, b.Script), "\n")},
		{script: strings.Join(b.AfterScript, "\n"), always: true},
		{save: b.Cache.Key + "/" + fmt.Sprint(job), paths: b.Cache.Paths, always: true},
	}}
}

// forge is a service that has a repository and runs jobs on clones of it.
type forge struct {
	t      *testing.T
	read   func(t *testing.T, text, branch string, job int) ciRecipe
	text   string
	dir    string
	origin string
	jobs   int
	env    []string
}

// ciURL is where the GitLab recipe pushes to.
const ciURL = "https://backlog:token@gitlab.example.com/group/project.git"

func newForge(t *testing.T, read func(*testing.T, string, string, int) ciRecipe, text, backlog string) *forge {
	t.Helper()
	f := &forge{t: t, read: read, text: text, dir: t.TempDir()}
	f.origin = filepath.Join(f.dir, "origin.git")
	bin := filepath.Join(f.dir, "bin")
	mkdir(t, bin)
	if err := fakeagent.Install(bin); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "npm"} { // all they have to install is here
		write(t, filepath.Join(bin, name), "#!/bin/sh\n")
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(t, filepath.Join(f.dir, "agent"))
	f.env = []string{"PATH=" + bin + ":" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH"), "CI=true", "ORIGIN=" + f.origin, "SCRATCH=" + f.dir,
		"FAKE_AGENT_STATE=" + filepath.Join(f.dir, "agent"), "FAKE_AGENT_WRITE=prps/$HACKY_TASK_ID.md=plan\nwork/$HACKY_TASK_ID-$HACKY_STAGE=done",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + f.origin + ".insteadOf", "GIT_CONFIG_VALUE_0=" + ciURL}
	f.shell(f.dir, nil, `git init -q --bare -b main origin.git && git clone -q origin.git first 2>/dev/null && cd first && git checkout -q -b main`).wants(t, 0)
	write(t, filepath.Join(f.dir, "first", "tasks.json"), backlog)
	f.shell(filepath.Join(f.dir, "first"), nil, `git add . && git -c user.name=t -c user.email=t@example.com commit -qm begin && git push -q origin main`).wants(t, 0)
	return f
}

func (f *forge) shell(dir string, env []string, script string) result {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	c := cleanCommand(ctx, dir, "bash", "-e", "-c", script)
	c.Env = slices.Concat(c.Env, f.env, env)
	return finish(f.t, c)
}

// job runs the recipe on a branch, in a fresh clone of what is pushed. It
// returns the result of the first step that failed, or of all.
func (f *forge) job(branch string) result {
	f.t.Helper()
	f.jobs++
	r := f.read(f.t, f.text, branch, f.jobs)
	dir := f.clone(branch)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		env = append(env, name+"="+r.env[name])
	}
	total := result{}
	outcome := map[string]bool{}
	for _, step := range r.steps {
		if total.code != 0 && !step.always || step.needs != "" && !outcome[step.needs] {
			continue
		}
		switch {
		case step.restore != "":
			f.restore(step, dir)
		case step.save != "":
			f.save(step, dir)
		case step.script != "":
			got := f.shell(dir, env, step.script)
			outcome[step.name] = got.code == 0
			total.stdout += got.stdout
			total.stderr += got.stderr
			if total.code == 0 {
				total.code = got.code
			}
		}
	}
	return total
}

func (f *forge) clone(branch string) string {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), "clone")
	f.shell(f.dir, nil, "git clone -q -b "+branch+" origin.git "+dir).wants(f.t, 0)
	return dir
}

// save copies the paths of a cache, as both services do: ** is any directories.
func (f *forge) save(step ciStep, dir string) {
	f.t.Helper()
	to := filepath.Join(f.dir, "cache", step.save)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() || !slices.ContainsFunc(step.paths, func(p string) bool { return ciMatches(p, rel) }) {
			return err
		}
		mkdir(f.t, filepath.Dir(filepath.Join(to, rel)))
		write(f.t, filepath.Join(to, rel), read(f.t, path))
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// ciMatches tells whether a pattern that begins with **/ takes in a file.
func ciMatches(pattern, rel string) bool {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(pattern, "**/"), "/**/*"), "/")
	names := strings.Split(rel, "/")
	for k := range names {
		if k+len(parts) > len(names) {
			return false
		}
		all := true
		for m, part := range parts {
			ok, _ := filepath.Match(part, names[k+m])
			all = all && ok
		}
		if all {
			return true
		}
	}
	return false
}

// restore brings back the newest cache whose key begins as asked for.
func (f *forge) restore(step ciStep, dir string) {
	f.t.Helper()
	for n := f.jobs; n > 0; n-- {
		for _, from := range []string{step.restore + fmt.Sprint(n), step.restore + fmt.Sprint(n) + "-1"} {
			if from = filepath.Join(f.dir, "cache", from); exists(from) {
				if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
					f.t.Fatal(err)
				}
				return
			}
		}
	}
}

// recipes are the recipes of docs/ci.md by the service that they are for.
func recipes(t *testing.T) map[string]func(backlog string) *forge {
	t.Helper()
	texts := yamlExamples(t, "../docs/ci.md")
	if len(texts) != 2 {
		t.Fatalf("%d recipes", len(texts))
	}
	return map[string]func(string) *forge{
		"GitHub": func(b string) *forge { return newForge(t, ciGitHub, texts[0], b) },
		"GitLab": func(b string) *forge { return newForge(t, ciGitLab, texts[1], b) },
	}
}

// ciBacklog is a subtask for an agent, one that kills hacky the first time, and
// one that pushes a commit of another person.
func ciBacklog() string {
	return oneTask(subtask{run: "null"},
		subtask{run: `"mkdir -p work; if test -e $SCRATCH/go; then echo > work/two; else touch $SCRATCH/go; kill -9 $PPID; sleep 60; fi"`, deps: `["P1.M1.T1.S1"]`},
		subtask{run: `"git clone -q $ORIGIN $SCRATCH/other && cd $SCRATCH/other && echo > theirs && git add theirs && git -c user.name=o -c user.email=o@example.com commit -qm theirs && git push -q origin HEAD"`, deps: `["P1.M1.T1.S2"]`})
}

// TestRecipesExecuted: each recipe, executed as it is in docs/ci.md, brings the
// work and its statuses home, also from a run that is killed and onto a branch
// that has moved; and when nothing is left, it does nothing.
func TestRecipesExecuted(t *testing.T) {
	t.Parallel()
	for name, build := range recipes(t) {
		t.Run(name, func(t *testing.T) {
			f := build(ciBacklog())
			if r := f.job("main"); r.code == 0 {
				t.Fatalf("the first job was not killed: %s %s", r.stdout, r.stderr)
			}
			dir := f.clone("main")
			if got := statuses(t, dir); got != "Complete Planned Planned" {
				t.Errorf("after a kill: %s", got)
			}
			if !exists(filepath.Join(dir, "work", "P1.M1.T1.S1-implement")) {
				t.Error("the work of a finished subtask was not pushed")
			}
			r := f.job("main")
			r.wants(t, 0)
			dir = f.clone("main")
			if got := statuses(t, dir); got != "Complete Complete Complete" {
				t.Errorf("in the end: %s", got)
			}
			for _, file := range []string{"work/P1.M1.T1.S1-implement", "work/two", "theirs"} {
				if !exists(filepath.Join(dir, file)) {
					t.Errorf("%s was not pushed", file)
				}
			}
			for _, file := range []string{".hacky", "artifacts", "hacky-report.html", "tasks.json.failed"} {
				if exists(filepath.Join(dir, file)) {
					t.Errorf("%s was pushed", file)
				}
			}
			calls, _ := filepath.Glob(filepath.Join(f.dir, "agent", "claude.*.json"))
			before := f.shell(f.origin, nil, "git rev-parse main").stdout
			r = f.job("main")
			r.wants(t, 0)
			contains(t, "a job with nothing left", r.stdout, "nothing to run")
			if after := f.shell(f.origin, nil, "git rev-parse main").stdout; after != before {
				t.Error("it pushed something")
			}
			if again, _ := filepath.Glob(filepath.Join(f.dir, "agent", "claude.*.json")); len(again) != len(calls) || len(calls) == 0 {
				t.Errorf("%d calls of the agent, then %d", len(calls), len(again))
			}
		})
	}
}

// TestRecipesKeepConflictingWork: work that conflicts with what was pushed
// meanwhile goes to a branch of its own, and the cache does not vouch for it.
func TestRecipesKeepConflictingWork(t *testing.T) {
	t.Parallel()
	for name, build := range recipes(t) {
		t.Run(name, func(t *testing.T) {
			f := build(oneTask(subtask{run: "null"},
				subtask{run: `"test -e $SCRATCH/other || { echo mine > same; git clone -q $ORIGIN $SCRATCH/other && cd $SCRATCH/other && echo theirs > same && git add same && git -c user.name=o -c user.email=o@example.com commit -qm theirs && git push -q origin HEAD; }"`}))
			f.job("main")
			dir := f.clone("backlog-1")
			if got := statuses(t, dir); got != "Complete Complete" || !exists(filepath.Join(dir, "work", "P1.M1.T1.S1-implement")) {
				t.Errorf("the branch of its own has %s", got)
			}
			f.job("main").wants(t, 0)
			dir = f.clone("main")
			if got := statuses(t, dir); got != "Complete Complete" || !exists(filepath.Join(dir, "work", "P1.M1.T1.S1-implement")) {
				t.Errorf("main has %s, and the work is there: %v", got, exists(filepath.Join(dir, "work")))
			}
		})
	}
}

// TestRecipesByBranch: a subtask that was done on one branch is executed on
// another, also if the name of one begins with that of the other.
func TestRecipesByBranch(t *testing.T) {
	t.Parallel()
	for name, build := range recipes(t) {
		t.Run(name, func(t *testing.T) {
			f := build(oneTask(subtask{run: "null"}, subtask{run: `"true"`}))
			f.shell(f.origin, nil, "git branch main-2 main").wants(t, 0)
			f.job("main-2").wants(t, 0)
			f.job("main").wants(t, 0)
			if calls, _ := filepath.Glob(filepath.Join(f.dir, "agent", "claude.*.json")); len(calls) != 4 { // research and implement on each
				t.Errorf("%d calls of the agent on two branches", len(calls))
			}
		})
	}
}
