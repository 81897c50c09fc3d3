package session

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/retry"
)

// options are a session's. What is to be known of more places for updates that
// cannot be written (§5.6) belongs here.
func (w *simWorld) options(p *simProc) Options {
	log := zerolog.Nop()
	if w.verbose {
		log = zerolog.New(simLog{w, p}).Level(zerolog.DebugLevel)
	}
	return Options{FS: p, Log: log, Holder: p.String(), Now: p.clock, Boot: fmt.Sprint("boot ", w.counts.cuts),
		Retry: retry.Policy{Retries: p.r.IntN(4), Base: time.Duration(1+p.r.Int64N(100)) * time.Millisecond, Max: 2 * time.Second, Random: p.jitter}}
}

// simLog puts a session's log into the world's.
type simLog struct {
	w *simWorld
	p *simProc
}

func (l simLog) Write(b []byte) (int, error) {
	// Sometimes with the lock held: what is told is told by one at a time.
	l.w.logf("%v: log: %s", l.p, simplify(errors.New(strings.TrimSpace(string(b)))))
	return len(b), nil
}

// clock is the process's own wall clock: it is off by up to hours, runs fast or
// slow, and steps now and then.
func (p *simProc) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts["clock"]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %d clock %d", p.w.seed, p.n, p.counts["clock"])
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	if p.counts["clock"] == 1 {
		p.drift = []float64{1, 1, 1, 0.5, 2, 100}[r.IntN(6)]
		p.skew = []time.Duration{0, 0, -time.Hour, time.Hour, time.Duration(r.Int64N(2e10)) - 1e10}[r.IntN(5)]
	}
	if r.IntN(8) == 0 {
		p.skew += time.Duration(r.Int64N(8e9)) - 4e9
	}
	return p.born.Add(time.Duration(float64(time.Since(p.born))*p.drift) + p.skew)
}

func (p *simProc) jitter() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts["jitter"]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %d jitter %d", p.w.seed, p.n, p.counts["jitter"])
	return rand.New(rand.NewPCG(h.Sum64(), 0)).Float64()
}

// rest lets a moment pass and reports whether the process goes on.
func (p *simProc) rest() bool {
	pause := time.Duration(p.r.Int64N(4e6))
	if p.r.IntN(12) == 0 {
		pause += time.Duration(p.r.Int64N(400e6))
	}
	time.Sleep(pause)
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return !p.isDead() && !p.w.calm
}

// runScript is a run.
func (w *simWorld) runScript(p *simProc) {
	o := w.options(p)
	o.Run = true
	o.Interval = []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, time.Second}[p.r.IntN(4)]
	o.Batch = []int{0, 1, 3, 100}[p.r.IntN(4)]
	s := w.open(p, o)
	if s == nil {
		return
	}
	for range p.r.IntN(16) {
		if !p.rest() {
			break
		}
		switch k := p.r.IntN(20); {
		case k < 12:
			w.apply(p, s, true, []backlog.Status{backlog.Complete, backlog.Complete, backlog.Failed, backlog.Planned, backlog.Obsolete})
		case k < 15:
			w.apply(p, s, false, []backlog.Status{backlog.Researching, backlog.Implementing, backlog.Retrying})
		case k < 18:
			w.flush(p, s)
		default:
			s.Refresh()
		}
	}
	w.close(p, s)
}

// setScript is "hacky set", or more of that in one process.
func (w *simWorld) setScript(p *simProc) {
	s := w.open(p, w.options(p))
	if s == nil {
		return
	}
	for range 1 + p.r.IntN(2) {
		if !p.rest() {
			break
		}
		w.apply(p, s, false, backlog.Statuses())
		if p.r.IntN(2) == 0 {
			w.flush(p, s)
		}
	}
	w.close(p, s)
}

// open opens a session, or returns nil.
func (w *simWorld) open(p *simProc, o Options) *Session {
	s, err := Open(p.loc, o)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.logf("%v cannot open: %v", p, simplify(err))
		var locked *LockedError
		if errors.As(err, &locked) {
			w.counts.locked++
			if len(w.procs) == 1 && time.Since(w.ended) > 2*runLockPatience {
				w.failf("%v: %v, but nobody is there", p, err)
			}
		}
		return nil
	}
	w.logf("%v has opened", p)
	p.working, p.replayed = true, map[string]bool{}
	for _, d := range s.Replayed() {
		p.replayed[d.ID] = true
	}
	if o.Run && !p.isDead() {
		for _, other := range w.procs {
			if other.opened && !other.isDead() {
				w.failf("%v has opened the session beside %v", p, other)
			}
		}
		p.opened = true
	}
	return s
}

// simplify leaves out of an error what differs from one time to the next.
func simplify(err error) string {
	text := regexp.MustCompile(`[0-9a-f]{16}\.hacky-tmp|/\S*/sim\d+/x+/\d+/|/\S*/sim\d+/x+/\d+`).ReplaceAllString(fmt.Sprint(err), "~")
	return strings.ReplaceAll(text, "\n", "; ")
}

// accept notes what a process is about to say.
func (w *simWorld) accept(p *simProc, changes []Change) []*simWrite {
	w.mu.Lock()
	defer w.mu.Unlock()
	var writes []*simWrite
	for _, c := range changes {
		p.seq++
		v := &simWrite{to: c.To, by: p, seq: p.seq, at: time.Now(), read: p.read}
		w.add(c.ID, v)
		writes = append(writes, v)
		w.logf("%v says %s %s (urgent: %v)", p, c.ID, c.To, c.Urgent)
	}
	return writes
}

