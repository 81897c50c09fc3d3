package backlog

import (
	"fmt"
	"strings"
	"testing"
)

func mustParse(t testing.TB, src string) *Backlog {
	t.Helper()
	b, err := Parse("tasks.json", src)
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return b
}

// oneTask wraps subtasks (JSON objects) as P1 > P1.M1 > P1.M1.T1, all on one
// line: problems on line 1 are in the frame, what the test wrote begins on 2.
func oneTask(subtasks ...string) string {
	return `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[` + "\n" +
		strings.Join(subtasks, ",\n") + "\n]}]}]}]}\n"
}

// subtask is P1.M1.T1.S<n> with more fields.
func subtask(n int, fields ...string) string {
	return fmt.Sprintf(`{"id":"P1.M1.T1.S%d","type":"Subtask","title":"s","status":"Planned"%s}`,
		n, strings.Join(append([]string{""}, fields...), ","))
}

// dependsOn is a subtask's field that names other subtasks of P1.M1.T1.
func dependsOn(ns ...int) string {
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = fmt.Sprintf(`"P1.M1.T1.S%d"`, n)
	}
	return `"dependencies":[` + strings.Join(ids, ",") + `]`
}

// ringBacklog is n subtasks of which each waits for the next, the last for the
// first.
func ringBacklog(n int) string {
	subtasks := make([]string, n)
	for i := range subtasks {
		subtasks[i] = subtask(i+1, dependsOn((i+1)%n+1))
	}
	return oneTask(subtasks...)
}
