package session

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
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

// What an editor has written, and perhaps not synced, is not taken for stable.
func TestSyncsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	l := home(t, sample(backlog.Complete))
	ffs := faultfs.New(fsutil.OS(), nil)
	s := open(t, l, options(ffs, nil))
	apply(t, s, backlog.Complete, 1)
	flush(t, s)
	file, dir := 0, 0
	for _, op := range ffs.Ops() {
		switch {
		case op.Name == "Sync" && filepath.Base(op.Path) == TasksFile:
			file++
		case op.Name == "SyncDir":
			dir++
		}
	}
	if file == 0 || dir == 0 {
		t.Errorf("acknowledged with %d syncs of the file and %d of the directory", file, dir)
	}
	closeSession(t, s)
}
