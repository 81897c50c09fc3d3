package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/retry"
)

// randomBacklog is up to four tasks of up to five subtasks each, which wait
// for earlier subtasks and tasks. Their ids differ in the last segment, too.
func randomBacklog(t *testing.T, r *rand.Rand) *backlog.Backlog {
	var b strings.Builder
	b.WriteString(`{"backlog":[{"id":"P1","type":"Phase","title":"t","status":"Planned","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"t","status":"Planned","tasks":[`)
	var before, tasks []string
	n := 0
	for task := range 1 + r.IntN(4) {
		if task > 0 {
			b.WriteByte(',')
		}
		id := fmt.Sprintf("P1.M1.T%d", task+1)
		fmt.Fprintf(&b, `{"id":%q,"type":"Task","title":"t","status":"Planned","subtasks":[`, id)
		for s := range r.IntN(6) {
			if s > 0 {
				b.WriteByte(',')
			}
			n++
			own := fmt.Sprintf("%s.S%d", id, n)
			var deps []string
			for range r.IntN(3) {
				if all := slices.Concat(before, tasks); len(all) > 0 {
					deps = append(deps, fmt.Sprintf("%q", all[r.IntN(len(all))]))
				}
			}
			more := ""
			if r.IntN(4) == 0 {
				more = fmt.Sprintf(`,"retries":%d`, r.IntN(4))
			}
			fmt.Fprintf(&b, `{"id":%q,"type":"Subtask","title":"t","status":"Planned","dependencies":[%s]%s}`, own, strings.Join(deps, ","), more)
			before = append(before, own)
		}
		b.WriteString("]}")
		tasks = append(tasks, id)
	}
	b.WriteString("]}]}]}")
	return parse(t, b.String())
}

// randomWorld is anything that can happen. Times are few, so that much
// happens in the same instant.
func randomWorld(t *testing.T, r *rand.Rand) *world {
	opts := Options{Parallelism: 1 + r.IntN(8), NoRetry: r.IntN(8) == 0, FailFast: r.IntN(8) == 0,
		Retry: retry.Policy{Retries: r.IntN(4), Base: time.Second, Max: 4 * time.Second}}
	if r.IntN(4) == 0 {
		opts.MaxTasks = 1 + r.IntN(10)
	}
	if r.IntN(4) == 0 {
		opts.MaxFailures = 1 + r.IntN(3)
	}
	if r.IntN(4) == 0 {
		opts.MaxDuration = time.Duration(r.IntN(10)) * time.Second
	}
	if r.IntN(2) == 0 {
		opts.QuotaWait = time.Duration(r.IntN(20)) * time.Minute
	}
	if r.IntN(4) == 0 {
		opts.Held = []engine.Hold{{Credential: "x", Until: time.Now().Add(time.Duration(r.IntN(20)) * time.Second)}}
	}
	w := newWorld(randomBacklog(t, r), opts)
	w.lasts, w.acks, w.classes = map[string]time.Duration{}, map[string]time.Duration{}, map[string][]agent.Class{}
	w.quota, w.uses = map[string][]reset{}, map[string][]string{}
	w.refused, w.statuses = map[string]error{}, map[string]backlog.Status{}
	good := 1 + r.IntN(20)
	for i := range w.b.Items {
		id := w.short(int32(i))
		w.lasts[id] = time.Duration(r.IntN(4)) * time.Second
		if r.IntN(2) == 0 {
			w.acks[id] = time.Duration(r.IntN(4)) * time.Second
		}
		for range 1 + r.IntN(4) {
			w.classes[id] = append(w.classes[id], []agent.Class{agent.Transient, agent.Permanent, agent.OK}[min(r.IntN(1+good), 2)])
		}
		for range 2 { // of two credentials
			if r.IntN(3) == 0 {
				w.uses[id] = append(w.uses[id], []string{"x", "y"}[r.IntN(2)])
			}
		}
		for _, c := range w.uses[id] {
			if r.IntN(3) == 0 {
				w.quota[id] = append(w.quota[id], reset{c, time.Duration(r.IntN(6)-1) * 4 * time.Second})
			}
		}
		if r.IntN(60) == 0 {
			w.refused[id] = errDisk
		}
		if r.IntN(20) == 0 {
			w.statuses[id] = backlog.Obsolete
		}
	}
	if r.IntN(3) == 0 {
		w.stages = []string{"research", "implement"}
	}
	return w
}

