package session

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// TestSim lets a run, other writers, recoveries, editors and readers work on
// one session directory, each at its own pace, while the disk fails, processes
// are killed and the power is cut; simModel says what must be true. All of it
// follows from a seed: HACKY_SIM_SEED runs one, HACKY_SIM_SEEDS so many.
func TestSim(t *testing.T) {
	t.Parallel()
	from, to := uint64(1), simNumber(t, "HACKY_SIM_SEEDS", 300)
	if one := simNumber(t, "HACKY_SIM_SEED", 0); one > 0 {
		from, to = one, one
	}
	top := scratch(t)
	var mu sync.Mutex
	var total simCounts
	t.Run("seeds", func(t *testing.T) {
		const shards = 4
		for shard := range uint64(shards) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := from; seed <= to; seed++ {
					if seed%shards != shard || t.Failed() {
						continue
					}
					// A name of its own: should it hang, or all be in a deadlock, the seed is told.
					t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
						_, counts := simulate(t, seed, top)
						mu.Lock()
						defer mu.Unlock()
						total.add(counts)
					})
				}
			})
		}
	})
	t.Logf("%+v", total)
}

// TestSimRepeats: the same seed is the same story.
func TestSimRepeats(t *testing.T) {
	t.Parallel()
	top := scratch(t)
	for seed := uint64(1); seed <= 20; seed++ {
		first, _ := simulate(t, seed, top)
		if again, _ := simulate(t, seed, top); again != first {
			t.Fatalf("seed %d told two stories:\n%s\n----\n%s", seed, first, again)
		}
	}
}

func simNumber(t *testing.T, env string, otherwise uint64) uint64 {
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

type simCounts struct {
	processes, kills, cuts, clones, faults, acked, flushes, failures, handed, recovered, conflicts, saves, locked int
}

func (c *simCounts) add(o simCounts) {
	c.processes += o.processes
	c.kills += o.kills
	c.cuts += o.cuts
	c.clones += o.clones
	c.faults += o.faults
	c.acked += o.acked
	c.flushes += o.flushes
	c.failures += o.failures
	c.handed += o.handed
	c.recovered += o.recovered
	c.conflicts += o.conflicts
	c.saves += o.saves
	c.locked += o.locked
}

// simWorld is a session directory with everybody who works on it.
type simWorld struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand // the driver's
	disk *simDisk
	work sync.WaitGroup

	editor struct {
		src   string // as it was read
		saved string // last
		n     int
		open  bool // in the middle of saving in place
	}

	mu sync.Mutex
	simModel
	procs   []*simProc // running
	spawned int
	ended   time.Time // the last process
	calm    bool      // everybody is to come to an end
	rough   bool      // a kill or power cut since the editor saved
	failed  []string
	log     []string
	counts  simCounts
	verbose bool // with the sessions' logs
}

// simulate runs one seed and returns what happened.
// simPath is how long the path of a simulated world is.
const simPath = 120

func simulate(t *testing.T, seed uint64, scratch string) (story string, counts simCounts) {
	top, err := os.MkdirTemp(scratch, "sim")
	if err != nil {
		t.Fatal(err)
	}
	// The session's path is in recovery files, and how many sectors those have is
	// a part of the story.
	dir := filepath.Join(top, strings.Repeat("x", max(1, simPath-len(top)-1)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &simWorld{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 0))}
	w.verbose = os.Getenv("HACKY_SIM_SEED") != ""
	synctest.Test(t, func(*testing.T) { w.run(dir) })
	slices.Sort(w.log)
	story = strings.Join(w.log, "\n")
	if len(w.failed) > 0 {
		t.Fatalf("%s\nthe last steps:\n%s\nagain: make sim SEED=%d", strings.Join(w.failed, "\n"), strings.Join(w.log[max(0, len(w.log)-60):], "\n"), seed)
	}
	if err := os.RemoveAll(top); err != nil {
		t.Fatal(err)
	}
	return story, w.counts
}

func (w *simWorld) logf(format string, args ...any) {
	w.log = append(w.log, time.Now().Format("04:05.000000000 ")+fmt.Sprintf(format, args...))
}

// note is logf for who does not hold w.mu.
func (w *simWorld) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logf(format, args...)
}

// failf notes what is wrong; w.mu need not be held, as only the driver and one
// process at a time are awake.
func (w *simWorld) failf(format string, args ...any) {
	w.failed = append(w.failed, fmt.Sprintf("seed %d, %s: ", w.seed, time.Now().Format("04:05.000000"))+fmt.Sprintf(format, args...))
}

func (w *simWorld) must(err error) {
	if err != nil {
		w.failf("the simulation itself: %v", err)
	}
}

