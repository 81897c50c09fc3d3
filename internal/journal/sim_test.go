package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// TestSim lets several goroutines append, one flush, and the disk fail, and
// kills the process or cuts the power, several times over. All of it follows
// from a seed: HACKY_SIM_SEED runs one, HACKY_SIM_SEEDS so many.
func TestSim(t *testing.T) {
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
	from, to := uint64(1), number("HACKY_SIM_SEEDS", 300)
	if one := number("HACKY_SIM_SEED", 0); one > 0 {
		from, to = one, one
	}
	var total simCounts
	for seed := from; seed <= to; seed++ {
		dir, err := os.MkdirTemp(scratch(t), "sim")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			s := &sim{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 0)), top: dir, appended: map[uint64]Record{}, acked: map[uint64]bool{}}
			s.run(&total)
		})
		if t.Failed() {
			t.Fatalf("seed %d; again: HACKY_SIM_SEED=%d go test -run TestSim ./internal/journal", seed, seed)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%+v", total)
}

type simCounts struct{ lives, cuts, kills, faults, acked, refused, torn, recovered int }

// sim is one world: a disk, what hacky knows, and what must be true.
type sim struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	top  string // of the disks: a power cut leaves a new one

	dir    string
	faulty *faultfs.FS
	disk   *faultfs.Crash
	deadly int  // number of the operation at which it ends
	power  bool // how

	mu       sync.Mutex
	seq      uint64
	appended map[uint64]Record
	acked    map[uint64]bool
	flushed  uint64 // up to which tasks.json has everything
	dead     bool
	counts   simCounts
}

func (s *sim) run(total *simCounts) {
	s.dir = filepath.Join(s.top, "0")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.mount()
	for life := range 2 + s.r.IntN(4) {
		s.counts.lives++
		s.live(life)
		if s.t.Failed() {
			break
		}
	}
	s.faulty.Fail(nil)
	s.reopen()
	sum(total, s.counts)
}

func sum(total *simCounts, c simCounts) {
	total.lives += c.lives
	total.cuts += c.cuts
	total.kills += c.kills
	total.faults += c.faults
	total.acked += c.acked
	total.refused += c.refused
	total.torn += c.torn
	total.recovered += c.recovered
}

func (s *sim) path() string { return filepath.Join(s.dir, fileName) }

// mount takes what is in s.dir for stable.
func (s *sim) mount() {
	s.faulty = faultfs.New(lazy(), nil)
	var err error
	if s.disk, err = faultfs.NewCrash(s.faulty, s.dir); err != nil {
		s.t.Fatal(err)
	}
}

// reopen reads what there is and checks that nothing acknowledged is missing
// and nothing is there that was never said.
func (s *sim) reopen() []Record {
	if _, err := fsutil.SweepTemps(s.disk, s.dir, fileName); err != nil {
		s.t.Fatalf("sweep: %v", err)
	}
	if names := files(s.t, s.dir); len(names) > 1 || len(names) == 1 && names[0] != fileName {
		s.t.Errorf("left %q", names)
	}
	c, err := Read(s.disk, s.path())
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	if c == nil {
		c = &Contents{}
	}
	if c.Torn != nil {
		s.counts.torn++
	}
	have := map[uint64]bool{}
	for i, r := range c.Records {
		if r != s.appended[r.Seq] {
			s.t.Errorf("%v was never said", r)
		}
		if i > 0 && r.Seq <= c.Records[i-1].Seq {
			s.t.Errorf("%d behind %d", r.Seq, c.Records[i-1].Seq)
		}
		have[r.Seq] = true
	}
	for seq := range s.acked {
		if seq > s.flushed && !have[seq] {
			s.t.Errorf("%d was acknowledged and is not there", seq)
		}
	}
	s.counts.recovered += len(c.Records)
	return slices.DeleteFunc(c.Records, func(r Record) bool { return r.Seq <= s.flushed })
}

