package session

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// recoverAll does what the command does, on the session's recovery file.
func recoverAll(t *testing.T, l Location, opts RecoverOptions, keep bool) []Decision {
	t.Helper()
	r, err := ReadRecovery(l.RecoveryPath())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, l, options(nil, nil))
	decisions, err := s.Recover(context.Background(), []*Recovery{r}, opts, keep)
	if err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
	return decisions
}

// verdicts are decisions as "S1 applied, S2 conflict".
func verdicts(decisions []Decision) string {
	var out []string
	for _, d := range decisions {
		out = append(out, strings.TrimPrefix(d.ID, "P1.M1.T1.")+" "+string(d.Verdict))
	}
	return strings.Join(out, ", ")
}

// leave writes a recovery file with these changes.
func leave(t *testing.T, l Location, changes ...Update) {
	t.Helper()
	s := open(t, l, options(nil, nil))
	s.mu.Lock()
	doc := s.doc
	s.mu.Unlock()
	if err := s.replaceRecovery(l.RecoveryPath(), doc, changes, recoveryError{Message: "m"}); err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
}

// TestPlanOfEveryPair decides all 343 cases of where it came from, where it
// goes and where it is.
func TestPlanOfEveryPair(t *testing.T) {
	// What the author would say, status by status: from here a change
	// to any of these is a step forward.
	forward := map[backlog.Status]string{
		backlog.Planned: "RIrCFO", backlog.Researching: "IrCFO", backlog.Implementing: "CFO", backlog.Retrying: "CFO",
		backlog.Failed: "CO", backlog.Complete: "", backlog.Obsolete: "",
	}
	letter := map[backlog.Status]string{
		backlog.Planned: "P", backlog.Researching: "R", backlog.Implementing: "I", backlog.Retrying: "r",
		backlog.Complete: "C", backlog.Failed: "F", backlog.Obsolete: "O",
	}
	for _, disk := range backlog.Statuses() {
		b, err := backlog.Parse("x", sample(disk))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range backlog.Statuses() {
			for _, to := range backlog.Statuses() {
				want := Conflict
				switch {
				case disk == to:
					want = AlreadyThere
				case disk == from, strings.Contains(forward[disk], letter[to]):
					want = Applied
				}
				r := &Recovery{Changes: []Update{{ID: sub(1), From: from, To: to}}}
				check := func(opts RecoverOptions, want Verdict) {
					d := plan([]*Recovery{r}, b, b.Statuses(), nil, nil, opts)
					if len(d) != 1 || d[0].Verdict != want || d[0].Disk != disk.String() {
						t.Errorf("%v -> %v where the file says %v, %+v: %+v, want %s", from, to, disk, opts, d, want)
					}
					if want == Conflict && d[0].Why == "" {
						t.Error("a conflict without a reason")
					}
				}
				check(RecoverOptions{}, want)
				forced, discarded := want, want
				if want == Conflict {
					forced, discarded = Applied, Discarded
				}
				check(RecoverOptions{Force: true}, forced)
				check(RecoverOptions{Discard: true}, discarded)
			}
		}
	}
}

func TestPlanOfOddChanges(t *testing.T) {
	b, err := backlog.Parse("x", sample(backlog.Planned, backlog.Complete))
	if err != nil {
		t.Fatal(err)
	}
	const p, i, f, c = backlog.Planned, backlog.Implementing, backlog.Failed, backlog.Complete
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	tests := []struct {
		name string
		r    *Recovery
		opts RecoverOptions
		want string
	}{
		{"an item that is gone", &Recovery{Changes: []Update{{ID: sub(9), To: c}}}, RecoverOptions{}, "S9 conflict"},
		{"gone, by force", &Recovery{Changes: []Update{{ID: sub(9), To: c}}}, RecoverOptions{Force: true}, "S9 discarded"},
		{"gone, discarded", &Recovery{Changes: []Update{{ID: sub(9), To: c}}}, RecoverOptions{Discard: true}, "S9 discarded"},
		{"a parent", &Recovery{Changes: []Update{{ID: "P1", From: p, To: c}}}, RecoverOptions{}, "P1 already there"},
		{"every step of an item", &Recovery{Changes: []Update{{ID: sub(1), From: p, To: i, At: at(1), Seq: 1}, {ID: sub(1), From: i, To: f, At: at(2), Seq: 2}, {ID: sub(1), From: f, To: c, At: at(3), Seq: 3}}}, RecoverOptions{}, "S1 applied"},
		{"its steps in disorder", &Recovery{Changes: []Update{{ID: sub(1), From: f, To: c, At: at(3), Seq: 3}, {ID: sub(1), From: p, To: i, At: at(1), Seq: 1}}}, RecoverOptions{}, "S1 applied"},
		{"none", &Recovery{Changes: []Update{}}, RecoverOptions{}, ""},
	}
	for _, tt := range tests {
		d := plan([]*Recovery{tt.r}, b, b.Statuses(), nil, newNotes(""), tt.opts)
		if got := verdicts(d); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if strings.Contains(tt.name, "step") && (d[0].To != c || d[0].From != p) {
			t.Errorf("%s: %v -> %v, want the first's from and the last's to", tt.name, d[0].From, d[0].To)
		}
	}
}

