package session

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// worked gives the sample's subtask n a command.
func worked(n int, run string) (string, string) {
	line := strings.TrimSuffix(word(n, backlog.Planned), `,"status":"Planned"`)
	return line, line + `,"run":"` + run + `"`
}

// identityCases change S1 after its status was given.
func identityCases() []identityCase {
	const title, typo, deploy = `"title":"Write the login page"`, `"title":"Write the logn page"`, `"title":"Deploy to production"`
	return []identityCase{
		{"nothing", nil, true},
		{"a typo in the title", []string{title, typo}, true},
		{"another title", []string{title, deploy}, false},
		{"another command", []string{`"run":"make"`, `"run":"make all"`}, false},
		{"a gate", []string{`"run":"make"`, `"run":"make","gates":[{"level":1,"run":"true"}]`}, false},
		{"a variable", []string{`"run":"make"`, `"run":"make","env":{"A":"1"}`}, false},
		{"a parent's variable", []string{`"title":"t"`, `"title":"t","env":{"A":"1"}`}, false},
		{"a directory", []string{`"run":"make"`, `"run":"make","workdir":"w"`}, false},
		{"a parent's typo", []string{`"title":"t"`, `"title":"tt"`}, true},
		{"an unknown field", []string{`"run":"make"`, `"run":"make","owner":"me"`}, true},
		{"a description", []string{`"run":"make"`, `"run":"make","context_scope":"more"`}, true},
		{"an item after it", []string{`{"id":"P1.M1.T1.S2"`, `{"id":"P1.M1.T1.S3","type":"Subtask","title":"new","status":"Planned"},{"id":"P1.M1.T1.S2"`}, true},
		{"renumbered: S2 becomes S1", []string{`{"id":"P1.M1.T1.S1"`, `{"id":"P1.M1.T1.S9"`, `{"id":"P1.M1.T1.S2"`, `{"id":"P1.M1.T1.S1"`}, false},
	}
}

type identityCase struct {
	name string
	edit []string
	same bool
}

// identityHome is a session whose S1 has the title and command of the cases.
func identityHome(t *testing.T) Location {
	old, run := worked(1, "make")
	run = strings.Replace(run, `"s 1"`, `"Write the login page"`, 1)
	return home(t, strings.Replace(sample(planned(2)...), old, run, 1))
}

// statusOf is what tasks.json says of P1.M1.T1.S1.
func statusOf(t *testing.T, l Location) backlog.Status {
	t.Helper()
	b, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := b.Lookup(sub(1))
	if !ok {
		t.Fatal("there is no S1")
	}
	return b.Items[i].Status
}

// A journal completes an item only if the item is the work that was done.
func TestReplayOfOtherWork(t *testing.T) {
	t.Parallel()
	for _, tt := range identityCases() {
		l := identityHome(t)
		s := open(t, l, runOptions(nil, nil))
		if !acknowledge(t, s, backlog.Complete, 1) {
			t.Fatal("not acknowledged")
		}
		die(t, s)
		if tt.edit != nil {
			edit(t, l, tt.edit...)
		}
		_, now, err := View(l)
		if err != nil || strings.Contains(letters(mustRead(t, l), now), "C") != tt.same {
			t.Errorf("%s: readers see %v, %v", tt.name, now, err)
		}
		planned, err := PlanRecovery(l, nil, RecoverOptions{})
		if err != nil || len(planned) != 1 || (planned[0].Verdict == Applied) != tt.same || planned[0].OtherWork() == tt.same {
			t.Errorf("%s: hacky recover would do %+v, %v", tt.name, planned, err)
		}
		var log logged
		s = open(t, l, runOptions(nil, &log))
		closeSession(t, s)
		if got := statusOf(t, l) == backlog.Complete; got != tt.same {
			t.Errorf("%s: complete is %v, want %v", tt.name, got, tt.same)
		}
		kept, err := filepath.Glob(l.Hidden("journal-other-*"))
		if err != nil || (len(kept) == 0) != tt.same || exists(t, l.JournalPath()) {
			t.Errorf("%s: kept aside %q, %v; the journal is there: %v", tt.name, kept, err, exists(t, l.JournalPath()))
		}
		warned := log.lines(t, "given for other work")
		if (len(warned) == 0) != tt.same {
			t.Errorf("%s: warned %v", tt.name, warned)
		}
		if tt.same {
			continue
		}
		if warned[0]["level"] != "warn" || warned[0]["title"] != "Write the login page" || warned[0]["titleNow"] == nil {
			t.Errorf("%s: warned %v", tt.name, warned)
		}
		r, err := ReadRecovery(kept[0])
		if err != nil || r.Damage != nil || waiting(r) != "S1=C" || s.Aside() != kept[0] {
			t.Errorf("%s: kept aside is %+v, %v", tt.name, r, err)
		}
	}
}

