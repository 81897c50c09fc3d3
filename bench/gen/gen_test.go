package gen

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

type item struct {
	ID, Type, Title, Status string
	Description             *string
	Milestones              []item
	Tasks                   []item
	Subtasks                []subtask
}

type subtask struct {
	ID, Type, Title, Status string
	StoryPoints             *float64 `json:"story_points"`
	Dependencies            []string
	ContextScope            string `json:"context_scope"`
	Run                     []string
}

func TestBacklogs(t *testing.T) {
	cmd := []string{"/bin/sh", "-c", `printf "%s" '\n'`}
	for _, test := range []struct {
		name           string
		make           func() []byte
		subtasks       int
		edges          int
		phases, others int // phases; milestones and tasks together
		last           string
		cmd            []string
	}{
		{"none", func() []byte { return Independent(0, cmd) }, 0, 0, 0, 0, "", nil},
		{"one", func() []byte { return Independent(1, cmd) }, 1, 0, 1, 2, "P1.M1.T1.S1", cmd},
		{"independent", func() []byte { return Independent(1000, cmd) }, 1000, 0, 1, 11, "P1.M1.T10.S100", cmd},
		{"two phases", func() []byte { return Independent(10001, cmd) }, 10001, 0, 2, 112, "P2.M1.T1.S1", cmd},
		{"chain", func() []byte { return Chain(1001, cmd) }, 1001, 1000, 1, 13, "P1.M2.T1.S1", cmd},
		{"layers", func() []byte { return Layers(100, 10, cmd) }, 1000, 9900, 1, 11, "P1.M1.T10.S100", cmd},
		{"fan-out", func() []byte { return FanOut(250, cmd) }, 251, 250, 1, 4, "P1.M1.T3.S51", cmd},
		{"fan-in", func() []byte { return FanIn(250, cmd) }, 251, 250, 1, 4, "P1.M1.T3.S51", cmd},
		{"realistic", func() []byte { return Realistic(2000) }, 2000, RealisticGraph(2000).Edges, 1, 22, "P1.M2.T10.S100", []string{"true"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := test.make()
			if !bytes.Equal(data, test.make()) {
				t.Error("two calls with equal arguments differ")
			}
			phases, others, subtasks := parse(t, data)
			if len(phases) != test.phases || others != test.others || len(subtasks) != test.subtasks {
				t.Errorf("phases %d, milestones and tasks %d, subtasks %d; want %d, %d, %d",
					len(phases), others, len(subtasks), test.phases, test.others, test.subtasks)
			}
			if edges := check(t, subtasks, test.cmd); edges != test.edges {
				t.Errorf("%d dependencies, want %d", edges, test.edges)
			}
			if n := len(subtasks); n > 0 && subtasks[n-1].ID != test.last {
				t.Errorf("last id %s, want %s", subtasks[n-1].ID, test.last)
			}
		})
	}
}

func TestLayersWaitForTheWholeLayerBefore(t *testing.T) {
	_, _, subtasks := parse(t, Layers(3, 2, []string{"true"}))
	if got, want := subtasks[4].Dependencies, []string{"P1.M1.T1.S3", "P1.M1.T1.S4"}; !slices.Equal(got, want) {
		t.Errorf("dependencies %q, want %q", got, want)
	}
}

func TestRealisticIsLikeTheRealThing(t *testing.T) {
	data := Realistic(5000)
	if each := len(data) / 5000; each < 450 || each > 650 {
		t.Errorf("%d bytes a subtask", each)
	}
	kinds := map[int]int{}
	_, _, subtasks := parse(t, data)
	for _, s := range subtasks {
		kinds[len(s.Dependencies)]++
	}
	for n := range 4 {
		if kinds[n] < 500 {
			t.Errorf("%d of 5000 subtasks have %d dependencies", kinds[n], n)
		}
	}
	if len(kinds) != 4 {
		t.Errorf("numbers of dependencies: %v", kinds)
	}
}

func parse(t *testing.T, data []byte) (phases []item, others int, subtasks []subtask) {
	t.Helper()
	var file struct{ Backlog []item }
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	parent := func(i item, kind string, siblings int) {
		if i.Type != kind || i.Status != "Planned" || i.Title == "" || i.Description == nil || siblings > 10 && kind != "Phase" {
			t.Errorf("%s %s among %d: %+v", kind, i.ID, siblings, i)
		}
	}
	for _, phase := range file.Backlog {
		parent(phase, "Phase", len(file.Backlog))
		for _, milestone := range phase.Milestones {
			parent(milestone, "Milestone", len(phase.Milestones))
			others++
			for _, task := range milestone.Tasks {
				parent(task, "Task", len(milestone.Tasks))
				others++
				for n, s := range task.Subtasks {
					if want := ID(len(subtasks)); s.ID != want || n >= 100 {
						t.Errorf("subtask %d of %s has id %s, want %s", n, task.ID, s.ID, want)
					}
					subtasks = append(subtasks, s)
				}
			}
		}
	}
	return file.Backlog, others, subtasks
}

// check looks at every field and returns the number of dependencies, each of which must name an earlier id once.
func check(t *testing.T, subtasks []subtask, cmd []string) (edges int) {
	t.Helper()
	place := map[string]int{}
	for i, s := range subtasks {
		if s.Type != "Subtask" || s.Status != "Planned" || s.Title == "" || s.StoryPoints == nil || s.ContextScope == "" || s.Dependencies == nil {
			t.Fatalf("a field is missing: %+v", s)
		}
		if !slices.Equal(s.Run, cmd) {
			t.Fatalf("%s runs %q, want %q", s.ID, s.Run, cmd)
		}
		seen := map[string]bool{}
		for _, dep := range s.Dependencies {
			if _, earlier := place[dep]; !earlier || seen[dep] {
				t.Fatalf("%s depends on %s: unknown, later or twice", s.ID, dep)
			}
			seen[dep] = true
			edges++
		}
		place[s.ID] = i
	}
	return edges
}
