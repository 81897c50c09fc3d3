package schedule_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/schedule"
)

func TestWavesAndCriticalPath(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2 Complete", "P1.M1.T1.S3 Failed < P1.M1.T1.S1", "P1.M1.T1.S4 Planned < P1.M1.T1.S2",
		"P2.M1.T1.S1 Planned < P1", "P2.M1.T1.S2")
	var waves []string
	for _, w := range schedule.Waves(planAll(b)) {
		waves = append(waves, short(ids(b, w)))
	}
	if got := strings.Join(waves, " | "); got != "S1 S4 P2.M1.T1.S2 | S3 | P2.M1.T1.S1" {
		t.Errorf("waves %s", got)
	}
	order := schedule.Order(planAll(b))
	slow := lookup(t, b, "P1.M1.T1.S4")
	for _, tt := range []struct {
		slow  float64
		want  string
		total float64
	}{
		{1, "S1 S3 P2.M1.T1.S1", 3},
		{5, "S4 P2.M1.T1.S1", 6}, // through the parent
	} {
		path, total := schedule.CriticalPath(b, order, func(i int32) float64 {
			if i == slow {
				return tt.slow
			}
			return 1
		})
		if got := short(ids(b, path)); got != tt.want || total != tt.total {
			t.Errorf("%s, %v, want %s, %v", got, total, tt.want, tt.total)
		}
	}
	if path, total := schedule.CriticalPath(b, nil, nil); path != nil || total != 0 {
		t.Errorf("of nothing: %v %v", path, total)
	}
}

// Two workers: the second long one begins when the first short one ends.
func TestSimulate(t *testing.T) {
	b := backlogOf(t, "P1.M1.T1.S1", "P1.M1.T1.S2", "P1.M1.T1.S3", "P1.M1.T1.S4 Planned < P1.M1.T1.S2")
	took := map[string]float64{"S1": 3, "S2": 1, "S3": 4, "S4": 1}
	weight := func(i int32) float64 { return took[short(b.Items[i].ID)] }
	for workers, want := range map[int]float64{1: 9, 2: 5, 3: 4, 100: 4} {
		if got := schedule.Simulate(planAll(b), workers, weight); got != want {
			t.Errorf("%d workers take %v, want %v", workers, got, want)
		}
	}
}

func TestForecastProperties(t *testing.T) {
	for seed := range uint64(2000) {
		c := rand.New(rand.NewPCG(seed, 6))
		b := build(t, randomNodes(c))
		statuses := b.Statuses()
		all := schedule.Select(b, nil)
		fresh := func() *schedule.Plan { return schedule.New(b, statuses, all) }
		m := newModel(b, statuses, all)
		weights := make([]float64, b.Len())
		for k := range weights {
			weights[k] = float64(c.IntN(8)) // whole numbers: sums are exact
		}
		weight := func(i int32) float64 { return weights[i] }
		open := func(s int32) bool { return !statuses[s].Satisfied() }

		order, sum := schedule.Order(fresh()), 0.0
		for _, i := range order {
			sum += weights[i]
		}
		// The longest chain that ends with s, and how many it has at most.
		var longest func(s int32, weight func(int32) float64) float64
		longest = func(s int32, weight func(int32) float64) float64 {
			most := 0.0
			for _, d := range m.waitsFor(s) {
				if open(d) {
					most = max(most, longest(d, weight))
				}
			}
			return most + weight(s)
		}
		waves := schedule.Waves(fresh())
		n := 0
		for k, wave := range waves {
			n += len(wave)
			if !slices.IsSorted(wave) {
				t.Fatalf("seed %d: a wave out of order", seed)
			}
			for _, i := range wave {
				if got := longest(i, func(int32) float64 { return 1 }); got != float64(k+1) {
					t.Fatalf("seed %d: %s is in wave %d, want %v", seed, b.Items[i].ID, k+1, got)
				}
			}
		}
		if n != len(order) {
			t.Fatalf("seed %d: %d are in waves, want %d", seed, n, len(order))
		}
		path, total := schedule.CriticalPath(b, order, weight)
		want, along := 0.0, 0.0
		for _, i := range order {
			want = max(want, longest(i, weight))
		}
		for k, i := range path {
			along += weights[i]
			if k > 0 && !slices.Contains(m.waitsFor(i), path[k-1]) || !open(i) {
				t.Fatalf("seed %d: no path: %s", seed, ids(b, path))
			}
		}
		if total != want || along != total {
			t.Fatalf("seed %d: critical path %v, its sum %v, want %v", seed, total, along, want)
		}
		if got := schedule.Simulate(fresh(), 1, weight); got != sum {
			t.Fatalf("seed %d: one worker takes %v, want %v", seed, got, sum)
		}
		if got := schedule.Simulate(fresh(), b.Len(), weight); got != want {
			t.Fatalf("seed %d: enough workers take %v, want %v", seed, got, want)
		}
		for workers := 2; workers < 5; workers++ {
			w := float64(workers)
			got := schedule.Simulate(fresh(), workers, weight)
			if least := max(want, sum/w); got < least-1e-9 || got > sum/w+want*(1-1/w)+1e-9 || math.IsNaN(got) {
				t.Fatalf("seed %d: %d workers take %v of %v, critical %v", seed, workers, got, sum, want)
			}
		}
	}
}

func BenchmarkForecast(b *testing.B) {
	for _, shape := range shapes {
		graph := build(b, shape.make())
		statuses, all := graph.Statuses(), schedule.Select(graph, nil)
		weight := func(i int32) float64 { return float64(i%7 + 1) }
		graph.Dependents(0)
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				fresh := func() *schedule.Plan { return schedule.New(graph, statuses, all) }
				schedule.Waves(fresh())
				schedule.CriticalPath(graph, schedule.Order(fresh()), weight)
				schedule.Simulate(fresh(), 8, weight)
			}
		})
	}
}
