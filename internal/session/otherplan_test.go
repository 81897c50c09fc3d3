package session

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Another plan with the same ids comes at any time: while a session is open,
// after a kill, beside a recovery file. Whatever happens, an item is Complete
// only if its own work was done.
func TestAnotherPlanComes(t *testing.T) {
	t.Parallel()
	plan := func(k int) string {
		src := sample(planned(3)...)
		for n := 1; n <= 3; n++ {
			title, run := worked(n, fmt.Sprintf("plan %d", k))
			src = strings.Replace(src, title, run, 1)
		}
		return src
	}
	credited := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := home(t, plan(0))
		done := map[string]bool{} // by id and digest
		var steps []string
		var s *Session
		var held *backlog.Backlog // as the run knows it
		key := func(b *backlog.Backlog, id string) string {
			w, _ := b.WorkOf(id)
			return id + " " + string(w.Digest)
		}
		check := func() {
			b, now, err := View(l)
			if err != nil {
				t.Fatalf("seed %d: %v after %q", seed, err, steps)
			}
			for i := range b.Items {
				it := &b.Items[i]
				if it.Kind != backlog.Subtask || now[i] != backlog.Complete {
					continue
				}
				credited++
				if !done[key(b, it.ID)] {
					t.Fatalf("seed %d: %s is Complete, and nobody did its work, after %q", seed, it.ID, steps)
				}
			}
		}
		for range 25 {
			n := 1 + r.IntN(3)
			step := [...]string{"open", "complete", "complete", "flush", "plan", "kill", "close", "recover", "leave"}[r.IntN(9)]
			steps = append(steps, fmt.Sprint(step, " ", n))
			switch {
			case step == "open" && s == nil:
				s = open(t, l, runOptions(nil, nil))
				held = s.Backlog()
			case step == "complete" && s != nil:
				w, _ := held.WorkOf(sub(n))
				done[key(held, sub(n))] = true
				err := s.Apply(func(error) {}, Change{ID: sub(n), To: backlog.Complete, Work: w, Urgent: r.IntN(2) == 0})
				if err != nil && !IsOtherWork(err) {
					t.Fatal(err)
				}
			case step == "flush" && s != nil:
				flush(t, s)
			case step == "plan": // by rename, as a checkout does
				put(t, l.Path()+".new", plan(r.IntN(3)))
				if err := os.Rename(l.Path()+".new", l.Path()); err != nil {
					t.Fatal(err)
				}
			case step == "kill" && s != nil:
				die(t, s)
				s = nil
			case step == "close" && s != nil:
				closeSession(t, s)
				s = nil
			case step == "leave" && s == nil: // a recovery file from elsewhere
				b, err := backlog.Parse("x", plan(r.IntN(3)))
				if err != nil {
					t.Fatal(err)
				}
				w, _ := b.WorkOf(sub(n))
				done[key(b, sub(n))] = true
				leave(t, l, Update{ID: sub(n), To: backlog.Complete, Work: w})
			case step == "recover" && s == nil && exists(t, l.RecoveryPath()):
				recoverAll(t, l, RecoverOptions{}, false)
			}
			check()
		}
		if s != nil {
			closeSession(t, s)
			check()
		}
	}
	if credited == 0 {
		t.Error("nothing was ever completed")
	}
}
