package validate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
	"github.com/hacky-run/hacky/internal/journal"
	"github.com/hacky-run/hacky/internal/retry"
	"github.com/hacky-run/hacky/internal/session"
)

func sub(n int) string { return fmt.Sprintf("P1.M1.T1.S%d", n) }

// content is a backlog of S1 to S4; s4 is more of S4.
func content(parents, s4 string) string {
	return `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"` + parents + `","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[
  {"id":"P1.M1.T1.S1","type":"Subtask","title":"s","status":"Planned"},
  {"id":"P1.M1.T1.S2","type":"Subtask","title":"s","status":"Planned"},
  {"id":"P1.M1.T1.S3","type":"Subtask","title":"s","status":"Planned"},
  {"id":"P1.M1.T1.S4","type":"Subtask","title":"s"` + s4 + `}
]}]}]}]}
`
}

const fine = `,"status":"Planned"`

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func home(t testing.TB, text string) session.Location {
	t.Helper()
	l := session.Location{Dir: memory(t), Name: session.TasksFile}
	put(t, l.Path(), text)
	return l
}

// memory is a directory on a file system in memory, if there is one: the sweeps
// sync thousands of files, and what a sync is worth is simulated here.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hacky-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // gone with the next boot in any case
	return dir
}

// journalOf writes a journal in which each record is a frame of its own.
func journalOf(t testing.TB, l session.Location, ids ...int) []byte {
	t.Helper()
	if err := os.MkdirAll(l.Hidden(""), 0o755); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Create(fsutil.OS(), l.JournalPath(), journal.Base{}, nil, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range ids {
		j.Append(true, func(err error) {
			if err != nil {
				t.Error(err)
			}
		}, journal.Record{ID: sub(n), From: backlog.Planned, To: backlog.Complete, At: time.Now(), Seq: uint64(k + 1)})
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(get(t, l.JournalPath()))
}

// damage flips a byte in the k-th frame of a journal.
func damage(t testing.TB, l session.Location, k int) {
	t.Helper()
	data := []byte(get(t, l.JournalPath()))
	at := 0
	for range k {
		at += strings.Index(string(data[at:]), "frme") + 4
	}
	data[at+30] ^= 1
	put(t, l.JournalPath(), string(data))
}

func options() session.Options {
	return session.Options{Log: zerolog.Nop(), Retry: retry.Policy{Retries: 1, Base: time.Millisecond, Max: time.Millisecond}}
}

func words(problems []Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, string(p.Kind))
	}
	return strings.Join(out, " ")
}

// statuses of S1 to S4 and the phase, a letter each, as readers see them.
func statuses(t testing.TB, l session.Location) string {
	t.Helper()
	b, list, err := session.View(l)
	if err != nil {
		return "unreadable"
	}
	out := ""
	for i := range b.Items {
		if k := b.Items[i].Kind; k == backlog.Subtask || k == backlog.Phase {
			out += list[i].String()[:1]
		}
	}
	return out[1:] + out[:1]
}

