package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// on limits a fault to operations of the backlog and its temp files, so that
// the recovery file is spared.
func on(l Location, fault faultfs.Fault) faultfs.Fault {
	return func(op faultfs.Op) error {
		base := filepath.Base(op.Path)
		if base == l.Name || strings.HasPrefix(base, "."+l.Name+".") && !strings.HasPrefix(base, "."+l.Name+".failed") {
			return fault(op)
		}
		return nil
	}
}

// TestFlushRetries: how often it is tried, and what is said about it.
func TestFlushRetries(t *testing.T) {
	busy, full, broken := syscall.EBUSY, syscall.ENOSPC, syscall.EIO
	tests := []struct {
		name     string
		retries  int
		fault    faultfs.Fault
		attempts int
		code     string // of the failure; "" for success in the end
		waits    time.Duration
	}{
		{"EBUSY on the first two exchanges", 3, faultfs.Calls("Exchange", busy, busy), 3, "", 300 * time.Millisecond},
		{"EIO on the first fsync", 3, faultfs.Calls("Sync", broken), 2, "", 100 * time.Millisecond},
		{"ENOSPC always", 3, faultfs.Always("Write", full), 1, "ENOSPC", 0},
		{"EACCES on opening", 3, faultfs.Always("OpenFile", syscall.EACCES), 1, "EACCES", 0},
		{"EROFS on opening", 3, faultfs.Always("OpenFile", syscall.EROFS), 1, "EROFS", 0},
		{"EIO always", 3, faultfs.Always("Sync", broken), 4, "EIO", 700 * time.Millisecond},
		{"ESTALE always, 5 retries", 5, faultfs.Always("Exchange", syscall.ESTALE), 6, "ESTALE", 3100 * time.Millisecond},
		{"EBUSY, then ENOSPC", 3, faultfs.Calls("Exchange", busy, full), 2, "ENOSPC", 100 * time.Millisecond},
		{"no retries", 0, faultfs.Calls("Exchange", busy), 1, "EBUSY", 0},
		{"the last retry", 1, faultfs.Calls("Exchange", busy), 2, "", 100 * time.Millisecond},
		{"the directory", 3, faultfs.Calls("SyncDir", broken, broken), 3, "", 300 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := home(t, sample(planned(3)...))
			synctest.Test(t, func(t *testing.T) {
				var log logged
				ffs := faultfs.New(fsutil.OS(), nil)
				o := options(ffs, &log)
				o.Retry.Retries = tt.retries
				s := open(t, l, o)
				apply(t, s, backlog.Complete, 1, 2)
				fault := on(l, tt.fault)
				if tt.name == "the directory" {
					fault = tt.fault
				}
				ffs.Fail(fault)
				start := time.Now()
				err := s.Flush(context.Background())
				if waited := time.Since(start); waited < tt.waits || waited > tt.waits*11/10 {
					t.Errorf("waited %v, want %v and at most a tenth more", waited, tt.waits)
				}
				retries := log.lines(t, "flush failed, trying again")
				if len(retries) != tt.attempts-1 {
					t.Errorf("%d lines about retries, want %d:\n%s", len(retries), tt.attempts-1, log.String())
				}
				for i, line := range retries {
					checkRetryLine(t, line, i+1, tt.retries+1)
				}
				if names := temps(ffs, l); len(names) != tt.attempts {
					t.Errorf("%d different temp files in %d attempts", len(names), tt.attempts)
				}
				if left := litter(t, l); len(left) > 0 {
					t.Errorf("left %q", left)
				}
				if tt.code == "" {
					if err != nil || statuses(t, l) != "CCP" || s.Dirty() || exists(t, l.RecoveryPath()) {
						t.Errorf("error %v, file %s, %d pending", err, statuses(t, l), s.Pending())
					}
					return
				}
				failed := flushError(t, err)
				if failed.Attempts != tt.attempts || fsutil.Code(failed) != tt.code || failed.Pending != 2 ||
					failed.Recovery != l.RecoveryPath() || failed.Backlog != l.Path() || failed.Unsaved != nil {
					t.Errorf("%+v, want %d attempts, %s", failed, tt.attempts, tt.code)
				}
				if got := statuses(t, l); got != "PPP" {
					t.Errorf("the file says %s", got)
				}
				if got := waiting(recovery(t, l)); got != "S1=C S2=C" {
					t.Errorf("the recovery file says %q", got)
				}
			})
		})
	}
}

func checkRetryLine(t *testing.T, line map[string]any, attempt, most int) {
	t.Helper()
	if line["level"] != "warn" || line["attempt"] != float64(attempt) || line["max"] != float64(most) || line["pending"] != 2.0 {
		t.Errorf("log line %v", line)
	}
	if delay, ok := line["delay"].(float64); !ok || delay < 100 {
		t.Errorf("delay %v ms", line["delay"])
	}
	text, _ := line["error"].(string)
	code, _ := line["code"].(string)
	if text == "" || !strings.HasPrefix(code, "E") {
		t.Errorf("error %q, code %q", text, code)
	}
}

