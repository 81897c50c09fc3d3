package session

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// TestMergeKeepsBoth: whatever another program does to the file while updates
// are pending, its text and our statuses are both there afterwards.
func TestMergeKeepsBoth(t *testing.T) {
	item := `  {"id":"P1.M1.T1.S2","type":"Subtask","title":"s 2","status":"Planned"},` + "\n"
	tests := []struct {
		name   string
		edit   []string // old, new
		want   string
		parent string // what the file says of the phase
	}{
		{"a title", []string{`"s 2"`, `"another \u00e9"`}, "CPP", "Implementing"},
		{"an unknown field", []string{`"title":"s 1"`, `"note":[1.0,{"a":null}],"title":"s 1"`}, "CPP", "Implementing"},
		{"an item more", []string{item, item + `{"id":"P1.M1.T1.S9","type":"Subtask","title":"new","status":"Failed"},` + "\n"}, "CPFP", "Implementing"},
		{"an item less", []string{item, ""}, "CP", "Implementing"},
		{"another order", []string{item, "", `"subtasks":[` + "\n", `"subtasks":[` + "\n" + item}, "PCP", "Implementing"},
		{"another layout", []string{"\n", "\r\n\t"}, "CPP", "Implementing"},
		{"another status", []string{word(3, backlog.Planned), word(3, backlog.Obsolete)}, "CPO", "Implementing"},
		{"the other ones complete", []string{word(2, backlog.Planned), word(2, backlog.Complete), word(3, backlog.Planned), word(3, backlog.Complete)}, "CCC", "Complete"},
	}
	for _, tt := range tests {
		for _, when := range []string{"pending", "between flushes", "in the last instant"} {
			t.Run(tt.name+"/"+when, func(t *testing.T) {
				l := home(t, sample(planned(3)...))
				ffs := faultfs.New(fsutil.OS(), nil)
				s := open(t, l, options(ffs, nil))
				if when == "between flushes" {
					apply(t, s, backlog.Implementing, 1)
					flush(t, s)
				}
				apply(t, s, backlog.Complete, 1)
				edited := false
				save := func(op faultfs.Op) error {
					if !edited && (op.Name == "Exchange" || when != "in the last instant") {
						edited = true
						edit(t, l, tt.edit...)
					}
					return nil
				}
				if when == "in the last instant" {
					ffs.Fail(save)
				} else {
					_ = save(faultfs.Op{})
				}
				flush(t, s)
				got := get(t, l.Path())
				if statuses(t, l) != tt.want {
					t.Errorf("statuses %s, want %s in\n%s", statuses(t, l), tt.want, got)
				}
				if !strings.Contains(got, `"title":"p","status":"`+tt.parent) {
					t.Errorf("the phase is not %s in\n%s", tt.parent, got)
				}
				if text := tt.edit[1]; !strings.Contains(tt.name, "status") && !strings.Contains(tt.name, "order") &&
					!strings.Contains(got, text) {
					t.Errorf("their text %q is lost in\n%s", text, got)
				}
				if left := litter(t, l); len(left) > 0 || s.Dirty() {
					t.Errorf("left %q, %d pending", left, s.Pending())
				}
				closeSession(t, s)
			})
		}
	}
}

