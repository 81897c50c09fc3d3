package retry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelay(t *testing.T) {
	p := Policy{Base: 100 * time.Millisecond, Max: 2 * time.Second}
	want := []time.Duration{100, 200, 400, 800, 1600, 2000, 2000}
	for i, w := range want {
		w *= time.Millisecond
		if got := p.Delay(i+1, 0); got != w {
			t.Errorf("Delay(%d, 0) = %v, want %v", i+1, got, w)
		}
		if got := p.Delay(i+1, 0.999999); got <= w || got > w+w/10 {
			t.Errorf("Delay(%d, ~1) = %v, want at most 10%% over %v", i+1, got, w)
		}
	}
	if got := p.Delay(1000, 0); got != 2*time.Second {
		t.Errorf("Delay(1000, 0) = %v: it overflowed", got)
	}
	// A base over the maximum is cut, not kept.
	if got := (Policy{Base: time.Minute, Max: 2 * time.Second}).Delay(1, 0); got != 2*time.Second {
		t.Errorf("Delay with a base over the maximum = %v", got)
	}
}

var (
	errPasses = errors.New("passes")
	errStays  = errors.New("stays")
)

func isTransient(err error) bool { return errors.Is(err, errPasses) }

func TestDo(t *testing.T) {
	tests := []struct {
		name     string
		retries  int
		results  []error // the last one repeats
		attempts int
		err      error
		retried  []int // numbers of the attempts after which it waited
	}{
		{"success at once", 3, []error{nil}, 1, nil, nil},
		{"two failures, then success", 3, []error{errPasses, errPasses, nil}, 3, nil, []int{1, 2}},
		{"never", 3, []error{errPasses}, 4, errPasses, []int{1, 2, 3}},
		{"permanent at once", 3, []error{errStays}, 1, errStays, nil},
		{"permanent later", 3, []error{errPasses, errStays}, 2, errStays, []int{1}},
		{"retries off", 0, []error{errPasses}, 1, errPasses, nil},
		{"negative is off", -1, []error{errPasses}, 1, errPasses, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var calls int
				var retried []int
				var waited time.Duration
				attempts, err := Do(t.Context(), Policy{Retries: tt.retries, Base: time.Second, Max: time.Minute},
					isTransient,
					func(a Attempt) {
						retried = append(retried, a.N)
						waited += a.Delay
						if !errors.Is(a.Err, errPasses) {
							t.Errorf("onRetry got %v", a.Err)
						}
					},
					func() error {
						r := tt.results[min(calls, len(tt.results)-1)]
						calls++
						return r
					})
				if attempts != tt.attempts || calls != tt.attempts || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
					t.Errorf("Do = %d, %v after %d calls; want %d, %v", attempts, err, calls, tt.attempts, tt.err)
				}
				if !slices.Equal(retried, tt.retried) {
					t.Errorf("waited after %v, want %v", retried, tt.retried)
				}
				if got := time.Since(start); got != waited {
					t.Errorf("took %v, announced %v", got, waited)
				}
			})
		})
	}
}

func TestDoStopsWaitingWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		attempts, err := Do(ctx, Policy{Retries: 3, Base: time.Minute, Max: time.Minute}, isTransient,
			func(Attempt) {}, func() error { return errPasses })
		if attempts != 1 || !errors.Is(err, errPasses) || !errors.Is(err, cause) {
			t.Errorf("Do = %d, %v; want 1 attempt, both the failure and the cause", attempts, err)
		}
		attempts, err = Do(ctx, Policy{}, isTransient, func(Attempt) {}, func() error { return nil })
		if attempts != 0 || !errors.Is(err, cause) {
			t.Errorf("Do with an ended context = %d, %v", attempts, err)
		}
	})
}