// TestRepair: each kind of broken session, what is found, what a repair mends
// and leaves, and that a second one does nothing.
func TestRepair(t *testing.T) {
	newer := func(t *testing.T, l session.Location) {
		data := journalOf(t, l, 1)
		data[8] = 9
		put(t, l.JournalPath(), string(data))
	}
	for _, c := range []struct {
		name, text string
		breakIt    func(t *testing.T, l session.Location)
		problems   string // found
		notes      string
		repaired   string
		left       string // problems
		statuses   string
		backup     string // files in it
	}{
		{name: "in order", text: content("Planned", fine), statuses: "PPPPP"},
		{name: "roll-up", text: content("Complete", fine), notes: "rollUp", repaired: "rollUp", statuses: "PPPPP", backup: "tasks.json"},
		{name: "an unknown dependency and a misspelt status", text: content("Planned", `,"status":"complete","dependencies":["P1.M1.T1.S9","P1.M1.T1.S1"]`),
			problems: "backlog backlog", repaired: "backlog backlog", statuses: "PPPCI", backup: "tasks.json"},
		{name: "what is not safe", text: content("Planned", `,"status":"Done","dependencies":["P1.M1.T1.S4"]`),
			problems: "backlog backlog", repaired: "backlog", left: "backlog", statuses: "unreadable", backup: "tasks.json"},
		{name: "a cycle", text: content("Planned", `,"status":"Planned","dependencies":["P1.M1"]`), problems: "backlog", left: "backlog", statuses: "unreadable"},
		{name: "no JSON", text: "{", problems: "backlog", left: "backlog", statuses: "unreadable"},
		{name: "a run that died", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) { journalOf(t, l, 1, 2) },
			notes: "journal", repaired: "journal", statuses: "CCPPI", backup: "journal tasks.json"},
		{name: "a torn journal", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) {
			data := strings.TrimRight(string(journalOf(t, l, 1, 2)), "\x00")
			put(t, l.JournalPath(), data[:len(data)-3])
		}, notes: "journal journal", repaired: "journal journal", statuses: "CPPPI", backup: "journal tasks.json"},
		{name: "damage in the middle", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) {
			journalOf(t, l, 1, 2, 3)
			damage(t, l, 2)
		}, problems: "journal", repaired: "journal", statuses: "CPCPI", backup: "journal tasks.json"},
		{name: "nothing readable", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) { put(t, l.Path()+".journal", "nonsense") },
			problems: "journal", repaired: "journal", statuses: "PPPPP", backup: "tasks.json tasks.json.journal"},
		{name: "a newer journal", text: content("Planned", fine), breakIt: newer, problems: "journal", left: "journal", statuses: "unreadable"},
		{name: "checkpoints", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) {
			put(t, filepath.Join(l.Dir, checkpoint.Path(sub(1))), "{")
			put(t, filepath.Join(l.Dir, checkpoint.Path(sub(2))), `{"version":"9"}`)
			put(t, filepath.Join(l.Dir, checkpoint.Path("P7.M1.T1.S1")), `{"version":"1.0","checkpoints":[]}`)
		}, problems: "checkpoint checkpoint", notes: "checkpoint", repaired: "checkpoint", left: "checkpoint", statuses: "PPPPP",
			backup: "artifacts%" + sub(1) + "%checkpoints.json"},
		{name: "temporary files", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) {
			for _, name := range []string{".tasks.json.0123456789abcdef.hacky-tmp", "artifacts/" + sub(1) + "/.checkpoints.json.0123456789abcdef.hacky-tmp"} {
				name = filepath.Join(l.Dir, name)
				put(t, name, "x")
				if err := os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
					t.Fatal(err)
				}
			}
			put(t, filepath.Join(l.Dir, ".tasks.json.mine.hacky-tmp"), "x") // no name of ours
		}, notes: "temp temp", repaired: "temp temp", statuses: "PPPPP",
			backup: ".tasks.json.0123456789abcdef.hacky-tmp artifacts%" + sub(1) + "%.checkpoints.json.0123456789abcdef.hacky-tmp"},
		{name: "a damaged recovery file", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) { put(t, l.RecoveryPath(), `{"changes":[`) },
			problems: "recovery", left: "recovery", statuses: "PPPPP"},
		{name: "evidence that is none", text: content("Planned", fine), breakIt: func(t *testing.T, l session.Location) {
			put(t, filepath.Join(l.Dir, "artifacts", "attempts.ndjson"), "{\"id\":\"P1.M1.T1.S1\"}\n{\"id\n")
		}, notes: "attempts", statuses: "PPPPP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := home(t, c.text)
			if c.breakIt != nil {
				c.breakIt(t, l)
			}
			before := snapshot(t, l.Dir)
			found, err := Examine(Target{Session: l})
			if err != nil || words(found.Problems) != c.problems || words(found.Notes) != c.notes {
				t.Errorf("found %q, notes %q, %v", words(found.Problems), words(found.Notes), err)
			}
			if snapshot(t, l.Dir) != before {
				t.Error("looking has changed something")
			}
			r, err := Repair(t.Context(), Target{Session: l}, options())
			if err != nil || words(r.Repaired) != c.repaired || words(r.Problems) != c.left {
				t.Errorf("repaired %q, left %q, %v", words(r.Repaired), words(r.Problems), err)
			}
			if got := statuses(t, l); got != c.statuses {
				t.Errorf("statuses %s, want %s", got, c.statuses)
			}
			files := ""
			if r.Backup != "" {
				entries, err := os.ReadDir(r.Backup)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					files += " " + e.Name()
				}
				if strings.Contains(files, " tasks.json") && get(t, filepath.Join(r.Backup, "tasks.json")) != c.text {
					t.Error("the backup is not what was there")
				}
			} else if c.backup == "" && snapshot(t, l.Dir) != before {
				t.Error("something was changed without a backup")
			}
			if strings.TrimSpace(files) != c.backup {
				t.Errorf("backup of %q, want %q", files, c.backup)
			}
			after := snapshot(t, l.Dir)
			if again, err := Repair(t.Context(), Target{Session: l}, options()); err != nil || again.Backup != "" || len(again.Repaired) > 0 || snapshot(t, l.Dir) != after {
				t.Errorf("once more: %+v, %v", again, err)
			}
		})
	}
}

// snapshot is every file below dir with its content.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fmt.Fprintf(&b, "%s %q\n", strings.TrimPrefix(name, dir), get(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRepairIsRefusedWhileARunGoesOn(t *testing.T) {
	l := home(t, content("Complete", fine))
	o := options()
	o.Run, o.Holder = true, "the run"
	s, err := session.Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	var locked *session.LockedError
	if _, err := Repair(t.Context(), Target{Session: l}, options()); !errors.As(err, &locked) || !strings.Contains(err.Error(), "the run") {
		t.Errorf("%v", err)
	}
}