func TestRecover(t *testing.T) {
	const p, i, f, c = backlog.Planned, backlog.Implementing, backlog.Failed, backlog.Complete
	now := time.Now()
	changes := []Update{{ID: sub(1), From: p, To: c, At: now, Seq: 1}, {ID: sub(2), From: p, To: c, At: now, Seq: 2}, {ID: sub(3), From: i, To: f, At: now, Seq: 3}, {ID: sub(4), From: p, To: i, At: now, Seq: 4}}
	tests := []struct {
		name     string
		opts     RecoverOptions
		verdicts string
		file     string
		left     string // in the recovery file; "" for none
	}{
		// The file says Planned, Complete, Complete, Failed.
		{"plain", RecoverOptions{}, "S1 applied, S2 already there, S3 conflict, S4 conflict", "CCCF", "S3=F S4=I"},
		{"force", RecoverOptions{Force: true}, "S1 applied, S2 already there, S3 applied, S4 applied", "CCFI", ""},
		{"discard", RecoverOptions{Discard: true}, "S1 applied, S2 already there, S3 discarded, S4 discarded", "CCCF", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := home(t, sample(p, c, c, f))
			leave(t, l, changes...)
			if len(Waiting(l, nil)) == 0 {
				t.Fatal("no recovery file waits")
			}
			if got := verdicts(recoverAll(t, l, tt.opts, false)); got != tt.verdicts {
				t.Errorf("%q, want %q", got, tt.verdicts)
			}
			if got := statuses(t, l); got != tt.file {
				t.Errorf("the file says %s, want %s", got, tt.file)
			}
			if tt.left == "" {
				if len(Waiting(l, nil)) > 0 {
					t.Errorf("still waiting: %s", get(t, l.RecoveryPath()))
				}
				return
			}
			if got := waiting(recovery(t, l)); got != tt.left {
				t.Errorf("waiting %q, want %q", got, tt.left)
			}
			// Once more is a no-op.
			file, rest := get(t, l.Path()), get(t, l.RecoveryPath())
			if got := verdicts(recoverAll(t, l, tt.opts, false)); got != "S3 conflict, S4 conflict" {
				t.Errorf("the second time: %q", got)
			}
			if get(t, l.Path()) != file || get(t, l.RecoveryPath()) != rest {
				t.Error("the second time something was written")
			}
			recoverAll(t, l, RecoverOptions{Discard: true}, false)
			if (len(Waiting(l, nil)) > 0) || get(t, l.Path()) != file {
				t.Error("discarding left the recovery file, or changed the backlog")
			}
		})
	}
}

// TestRecoverRoundTrip: what a failed flush left comes back whole.
func TestRecoverRoundTrip(t *testing.T) {
	l := home(t, sample(planned(3)...))
	fail(t, l, backlog.Complete, 1, 3)
	edit(t, l, `"s 2"`, `"edited meanwhile"`)
	if got := verdicts(recoverAll(t, l, RecoverOptions{}, true)); got != "S1 applied, S3 applied" {
		t.Errorf("%q", got)
	}
	if got := get(t, l.Path()); statuses(t, l) != "CPC" || !strings.Contains(got, "edited meanwhile") || !strings.Contains(got, `"title":"p","status":"Implementing"`) {
		t.Errorf("the file is\n%s", got)
	}
	kept, err := filepath.Glob(l.RecoveryPath() + ".kept-*")
	if err != nil || len(kept) != 1 || (len(Waiting(l, nil)) > 0) {
		t.Fatalf("kept %q, %v; waiting %v", kept, err, (len(Waiting(l, nil)) > 0))
	}
	if r, err := ReadRecovery(kept[0]); err != nil || r.Damage != nil || waiting(r) != "S1=C S3=C" {
		t.Errorf("the copy: %+v, %v", r, err)
	}
}