// TestMergeStatus: another program changed the status that we changed, too.
func TestMergeStatus(t *testing.T) {
	const (
		planned, implementing, failed, complete, obsolete = backlog.Planned, backlog.Implementing, backlog.Failed, backlog.Complete, backlog.Obsolete
	)
	tests := []struct {
		name    string
		flushed []backlog.Status // ours, one flush each
		pending backlog.Status   // ours, not flushed; the last flushed: nothing is
		theirs  backlog.Status
		age     time.Duration // of their file when ours was made; negative: it is later
		want    backlog.Status
		why     string // in the log; "" for no decision
	}{
		{"the same", nil, complete, complete, 0, complete, ""},
		{"their Complete stays", nil, failed, complete, time.Hour, complete, "never turned back"},
		{"their Complete stays, though ours is later", nil, implementing, complete, time.Hour, complete, "never turned back"},
		{"theirs is later", nil, complete, obsolete, -time.Hour, obsolete, "theirs is later"},
		{"theirs is later, whatever the time of the file", nil, complete, obsolete, time.Hour, obsolete, "theirs is later"},
		{"theirs is behind, and nobody has noted it", nil, complete, failed, -time.Hour, complete, "from before ours"},
		{"theirs is later than what we wrote", []backlog.Status{complete}, complete, obsolete, -time.Hour, obsolete, "theirs is later"},
		{"ours is from before, theirs older still", []backlog.Status{implementing}, complete, planned, -time.Hour, complete, "from before ours"},
		{"an old status over what we wrote", []backlog.Status{implementing, complete}, complete, planned, -time.Hour, complete, "from before ours"},
		{"an old status in between", []backlog.Status{implementing, failed}, failed, implementing, -time.Hour, failed, "ours is later"}, // as we have noted
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := home(t, sample(planned, planned))
			var log logged
			s := open(t, l, options(nil, &log))
			last := planned
			for _, st := range tt.flushed {
				apply(t, s, st, 1)
				flush(t, s)
				last = st
			}
			if tt.pending != last {
				apply(t, s, tt.pending, 1)
			}
			edit(t, l, word(1, last), word(1, tt.theirs))
			when := time.Now().Add(-tt.age)
			if err := os.Chtimes(l.Path(), when, when); err != nil {
				t.Fatal(err)
			}
			apply(t, s, backlog.Researching, 2) // something to write in any case
			flush(t, s)
			if want := tt.want.String()[:1] + "R"; statuses(t, l) != want {
				t.Errorf("the file says %s, want %s\n%s", statuses(t, l), want, log.String())
			}
			if got, _ := s.Status(sub(1)); got != tt.want {
				t.Errorf("the session says %v, want %v", got, tt.want)
			}
			lines := log.lines(t, "changed here and by another program")
			if tt.why == "" {
				if len(lines) > 0 {
					t.Errorf("logged %v", lines)
				}
				return
			}
			if len(lines) != 1 || !strings.Contains(lines[0]["why"].(string), tt.why) || lines[0]["id"] != sub(1) ||
				lines[0]["theirs"] != tt.theirs.String() || lines[0]["ours"] != tt.pending.String() {
				t.Errorf("logged %v, want %q", lines, tt.why)
			}
		})
	}
}

// TestMergeRemembers: what the file once said, and what of ours it says without
// our doing, is known after another merge, too.
func TestMergeRemembers(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Implementing, 1)
	flush(t, s)
	edit(t, l, "s 2", "edited") // merged with the next flush
	apply(t, s, backlog.Complete, 1)
	flush(t, s)
	edit(t, l, word(1, backlog.Complete), word(1, backlog.Planned))
	flush(t, s) // of an empty batch, but the file is another
	if got := statuses(t, l); got != "CP" {
		t.Errorf("after an old status was saved: %s", got)
	}
	apply(t, s, backlog.Failed, 2)
	edit(t, l, `"title":"edited","status":"Planned"`, `"title":"edited","status":"Failed"`)
	flush(t, s) // it says already what we want
	edit(t, l, `"title":"edited","status":"Failed"`, `"title":"edited","status":"Planned"`)
	closeSession(t, s)
	if got := statuses(t, l); got != "CF" {
		t.Errorf("after an old status was saved over the same of both: %s", got)
	}
}

// TestMergeTakesOver what only they changed, and says so.
func TestMergeTakesOver(t *testing.T) {
	l := home(t, sample(backlog.Complete, backlog.Planned))
	var log logged
	s := open(t, l, options(nil, &log))
	apply(t, s, backlog.Complete, 2)
	edit(t, l, word(1, backlog.Complete), word(1, backlog.Planned)) // their Complete, theirs to take back
	flush(t, s)
	if got := statuses(t, l); got != "PC" || len(log.lines(t, "taken over")) != 1 {
		t.Errorf("the file says %s; log\n%s", got, log.String())
	}
}

