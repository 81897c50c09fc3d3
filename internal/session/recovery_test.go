package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// fail makes a session whose flush fails for good with these updates, and
// closes it.
func fail(t *testing.T, l Location, to backlog.Status, ns ...int) *FlushError {
	t.Helper()
	s := open(t, l, options(faultfs.New(fsutil.OS(), on(l, faultfs.Always("Write", syscall.ENOSPC))), nil))
	apply(t, s, to, ns...)
	return flushError(t, s.Close(context.Background()))
}

// TestRecoveryFileShape pins the contract's §6, key by key.
func TestRecoveryFileShape(t *testing.T) {
	content := "\ufeff" + strings.ReplaceAll(sample(planned(3)...), "\n", "\r\n") // not what an encoder would write
	l := home(t, content)
	before := time.Now()
	fail(t, l, backlog.Complete, 1, 2)

	var top map[string]json.RawMessage
	if err := json.Unmarshal([]byte(get(t, l.RecoveryPath())), &top); err != nil {
		t.Fatal(err)
	}
	keys := []string{"base", "changes", "error", "pendingCount", "pendingUpdates", "sessionPath", "timestamp", "version"}
	if got := sortedKeys(top); !slices.Equal(got, keys) {
		t.Errorf("keys %v, want %v", got, keys)
	}
	sum := sha256.Sum256([]byte(content))
	for key, want := range map[string]string{
		"version": `"1.0"`, "pendingCount": "2", "sessionPath": `"` + l.Dir + `"`, "base": `"` + hex.EncodeToString(sum[:]) + `"`,
	} {
		if string(top[key]) != want {
			t.Errorf("%s is %s, want %s", key, top[key], want)
		}
	}
	inTime := func(what string, raw json.RawMessage) {
		var at time.Time
		if err := json.Unmarshal(raw, &at); err != nil || at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
			t.Errorf("%s is %s, %v", what, raw, err)
		}
	}
	inTime("timestamp", top["timestamp"])
	if !strings.HasSuffix(string(top["timestamp"]), `Z"`) {
		t.Errorf("timestamp %s is not in UTC", top["timestamp"])
	}
	var failure map[string]any
	if err := json.Unmarshal(top["error"], &failure); err != nil {
		t.Fatal(err)
	}
	if got := sortedKeys(failure); !slices.Equal(got, []string{"attempts", "code", "message"}) ||
		failure["code"] != "ENOSPC" || failure["attempts"] != 1.0 || !strings.Contains(failure["message"].(string), "no space left") {
		t.Errorf("error is %s", top["error"])
	}
	var changes []map[string]json.RawMessage
	if err := json.Unmarshal(top["changes"], &changes); err != nil || len(changes) != 2 {
		t.Fatalf("changes %s: %v", top["changes"], err)
	}
	for i, c := range changes {
		if got := sortedKeys(c); !slices.Equal(got, []string{"at", "from", "id", "seq", "title", "to", "work"}) ||
			string(c["id"]) != `"`+sub(i+1)+`"` || string(c["title"]) != fmt.Sprintf(`"s %d"`, i+1) || !strings.HasPrefix(string(c["work"]), `"sha256:`) || string(c["from"]) != `"Planned"` || string(c["to"]) != `"Complete"` ||
			string(c["seq"]) != []string{"1", "2"}[i] {
			t.Errorf("change %d is %v", i, c)
		}
		inTime("at", c["at"])
	}
	// The whole backlog as it should have been written, byte for byte but for
	// the BOM, which JSON does not allow inside.
	b, err := backlog.Parse("x", content)
	if err != nil {
		t.Fatal(err)
	}
	want := b.Statuses()
	for n := 1; n <= 2; n++ {
		i, _ := b.Lookup(sub(n))
		want[i] = backlog.Complete
	}
	if got, want := string(top["pendingUpdates"]), strings.TrimSpace(strings.TrimPrefix(string(b.Bytes(b.RollUp(want))), "\ufeff")); got != want {
		t.Errorf("pendingUpdates is\n%q, want\n%q", got, want)
	}
	info, err := os.Stat(l.RecoveryPath())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// roomFS is a disk with room for so many bytes in a file.
