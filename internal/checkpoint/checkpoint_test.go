package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

const id = "P1.M1.T1.S1"

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func labels(list []Checkpoint) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Label)
	}
	return strings.Join(out, " ")
}

// add adds checkpoints with these labels.
func add(t testing.TB, fsys fsutil.FS, dir string, list []Checkpoint, labels ...string) []Checkpoint {
	t.Helper()
	for k, l := range labels {
		var err error
		if list, err = Add(fsys, dir, id, list, Checkpoint{Label: l, State: State{Stage: "implement"}}, start.Add(time.Duration(k)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func TestKeepsTheLastFive(t *testing.T) {
	dir := t.TempDir()
	list := add(t, fsutil.OS(), dir, nil, PreExecution, CoderResponse, GateLabel(1), GateLabel(2), GateLabel(3), GateLabel(4), Complete)
	const want = "validation-gate-1 validation-gate-2 validation-gate-3 validation-gate-4 complete"
	read, err := Read(fsutil.OS(), dir, id)
	if err != nil || labels(read) != want || labels(list) != want {
		t.Errorf("%v: %s; %s", err, labels(read), labels(list))
	}
	seen := map[string]bool{}
	for _, c := range read {
		if c.TaskID != id || seen[c.ID] || c.CreatedAt.IsZero() || !c.State.Timestamp.Equal(c.CreatedAt) {
			t.Errorf("%+v", c)
		}
		seen[c.ID] = true
	}
}

// TestFormat: the shape that other tools read (§2 of the contract, issue 4).
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	failure := "exit 1"
	_, err := Add(fsutil.OS(), dir, id, nil, Checkpoint{Label: Failed, Error: &failure, State: State{Stage: "gate-1", PRPPath: "prps/x.md",
		CoderResponse: "artifacts/x.log", CoderResult: "done", ValidationResults: []Validation{{Level: 1, Name: "lint", Exit: 1}}, FixAttempt: 2}}, start)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, Path(id)))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	compact, _ := json.Marshal(got)
	want := `{"checkpoints":[{"createdAt":"2026-11-23T10:00:00Z","error":"exit 1","id":"P1.M1.T1.S1-` + fmt.Sprint(strings.Split(strings.SplitN(string(compact), `"id":"P1.M1.T1.S1-`, 2)[1], `"`)[0]) +
		`","label":"failed","state":{"coderResponse":"artifacts/x.log","coderResult":"done","fixAttempt":2,"prpPath":"prps/x.md","stage":"gate-1",` +
		`"timestamp":"2026-11-23T10:00:00Z","validationResults":[{"exit":1,"level":1,"name":"lint","passed":false}]},"taskId":"P1.M1.T1.S1"}],"version":"1.0"}`
	if string(compact) != want {
		t.Errorf("%s\nwant\n%s", compact, want)
	}
}

func TestRefused(t *testing.T) {
	for content, want := range map[string]string{
		`{"version":"2.0","checkpoints":[]}`:                   `version "2.0": unknown version`,
		`{"checkpoints":[]}`:                                   `version ""`,
		`{"version":"1.0","checkpoints":[{"taskId":"P9"}]}`:    `is of "P9"`,
		`{"version":"1.0"`:                                     "unexpected end",
		`{"version":"1.0","checkpoints":[{"taskId":7}]}`:       "cannot unmarshal",
		strings.Repeat(" ", maxFile+1):                         "more than",
		`{"version":"1.0","checkpoints":[{"createdAt":"now"}]`: "unexpected end",
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "artifacts", id), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, Path(id)), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if list, err := Read(fsutil.OS(), dir, id); err == nil || !strings.Contains(err.Error(), want) || list != nil {
			t.Errorf("%.60s: %v, %v", content, list, err)
		}
	}
}