// live is one process: it opens, works, and ends well or not.
func (s *sim) live(life int) {
	s.dead = false
	s.faulty.Fail(nil)
	rs := s.reopen()
	rate := []float64{0, 0, 0.02, 0.1}[s.r.IntN(4)]
	s.deadly, s.power = 0, s.r.IntN(3) > 0
	if s.r.IntN(4) > 0 {
		s.deadly = 1 + s.r.IntN(60)
	}
	left := filepath.Join(s.top, fmt.Sprint(life+1))
	faults := rand.New(rand.NewPCG(s.r.Uint64(), 1))
	s.faulty.Fail(func(op faultfs.Op) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.dead && op.N == s.deadly {
			s.dead = true
			if s.power {
				s.cut(left, faults)
			}
		}
		if s.dead {
			return errKilled
		}
		if faults.Float64() < rate {
			s.counts.faults++
			err := []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}[faults.IntN(3)]
			if faults.IntN(2) == 0 {
				err = faultfs.Torn(err)
			}
			return err
		}
		return nil
	})
	times := rand.New(rand.NewPCG(s.r.Uint64(), 2))
	slow := lazyFS{FS: s.disk, slow: true, takes: func() time.Duration { return time.Duration(1 + times.Int64N(2e6)) }}
	opts := Options{Window: []time.Duration{0, time.Millisecond, 5 * time.Millisecond}[s.r.IntN(3)]}
	j, err := Create(slow, s.path(), Base{byte(life)}, rs, opts)
	if err == nil {
		s.mu.Lock()
		for _, r := range rs {
			s.acked[r.Seq] = true
		}
		s.mu.Unlock()
		s.work(j)
		_ = j.Close() // after a crash, or beside a fault
	}
	switch {
	case s.dead && s.power:
		s.counts.cuts++
		s.dir = left
		s.mount()
	case s.dead:
		s.counts.kills++
	}
}

// cut notes what a power cut leaves.
func (s *sim) cut(to string, r *rand.Rand) {
	if err := os.Mkdir(to, 0o700); err != nil {
		s.t.Error(err)
	}
	ks := keeps(r, s.disk.Pending(), 4)
	if err := s.disk.Clone(to, ks[r.IntN(len(ks))]); err != nil {
		s.t.Error(err)
	}
}

// work lets some goroutines append and one flush, for a while.
func (s *sim) work(j *Journal) {
	var wg sync.WaitGroup
	for range 1 + s.r.IntN(4) {
		r := rand.New(rand.NewPCG(s.r.Uint64(), 3))
		wg.Go(func() {
			for range 1 + r.IntN(12) {
				time.Sleep(time.Duration(1 + r.Int64N(4e6)))
				s.append(j, r)
			}
		})
	}
	r := rand.New(rand.NewPCG(s.r.Uint64(), 4))
	wg.Go(func() {
		for range r.IntN(8) {
			time.Sleep(time.Duration(1 + r.Int64N(10e6)))
			s.mu.Lock()
			if s.dead {
				s.mu.Unlock()
				return
			}
			s.flushed = s.seq
			s.mu.Unlock()
			j.Flushed(s.flushed, Base{byte(r.Uint32())})
		}
	})
	wg.Wait()
}

// append appends a few records, rarely many, and notes what becomes of them.
func (s *sim) append(j *Journal, r *rand.Rand) {
	n := uint64(1 + r.IntN(3))
	if r.IntN(20) == 0 {
		n = 400
	}
	urgent := r.IntN(2) == 0
	s.mu.Lock()
	rs := records(s.seq+1, s.seq+n)
	s.seq += n
	for _, r := range rs {
		s.appended[r.Seq] = r
	}
	s.mu.Unlock()
	told := false
	j.Append(urgent, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if told {
			s.t.Errorf("%d: told twice", rs[0].Seq)
		}
		told = true
		if err != nil {
			s.counts.refused++
			return
		}
		if s.dead {
			s.t.Errorf("%d: acknowledged by a dead process", rs[0].Seq)
		}
		s.counts.acked++
		for _, r := range rs {
			s.acked[r.Seq] = true
		}
	}, rs...)
}
