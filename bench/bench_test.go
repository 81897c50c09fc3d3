package main

import (
	"testing"
	"time"

	"github.com/hacky-run/hacky/bench/gen"
)

func TestRunLength(t *testing.T) {
	for _, test := range []struct {
		graph *gen.Graph
		want  string
	}{
		{gen.Waves(1000), "1x1000"},
		{gen.ChainGraph(1000), "1000x1"},
		{gen.LayersGraph(100, 10), "100x10"},
		{gen.Waves(1, 1000), "1x1,1x1000"},
		{gen.Waves(1000, 1), "1x1000,1x1"},
	} {
		if got := runLength(test.graph.Widths()); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

func TestGoals(t *testing.T) {
	const other = "make -j2"
	for _, test := range []struct {
		name    string
		goal    goal
		medians map[string]time.Duration
		want    string
	}{
		{"within", atMost(1.25, nameBare), map[string]time.Duration{nameBare: 100, nameHacky: 125}, "met"},
		{"beyond", atMost(1.25, nameBare), map[string]time.Duration{nameBare: 100, nameHacky: 126}, "NOT MET"},
		{"no base", atMost(1.25, nameBare), map[string]time.Duration{nameHacky: 126}, ""},
		{"ahead", aheadOfAll(), map[string]time.Duration{nameBare: 1, nameHacky: 125, other: 126, "ninja": 300}, "met"},
		{"behind one", aheadOfAll(), map[string]time.Duration{nameBare: 1, nameHacky: 127, other: 126, "ninja": 300}, "NOT MET"},
		{"nobody there", aheadOfAll(), map[string]time.Duration{nameBare: 1, nameHacky: 127}, ""},
	} {
		if got := test.goal.judge(test.medians, nameBare); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := (samples{{Wall: 9}, {Wall: 1}, {Wall: 3}}).wall(); got != 3 {
		t.Errorf("median %d, want 3", got)
	}
}
