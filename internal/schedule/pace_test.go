package schedule_test

import (
	"testing"

	"github.com/hacky-run/hacky/internal/schedule"
)

func TestPace(t *testing.T) {
	var p schedule.Pace
	if p.Takes(1, 5) != 0 || p.Each() != 0 || p.PerPoint() != 0 || p.Finished() != 0 {
		t.Error("an empty pace knows something")
	}
	p.Took(1, 0, 30) // without points
	if got := p.Takes(2, 5); got != 30 {
		t.Errorf("without points to go by: %v", got)
	}
	p.Took(2, 2, 20)
	p.Took(3, 3, 1000)
	p.Took(3, 3, 40) // counts instead
	for _, c := range []struct {
		item         int32
		points, want float64
	}{{1, 0, 30}, {3, 3, 40}, {4, 1, 12}, {4, 10, 120}, {4, 0, 30}} {
		if got := p.Takes(c.item, c.points); got != c.want {
			t.Errorf("item %d with %v points: %v, want %v", c.item, c.points, got, c.want)
		}
	}
	other := p.Clone()
	other.Took(5, 0, 1)
	if p.Finished() != 3 || other.Finished() != 4 {
		t.Errorf("%d and %d", p.Finished(), other.Finished())
	}
}
