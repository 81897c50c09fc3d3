package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/agent"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/engine"
	"github.com/hacky-run/hacky/internal/retry"
	"github.com/hacky-run/hacky/internal/schedule"
)

var (
	errDisk = errors.New("the disk is gone")
	errUser = errors.New("the user said so")
)

// policy is the contract's, for tasks.
var policy = retry.Policy{Retries: 3, Base: time.Second, Max: 30 * time.Second}

// subtasks is a backlog of one task: "S3 < S1 S2", "S4 retries=0".
func subtasks(t testing.TB, lines ...string) *backlog.Backlog {
	t.Helper()
	const frame = "P1.M1.T1."
	var items []string
	for _, line := range lines {
		own, deps, _ := strings.Cut(line, "<")
		words := strings.Fields(own)
		var ids []string
		for _, d := range strings.Fields(deps) {
			ids = append(ids, fmt.Sprintf("%q", frame+d))
		}
		more := ""
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			more += fmt.Sprintf(",%q:%s", name, value)
		}
		items = append(items, fmt.Sprintf(`{"id":%q,"type":"Subtask","title":"t","status":"Planned","dependencies":[%s]%s}`,
			frame+words[0], strings.Join(ids, ","), more))
	}
	src := `{"backlog":[{"id":"P1","type":"Phase","title":"t","status":"Planned","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"t","status":"Planned","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[` + strings.Join(items, ",") + `]}]}]}]}`
	return parse(t, src)
}

func parse(t testing.TB, src string) *backlog.Backlog {
	t.Helper()
	b, err := backlog.Parse("tasks.json", src)
	if err != nil {
		t.Fatalf("the test's backlog is refused:\n%v", err)
	}
	return b
}

// world is an Executor and a Recorder without processes and files, under the
// clock of a synctest bubble.
type world struct {
	b    *backlog.Backlog
	opts Options
	e    *Engine

	// All by short id (S1), nil or missing for the usual.
	classes  map[string][]agent.Class  // of its attempts; the last repeats; usually OK
	lasts    map[string]time.Duration  // usually 1s
	acks     map[string]time.Duration  // how long until its end is acknowledged; usually at once
	refused  map[string]error          // what its end is acknowledged with
	statuses map[string]backlog.Status // where it stands, whatever the run did
	edited   map[string]string         // how it has become other work
	quota    map[string][]reset        // what its executions meet before its classes count
	uses     map[string][]string       // its credentials
	stages   []string                  // what an attempt announces; usually run
	hook     func(ev engine.Event)     // is called in Record

	mu      sync.Mutex
	begin   time.Time
	running int
	peak    int
	events  []engine.Event
	acked   map[int32]bool
	own     map[int32]backlog.Status // what the run has said itself
	flipped map[int32]bool           // others have given it a status during the run
	early   []string                 // started before a dependency was acknowledged
}

// reset is the end of a credential's quota: so long from then. 0: unknown.
type reset struct {
	credential string
	in         time.Duration
}

func newWorld(b *backlog.Backlog, opts Options) *world {
	if opts.Attempts == nil {
		opts.Attempts = func(string) int { return 0 }
	}
	w := &world{b: b, opts: opts, begin: time.Now(), acked: map[int32]bool{}, flipped: map[int32]bool{}, own: map[int32]backlog.Status{}}
	opts.Credentials = func(i int32) []string { return w.uses[w.short(i)] }
	w.e = New(b, schedule.New(b, b.Statuses(), schedule.Select(b, nil)), w, w, opts)
	return w
}

// run runs everything to the end, in a bubble of its own.
func run(t *testing.T, b *backlog.Backlog, opts Options, setUp func(w *world, stop context.CancelCauseFunc)) (w *world, out engine.Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(b, opts)
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		if setUp != nil {
			setUp(w, stop)
		}
		out = w.e.Run(ctx)
		if out.Duration != time.Since(w.begin) {
			t.Errorf("Duration is %v, not %v", out.Duration, time.Since(w.begin))
		}
		synctest.Wait()
		time.Sleep(time.Hour) // what still waits for a timer would show now
		synctest.Wait()
	})
	for _, s := range w.early {
		t.Error(s)
	}
	if w.peak > opts.Parallelism {
		t.Errorf("%d ran at once, parallelism is %d", w.peak, opts.Parallelism)
	}
	return w, out
}

// at does something at a time of the run.
func (w *world) at(d time.Duration, do func()) { time.AfterFunc(d, do) }

func (w *world) short(i int32) string {
	if i < 0 {
		return "-"
	}
	id := w.b.Items[i].ID
	return id[strings.LastIndexByte(id, '.')+1:]
}