func TestResume(t *testing.T) {
	steps := func(names ...string) (out []Step) {
		for _, n := range names {
			name, inputs, _ := strings.Cut(n, "=")
			out = append(out, Step{name, inputs})
		}
		return out
	}
	plan := steps("research=a", "implement=b", "gate-1=c", "gate-2=d")
	for _, c := range []struct {
		label  string
		passed []Step
		want   int
		why    string
	}{
		{PreExecution, steps("research=a"), 1, ""},
		{GateLabel(1), steps("research=a", "implement=b", "gate-1=c"), 3, ""},
		{Failed, steps("research=a", "implement=b"), 2, ""},
		{Failed, nil, 0, ""},
		{Complete, plan, 0, "it was complete"},
		{CoderResponse, steps("research=z", "implement=b"), 0, "inputs of research have changed"},
		{GateLabel(1), steps("research=a", "implement=b", "gate-1=y"), 2, "inputs of gate-1 have changed"},
		{GateLabel(1), steps("research=a", "other=b"), 1, "implement is now where other was"},
		{GateLabel(4), append(steps("research=a", "implement=b", "gate-1=c", "gate-2=d"), steps("gate-3=e")...), 4, ""},
	} {
		older := Checkpoint{Label: Complete, State: State{Passed: plan}}
		got, last, why := Resume([]Checkpoint{older, {Label: c.label, State: State{Passed: c.passed, Session: "s"}}}, plan)
		if got != c.want || (why == "") != (c.why == "") || !strings.Contains(why, c.why) || c.label != Complete && last.Session != "s" {
			t.Errorf("%s %v: %d, %q", c.label, c.passed, got, why)
		}
	}
	if n, _, why := Resume(nil, plan); n != 0 || why != "" {
		t.Errorf("of nothing: %d, %q", n, why)
	}
}

// TestFaults: whatever operation fails, the file is the old or the new one, and
// an error is told unless it is the new one.
func TestFaults(t *testing.T) {
	for _, fault := range []error{syscall.EBUSY, syscall.EIO, syscall.ENOSPC, syscall.EACCES, faultfs.Torn(syscall.EIO)} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			before := ""
			if n%2 == 0 {
				before = PreExecution
				add(t, fsutil.OS(), dir, nil, PreExecution)
			}
			reached := false
			f := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
				if op.N == (n+1)/2 {
					reached = true
					return fault
				}
				return nil
			})
			list, err := Read(f, dir, id)
			if err == nil {
				_, err = Add(f, dir, id, list, Checkpoint{Label: CoderResponse}, start)
			}
			after := strings.TrimSpace(before + " " + CoderResponse)
			read, rerr := Read(fsutil.OS(), dir, id)
			if got := labels(read); rerr != nil || got != before && got != after || err == nil && got != after {
				t.Errorf("%v at operation %d: %v, then %q, %v", fault, (n+1)/2, err, got, rerr)
			}
			if litter, _ := filepath.Glob(filepath.Join(dir, "artifacts", id, ".*.hacky-tmp")); len(litter) > 0 && err == nil {
				t.Errorf("%v at operation %d left %q", fault, (n+1)/2, litter)
			}
			if !reached && n%2 == 0 {
				break
			}
		}
	}
}

// TestCrash: after a power cut at any moment the file is the old or the new
// one, and the new one if Add had returned.
func TestCrash(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		add(t, fsutil.OS(), dir, nil, PreExecution)
		disk, err := faultfs.NewCrash(fsutil.OS(), dir)
		if err != nil {
			t.Fatal(err)
		}
		dead := errors.New("dead")
		list, err := Read(fsutil.OS(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Add(faultfs.New(disk, faultfs.From(n, dead)), dir, id, list, Checkpoint{Label: CoderResponse}, start)
		for choice := range uint64(20) {
			rnd := rand.New(rand.NewPCG(uint64(n), choice))
			clone := t.TempDir()
			if err := disk.Clone(clone, func(int) bool { return choice == 1 || choice > 1 && rnd.IntN(2) == 0 }); err != nil {
				t.Fatal(err)
			}
			read, rerr := Read(fsutil.OS(), clone, id)
			got := labels(read)
			if rerr != nil || got != PreExecution && got != PreExecution+" "+CoderResponse || err == nil && got == PreExecution {
				t.Errorf("operation %d, choice %d: %v, then %q, %v", n, choice, err, got, rerr)
			}
		}
		if err == nil {
			break
		}
	}
}
