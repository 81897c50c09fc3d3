// Package retry repeats a whole idempotent operation after failures that may
// pass, with growing delays. It knows nothing of what it repeats. It is the
// only user of retry-go.
//
// Delays: min(Base * 2^(n-1), Max) before retry n, plus 0 to 10% of that.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	retrygo "github.com/avast/retry-go/v4"
)

// Policy says how often and how patiently to repeat.
type Policy struct {
	Retries int           // after the first attempt; 0 turns retrying off
	Base    time.Duration // delay before the first retry
	Max     time.Duration // upper bound of a delay, before jitter

	// Random, if not nil, is asked for the jitter instead of math/rand: a
	// number in [0, 1). A simulation that is to be repeated needs that.
	Random func() float64
}

// jitter is the largest part of a delay that is added to it at random, so that
// processes which failed together do not come back together.
const jitter = 0.1

// Delay is how long to wait before retry n, from 1. random is in [0, 1).
func (p Policy) Delay(n int, random float64) time.Duration {
	d := p.Base
	for i := 1; i < n && d < p.Max; i++ {
		d *= 2
	}
	d = min(d, p.Max)
	return d + time.Duration(jitter*random*float64(d))
}

// Attempt describes a failure that will be followed by a retry.
type Attempt struct {
	N     int           // the attempt that failed, from 1
	Delay time.Duration // how long until the next
	Err   error
}

// Do calls op until it succeeds, fails with an error that is not transient, or
// has failed after the last retry. Before each wait it calls onRetry, never
// after the last failure. It returns how many attempts were made and the last
// one's error; when ctx ends during a wait, that error and ctx's cause. A ctx
// that has ended already means no attempt at all.
func Do(ctx context.Context, p Policy, transient func(error) bool, onRetry func(Attempt), op func() error) (attempts int, err error) {
	random := p.Random
	if random == nil {
		random = rand.Float64
	}
	var last error
	err = retrygo.Do(
		func() error {
			attempts++
			last = op()
			return last
		},
		retrygo.Context(ctx),
		retrygo.Attempts(uint(max(p.Retries, 0))+1), // 0 would mean for ever
		retrygo.LastErrorOnly(true),
		retrygo.RetryIf(transient),
		// retry-go asks for a delay exactly when it is going to wait; its
		// OnRetry would also be called after the last failure.
		retrygo.DelayType(func(n uint, err error, _ *retrygo.Config) time.Duration {
			d := p.Delay(int(n), random())
			onRetry(Attempt{N: int(n), Delay: d, Err: err})
			return d
		}),
	)
	if err != nil && last != nil && !errors.Is(err, last) {
		err = errors.Join(last, err)
	}
	return attempts, err
}