type roomFS struct {
	fsutil.FS
	room int
}

type roomFile struct {
	fsutil.File
	left int
}

func (f roomFS) OpenFile(name string, flag int, perm os.FileMode) (fsutil.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &roomFile{file, f.room}, nil
}

func (f *roomFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p[:min(len(p), f.left)])
	f.left -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

// TestRecoveryInLittleRoom: the small form, then none at all. No update is lost
// on the way.
func TestRecoveryInLittleRoom(t *testing.T) {
	for room, form := range map[int]string{2000: "small", 100: "none"} {
		t.Run(form, func(t *testing.T) {
			l := home(t, sample(planned(300)...)) // about 21 KB
			s := open(t, l, options(roomFS{fsutil.OS(), room}, nil))
			apply(t, s, backlog.Complete, 1, 2)
			failed := flushError(t, s.Close(context.Background()))
			if left := litter(t, l); len(left) > 0 {
				t.Errorf("left %q", left)
			}
			if form == "none" {
				if failed.Recovery != "" || len(failed.Unsaved) != 2 || failed.Unsaved[1].ID != sub(2) || failed.Pending != 2 || exists(t, l.RecoveryPath()) {
					t.Errorf("%+v", failed)
				}
				r := DecodeRecovery([]byte("hacky: something\n" + MarkedLine(failed.Unsaved[0]) + "\n" + MarkedLine(failed.Unsaved[1]) + "\n"))
				if r.Damage != nil || waiting(r) != "S1=C S2=C" || !r.Changes[0].At.Equal(failed.Unsaved[0].At) {
					t.Errorf("from the marked lines: %q, %v", waiting(r), r.Damage)
				}
				return
			}
			r := recovery(t, l)
			if failed.Recovery != l.RecoveryPath() || waiting(r) != "S1=C S2=C" || r.whole != nil {
				t.Errorf("recovery in %q, %q, whole %v", failed.Recovery, waiting(r), r.whole != nil)
			}
			if !strings.Contains(get(t, l.RecoveryPath()), `"pendingUpdates": null`) {
				t.Error("pendingUpdates is not null")
			}
		})
	}
}

// TestRecoveryMerges a second failure into what waits.
func TestRecoveryMerges(t *testing.T) {
	l := home(t, sample(planned(4)...))
	fail(t, l, backlog.Implementing, 1, 2)
	if err := os.Chmod(l.RecoveryPath(), 0o644); err != nil {
		t.Fatal(err)
	}
	// Others still write.
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Complete, 4)
	closeSession(t, s)
	if got := statuses(t, l); got != "PPPC" {
		t.Errorf("the file says %s", got)
	}
	if failed := fail(t, l, backlog.Complete, 2, 3); failed.Pending != 3 {
		t.Errorf("%d pending, want all that wait", failed.Pending)
	}
	r := recovery(t, l)
	if got := waiting(r); got != "S1=I S2=C S3=C" || r.Changes[1].From != backlog.Planned {
		t.Errorf("the recovery file says %q, S2 from %v", got, r.Changes[1].From)
	}
	want := []subtask{{sub(1), backlog.Implementing}, {sub(2), backlog.Complete}, {sub(3), backlog.Complete}, {sub(4), backlog.Complete}}
	if !slices.Equal(r.whole, want) {
		t.Errorf("pendingUpdates say %v", r.whole)
	}
	info, err := os.Stat(l.RecoveryPath())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600 again", info.Mode(), err)
	}
}

