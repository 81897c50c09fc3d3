package session

import (
	"testing"
	"testing/synctest"

	"github.com/hacky-run/hacky/internal/backlog"
)

// What the simulation has found, as short as it goes.

func wantVisible(t *testing.T, l Location, want string) {
	t.Helper()
	b, now, err := View(l)
	if err != nil || letters(b, now) != want {
		t.Errorf("a reader sees %s, %v; want %s", letters(b, now), err, want)
	}
}

// What nobody waits for replaces what the journal says of the item.
func TestUnacknowledgedAfterAcknowledged(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(2)...))
	synctest.Test(t, func(t *testing.T) {
		run := open(t, l, runOptions(nil, nil))
		acknowledge(t, run, backlog.Failed, 1)
		apply(t, run, backlog.Planned, 1)
		flush(t, run)
		synctest.Wait()
		die(t, run)
	})
	wantVisible(t, l, "PP")
	closeSession(t, open(t, l, options(nil, nil)))
	wantVisible(t, l, "PP")
}
