package schedule

import "maps"

// Pace is how long subtasks take, as far as those have shown that came to their
// end. The zero Pace knows of none; it is not safe for concurrent use.
type Pace struct {
	own       map[int32]float64 // seconds, of those that have
	sum       float64
	ofPoints  float64 // of sum, what those with story points took
	sumPoints float64
}

// Took notes that a subtask with so many story points took so many seconds, all
// attempts together. What was noted of it before counts no more.
func (p *Pace) Took(i int32, points, seconds float64) {
	if p.own == nil {
		p.own = map[int32]float64{}
	}
	was, again := p.own[i]
	p.own[i] = seconds
	p.sum += seconds - was
	if points > 0 {
		p.ofPoints += seconds - was
		if !again {
			p.sumPoints += points
		}
	}
}

// Finished is how many subtasks it was learned from.
func (p *Pace) Finished() int { return len(p.own) }

// Each is the mean of the finished ones, in seconds; 0 if there are none.
func (p *Pace) Each() float64 {
	if len(p.own) == 0 {
		return 0
	}
	return p.sum / float64(len(p.own))
}

// PerPoint is what a story point takes, in seconds; 0 if no finished one had
// any.
func (p *Pace) PerPoint() float64 {
	if p.sumPoints <= 0 {
		return 0
	}
	return p.ofPoints / p.sumPoints
}

// Takes is how many seconds a subtask is expected to take: what it took before,
// or by its story points, or the mean.
func (p *Pace) Takes(i int32, points float64) float64 {
	if own, ok := p.own[i]; ok {
		return own
	}
	if perPoint := p.PerPoint(); perPoint > 0 && points > 0 {
		return perPoint * points
	}
	return p.Each()
}

// Clone is a Pace of its own that knows the same.
func (p *Pace) Clone() *Pace {
	out := *p
	out.own = maps.Clone(p.own)
	return &out
}
