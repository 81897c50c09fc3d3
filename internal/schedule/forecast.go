package schedule

import (
	queue "container/heap"

	"github.com/hacky-run/hacky/internal/backlog"
)

// Waves are what a plan would run if nothing failed, by when it could: a wave
// is ready when the one before has ended, and all of it could run at once. Each
// is in document order. It uses the plan up.
func Waves(p *Plan) [][]int32 {
	var out [][]int32
	for p.Ready() > 0 {
		wave := make([]int32, p.Ready())
		for k := range wave {
			wave[k], _ = p.Next()
		}
		for _, i := range wave {
			p.Complete(i)
		}
		out = append(out, wave)
	}
	return out
}

// CriticalPath is the chain of dependencies that takes longest: no number of
// workers ends sooner than its total. order is what is run, dependencies first;
// weight says how long each takes, and is not negative.
func CriticalPath(b *backlog.Backlog, order []int32, weight func(i int32) float64) (path []int32, total float64) {
	// Of a subtask: when it ends at best, and the one before it on the longest
	// chain, plus 1. Of a parent, once all below it is known: the one below it
	// that ends last, plus 1.
	ends, before := make([]float64, b.Len()), make([]int32, b.Len())
	known := make([]bool, b.Len())
	last := int32(-1)
	for _, i := range order {
		for _, d := range b.Dependencies(i) {
			by := d
			if b.Items[d].Kind != backlog.Subtask {
				if !known[d] {
					known[d] = true
					for s := d + 1; s < b.Items[d].End; s++ {
						if known[s] && b.Items[s].Kind == backlog.Subtask && (before[d] == 0 || ends[s] > ends[before[d]-1]) {
							before[d] = s + 1
						}
					}
				}
				by = before[d] - 1
			}
			if by >= 0 && known[by] && (before[i] == 0 || ends[by] > ends[before[i]-1]) {
				before[i] = by + 1
			}
		}
		if before[i] > 0 {
			ends[i] = ends[before[i]-1]
		}
		ends[i] += weight(i)
		known[i] = true
		if last < 0 || ends[i] > ends[last] {
			last = i
		}
	}
	if last < 0 {
		return nil, 0
	}
	for i := last; i >= 0; i = before[i] - 1 {
		path = append(path, i)
	}
	for x, y := 0, len(path)-1; x < y; x, y = x+1, y-1 {
		path[x], path[y] = path[y], path[x]
	}
	return path, ends[last]
}

// Simulate tells how long a plan takes with so many workers if nothing fails:
// whoever is free takes the first ready subtask, as a run does. It uses the
// plan up.
func Simulate(p *Plan, workers int, weight func(i int32) float64) (total float64) {
	var busy work
	for {
		for len(busy) < workers {
			i, ok := p.Next()
			if !ok {
				break
			}
			queue.Push(&busy, job{total + weight(i), i})
		}
		if len(busy) == 0 {
			return total
		}
		done := queue.Pop(&busy).(job)
		total = done.ends
		p.Complete(done.item)
	}
}

// job is a subtask that a simulated worker has.
type job struct {
	ends float64
	item int32
}

// work is a heap of jobs, the first to end on top.
type work []job

func (w work) Len() int { return len(w) }
func (w work) Less(x, y int) bool {
	return w[x].ends < w[y].ends || w[x].ends == w[y].ends && w[x].item < w[y].item
}
func (w work) Swap(x, y int) { w[x], w[y] = w[y], w[x] }
func (w *work) Push(x any)   { *w = append(*w, x.(job)) }
func (w *work) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
