package session

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// These tests run in a bubble of synctest: time passes when everybody waits,
// and a goroutine that outlives the test fails it.

// slowFS takes its time for an exchange and notes when each began.
type slowFS struct {
	fsutil.FS
	takes time.Duration
	start time.Time
	at    []time.Duration
}

func newSlowFS(takes time.Duration) *slowFS {
	return &slowFS{FS: fsutil.OS(), takes: takes, start: time.Now()}
}

func (f *slowFS) Exchange(a, b string) error {
	f.at = append(f.at, time.Since(f.start))
	time.Sleep(f.takes)
	return f.FS.Exchange(a, b)
}

// wait lets everything happen that happens within d.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func background(fsys fsutil.FS, interval time.Duration, batch int) Options {
	o := options(fsys, nil)
	o.Interval, o.Batch = interval, batch
	return o
}

func TestBackgroundInterval(t *testing.T) {
	l := home(t, sample(planned(4)...))
	synctest.Test(t, func(t *testing.T) {
		slow := newSlowFS(0)
		s := open(t, l, background(slow, time.Second, 0))
		wait(5 * time.Second)
		if len(slow.at) > 0 {
			t.Fatalf("it wrote at %v, and there was nothing to write", slow.at)
		}
		wait(100 * time.Millisecond)
		apply(t, s, backlog.Complete, 1)
		wait(899 * time.Millisecond)
		apply(t, s, backlog.Complete, 2)
		if got := statuses(t, l); got != "PPPP" {
			t.Errorf("flushed before the interval was over: %s", got)
		}
		wait(time.Millisecond)
		if got := statuses(t, l); got != "CCPP" || s.Dirty() {
			t.Errorf("after the interval the file says %s", got)
		}
		apply(t, s, backlog.Complete, 3)
		closeSession(t, s)
		if got := statuses(t, l); got != "CCCP" {
			t.Errorf("after Close the file says %s", got)
		}
		if want := []time.Duration{6 * time.Second, 6 * time.Second}; !slices.Equal(slow.at, want) {
			t.Errorf("flushed at %v, want %v", slow.at, want)
		}
	})
}

func TestBackgroundBatch(t *testing.T) {
	l := home(t, sample(planned(6)...))
	synctest.Test(t, func(t *testing.T) {
		slow := newSlowFS(0)
		s := open(t, l, background(slow, time.Hour, 3))
		apply(t, s, backlog.Complete, 1, 2)
		apply(t, s, backlog.Failed, 2) // the same item again
		wait(time.Minute)
		if len(slow.at) > 0 {
			t.Errorf("flushed a batch of two at %v", slow.at)
		}
		apply(t, s, backlog.Complete, 3)
		synctest.Wait()
		if got := statuses(t, l); got != "CFCPPP" {
			t.Errorf("a full batch was not flushed: %s", got)
		}
		closeSession(t, s)
	})
}

// TestBackgroundShare: a flush that takes 100ms is followed by 1.9s without
// one, however full the batch and however short the interval.
func TestBackgroundShare(t *testing.T) {
	for name, o := range map[string]Options{
		"interval": {Interval: 10 * time.Millisecond},
		"batch":    {Interval: time.Hour, Batch: 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := home(t, sample(planned(2)...))
			synctest.Test(t, func(t *testing.T) {
				slow := newSlowFS(100 * time.Millisecond)
				s := open(t, l, background(slow, o.Interval, o.Batch))
				for n := range 2000 { // 20s
					apply(t, s, []backlog.Status{backlog.Failed, backlog.Implementing, backlog.Retrying}[n/100%3], 1)
					wait(10 * time.Millisecond)
				}
				if len(slow.at) < 9 || len(slow.at) > 11 {
					t.Errorf("flushed %d times in 20s, want about 10", len(slow.at))
				}
				for i := 1; i < len(slow.at); i++ {
					if gap := slow.at[i] - slow.at[i-1]; gap < 2*time.Second {
						t.Errorf("flush %d began %v after the one before, want 2s", i, gap)
					}
				}
				closeSession(t, s)
			})
		})
	}
}

func TestBackgroundFailure(t *testing.T) {
	l := home(t, sample(planned(3)...))
	synctest.Test(t, func(t *testing.T) {
		ffs := faultfs.New(fsutil.OS(), on(l, faultfs.Always("Write", syscall.ENOSPC)))
		o := background(ffs, time.Second, 0)
		var failures []error
		o.Failed = func(err error) { failures = append(failures, err) }
		s := open(t, l, o)
		apply(t, s, backlog.Complete, 1)
		wait(time.Second)
		if len(failures) != 1 || !errors.Is(failures[0], syscall.ENOSPC) {
			t.Fatalf("told of %v", failures)
		}
		apply(t, s, backlog.Complete, 2)
		wait(time.Minute)
		failed := flushError(t, s.Close(context.Background()))
		if len(failures) != 1 || failed.Attempts != 1 {
			t.Errorf("told %d times, %d attempts", len(failures), failed.Attempts)
		}
		if got := waiting(recovery(t, l)); got != "S1=C S2=C" {
			t.Errorf("the recovery file says %q", got)
		}
	})
}

// TestCloseDuringRetries waits for the flush under way, and no goroutine stays.
func TestCloseDuringRetries(t *testing.T) {
	l := home(t, sample(planned(3)...))
	synctest.Test(t, func(t *testing.T) {
		ffs := faultfs.New(fsutil.OS(), faultfs.Calls("Exchange", syscall.EBUSY, syscall.EBUSY))
		s := open(t, l, background(ffs, time.Second, 0))
		apply(t, s, backlog.Complete, 1)
		wait(time.Second + time.Millisecond)
		apply(t, s, backlog.Complete, 2)
		closeSession(t, s)
		if got := statuses(t, l); got != "CCP" {
			t.Errorf("the file says %s", got)
		}
	})
}

// TestWriteLock: a writer waits for another one, though not for ever.
func TestWriteLock(t *testing.T) {
	l := home(t, sample(planned(3)...))
	synctest.Test(t, func(t *testing.T) {
		s := open(t, l, options(nil, nil))
		apply(t, s, backlog.Complete, 1)
		_, unlock, err := fsutil.OS().TryLock(s.hidden("write.lock"))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Flush(context.Background()) }()
		wait(30 * time.Second)
		if got := statuses(t, l); got != "PPP" {
			t.Errorf("written under another's lock: %s", got)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || statuses(t, l) != "CPP" {
			t.Errorf("after the lock was free: %v, %s", err, statuses(t, l))
		}

		apply(t, s, backlog.Complete, 2)
		if _, unlock, err = fsutil.OS().TryLock(s.hidden("write.lock")); err != nil {
			t.Fatal(err)
		}
		failed := flushError(t, s.Flush(context.Background()))
		if failed.Attempts != 1 || waiting(recovery(t, l)) != "S2=C" {
			t.Errorf("a lock that is never free: %v, recovery %q", failed, waiting(recovery(t, l)))
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	})
}
