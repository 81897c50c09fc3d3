package graph

import (
	"cmp"
	"slices"
)

// sweeps bound the work on a part: half of them lead down and half up. Small
// ones are moved sideways more often, as that straightens lanes.
const sweeps, moreSweeps, small = 8, 40, 10_000

// slack is how much wider than its fullest layer a part may become: without a
// bound, layers that follow their neighbours drift sideways.
const slack = 1.08

// fill gathers the layers, in the order in which spots are reached from above,
// which is good to begin with. Every spot is: lanes begin at nodes.
func (p *part) fill() {
	last := int32(0)
	for i := range p.spots {
		last = max(last, p.spots[i].layer)
	}
	p.layers = make([][]int32, last+1)
	seen := make([]bool, len(p.spots))
	var stack []int32
	for i := range p.nodes {
		if len(p.spots[i].above) > 0 {
			continue
		}
		stack = append(stack[:0], int32(i))
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[v] {
				continue
			}
			seen[v] = true
			p.layers[p.spots[v].layer] = append(p.layers[p.spots[v].layer], v)
			for _, w := range slices.Backward(p.spots[v].below) {
				stack = append(stack, w)
			}
		}
	}
	p.number()
	used := p.layers[:0] // a layer may have been left by all
	for _, l := range p.layers {
		if len(l) > 0 {
			for _, i := range l {
				p.spots[i].layer = int32(len(used))
			}
			used = append(used, l)
		}
	}
	p.layers = used
}

func (p *part) number() {
	for _, l := range p.layers {
		for k, i := range l {
			p.spots[i].order = int32(k)
		}
	}
}

// arrange orders the layers so that few links cross: by the mean of the
// neighbours in the layer that was ordered before. The best order is kept.
func (p *part) arrange() {
	best, least := p.copyLayers(), p.crossings()
	mean := make([]float64, len(p.spots))
	for s := 0; s < sweeps && least > 0; s++ {
		for k := range p.layers {
			if s%2 == 1 {
				k = len(p.layers) - 1 - k
			}
			for _, i := range p.layers[k] {
				near := p.spots[i].above
				if s%2 == 1 {
					near = p.spots[i].below
				}
				mean[i] = float64(p.spots[i].order)
				if len(near) > 0 {
					sum := 0.0
					for _, j := range near {
						sum += float64(p.spots[j].order)
					}
					mean[i] = sum / float64(len(near))
				}
			}
			slices.SortStableFunc(p.layers[k], func(a, b int32) int { return cmp.Compare(mean[a], mean[b]) })
			for n, i := range p.layers[k] {
				p.spots[i].order = int32(n)
			}
		}
		if c := p.crossings(); c < least {
			best, least = p.copyLayers(), c
		}
	}
	p.layers = best
	p.number()
}

func (p *part) copyLayers() [][]int32 {
	out := make([][]int32, len(p.layers))
	for k, l := range p.layers {
		out[k] = slices.Clone(l)
	}
	return out
}

// crossings counts the pairs of links that cross: inversions, in n log n.
func (p *part) crossings() int {
	count := 0
	var ends []int32
	for k := 1; k < len(p.layers); k++ {
		tree := make([]int, len(p.layers[k])+1)
		seen := 0
		for _, i := range p.layers[k-1] {
			ends = ends[:0]
			for _, w := range p.spots[i].below {
				ends = append(ends, p.spots[w].order)
			}
			slices.Sort(ends)
			for _, e := range ends {
				left := 0
				for t := e + 1; t > 0; t -= t & -t {
					left += tree[t]
				}
				count += seen - left
			}
			for _, e := range ends {
				seen++
				for t := e + 1; t < int32(len(tree)); t += t & -t {
					tree[t]++
				}
			}
		}
	}
	return count
}

