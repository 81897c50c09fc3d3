package doctor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// fakeArg makes the test binary a hacky of its own, which may lie.
const fakeArg = "fake-hacky"

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == fakeArg {
		os.Exit(fake{lie: os.Args[2]}.main(os.Args[3], os.Args[4:]))
	}
	os.Exit(m.Run())
}

// fakeBinary is a program that is the fake hacky with a lie.
func fakeBinary(t *testing.T, lie string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fake")
	// With the race detector a process that ends sleeps for a second, otherwise.
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 exec '%s' %s %s \"$@\"\n", self, fakeArg, lie)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// fake is the least that passes for hacky: every change is in tasks.json
// before anything is printed, so that nothing needs to be recovered. A lie
// makes it break one promise.
type fake struct{ lie string }

// The lies, and none.
const (
	honest    = "honest"
	forgets   = "forgets"   // prints completions that it has not written
	deaf      = "deaf"      // set says yes and does nothing
	repeats   = "repeats"   // executes again what is Complete
	tears     = "tears"     // leaves half a tasks.json
	litters   = "litters"   // leaves a temp file
	journals  = "journals"  // leaves a journal
	lazy      = "lazy"      // does nothing, and says that all is well
	panics    = "panics"    // crashes
	invents   = "invents"   // prints the completion of what it has not executed
	overwrite = "overwrite" // writes what it read at the start, and so undoes what others set
)

func (f fake) main(command string, args []string) int {
	dir := args[slices.Index(args, "--session")+1]
	var err error
	switch command {
	case "run":
		err = f.run(dir)
	case "set":
		if f.lie != deaf {
			err = edit(dir, func(b *branch) { b.set(args[len(args)-2], args[len(args)-1]) })
		}
	case "status":
		err = status(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

// branch is an item, or the whole backlog.
type branch struct {
	ID         string          `json:"id,omitempty"`
	Type       string          `json:"type,omitempty"`
	Title      string          `json:"title,omitempty"`
	Status     string          `json:"status,omitempty"`
	Desc       *string         `json:"description,omitempty"`
	Points     *float64        `json:"story_points,omitempty"`
	Deps       *[]string       `json:"dependencies,omitempty"`
	Scope      *string         `json:"context_scope,omitempty"`
	Run        json.RawMessage `json:"run,omitempty"`
	Backlog    []*branch       `json:"backlog,omitempty"`
	Milestones []*branch       `json:"milestones,omitempty"`
	Tasks      []*branch       `json:"tasks,omitempty"`
	Subtasks   []*branch       `json:"subtasks,omitempty"`
}

func (b *branch) walk(visit func(*branch)) {
	visit(b)
	for _, c := range slices.Concat(b.Backlog, b.Milestones, b.Tasks, b.Subtasks) {
		c.walk(visit)
	}
}

func (b *branch) set(id, status string) {
	b.walk(func(it *branch) {
		if it.ID == id {
			it.Status = status
		}
	})
}

func load(dir string) (*branch, error) {
	data, err := os.ReadFile(filepath.Join(dir, "tasks.json"))
	if err != nil {
		return nil, err
	}
	b := &branch{}
	return b, json.Unmarshal(data, b)
}

func save(dir string, b *branch) error {
	data, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, "new")
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return os.Rename(temp, filepath.Join(dir, "tasks.json"))
}

func edit(dir string, change func(*branch)) error {
	for {
		_, unlock, err := fsutil.OS().TryLock(filepath.Join(dir, "lock"))
		if errors.Is(err, fsutil.ErrLocked) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		b, err := load(dir)
		if err == nil {
			change(b)
			err = save(dir, b)
		}
		return errors.Join(err, unlock())
	}
}

func status(dir string) error {
	b, err := load(dir)
	if err != nil {
		return err
	}
	items := []map[string]string{}
	b.walk(func(it *branch) {
		if it.ID != "" {
			items = append(items, map[string]string{"id": it.ID, "status": it.Status})
		}
	})
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"items": items})
}

func (f fake) run(dir string) error {
	switch f.lie {
	case lazy:
		return nil
	case panics:
		panic("as it was told")
	case tears:
		data, err := os.ReadFile(filepath.Join(dir, "tasks.json"))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "tasks.json"), data[:len(data)/2], 0o644)
	case litters:
		defer os.WriteFile(filepath.Join(dir, ".tasks.json.0123456789abcdef.hacky-tmp"), nil, 0o600)
	case journals:
		defer os.WriteFile(filepath.Join(dir, "tasks.json.journal"), []byte("x"), 0o600)
	}
	first, err := load(dir)
	if err != nil {
		return err
	}
	var todo []*branch
	first.walk(func(it *branch) {
		if it.Type == "Subtask" && strings.HasPrefix(it.ID, "P1.") && (it.Status != "Complete" || f.lie == repeats) {
			todo = append(todo, it)
		}
	})
	for n, it := range todo {
		if f.lie != invents || n%3 > 0 {
			if err := execute(it); err != nil {
				return err
			}
		}
		it.Status = "Complete"
		switch {
		case f.lie == overwrite:
			err = save(dir, first)
		case f.lie != forgets || n%3 > 0:
			err = edit(dir, func(b *branch) { b.set(it.ID, "Complete") })
		}
		if err != nil {
			return err
		}
		fmt.Printf("{\"type\":\"subtaskFinished\",\"id\":%q,\"status\":\"Complete\"}\n", it.ID)
	}
	return nil
}

func execute(it *branch) error {
	var line string
	var argv []string
	if json.Unmarshal(it.Run, &line) == nil {
		argv = []string{"sh", "-c", line}
	} else if err := json.Unmarshal(it.Run, &argv); err != nil {
		return err
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "HACKY_TASK_ID="+it.ID)
	return c.Run()
}
