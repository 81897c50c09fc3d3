package backlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// The question these answer: is loading a backlog of 100,000 subtasks, 50 MB,
// at most twice as slow as reading the file, checking its UTF-8 and scanning it
// once (BenchmarkReadValidScan)?
//
//	go test -run - -bench . -count 5 ./internal/backlog/

// bigBacklog writes a backlog of n subtasks as tools write it: two blanks per
// level, about 500 bytes a subtask, text with escaped line breaks, up to three
// dependencies on what stands before.
func bigBacklog(n int) string {
	const line = `3. LOGIC: open the file, check what it holds and hand it on\n   - never write twice\n`
	scope := line
	var b strings.Builder
	b.Grow(n*520 + 1024)
	b.WriteString("{\n  \"backlog\": [")
	open := func(i int, level, key, kind, id string) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n%s{\n%s  \"type\": %q,\n%s  \"id\": %q,\n%s  \"title\": \"A %s\",\n%s  \"status\": \"Planned\",\n%s  \"description\": \"What it is for\",\n%s  %q: [",
			level, level, kind, level, id, level, kind, level, level, level, key)
	}
	const perTask, perMilestone, perPhase = 10, 10, 20
	in4, in8, in12, in16 := strings.Repeat(" ", 4), strings.Repeat(" ", 8), strings.Repeat(" ", 12), strings.Repeat(" ", 16)
	id := func(k int) string {
		t := k / perTask
		m := t / perMilestone
		return fmt.Sprintf("P%d.M%d.T%d.S%d", m/perPhase+1, m%perPhase+1, t%perMilestone+1, k%perTask+1)
	}
	for k := range n {
		t := k / perTask
		m := t / perMilestone
		p := m / perPhase
		if k%(perTask*perMilestone*perPhase) == 0 {
			open(p, in4, "milestones", "Phase", fmt.Sprintf("P%d", p+1))
		}
		if k%(perTask*perMilestone) == 0 {
			open(m%perPhase, in8, "tasks", "Milestone", fmt.Sprintf("P%d.M%d", p+1, m%perPhase+1))
		}
		if k%perTask == 0 {
			open(t%perMilestone, in12, "subtasks", "Task", fmt.Sprintf("P%d.M%d.T%d", p+1, m%perPhase+1, t%perMilestone+1))
		}
		if k%perTask > 0 {
			b.WriteByte(',')
		}
		var deps []string
		for d := range min(k, k%4) {
			deps = append(deps, fmt.Sprintf("\n%s    %q", in16, id(k-1-d*7%k)))
		}
		list := strings.Join(deps, ",")
		if list != "" {
			list += "\n" + in16 + "  "
		}
		fmt.Fprintf(&b, "\n%s{\n%s  \"type\": \"Subtask\",\n%s  \"id\": %q,\n%s  \"title\": \"Subtask %d\",\n%s  \"status\": \"Planned\",\n%s  \"story_points\": %d,\n%s  \"dependencies\": [%s],\n%s  \"context_scope\": \"%s\"\n%s}",
			in16, in16, in16, id(k), in16, k, in16, in16, k%5, in16, list, in16, scope, in16)
		last := k == n-1
		if last || (k+1)%perTask == 0 {
			fmt.Fprintf(&b, "\n%s  ]\n%s}", in12, in12)
		}
		if last || (k+1)%(perTask*perMilestone) == 0 {
			fmt.Fprintf(&b, "\n%s  ]\n%s}", in8, in8)
		}
		if last || (k+1)%(perTask*perMilestone*perPhase) == 0 {
			fmt.Fprintf(&b, "\n%s  ]\n%s}", in4, in4)
		}
	}
	b.WriteString("\n  ]\n}\n")
	return b.String()
}

func bigFile(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "tasks.json")
	if err := os.WriteFile(path, []byte(bigBacklog(100_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func readFile(b *testing.B, path string) []byte {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	return data
}

func BenchmarkParse(b *testing.B) {
	path := bigFile(b)
	b.ReportAllocs()
	for b.Loop() {
		data := readFile(b, path)
		if _, err := Parse(path, unsafe.String(&data[0], len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadValidScan is the yardstick: the least that loading can be.
func BenchmarkReadValidScan(b *testing.B) {
	path := bigFile(b)
	for b.Loop() {
		data := readFile(b, path)
		if !utf8.Valid(data) {
			b.Fatal("not UTF-8")
		}
		if ids, statuses, deps := plainScan(data); ids != 111_050 || statuses != ids || deps < 100_000 {
			b.Fatal(ids, statuses, deps)
		}
	}
}

// plainScan looks at every byte once and believes that it is JSON.
func plainScan(data []byte) (ids, statuses, deps int) {
	var key []byte
	list := false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '[':
			list = string(key) == "dependencies"
		case ']':
			list = false
		case '"':
			from := i + 1
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			word := data[from:i]
			switch {
			case list:
				deps++
			case i+1 < len(data) && data[i+1] == ':':
				key = word
			case string(key) == "id":
				ids++
			case string(key) == "status":
				statuses++
			}
		}
	}
	return ids, statuses, deps
}

func BenchmarkEncodingJSON(b *testing.B) {
	type subtask struct {
		ID, Type, Title, Status string
		StoryPoints             float64 `json:"story_points"`
		Dependencies            []string
		ContextScope            string `json:"context_scope"`
	}
	type task struct {
		ID, Type, Title, Status, Description string
		Subtasks                             []subtask
	}
	type milestone struct {
		ID, Type, Title, Status, Description string
		Tasks                                []task
	}
	type phase struct {
		ID, Type, Title, Status, Description string
		Milestones                           []milestone
	}
	path := bigFile(b)
	b.ReportAllocs()
	for b.Loop() {
		var v struct{ Backlog []phase }
		if err := json.Unmarshal(readFile(b, path), &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	src := bigBacklog(100_000)
	bl := mustParse(b, src)
	statuses := bl.Statuses()
	statuses[len(statuses)-1] = Complete
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := bl.Render(io.Discard, statuses); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRollUp(b *testing.B) {
	bl := mustParse(b, bigBacklog(100_000))
	for _, first := range []Status{Complete, Failed} {
		statuses := bl.Statuses()
		statuses[3] = first
		b.Run(first.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bl.RollUp(statuses)
			}
		})
	}
}

// BenchmarkCycleOfAll is a knot of 100,000 subtasks, the worst there is to say
// about dependencies.
func BenchmarkCycleOfAll(b *testing.B) {
	src := ringBacklog(100_000)
	for b.Loop() {
		if _, err := Parse("tasks.json", src); err == nil {
			b.Fatal("accepted")
		}
	}
}

// TestMemory holds what stays in memory, the text included, to twice the file.
func TestMemory(t *testing.T) {
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	src := bigBacklog(20_000)
	src = string(bytes.Clone([]byte(src))) // without the builder's spare room
	bl := mustParse(t, src)
	used := live() - before
	t.Logf("%d items, file of %d bytes: %d bytes in memory, %.2f of the file", bl.Len(), len(src), used, float64(used)/float64(len(src)))
	if used > 2*uint64(len(src)) {
		t.Errorf("a file of %d bytes takes %d in memory, more than twice as much", len(src), used)
	}
	runtime.KeepAlive(bl)
}