func (w *simWorld) run(top string) {
	w.disk = &simDisk{top: top, dir: filepath.Join(top, "0"), saved: map[string]time.Time{}}
	w.must(os.Mkdir(w.disk.dir, 0o700))
	src := w.randomBacklog()
	l := w.disk.location()
	w.must(os.WriteFile(l.Path(), []byte(src), 0o644))
	w.must(os.Chtimes(l.Path(), time.Now(), time.Now()))
	w.disk.saved[src] = time.Now()
	w.must(w.disk.mount())
	w.editor.src = src
	for range 1 + w.r.IntN(3) {
		b, err := Read(w.disk.location())
		if err != nil {
			w.failf("%v", err)
			return
		}
		w.begin(b)
		w.rough = false
		for range 10 + w.r.IntN(20) {
			w.step()
			if len(w.failed) > 0 {
				break
			}
		}
		if len(w.failed) == 0 {
			w.settle()
		}
		if len(w.failed) > 0 {
			break
		}
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	for _, p := range slices.Clone(w.procs) {
		p.kill()
	}
	w.work.Wait()
}

// randomBacklog is up to 30 subtasks somewhere; some parents are empty, some
// subtasks wait for others.
func (w *simWorld) randomBacklog() string {
	var b strings.Builder
	left := 1 + w.r.IntN(30)
	if w.r.IntN(2) == 0 {
		left = 1 + w.r.IntN(4) // so that all meet
	}
	list := func(n int, item func(k int)) {
		for k := range n {
			if k > 0 {
				b.WriteString(",")
			}
			item(k + 1)
		}
	}
	some := func() int { return w.r.IntN(3) }
	b.WriteString(`{"backlog": [`)
	phases := 1 + w.r.IntN(3)
	list(phases, func(p int) {
		fmt.Fprintf(&b, "\n{\"id\":\"P%d\",\"type\":\"Phase\",\"title\":\"edit 0\",\"status\":\"Planned\",\"milestones\":[", p)
		milestones := some()
		if p == 1 {
			milestones++
		}
		list(milestones, func(m int) {
			fmt.Fprintf(&b, "\n {\"id\":\"P%d.M%d\",\"type\":\"Milestone\",\"title\":\"m\",\"status\":\"Planned\",\"tasks\":[", p, m)
			tasks := some()
			if p == 1 && m == 1 {
				tasks++
			}
			list(tasks, func(t int) {
				fmt.Fprintf(&b, "\n  {\"id\":\"P%d.M%d.T%d\",\"type\":\"Task\",\"title\":\"t\",\"status\":\"Planned\",\"subtasks\":[", p, m, t)
				subtasks := min(left, some()*4)
				if len(w.items) == 0 {
					subtasks = max(1, subtasks)
				}
				left -= subtasks
				list(subtasks, func(s int) {
					id := fmt.Sprintf("P%d.M%d.T%d.S%d", p, m, t, s)
					deps := ""
					if len(w.items) > 0 && w.r.IntN(4) == 0 {
						deps = fmt.Sprintf(`,"dependencies":[%q]`, w.items[w.r.IntN(len(w.items))])
					}
					status := backlog.Statuses()[w.r.IntN(7)*w.r.IntN(2)]
					fmt.Fprintf(&b, "\n   {\"id\":%q,\"type\":\"Subtask\",\"title\":\"s\",\"run\":\"make\",\"status\":%q%s}", id, status, deps)
					w.items = append(w.items, id)
				})
				b.WriteString("]}")
			})
			b.WriteString("]}")
		})
		b.WriteString("]}")
	})
	b.WriteString("\n]}\n")
	return b.String()
}

// step is one choice of the driver, and then some time for everybody.
func (w *simWorld) step() {
	switch k := w.r.IntN(100); {
	case k < 14:
		w.spawn("run", w.runScript)
	case k < 32:
		w.spawn("set", w.setScript)
	case k < 38:
		w.spawn("recover", func(p *simProc) {
			w.recoverScript(p, p.loc.RecoveryPath(), RecoverOptions{Force: p.r.IntN(6) == 0}, p.r.IntN(4) == 0)
		})
	case k < 44:
		w.readEditor()
	case k < 56:
		w.save(w.r.IntN(2) == 0, w.r.IntN(3) == 0)
	case k < 70:
		w.disk.mu.Lock()
		w.disk.weather = []simWeather{fair, fair, fair, flaky, flaky, rough, full, readonly, unsynced}[w.r.IntN(9)]
		w.disk.mu.Unlock()
		w.note("the weather is %v", w.disk.weather)
	case k < 77:
		w.kill()
	case k < 80:
		w.powerCut()
	}
	pause := time.Duration(w.r.Int64N(6e6))
	switch w.r.IntN(10) {
	case 0, 1:
		pause += time.Duration(w.r.Int64N(100e6))
	case 2:
		pause += time.Duration(w.r.Int64N(3e9))
	}
	time.Sleep(pause)
	synctest.Wait()
	w.check(w.disk.location(), "now")
	if w.r.IntN(3) == 0 && len(w.failed) == 0 {
		w.counts.clones++
		dir, err := w.disk.clone(w.r)
		w.must(err)
		w.check(Location{Dir: dir, Name: TasksFile}, "after a power cut")
		if len(w.failed) == 0 {
			w.must(os.RemoveAll(dir))
		}
	}
}

func (w *simWorld) spawn(kind string, script func(p *simProc)) *simProc {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.procs) >= 5 {
		return nil
	}
	w.spawned++
	w.counts.processes++
	p := &simProc{w: w, n: w.spawned, kind: kind, born: time.Now(), loc: w.disk.location(),
		r: rand.New(rand.NewPCG(w.seed, uint64(w.spawned))), counts: map[string]int{}, seen: map[string]mask{}}
	w.procs = append(w.procs, p)
	w.logf("%v starts", p)
	w.work.Go(func() {
		script(p)
		w.mu.Lock()
		defer w.mu.Unlock()
		p.opened = false
		w.procs = slices.DeleteFunc(w.procs, func(other *simProc) bool { return other == p })
		w.ended = time.Now()
		w.logf("%v is over", p)
	})
	return p
}

func (p *simProc) String() string { return fmt.Sprintf("%s %d", p.kind, p.n) }

func (w *simWorld) kill() {
	if len(w.procs) == 0 {
		return
	}
	p := w.procs[w.r.IntN(len(w.procs))]
	w.note("%v is killed", p)
	p.kill()
	w.rough = true
	w.counts.kills++
}

func (w *simWorld) powerCut() {
	for _, p := range w.procs {
		p.kill()
	}
	dir, err := w.disk.clone(w.r)
	w.must(err)
	w.disk.dir = dir
	w.must(w.disk.mount())
	w.rough = true
	w.counts.cuts++
	w.note("the power is cut")
}