func (w *simWorld) apply(p *simProc, s *Session, ack bool, statuses []backlog.Status) {
	var changes []Change
	urgent := p.r.IntN(2) == 0
	for _, k := range p.r.Perm(len(w.items))[:min(len(w.items), 1+p.r.IntN(2))] {
		if p.r.IntN(2) == 0 {
			k %= 3 // so that they meet
		}
		id := w.items[k]
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.ID == id }) {
			changes = append(changes, Change{ID: id, To: statuses[p.r.IntN(len(statuses))], Urgent: urgent})
		}
	}
	promised := &simAck{writes: w.accept(p, changes), what: fmt.Sprint(changes)}
	acked := func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		promised.calls++
		if promised.calls > 1 {
			w.failf("%v: %s is acknowledged %d times", p, promised.what, promised.calls)
		}
		if p.isDead() {
			return
		}
		w.logf("%v: %s is acknowledged: %v", p, promised.what, simplify(err))
		if err == nil {
			w.counts.acked++
			for _, v := range promised.writes {
				v.safe = time.Now()
			}
		}
	}
	if ack {
		w.mu.Lock()
		p.acks = append(p.acks, promised)
		w.mu.Unlock()
	} else {
		acked = nil
	}
	if err := s.Apply(acked, changes...); err != nil {
		w.failf("%v: %v", p, err)
	}
}

func (w *simWorld) flush(p *simProc, s *Session) {
	since, faults := time.Now(), p.faulted()
	err := s.Flush(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.isDead() {
		return
	}
	w.counts.flushes++
	w.logf("%v has flushed: %v", p, simplify(err))
	if err == nil {
		w.flushed(p, since, p.faulted() == faults, false)
	}
}

func (w *simWorld) close(p *simProc, s *Session) {
	since, faults := time.Now(), p.faulted()
	err := s.Close(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.isDead() {
		return
	}
	w.logf("%v has closed: %v", p, simplify(err))
	var failed *FlushError
	var unstable *UnstableError // the user is told to say it again
	if errors.As(err, &failed) {
		w.counts.failures++
		w.handed = append(w.handed, failed.Unsaved...)
		w.counts.handed += len(failed.Unsaved)
	}
	switch {
	case errors.As(err, &unstable):
	case failed == nil:
		w.flushed(p, since, p.faulted() == faults, true)
	case failed.Recovery != p.loc.JournalPath(): // which has what was acknowledged, and no more
		w.flushed(p, since, false, true)
	}
	for _, a := range p.acks {
		if a.calls != 1 {
			w.failf("%v has closed, and %s was acknowledged %d times", p, a.what, a.calls)
		}
	}
}

// recoverScript is "hacky recover" with a file, or with what was printed.
func (w *simWorld) recoverScript(p *simProc, path string, opts RecoverOptions, keep bool) {
	var r *Recovery
	if path == "-" {
		var lines strings.Builder
		for _, u := range w.handed {
			fmt.Fprintln(&lines, MarkedLine(u))
		}
		r = DecodeRecovery([]byte(lines.String()))
		r.Path = path
	} else {
		var err error
		if r, err = ReadRecovery(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			w.failf("%v: %v", p, err)
			return
		}
	}
	if r.Damage != nil && !opts.Force {
		w.note("%v: damaged: %v", p, r.Damage)
		return
	}
	s := w.open(p, w.options(p))
	if s == nil {
		return
	}
	var changes []Change
	for _, u := range r.Changes {
		changes = append(changes, Change{ID: u.ID, To: u.To})
	}
	writes := w.accept(p, changes)
	decisions, err := s.Recover(context.Background(), []*Recovery{r}, opts, keep)
	w.mu.Lock()
	if !p.isDead() {
		w.logf("%v has recovered: %v", p, simplify(err))
		verdicts := map[string]Verdict{}
		for _, d := range decisions {
			w.logf("%v: %s %s: %s", p, d.ID, d.To, d.Verdict)
			verdicts[d.ID+d.To.String()] = d.Verdict
			if d.Verdict == Conflict {
				w.counts.conflicts++
			}
		}
		for k, v := range writes {
			switch verdicts[changes[k].ID+v.to.String()] {
			case Applied:
				if err == nil {
					w.counts.recovered++
					v.safe = time.Now()
				}
			case Conflict, Discarded:
				v.void = true
				b, now, verr := View(p.loc)
				if verr != nil { // an editor is just saving
					continue
				}
				if i, ok := b.Lookup(changes[k].ID); ok && (path == "-" || verdicts[changes[k].ID+v.to.String()] == Discarded) {
					if rank(now[i]) < rank(v.to) {
						w.failf("%v: %s %s is a conflict with %s", p, changes[k].ID, v.to, now[i])
					}
					p.seq++ // somebody's word is that this holds
					w.add(changes[k].ID, &simWrite{to: now[i], by: p, seq: p.seq, at: time.Now(), read: time.Now(), safe: time.Now(), inFile: time.Now()})
				}
			default:
				v.void = true
			}
		}
	}
	w.mu.Unlock()
	w.close(p, s)
	if path == "-" && err == nil && !p.isDead() {
		w.handed = nil
	}
}