func mustRead(t *testing.T, l Location) *backlog.Backlog {
	t.Helper()
	b, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A recovery file completes an item only if the item is the work that was done,
// also a file without work digests, by its own backlog.
func TestRecoverOfOtherWork(t *testing.T) {
	t.Parallel()
	for _, tt := range identityCases() {
		for _, older := range []bool{false, true} {
			l := identityHome(t)
			fail(t, l, backlog.Complete, 1)
			if older {
				r := get(t, l.RecoveryPath())
				put(t, l.RecoveryPath(), strings.NewReplacer(`"work"`, `"x"`, "\n      \"title\"", `"y"`).Replace(r))
				if recovery(t, l).Changes[0].Recorded() {
					t.Fatal("the file tells the work still")
				}
			}
			if tt.edit != nil {
				edit(t, l, tt.edit...)
			}
			d := recoverAll(t, l, RecoverOptions{}, false)
			if len(d) != 1 || (d[0].Verdict == Applied) != tt.same || d[0].OtherWork() == tt.same {
				t.Errorf("%s (older: %v): %+v", tt.name, older, d)
			}
			if got := statusOf(t, l) == backlog.Complete; got != tt.same {
				t.Errorf("%s (older: %v): complete is %v", tt.name, older, got)
			}
			if tt.same {
				continue
			}
			if why := d[0].Why; !strings.Contains(why, `"Write the login page"`) || !strings.Contains(why, d[0].Is.Title) {
				t.Errorf("%s: both titles are not in %q", tt.name, why)
			}
			if waiting(recovery(t, l)) != "S1=C" {
				t.Errorf("%s: left is %q", tt.name, waiting(recovery(t, l)))
			}
			if d := recoverAll(t, l, RecoverOptions{Force: true}, false); verdicts(d) != "S1 applied" || statusOf(t, l) != backlog.Complete || exists(t, l.RecoveryPath()) {
				t.Errorf("%s: by force %+v", tt.name, d)
			}
		}
	}
}

// A pending status of an item that another program replaces is not written, and
// a status for other work is not accepted.
func TestItemChangesUnderASession(t *testing.T) {
	t.Parallel()
	for _, tt := range identityCases() {
		for _, when := range []string{"pending", "running", "flushed"} {
			l := identityHome(t)
			s := open(t, l, runOptions(nil, nil))
			did, _ := s.Backlog().WorkOf(sub(1))
			to := backlog.Complete
			if when == "running" {
				to = backlog.Implementing
			}
			apply(t, s, to, 1)
			if when != "pending" {
				flush(t, s)
			}
			if tt.edit != nil {
				edit(t, l, append([]string{`"status":"` + to.String() + `"`, `"status":"Planned"`}, tt.edit...)...)
			}
			flush(t, s)
			if when == "running" {
				err := s.Apply(nil, Change{ID: sub(1), To: backlog.Complete, Work: did})
				if IsOtherWork(err) == tt.same || err != nil && tt.same {
					t.Errorf("%s: applying is %v", tt.name, err)
				}
			}
			closeSession(t, s)
			if got := statusOf(t, l) == backlog.Complete; got != tt.same {
				t.Errorf("%s, %s: complete is %v, want %v", tt.name, when, got, tt.same)
			}
			if got := statusOf(t, l); !tt.same && got != backlog.Planned {
				t.Errorf("%s, %s: it is %s", tt.name, when, got)
			}
		}
	}
}