// place finds x for all spots and y for the layers: again and again, each
// layer is moved as near to its neighbours as its order and the gaps allow.
func (p *part) place() {
	widest := 0.0
	for _, l := range p.layers {
		x := 0.0
		for _, i := range l {
			s := &p.spots[i]
			s.x = x + s.half
			x += 2*s.half + sideGap
		}
		widest = max(widest, x-sideGap)
	}
	widest *= slack
	most := sweeps
	if len(p.spots) < small {
		most = moreSweeps
	}
	var want, weight []float64
	for s := range most {
		for k := range p.layers {
			if s%2 == 1 {
				k = len(p.layers) - 1 - k
			}
			want, weight = want[:0], weight[:0]
			for _, i := range p.layers[k] {
				w, h := p.pull(&p.spots[i], s%2 == 1, s >= most/2)
				want, weight = append(want, w), append(weight, h)
			}
			p.settle(p.layers[k], want, weight, widest)
		}
	}
	left := p.spots[0].x
	for i := range p.spots {
		left = min(left, p.spots[i].x-p.spots[i].half)
	}
	for i := range p.spots {
		p.spots[i].x -= left
		p.width = max(p.width, p.spots[i].x+p.spots[i].half)
	}
	p.height = float64(len(p.layers))*(nodeHeight+layerGap) - layerGap
}

// pull is where a spot would like to be, and how much: lanes the most, which
// makes them straight.
func (p *part) pull(s *spot, up, both bool) (x, weight float64) {
	near := s.above
	switch {
	case both:
		near = append(slices.Clone(s.above), s.below...)
	case up:
		near = s.below
	}
	if len(near) == 0 {
		return s.x, 0.1
	}
	sum, all := 0.0, 0.0
	for _, j := range near {
		h := 1.0
		if p.spots[j].node < 0 && s.node < 0 {
			h = 8
		}
		sum += h * p.spots[j].x
		all += h
	}
	return sum / all, all
}

// settle puts the spots of a layer where they want to be, in order, without
// overlap and between 0 and width, so that the weighted squares of their
// distances are least: what collides moves as one block.
func (p *part) settle(l []int32, want, weight []float64, width float64) {
	type block struct {
		x, weight float64 // of its first spot; shifted back by the gaps
		count     int
	}
	var blocks []block
	shift := 0.0
	shifts := make([]float64, len(l)) // how far from the layer's first spot, packed
	for k, i := range l {
		if k > 0 {
			shift += p.spots[l[k-1]].half + sideGap + p.spots[i].half
		}
		shifts[k] = shift
		b := block{want[k] - shift, weight[k], 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].x > b.x {
			a := blocks[len(blocks)-1]
			b = block{(a.x*a.weight + b.x*b.weight) / (a.weight + b.weight), a.weight + b.weight, a.count + b.count}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	first, last := p.spots[l[0]].half, width-p.spots[l[len(l)-1]].half-shift
	k := 0
	for _, b := range blocks {
		for range b.count {
			p.spots[l[k]].x = min(max(b.x, first), last) + shifts[k]
			k++
		}
	}
}

// move puts a part into the drawing.
func (p *part) move(d *drawing, x, y float64) {
	top := func(i int32) float64 { return y + float64(p.spots[i].layer)*(nodeHeight+layerGap) }
	for k, i := range p.nodes {
		d.at[i] = point{x + p.spots[k].x - nodeWidth/2, top(int32(k))}
	}
	between := func(from, to int32, k linkKind) line {
		l := line{points: []point{{x + p.spots[from].x, top(from) + nodeHeight}, {x + p.spots[to].x, top(to)}},
			head: k.head, tail: k.tail, critical: k.critical, upper: p.spots[from].node, down: p.spots[to].node}
		if p.spots[to].node < 0 { // through the layer
			l.points = append(l.points, point{x + p.spots[to].x, top(to) + nodeHeight})
		}
		return l
	}
	for _, a := range p.far {
		l := between(a.from, a.to, linkKind{head: !a.up, tail: a.up, critical: a.critical})
		l.far = true
		d.lines = append(d.lines, l)
	}
	for _, k := range p.order {
		d.lines = append(d.lines, between(k.from, k.to, p.links[k]))
	}
}