// TestSimulation: whatever happens, a run ends (synctest reports a deadlock)
// and keeps its promises.
// Everything follows from a seed: HACKY_SIM_SEED runs one, HACKY_SIM_SEEDS so
// many.
func TestSimulation(t *testing.T) {
	number := func(env string, otherwise uint64) uint64 {
		s := os.Getenv(env)
		if s == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", env, err)
		}
		return n
	}
	from, to := uint64(0), number("HACKY_SIM_SEEDS", 4000)
	if one := number("HACKY_SIM_SEED", 0); one > 0 {
		from, to = one, one+1
	}
	for seed := from; seed < to; seed++ {
		func() {
			defer func() {
				if t.Failed() {
					t.Logf("again: make sim SEED=%d", seed)
				}
			}()
			synctest.Test(t, func(t *testing.T) { simulate(t, rand.New(rand.NewPCG(seed, 1))) })
		}()
		if t.Failed() {
			return
		}
	}
}

// never is longer than anything takes.
const never = 100 * time.Hour

func simulate(t *testing.T, r *rand.Rand) {
	w := randomWorld(t, r)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	drained := never
	if r.IntN(3) == 0 {
		drained = time.Duration(r.IntN(12)) * time.Second / 2
		if drained == 0 {
			w.e.Drain(errUser)
		}
		w.at(drained, func() { w.e.Drain(errUser) })
	}
	if r.IntN(4) == 0 {
		stopped := time.Duration(r.IntN(16)) * time.Second / 2
		w.at(stopped, func() { stop(errUser) })
		drained = min(drained, stopped)
	}
	for range r.IntN(4) { // others complete something, or put back what failed
		i, at := int32(r.IntN(w.b.Len())), time.Duration(r.IntN(16))*time.Second/2
		st := []backlog.Status{backlog.Obsolete, backlog.Planned, backlog.Planned}[r.IntN(3)]
		if w.b.Items[i].Kind == backlog.Subtask {
			w.at(at, func() { w.others(i, st) })
		}
	}
	out := w.e.Run(ctx)
	ended := time.Since(w.begin)
	w.mu.Lock() // others may just be telling what they have done
	count := len(w.events)
	w.mu.Unlock()
	time.Sleep(never)
	synctest.Wait()
	if len(w.events) != count {
		t.Errorf("after the end came %d more events", len(w.events)-count)
	}
	if ended < drained && out.Drained != nil && !errors.Is(out.Drained, errDisk) {
		t.Errorf("drained for %v", out.Drained)
	}
	if drained < ended && out.Drained == nil {
		t.Errorf("was drained at %v, and does not say so", drained)
	}
	for _, s := range w.early {
		t.Error(s)
	}
	if w.peak > w.opts.Parallelism {
		t.Errorf("%d ran at once, parallelism is %d", w.peak, w.opts.Parallelism)
	}
	checkEvents(t, w, out, drained)
	checkOutcome(t, w, out)
	if t.Failed() {
		t.Logf("options %+v\n%s\n%s", w.opts, w.trace(), w.summary(out))
	}
}

