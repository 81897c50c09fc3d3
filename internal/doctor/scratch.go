package doctor

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// executedEnv tells the commands of a scratch backlog where to write down that
// they were executed.
const executedEnv = "DOCTOR_EXECUTED"

// The two phases of a scratch backlog.
const (
	runPhase = "P1" // what the run is to do
	setPhase = "P2" // what "hacky set" changes meanwhile
)

type scratchItem struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Title        string         `json:"title"`
	Status       string         `json:"status"`
	Description  *string        `json:"description,omitempty"`
	StoryPoints  *float64       `json:"story_points,omitempty"`
	Dependencies *[]string      `json:"dependencies,omitempty"`
	ContextScope *string        `json:"context_scope,omitempty"`
	Run          any            `json:"run,omitempty"`
	Milestones   *[]scratchItem `json:"milestones,omitempty"`
	Tasks        *[]scratchItem `json:"tasks,omitempty"`
	Subtasks     *[]scratchItem `json:"subtasks,omitempty"`
}

// scratch makes a backlog: n subtasks to run with random dependencies on
// earlier ones, and others to be set. It returns their ids.
func scratch(rnd *rand.Rand, n, others int) (content []byte, run, set []string, err error) {
	var backlog []scratchItem
	for _, phase := range []struct {
		id  string
		n   int
		ids *[]string
	}{{runPhase, n, &run}, {setPhase, others, &set}} {
		var milestones []scratchItem
		for m := 1; len(*phase.ids) < phase.n; m++ {
			var tasks []scratchItem
			for k := 1; k <= 3 && len(*phase.ids) < phase.n; k++ {
				task := fmt.Sprintf("%s.M%d.T%d", phase.id, m, k)
				var subtasks []scratchItem
				earlier := *phase.ids
				for s := range min(1+rnd.IntN(20), phase.n-len(earlier)) {
					id := fmt.Sprintf("%s.S%d", task, s+1)
					subtasks = append(subtasks, scratchSubtask(rnd, id, *phase.ids))
					*phase.ids = append(*phase.ids, id)
				}
				tasks = append(tasks, scratchItem{ID: task, Type: "Task", Title: "Task " + task, Status: "Planned", Description: new(""), Subtasks: &subtasks})
			}
			id := fmt.Sprintf("%s.M%d", phase.id, m)
			milestones = append(milestones, scratchItem{ID: id, Type: "Milestone", Title: "Milestone " + id, Status: "Planned", Description: new(""), Tasks: &tasks})
		}
		backlog = append(backlog, scratchItem{ID: phase.id, Type: "Phase", Title: "Phase " + phase.id, Status: "Planned", Description: new(""), Milestones: &milestones})
	}
	content, err = json.MarshalIndent(map[string]any{"backlog": backlog}, "", "  ")
	return append(content, '\n'), run, set, err
}

// scratchSubtask writes its id down and does little else: sometimes it prints,
// sometimes it takes a while, sometimes it needs no shell line.
func scratchSubtask(rnd *rand.Rand, id string, earlier []string) scratchItem {
	deps := []string{}
	if len(earlier) > 0 {
		for range rnd.IntN(4) {
			if d := earlier[rnd.IntN(len(earlier))]; !strings.Contains(" "+strings.Join(deps, " ")+" ", " "+d+" ") {
				deps = append(deps, d)
			}
		}
	}
	line := `printf '%s\n' "$HACKY_TASK_ID" >> "$` + executedEnv + `"`
	var run any = line
	switch rnd.IntN(6) {
	case 0:
		run = line + "; echo done with $HACKY_TASK_ID"
	case 1:
		run = "sleep 0.01; " + line
	case 2:
		run = []string{"sh", "-c", line}
	}
	return scratchItem{ID: id, Type: "Subtask", Title: "Subtask " + id, Status: "Planned", StoryPoints: new(0.5),
		Dependencies: &deps, ContextScope: new(strings.Repeat("word ", rnd.IntN(60))), Run: run}
}