// temps are the different temp files that were tried for the backlog.
func temps(ffs *faultfs.FS, l Location) map[string]bool {
	names := map[string]bool{}
	for _, op := range ffs.Ops() {
		if base := filepath.Base(op.Path); op.Name == "OpenFile" && op.Flag&os.O_EXCL != 0 && !strings.HasPrefix(base, "."+l.Name+".failed") {
			names[op.Path] = true
		}
	}
	return names
}

// TestFlushErrorSays what happened and where the updates are.
func TestFlushErrorSays(t *testing.T) {
	e := &FlushError{Err: &os.PathError{Op: "write", Path: "/x/.tmp", Err: syscall.ENOSPC}, Attempts: 1, Pending: 2,
		Backlog: "plan/tasks.json", Recovery: "plan/tasks.json.failed"}
	for want, change := range map[string]func(){
		"cannot write plan/tasks.json: no space left on device (ENOSPC) after 1 attempt; 2 updates wait in plan/tasks.json.failed":                 func() {},
		"cannot write plan/tasks.json: input/output error (EIO) after 4 attempts; 1 update waits in plan/tasks.json.failed":                        func() { e.Err, e.Attempts, e.Pending = syscall.EIO, 4, 1 },
		"cannot write plan/tasks.json: input/output error (EIO) after 4 attempts; 3 updates could be kept in no file and follow on standard error": func() { e.Err, e.Attempts, e.Pending, e.Recovery = syscall.EIO, 4, 3, "" },
		"cannot write plan/tasks.json: a reason in two lines; here after 1 attempt; 1 update could be kept in no file and follows on standard error": func() {
			e.Err, e.Attempts, e.Pending, e.Recovery = errors.New("a reason in two lines\nhere"), 1, 1, ""
		},
	} {
		*e = FlushError{Err: &os.PathError{Op: "write", Path: "/x/.tmp", Err: syscall.ENOSPC}, Attempts: 1, Pending: 2,
			Backlog: "plan/tasks.json", Recovery: "plan/tasks.json.failed"}
		change()
		if e.Error() != want {
			t.Errorf("it says\n%s, want\n%s", e, want)
		}
	}
}

// TestApplyDuringFlush: what comes while the file is written waits for the next
// flush.
func TestApplyDuringFlush(t *testing.T) {
	l := home(t, sample(planned(2)...))
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Implementing, 1)
	ffs.Fail(func(op faultfs.Op) error {
		if op.Name == "Exchange" && s.Pending() == 1 {
			apply(t, s, backlog.Complete, 1, 2)
		}
		return nil
	})
	flush(t, s)
	if got := statuses(t, l); got != "IP" || s.Pending() != 2 {
		t.Errorf("the file says %s, %d pending", got, s.Pending())
	}
	if got := letters(s.Backlog(), s.Statuses()); got != "CC" {
		t.Errorf("the session says %s", got)
	}
	closeSession(t, s)
	if got := statuses(t, l); got != "CC" {
		t.Errorf("in the end the file says %s", got)
	}
}

// TestFlushAfterFailure: it is not tried again; what comes later joins what
// waits when the session is closed.
func TestFlushAfterFailure(t *testing.T) {
	l := home(t, sample(planned(3)...))
	ffs := faultfs.New(fsutil.OS(), on(l, faultfs.Always("Write", syscall.ENOSPC)))
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Complete, 1)
	first := flushError(t, s.Flush(context.Background()))
	ffs.Fail(nil) // the disk is well again, but nobody knows
	if again := flushError(t, s.Flush(context.Background())); again != first || ffs.Count("") > 0 {
		t.Errorf("a second flush made %d operations and said %v", ffs.Count(""), again)
	}
	if st, _ := s.Status(sub(1)); st != backlog.Complete {
		t.Errorf("the session forgot: %v", st)
	}
	apply(t, s, backlog.Failed, 2)
	last := flushError(t, s.Close(context.Background()))
	if last.Pending != 2 || waiting(recovery(t, l)) != "S1=C S2=F" {
		t.Errorf("%d pending, recovery %q", last.Pending, waiting(recovery(t, l)))
	}
}

// TestCloseDoesNotWriteTheSameRecoveryTwice: on a full disk a second one might
// not fit.
func TestCloseDoesNotWriteTheSameRecoveryTwice(t *testing.T) {
	l := home(t, sample(planned(3)...))
	ffs := faultfs.New(fsutil.OS(), on(l, faultfs.Always("Write", syscall.ENOSPC)))
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Complete, 1)
	flushError(t, s.Flush(context.Background()))
	ffs.Fail(faultfs.Always("Write", syscall.ENOSPC))
	failed := flushError(t, s.Close(context.Background()))
	if failed.Recovery != l.RecoveryPath() || failed.Unsaved != nil || failed.Pending != 1 {
		t.Errorf("%+v", failed)
	}
}

func TestFlushWithoutTime(t *testing.T) {
	l := home(t, sample(planned(1)...))
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Complete, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	failed := flushError(t, s.Flush(ctx))
	if !errors.Is(failed, context.Canceled) || waiting(recovery(t, l)) != "S1=C" {
		t.Errorf("%v; recovery %q", failed, waiting(recovery(t, l)))
	}
}
