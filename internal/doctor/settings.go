package doctor

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// settings is what "hacky set" was asked to do beside the run, and what it said.
type settings struct {
	rnd   *rand.Rand // this, open and files are used by one goroutine at a time
	open  []string   // items that may be set
	files int

	mu      sync.Mutex
	allowed map[string][]string // by item: what it may be now; nothing for one not yet set
	report  report
	marked  []string // standard errors that may hold updates
}

func newSettings(ids []string, seed, round uint64) *settings {
	return &settings{rnd: rand.New(rand.NewPCG(^seed, round)), open: slices.Clone(ids), allowed: map[string][]string{}}
}

// setOthers runs "hacky set" again and again until stop is called, and kills
// some of them.
func (r *round) setOthers(ctx context.Context) (stop func() error) {
	done := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				result <- nil
				return
			case <-ctx.Done():
				result <- nil
				return
			case <-time.After(time.Duration(r.sets.rnd.IntN(40)) * time.Millisecond):
			}
			if err := r.setOne(ctx); err != nil {
				<-done
				result <- err
				return
			}
		}
	}()
	return func() error {
		close(done)
		return <-result
	}
}

func (r *round) setOne(ctx context.Context) error {
	s := r.sets
	if len(s.open) == 0 {
		return nil
	}
	k := s.rnd.IntN(len(s.open))
	id := s.open[k]
	status := []string{"Researching", "Implementing", "Failed", "Obsolete", "Complete"}[s.rnd.IntN(5)]
	if status == "Complete" || status == "Obsolete" || r.pressure != plenty {
		// hacky may refuse to take these back, and an update that is in a
		// recovery file meets later ones by rules of its own: that is not what
		// is examined here.
		s.open = slices.Delete(s.open, k, k+1)
	}
	s.files++
	p, err := r.t.start(filepath.Join(r.dir, fmt.Sprintf("set-%d.stderr", s.files)), r.env, r.t.opts.Binary, "set", "--session", r.loc.Dir, id, status)
	if err != nil {
		return err
	}
	if s.rnd.IntN(4) == 0 {
		p.await(ctx, moment{then: time.Duration(s.rnd.IntN(12_000)) * time.Microsecond})
		p.kill()
	}
	hung := p.finish(ctx)
	if over(ctx) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marked = append(s.marked, p.stderr)
	if p.killed {
		s.report.kills++
	}
	switch {
	case hung != "":
		s.report.problems = append(s.report.problems, hung)
	case p.code() == 0:
		s.allowed[id] = []string{status}
		s.report.acknowledged++
	case p.killed, r.pressure != plenty: // it may be there or not
		if s.allowed[id] == nil {
			s.allowed[id] = []string{"Planned"}
		}
		s.allowed[id] = append(s.allowed[id], status)
	default:
		s.report.problems = append(s.report.problems, fmt.Sprintf("\"hacky set %s %s\" ended with exit code %d: %s", id, status, p.code(), p.said()))
	}
	return nil
}

// report is what happened since the last one.
type report struct {
	acknowledged, kills int
	problems            []string
}

func (s *settings) takeReport() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.report
	s.report = report{}
	return r
}

// takeMarked are the standard errors since the last call.
func (s *settings) takeMarked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.marked
	s.marked = nil
	return m
}

// expected is what each item may be now.
func (s *settings) expected() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.allowed)
}