// checkEvents: for every subtask they come in the promised order, none is
// started after a limit or a drain, or with a credential that is held, and
// delays are kept.
func checkEvents(t *testing.T, w *world, out engine.Outcome, drained time.Duration) {
	started := 0
	base := map[int32]int{} // attempts before it was put back
	last := map[int32]engine.Event{}
	held, since := map[string]time.Time{}, map[string]time.Time{}
	for _, h := range w.opts.Held {
		held[h.Credential] = h.Until
	}
	for _, ev := range w.events {
		at, before := ev.Time.Sub(w.begin), last[ev.Item]
		ok := false
		switch ev.Type {
		case engine.QuotaHeld:
			ok = ev.Until.After(held[ev.Credential])
			held[ev.Credential], since[ev.Credential] = ev.Until, ev.Time
		case engine.QuotaReleased:
			ok = !ev.Time.Before(held[ev.Credential])
			delete(held, ev.Credential)
		case engine.SubtaskStarted:
			switch before.Type {
			case engine.SubtaskRetrying:
				ok = !ev.Time.Before(before.Time.Add(before.Delay)) && ev.Attempt == before.Attempt+1
			case engine.SubtaskHeld:
				ok = !ev.Time.Before(before.Until) && ev.Attempt == before.Attempt
			default:
				ok = (before.Type == "" || before.Type == engine.SubtaskRevived) && ev.Attempt == base[ev.Item]+1
				started++
				if limit := w.opts.MaxDuration; limit > 0 && at > limit {
					t.Errorf("%s is started at %v, after the limit", ev.ID, at)
				}
			}
			for _, c := range w.uses[w.short(ev.Item)] {
				if held[c].After(ev.Time) && ev.Time.After(since[c]) { // in the same instant it may have been taken before
					t.Errorf("%s is started at %v with %s, which is held until %v", ev.ID, at, c, held[c].Sub(w.begin))
				}
			}
			if at > drained {
				t.Errorf("%s is started at %v, after the drain", ev.ID, at)
			}
		case engine.SubtaskStage:
			ok = before.Type == engine.SubtaskStarted && ev.Attempt == before.Attempt
		case engine.SubtaskHeld:
			ok = (before.Type == engine.SubtaskRetrying && ev.Attempt == before.Attempt+1 || ev.Attempt == before.Attempt) && ev.Status == backlog.Planned
		case engine.SubtaskRetrying:
			ok = (before.Type == engine.SubtaskStarted || before.Type == engine.SubtaskStage) && ev.Retry == ev.Attempt-base[ev.Item] &&
				ev.Retry <= ev.Retries && !w.opts.NoRetry && ev.Result.Class == agent.Transient
		case engine.SubtaskFinished:
			ok = (before.Type == engine.SubtaskStarted || before.Type == engine.SubtaskStage) && ev.Attempt == before.Attempt &&
				(ev.Status == backlog.Complete) == (ev.Result.Class == agent.OK) && ev.Result.Class != agent.Quota
		case engine.SubtaskStopped:
			ok = before.Type != "" && before.Type != engine.SubtaskFinished && before.Type != engine.SubtaskStopped &&
				ev.Status == backlog.Planned && out.Drained != nil
		case engine.SubtaskSkipped:
			// Others may have changed their minds in the same instant.
			ok = (ev.Status == backlog.Obsolete || w.flipped[ev.Item]) && before.Type != engine.SubtaskStarted && before.Type != engine.SubtaskStage
		case engine.SubtaskRevived:
			ok = before.Type == engine.SubtaskFinished && before.Status == backlog.Failed && ev.Status == backlog.Planned
			base[ev.Item] = before.Attempt
		}
		if !ok {
			t.Errorf("%s %s at %v comes after %q", ev.ID, ev.Type, at, before.Type)
		}
		last[ev.Item] = ev
	}
	delete(last, -1)
	if w.opts.MaxTasks > 0 && started > w.opts.MaxTasks || started != out.Started {
		t.Errorf("%d were started, the outcome says %d", started, out.Started)
	}
	for _, ev := range last {
		if ev.Type == engine.SubtaskRevived && (out.Drained != nil || out.Limit != "" || len(out.Held) > 0) {
			continue // there was no time for it any more
		}
		if ev.Type != engine.SubtaskHeld && ev.Type != engine.SubtaskFinished && ev.Type != engine.SubtaskStopped && ev.Type != engine.SubtaskSkipped {
			t.Errorf("the last of %s is %s %s", ev.ID, ev.Type, ev.Status)
		}
	}
}

// checkOutcome: every subtask is accounted for exactly once.
func checkOutcome(t *testing.T, w *world, out engine.Outcome) {
	ends := map[int32]string{}
	note := func(i int32, what string) {
		if ends[i] != "" {
			t.Errorf("%s is %s and %s", w.b.Items[i].ID, ends[i], what)
		}
		ends[i] = what
	}
	completed := 0
	for _, ev := range w.events {
		refused := w.refused[w.short(ev.Item)] != nil
		switch {
		case ev.Type == engine.SubtaskSkipped:
			note(ev.Item, "skipped")
		case ev.Type == engine.SubtaskFinished && ev.Status == backlog.Complete && !refused:
			note(ev.Item, "complete")
			completed++
		}
	}
	for _, f := range out.Failed {
		note(f.Item, "failed")
	}
	for _, bl := range out.Blocked {
		note(bl.Item, "blocked")
		if ends[bl.By] != "failed" {
			t.Errorf("%s is blocked by %s, which is %q", w.b.Items[bl.Item].ID, w.b.Items[bl.By].ID, ends[bl.By])
		}
	}
	for _, i := range out.Left {
		note(i, "left")
	}
	for i := range w.b.Items {
		if w.b.Items[i].Kind == backlog.Subtask && ends[int32(i)] == "" {
			t.Errorf("%s is not accounted for", w.b.Items[i].ID)
		}
	}
	if completed != out.Completed {
		t.Errorf("%d are complete, the outcome says %d", completed, out.Completed)
	}
	for _, h := range out.Held {
		if out.Drained == nil && out.Limit == "" && !h.Until.After(time.Now().Add(-never).Add(w.opts.QuotaWait)) {
			t.Errorf("the hold of %s until %v was worth waiting for", h.Credential, h.Until.Sub(w.begin))
		}
	}
	if len(out.Left) > 0 && out.Drained == nil && out.Limit == "" && len(out.Held) == 0 {
		t.Error("something is left, and no reason is given")
	}
	if len(out.Left) == 0 && out.Limit != "" {
		t.Errorf("nothing is left, and the limit is %s", out.Limit)
	}
}