// TestRecoverVerifies: another program's later change in the last instant wins,
// and then the file is not removed.
func TestRecoverVerifies(t *testing.T) {
	l := home(t, sample(planned(2)...))
	fail(t, l, backlog.Failed, 1, 2)
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	edited := false
	ffs.Fail(func(op faultfs.Op) error {
		if op.Name == "Exchange" && !edited {
			edited = true
			edit(t, l, word(1, backlog.Planned), word(1, backlog.Complete))
		}
		return nil
	})
	_, err := s.Recover(context.Background(), []*Recovery{recovery(t, l)}, RecoverOptions{}, false)
	if err == nil || !strings.Contains(err.Error(), "P1.M1.T1.S1 is not Failed in") {
		t.Errorf("%v", err)
	}
	closeSession(t, s)
	if statuses(t, l) != "CF" || waiting(recovery(t, l)) != "S1=F S2=F" {
		t.Errorf("the file says %s, waiting %q", statuses(t, l), waiting(recovery(t, l)))
	}
	if got := verdicts(recoverAll(t, l, RecoverOptions{}, false)); got != "S1 conflict, S2 already there" {
		t.Errorf("the next time: %q", got)
	}
}

// TestRecoverOtherTools: the changes are the items whose status differs.
func TestRecoverOtherTools(t *testing.T) {
	l := home(t, sample(backlog.Planned, backlog.Complete, backlog.Planned))
	put(t, l.RecoveryPath(), fmt.Sprintf(`{"version":"1.0","timestamp":"2026-01-24T15:30:45.123Z","sessionPath":"x","pendingUpdates":%s,`+
		`"error":{"message":"m","code":"EIO","attempts":3},"pendingCount":7}`, sample(backlog.Complete, backlog.Planned, backlog.Planned)))
	if got := verdicts(recoverAll(t, l, RecoverOptions{}, false)); got != "S1 applied, S2 conflict" {
		t.Errorf("%q", got)
	}
	if statuses(t, l) != "CCP" || waiting(recovery(t, l)) != "S2=P" {
		t.Errorf("the file says %s, waiting %q", statuses(t, l), waiting(recovery(t, l)))
	}
}

// TestRecoverDamaged: by force what can be read is applied, and the damaged
// file is kept.
func TestRecoverDamaged(t *testing.T) {
	l := home(t, sample(planned(3)...))
	fail(t, l, backlog.Complete, 1, 3)
	whole := get(t, l.RecoveryPath())
	damaged := whole[:len(whole)-50]
	put(t, l.RecoveryPath(), damaged)
	if got := verdicts(recoverAll(t, l, RecoverOptions{Force: true}, false)); got != "S1 applied, S3 applied" {
		t.Errorf("%q", got)
	}
	kept, err := filepath.Glob(l.RecoveryPath() + ".kept-*")
	if err != nil || len(kept) != 1 || get(t, kept[0]) != damaged || (len(Waiting(l, nil)) > 0) {
		t.Errorf("kept %q, %v; waiting %v", kept, err, (len(Waiting(l, nil)) > 0))
	}
}

// TestRecoverWhileAnotherFlushFails: what joins the file meanwhile stays.
func TestRecoverWhileAnotherFlushFails(t *testing.T) {
	l := home(t, sample(planned(3)...))
	fail(t, l, backlog.Complete, 1)
	r := recovery(t, l)
	fail(t, l, backlog.Complete, 2)
	s := open(t, l, options(nil, nil))
	decisions, err := s.Recover(context.Background(), []*Recovery{r}, RecoverOptions{}, false)
	if err != nil || verdicts(decisions) != "S1 applied" {
		t.Errorf("%q, %v", verdicts(decisions), err)
	}
	closeSession(t, s)
	if statuses(t, l) != "CPP" || waiting(recovery(t, l)) != "S2=C" {
		t.Errorf("the file says %s, waiting %q", statuses(t, l), waiting(recovery(t, l)))
	}
}

// TestRecoverYields: what a hacky was told after the recovery file was written
// is not undone, even where tasks.json had said it all along.
func TestRecoverYields(t *testing.T) {
	l := home(t, sample(backlog.Complete, backlog.Planned, backlog.Complete))
	fail(t, l, backlog.Planned, 1, 3)
	fail(t, l, backlog.Failed, 2)
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Complete, 1)
	apply(t, s, backlog.Planned, 2)
	closeSession(t, s)

	planned, err := PlanRecovery(l, []*Recovery{recovery(t, l)}, RecoverOptions{})
	const want = "S1 conflict, S3 applied, S2 applied"
	if err != nil || verdicts(planned) != want {
		t.Errorf("planned %q, %v", verdicts(planned), err)
	}
	if got := verdicts(recoverAll(t, l, RecoverOptions{}, false)); got != want {
		t.Errorf("%q", got)
	}
	if statuses(t, l) != "CFP" || waiting(recovery(t, l)) != "S1=P" {
		t.Errorf("the file says %s, waiting %q", statuses(t, l), waiting(recovery(t, l)))
	}
	if got := verdicts(recoverAll(t, l, RecoverOptions{Force: true}, false)); got != "S1 applied" || statuses(t, l) != "PFP" {
		t.Errorf("by force %q: %s", got, statuses(t, l))
	}
}