func TestKeptBackups(t *testing.T) {
	l := home(t, "")
	for range 8 {
		put(t, l.Path(), content("Complete", fine))
		if r, err := Repair(t.Context(), Target{Session: l}, options()); err != nil || r.Backup == "" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(l.Dir, ".hacky", "backup-*")); len(kept) != keptBackups {
		t.Errorf("%d backups are kept", len(kept))
	}
}

// broken is a session with everything wrong that a repair mends: S1 and S3
// wait in a damaged journal.
func broken(t *testing.T) session.Location {
	t.Helper()
	l := home(t, content("Complete", `,"status":"planned","dependencies":["P1.M1.T1.S9"]`))
	journalOf(t, l, 1, 2, 3)
	damage(t, l, 2)
	put(t, filepath.Join(l.Dir, checkpoint.Path(sub(1))), "{")
	return l
}

// kept tells whether S1 and S3 are Complete, or can be read of the journal.
func kept(l session.Location) bool {
	have := map[string]bool{}
	_, err := journal.Read(fsutil.OS(), l.JournalPath())
	var d *journal.DamageError
	if errors.As(err, &d) {
		for _, r := range d.Readable {
			have[r.ID] = true
		}
	}
	if b, list, err := session.View(l); err == nil {
		for i := range b.Items {
			if list[i] == backlog.Complete {
				have[b.Items[i].ID] = true
			}
		}
	}
	if c, err := journal.Read(fsutil.OS(), l.JournalPath()); err == nil && c != nil {
		for _, r := range c.Records {
			have[r.ID] = true
		}
	}
	return have[sub(1)] && have[sub(3)]
}

// TestRepairFaults: whichever operation fails, nothing is lost, tasks.json is
// one of the versions whole, and the next repair mends the rest.
func TestRepairFaults(t *testing.T) {
	for _, fault := range []error{syscall.EBUSY, syscall.EIO, syscall.ENOSPC, syscall.EACCES, faultfs.Torn(syscall.EIO)} {
		t.Run(fault.Error(), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				l := broken(t)
				original := get(t, l.Path())
				reached := ""
				ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
					if op.N == n {
						reached = op.Name + " of " + filepath.Base(op.Path)
						return fault
					}
					return nil
				})
				r, err := Repair(t.Context(), Target{Session: l, FS: ffs}, options())
				where := fmt.Sprintf("operation %d, %s, failed: %v", n, reached, err)
				text := get(t, l.Path())
				if _, perr := backlog.Parse("x", text); perr != nil && text != original {
					t.Errorf("%s: tasks.json is neither: %s", where, text)
				}
				if !kept(l) && len(session.Waiting(l, nil)) == 0 {
					t.Errorf("%s: S1 or S3 is lost: %s", where, statuses(t, l))
				}
				if made, _ := filepath.Glob(filepath.Join(l.Dir, ".hacky", "backup-*")); err != nil && strings.Contains(err.Error(), "make backup") && (len(made) > 0 || r.Backup != "") {
					t.Errorf("%s: half a backup stays: %q", where, made)
				}
				if text != original && (r.Backup == "" || get(t, filepath.Join(r.Backup, "tasks.json")) != original) {
					t.Errorf("%s: no backup of tasks.json", where)
				}
				if len(session.Waiting(l, nil)) == 0 {
					if _, err := Repair(t.Context(), Target{Session: l}, options()); err != nil || statuses(t, l) != "CPCPI" {
						t.Errorf("%s: the next repair: %v, %s", where, err, statuses(t, l))
					}
				}
				if t.Failed() {
					return
				}
				if reached == "" {
					break
				}
			}
		})
	}
}

// TestRepairCrash: after a power cut at any moment, too.
func TestRepairCrash(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		l := broken(t)
		original := get(t, l.Path())
		disk, err := faultfs.NewCrash(fsutil.OS(), l.Dir)
		if err != nil {
			t.Fatal(err)
		}
		reached := false
		_, err = Repair(t.Context(), Target{Session: l, FS: faultfs.New(disk, func(op faultfs.Op) error {
			if op.N >= n {
				reached = true
				return errors.New("dead")
			}
			return nil
		})}, options())
		for choice := range uint64(5) {
			rnd := rand.New(rand.NewPCG(uint64(n), choice))
			after := session.Location{Dir: memory(t), Name: l.Name}
			if err := disk.Clone(after.Dir, func(int) bool { return choice == 1 || choice > 1 && rnd.IntN(2) == 0 }); err != nil {
				t.Fatal(err)
			}
			text := get(t, after.Path())
			if _, perr := backlog.Parse("x", text); perr != nil && text != original {
				t.Fatalf("operation %d, choice %d, %v: tasks.json is neither: %s", n, choice, err, text)
			}
			if !kept(after) {
				t.Fatalf("operation %d, choice %d, %v: S1 or S3 is lost: %s", n, choice, err, statuses(t, after))
			}
			if _, err := Repair(t.Context(), Target{Session: after}, options()); err != nil || statuses(t, after) != "CPCPI" {
				t.Fatalf("operation %d, choice %d: the next repair: %v, %s", n, choice, err, statuses(t, after))
			}
		}
		if !reached {
			break
		}
	}
}