// TestRecoveryReadsAgain: a waiting file that cannot be read for a moment is
// not taken for a damaged one.
func TestRecoveryReadsAgain(t *testing.T) {
	l := home(t, sample(planned(2)...))
	fail(t, l, backlog.Complete, 1)
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Complete, 2)
	once := faultfs.Calls("Read", syscall.EIO)
	ffs.Fail(both(on(l, faultfs.Always("Write", syscall.ENOSPC)), once))
	flushError(t, s.Close(context.Background()))
	if got := waiting(recovery(t, l)); got != "S1=C S2=C" {
		t.Errorf("the recovery file says %q", got)
	}
}

// TestRecoveryMergesOtherTools: a file without changes waits.
func TestRecoveryMergesOtherTools(t *testing.T) {
	l := home(t, sample(planned(3)...))
	put(t, l.RecoveryPath(), `{"version":"1.0","timestamp":"2026-01-24T15:30:45.123Z","sessionPath":"x","pendingUpdates":`+
		sample(backlog.Complete, backlog.Planned, backlog.Planned)+`,"error":{"message":"m","code":"EIO","attempts":3},"pendingCount":7}`)
	fail(t, l, backlog.Failed, 2)
	if got := waiting(recovery(t, l)); got != "S1=C S2=F" {
		t.Errorf("the recovery file says %q", got)
	}
}

func TestRecoveryFileThatCannotBeRead(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"damaged":   func(p string) error { return os.WriteFile(p, []byte(`{"version":"1.0","changes":[`), 0o600) },
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"fifo":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			l := home(t, sample(planned(2)...))
			if err := make(l.RecoveryPath()); err != nil {
				t.Fatal(err)
			}
			was, err := os.Lstat(l.RecoveryPath())
			if err != nil {
				t.Fatal(err)
			}
			fail(t, l, backlog.Complete, 1)
			if got := waiting(recovery(t, l)); got != "S1=C" {
				t.Errorf("the recovery file says %q", got)
			}
			aside, err := filepath.Glob(l.RecoveryPath() + ".damaged-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("moved aside: %q, %v", aside, err)
			}
			if is, err := os.Lstat(aside[0]); err != nil || !os.SameFile(was, is) {
				t.Errorf("what was moved aside is not what was there: %v", err)
			}
		})
	}
}

func TestMergeChanges(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	u := func(n int, from, to backlog.Status, s int) Update {
		return Update{ID: sub(n), From: from, To: to, At: at(s), Seq: 77}
	}
	const p, i, f, c = backlog.Planned, backlog.Implementing, backlog.Failed, backlog.Complete
	got := mergeChanges(
		[]Update{u(1, p, i, 1), u(2, p, f, 5), u(3, p, c, 3)},
		[]Update{u(2, i, c, 4), u(1, i, c, 2), u(4, p, c, 1), u(3, p, f, 3)})
	want := []Update{u(1, p, c, 2), u(2, p, f, 5), u(3, p, f, 3), u(4, p, c, 1)}
	for n := range want {
		want[n].Seq = uint64(n + 1)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
}

// TestRecoveryWithADeadRunsJournal: who writes next, and cannot bring a dead
// run's journal in, keeps his own updates with what it says.
func TestRecoveryWithADeadRunsJournal(t *testing.T) {
	l := home(t, sample(planned(3)...))
	run := open(t, l, runOptions(nil, nil))
	acknowledge(t, run, backlog.Complete, 1)
	die(t, run)
	if failed := fail(t, l, backlog.Complete, 3); failed.Pending != 2 || failed.Recovery != l.RecoveryPath() {
		t.Errorf("%d updates wait in %q", failed.Pending, failed.Recovery)
	}
	if got := waiting(recovery(t, l)); got != "S1=C S3=C" {
		t.Errorf("waiting %q", got)
	}
	wantVisible(t, l, "CPP")
	if got := verdicts(recoverAll(t, l, RecoverOptions{}, false)); got != "S1 already there, S3 applied" || statuses(t, l) != "CPC" {
		t.Errorf("%q: %s", got, statuses(t, l))
	}
	if exists(t, l.JournalPath()) || exists(t, l.RecoveryPath()) {
		t.Error("the journal or the recovery file stays")
	}
}
