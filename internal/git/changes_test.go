package git

import (
	"encoding/json"
	"testing"
)

// What an attempt left behind, noted in a file, is committed by the next one;
// what was dirty before, or was changed in between, is not.
func TestChangesOfEarlierAttempts(t *testing.T) {
	p := setUp(t, "changed", "removed", "user's", "both")
	p.write("user's", "dirty before\n")
	p.write("user's too", "untracked before\n")
	before := p.snapshot()
	p.write("changed", "two\n")
	p.remove("removed")
	p.write("new/file", "new\n")
	p.write("both", "by the attempt\n")
	p.write("user's", "and changed by the attempt\n")
	note, err := json.Marshal(p.snapshot().Since(before))
	if err != nil {
		t.Fatal(err)
	}
	p.write("both", "and by somebody else, later\n")
	p.write("between", "by somebody else\n")
	var own Snapshot
	if err := json.Unmarshal(note, &own); err != nil {
		t.Fatal(err)
	}
	if own.Dirty() != 4 {
		t.Errorf("noted: %s", note)
	}
	since, changed := p.snapshot().Without(&own)
	if len(changed) != 1 || changed[0] != "both" {
		t.Errorf("changed since: %q", changed)
	}
	p.write("later", "by the next attempt\n")
	p.commits(since, []string{"changed", "later", "new/file", "removed"}, nil)
	p.is("?? between", " M both", " M user's", "?? user's too")
	if err := json.Unmarshal([]byte(`{"no":1}`), &own); err == nil {
		t.Error("anything is a snapshot")
	}
}

func TestDiffStatExcludes(t *testing.T) {
	p := setUp(t, "state.json", "code")
	p.write("state.json", "one\ntwo\n")
	p.write("code", "one\ntwo\nthree\n")
	p.write("artifacts/log", "x\n")
	p.write("new", "x\n")
	want := Stat{Files: 1, Insertions: 2, Untracked: 1}
	if st, err := p.DiffStat(t.Context(), p.head(), exclude); err != nil || st != want {
		t.Errorf("%+v, %v, want %+v", st, err, want)
	}
}
