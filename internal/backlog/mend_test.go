package backlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// withDependencies is a backlog of S1 to S4 in which S4 has this text as its
// dependencies and this one as its status.
func withDependencies(list, status string) string {
	var b strings.Builder
	b.WriteString(`{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","milestones":[{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[`)
	for n := 1; n < 4; n++ {
		fmt.Fprintf(&b, `{"id":"P1.M1.T1.S%d","type":"Subtask","title":"s","status":"Planned"},`, n)
	}
	fmt.Fprintf(&b, `{"id":"P1.M1.T1.S4","type":"Subtask","title":"s","status":"%s","dependencies":%s}]}]}]}]}`, status, list)
	return b.String()
}

func TestMend(t *testing.T) {
	long := strings.NewReplacer("#", "P1.M1.T1.S")
	for list, want := range map[string]string{
		`["#1"]`:                                  `["#1"]`,
		`["#9"]`:                                  `[]`,
		`[ "#9" ]`:                                `[  ]`,
		`["#9","#1"]`:                             `["#1"]`,
		`["#1","#9"]`:                             `["#1"]`,
		`["#1" , "#9" , "#2"]`:                    `["#1" , "#2"]`,
		"[\n  \"#8\",\n  \"#9\",\n  \"#2\"\n]":    "[\n  \"#2\"\n]",
		"[\n  \"#1\",\n  \"#9\",\n  \"#4\"\n]":    "[\n  \"#1\"\n]",
		`["#8","#1","#9","#2","#4","x","#3"]`:     `["#1","#2","#3"]`,
		`["","#8","P9"]`:                          `[]`,
		`["P1.M1.T1.S\u0039","P1.M1.T1.S\u0031"]`: `["P1.M1.T1.S\u0031"]`,
		`["#9",7,"#1"]`:                           `["#9",7,"#1"]`, // what is no id is for people
		`["P1.M1","#9"]`:                          `["P1.M1"]`,     // a cycle stays
	} {
		got, done := Mend("x", withDependencies(long.Replace(list), "Planned"))
		if got != withDependencies(long.Replace(want), "Planned") || (len(done) > 0) != (list != want) {
			t.Errorf("%s becomes %s, %d mended", list, got[len(withDependencies("", "Planned"))-30:], len(done))
		}
	}
	for status, want := range map[string]string{
		"complete": "Complete", " Failed ": "Failed", "RETRYING": "Retrying", "pl\\u0061nned": "Planned",
		"Done": "Done", "": "", "Com plete": "Com plete",
	} {
		if got, _ := Mend("x", withDependencies("[]", status)); got != withDependencies("[]", want) {
			t.Errorf("status %q: %s", status, got)
		}
	}
	for _, broken := range []string{"", "{", `{"backlog":[`, withDependencies(`["P1.M1.T1.S9"`, "Planned")} {
		if got, done := Mend("x", broken); got != broken || done != nil {
			t.Errorf("%s was mended", broken)
		}
	}
}

// TestMendOnlyDrops: of random lists exactly the unknown ids and the own one
// are dropped, by a slow reference that decodes everything.
func TestMendOnlyDrops(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		blank := func() string { return []string{"", " ", "\n\t"}[r.IntN(3)] }
		var elements, want []string
		for range r.IntN(8) {
			id := []string{"P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T1.S3", "P1.M1.T1.S4", "P1.M1.T1.S5", "P7", "nonsense", "P1.M1.T1.S01"}[r.IntN(8)]
			if strings.HasSuffix(id, "S1") || strings.HasSuffix(id, "S2") || strings.HasSuffix(id, "S3") {
				want = append(want, id)
			}
			elements = append(elements, blank()+fmt.Sprintf("%q", id)+blank())
		}
		list := "[" + strings.Join(elements, ",") + "]"
		src := withDependencies(list, "Planned")
		got, done := Mend("x", src)
		if len(done) != len(elements)-len(want) {
			t.Fatalf("seed %d: %s: %d dropped", seed, list, len(done))
		}
		if _, err := Parse("x", got); err != nil {
			t.Fatalf("seed %d: %s becomes %s: %v", seed, list, got, err)
		}
		at := strings.Index(src, list)
		if !strings.HasPrefix(got, src[:at]) || !strings.HasSuffix(got, src[at+len(list):]) {
			t.Fatalf("seed %d: other bytes have changed", seed)
		}
		var left []string
		if err := json.Unmarshal([]byte(got[at:len(got)-len(src)+at+len(list)]), &left); err != nil || strings.Join(left, " ") != strings.Join(want, " ") {
			t.Fatalf("seed %d: %s becomes %q: %v", seed, list, left, err)
		}
	}
}

// FuzzMend: whatever the input, the result is no worse.
func FuzzMend(f *testing.F) {
	f.Add(withDependencies(`["P1.M1.T1.S9","P1"]`, "complete"))
	f.Add("{")
	f.Fuzz(func(t *testing.T, src string) {
		_, before := Parse("x", src)
		got, done := Mend("x", src)
		_, after := Parse("x", got)
		var was, is *InvalidError
		errors.As(before, &was)
		if errors.As(after, &is) && (was == nil || len(is.Problems)+is.More > len(was.Problems)+was.More-len(done)) {
			t.Errorf("%v\nbecomes\n%v", was, is)
		}
		if again, more := Mend("x", got); len(more) > 0 && was.More == 0 && len(done) > 0 {
			t.Errorf("not mended at once: %q", again)
		}
	})
}