func TestMergeItemThatIsGone(t *testing.T) {
	l := home(t, sample(planned(3)...))
	var log logged
	s := open(t, l, options(nil, &log))
	apply(t, s, backlog.Complete, 1, 3)
	edit(t, l, `  {"id":"P1.M1.T1.S1","type":"Subtask","title":"s 1","status":"Planned"},`+"\n", "")
	flush(t, s)
	lines := log.lines(t, "another program removed this item")
	if statuses(t, l) != "PC" || len(lines) != 1 || lines[0]["id"] != sub(1) || lines[0]["status"] != "Complete" || lines[0]["level"] != "warn" {
		t.Errorf("the file says %s; log\n%s", statuses(t, l), log.String())
	}
	if err := s.Apply(nil, Change{ID: sub(1), To: backlog.Failed}); err == nil {
		t.Error("an update of an item that is gone is accepted")
	}
	closeSession(t, s)

	// A flush that fails after the merge does not keep it either.
	ffs := faultfs.New(fsutil.OS(), on(l, faultfs.Always("Write", syscall.ENOSPC)))
	s = open(t, l, options(ffs, nil))
	apply(t, s, backlog.Failed, 2, 3)
	edit(t, l, "S2", "S7")
	if failed := flushError(t, s.Flush(context.Background())); failed.Pending != 1 || waiting(recovery(t, l)) != "S3=F" {
		t.Errorf("%v; waiting %q", failed, waiting(recovery(t, l)))
	}
}

// TestMergeOfABrokenFile: an editor may be just writing it.
func TestMergeOfABrokenFile(t *testing.T) {
	for _, heals := range []bool{true, false} {
		l := home(t, sample(planned(2)...))
		synctest.Test(t, func(t *testing.T) {
			s := open(t, l, options(nil, nil))
			apply(t, s, backlog.Complete, 1)
			whole := get(t, l.Path())
			put(t, l.Path(), whole[:100])
			done := make(chan error)
			go func() { done <- s.Flush(context.Background()) }()
			wait(50 * time.Millisecond)
			if heals {
				put(t, l.Path(), strings.Replace(whole, "s 2", "edited", 1))
			}
			err := <-done
			if heals {
				if err != nil || statuses(t, l) != "CP" || !strings.Contains(get(t, l.Path()), "edited") {
					t.Errorf("%v; the file is\n%s", err, get(t, l.Path()))
				}
				return
			}
			failed := flushError(t, err)
			if failed.Attempts != 4 || waiting(recovery(t, l)) != "S1=C" || get(t, l.Path()) != whole[:100] {
				t.Errorf("%v; recovery %q, file\n%s", failed, waiting(recovery(t, l)), get(t, l.Path()))
			}
		})
	}
}

// TestFileThatIsGone fails fast: ENOENT is in no list of what may pass.
func TestFileThatIsGone(t *testing.T) {
	l := home(t, sample(planned(2)...))
	s := open(t, l, options(nil, nil))
	apply(t, s, backlog.Complete, 1)
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	failed := flushError(t, s.Flush(context.Background()))
	if failed.Attempts != 1 || fsutil.Code(failed) != "ENOENT" || waiting(recovery(t, l)) != "S1=C" || exists(t, l.Path()) {
		t.Errorf("%v; recovery %q", failed, waiting(recovery(t, l)))
	}
}

// A status that was set with hacky while a run goes on is meant, even if the
// item had it before; only an editor that saves what it had read is not.
func TestMergeBelievesHacky(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(3)...))
	var log logged
	run := open(t, l, options(nil, &log))
	apply(t, run, backlog.Complete, 1)
	flush(t, run)
	set := open(t, l, options(nil, &log))
	apply(t, set, backlog.Planned, 1)
	closeSession(t, set)
	run.Refresh()
	if st, _ := run.Status(sub(1)); st != backlog.Planned {
		t.Errorf("the run takes it for %s", st)
	}
	closeSession(t, run)
	if b, err := Read(l); err != nil || b.Items[3].Status != backlog.Planned {
		t.Errorf("what was set is undone: %v", err)
	}
}

// Who wants to know hears which subtasks others have given a status that holds,
// and not of those where ours is kept.
func TestChangedIsTold(t *testing.T) {
	t.Parallel()
	l := home(t, sample(planned(4)...))
	var told []string
	o := options(nil, nil)
	o.Changed = func(ids []string) { told = append(told, ids...) }
	s := open(t, l, o)
	apply(t, s, backlog.Failed, 1, 2)
	flush(t, s)
	set := open(t, l, options(nil, nil))
	apply(t, set, backlog.Complete, 1)
	apply(t, set, backlog.Obsolete, 4)
	closeSession(t, set)
	edit(t, l, word(2, backlog.Failed), word(2, backlog.Planned)) // an old status, brought back
	s.Refresh()
	if want := []string{sub(1), sub(4)}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	closeSession(t, s)
}