func (w *world) Execute(ctx context.Context, i int32, attempt int, announce func(string)) agent.Result {
	id := w.short(i)
	w.mu.Lock()
	w.running++
	w.peak = max(w.peak, w.running)
	for _, d := range w.b.Dependencies(i) {
		for s := d; s < w.b.Items[d].End; s++ {
			if w.b.Items[s].Kind == backlog.Subtask && !w.acked[s] {
				w.early = append(w.early, fmt.Sprintf("%s was started before %s was acknowledged", w.b.Items[i].ID, w.b.Items[s].ID))
			}
		}
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
	}()
	res := agent.Result{Started: time.Now(), Tail: []byte("said " + id)}
	stages := w.stages
	if stages == nil {
		stages = []string{agent.RunStage}
	}
	for _, s := range stages {
		announce(s)
	}
	lasts, ok := w.lasts[id]
	if !ok {
		lasts = time.Second
	}
	timer := time.NewTimer(lasts)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		res.Class, res.Reason = agent.Interrupted, "stopped"
	case <-timer.C:
		w.mu.Lock()
		q := w.quota[id]
		if len(q) > 0 {
			w.quota[id] = q[1:]
		}
		w.mu.Unlock()
		if len(q) > 0 {
			res.Class, res.Credential, res.Reason = agent.Quota, q[0].credential, "quota"
			if q[0].in != 0 {
				res.Until = time.Now().Add(q[0].in)
			}
			break
		}
		if c := w.classes[id]; len(c) > 0 {
			res.Class = c[min(attempt-w.opts.Attempts(w.b.Items[i].ID), len(c))-1]
			res.Reason = res.Class.String()
		}
	}
	res.Ended = time.Now()
	return res
}

// others lets another program give a subtask a status; Planned is none of its
// own.
func (w *world) others(i int32, s backlog.Status) {
	w.mu.Lock()
	w.flipped[i] = true
	if s == backlog.Planned {
		delete(w.statuses, w.short(i))
		w.own[i] = s
	} else {
		w.statuses[w.short(i)] = s
	}
	w.mu.Unlock()
	w.e.Revise([]int32{i})
}

func (w *world) OtherWork(i int32, executed bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	how := w.edited[w.short(i)]
	if executed {
		how += w.edited["executed "+w.short(i)]
	}
	return how
}

func (w *world) Status(i int32) backlog.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.statuses[w.short(i)]; ok {
		return s
	}
	return w.own[i]
}

func (w *world) Record(ev engine.Event, acked func(error)) {
	if w.hook != nil {
		w.hook(ev)
	}
	w.mu.Lock()
	w.events = append(w.events, ev)
	if ev.Type == engine.SubtaskFinished {
		w.own[ev.Item] = ev.Status
	}
	w.mu.Unlock()
	id := w.short(ev.Item)
	done := func() {
		w.mu.Lock()
		w.acked[ev.Item] = ev.Type == engine.SubtaskSkipped || ev.Status == backlog.Complete && w.refused[id] == nil
		w.mu.Unlock()
		if acked != nil {
			acked(w.refused[id])
		}
	}
	switch {
	case ev.Type != engine.SubtaskFinished && ev.Type != engine.SubtaskSkipped:
	case ev.Type == engine.SubtaskFinished && w.acks[id] > 0:
		time.AfterFunc(w.acks[id], done)
	default:
		done()
	}
}

// trace is the events as lines: when, what, which attempt; those of one
// instant in the order of their text.
func (w *world) trace() string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	for _, ev := range w.events {
		at := ev.Time.Sub(w.begin)
		text := fmt.Sprintf("%v %s %s#%d %s", at, strings.TrimPrefix(string(ev.Type), "subtask"), w.short(ev.Item), ev.Attempt, ev.Status)
		switch ev.Type {
		case engine.SubtaskStage:
			text += " " + ev.Stage
		case engine.SubtaskHeld:
			text += fmt.Sprintf(" %s until %v", ev.Credential, ev.Until.Sub(w.begin))
		case engine.QuotaHeld:
			text = fmt.Sprintf("%v hold %s until %v", at, ev.Credential, ev.Until.Sub(w.begin))
		case engine.QuotaReleased:
			text = fmt.Sprintf("%v release %s", at, ev.Credential)
		}
		lines = append(lines, line{at, text})
	}
	slices.SortStableFunc(lines, func(x, y line) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.text, y.text)) })
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.text + "\n")
	}
	return out.String()
}

func (w *world) expect(t *testing.T, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", "")
	if got := w.trace(); got != want {
		t.Errorf("events:\n%swant:\n%s", got, want)
	}
}

// of are the events of one subtask.
func (w *world) of(id string) []engine.Event {
	var out []engine.Event
	for _, ev := range w.events {
		if w.short(ev.Item) == id {
			out = append(out, ev)
		}
	}
	return out
}

// summary is an Outcome in one line.
func (w *world) summary(out engine.Outcome) string {
	var failed, blocked, left []string
	for _, f := range out.Failed {
		failed = append(failed, fmt.Sprintf("%s#%d", w.short(f.Item), f.Attempt))
	}
	for _, b := range out.Blocked {
		blocked = append(blocked, w.short(b.Item)+"<"+w.short(b.By))
	}
	for _, i := range out.Left {
		left = append(left, w.short(i))
	}
	s := fmt.Sprintf("%d started, %d complete, %d retried", out.Started, out.Completed, out.Retried)
	for _, part := range []struct {
		name  string
		words []string
	}{{"failed", failed}, {"blocked", blocked}, {"left", left}} {
		if len(part.words) > 0 {
			s += ", " + part.name + " " + strings.Join(part.words, " ")
		}
	}
	for _, h := range out.Held {
		s += fmt.Sprintf(", %d held for %s until %v", h.Waiting, h.Credential, h.Until.Sub(w.begin))
	}
	if out.Limit != "" {
		s += ", limit " + out.Limit
	}
	if out.Drained != nil {
		s += ", drained: " + out.Drained.Error()
	}
	return s
}

func (w *world) expectOutcome(t *testing.T, out engine.Outcome, want string) {
	t.Helper()
	if got := w.summary(out); got != want {
		t.Errorf("outcome is\n%s, want\n%s", got, want)
	}
}
