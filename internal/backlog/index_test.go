package backlog

import (
	"math/rand/v2"
	"testing"
)

func TestPack(t *testing.T) {
	for id, want := range map[string]uint64{
		"P0":                           1 << 52,
		"P4094":                        4095 << 52,
		"P1.M4094":                     2<<52 | 4095<<40,
		"P1.M2.T65534":                 2<<52 | 3<<40 | 65535<<24,
		"P1.M2.T3.S4":                  2<<52 | 3<<40 | 4<<24 | 5,
		"P1.M2.T3.S16777214":           2<<52 | 3<<40 | 4<<24 | 1<<24 - 1,
		"P4095":                        0,
		"P1.M4095":                     0,
		"P1.M2.T65535":                 0,
		"P1.M2.T3.S16777215":           0,
		"P1.M2.T3.S123456789012345678": 0,
		"P99999999999999999999999999":  0,
		"P01":                          0,
		"P00":                          0,
		"P1.M1.T1.S00":                 0,
		"":                             0,
		"P":                            0,
		"P1.":                          0,
		"P1.M":                         0,
		"P1.T1":                        0,
		"P1.M1.T1.S1.":                 0,
		"P1.M1.T1.S1.S1":               0,
		"P1 ":                          0,
		"P-1":                          0,
		"M1":                           0,
		"P1xM1":                        0,
	} {
		if got := pack(id); got != want {
			t.Errorf("pack(%q) is %x, want %x", id, got, want)
		}
	}
}

// What packs is an id, of the kind that the number says; no two share one.
func TestPackRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	ids := map[uint64]string{}
	for range 200_000 {
		id := ""
		for k := Phase; k <= Subtask && (k == Phase || r.IntN(4) > 0); k++ {
			if k > Phase {
				id += "."
			}
			id += string("PMTSX"[(int(k)+r.IntN(20)/19)%5])
			for n := r.IntN(8) / 2; n >= 0; n-- {
				id += string("0129"[r.IntN(4)])
			}
		}
		key := pack(id)
		kind, err := ParseID(id)
		if key == 0 {
			if kindOf(key) != noKind {
				t.Fatalf("kindOf(0) is %v", kindOf(key))
			}
			continue
		}
		if err != nil || kind != kindOf(key) {
			t.Fatalf("%s packs as a %v, and is a %v, %v", id, kindOf(key), kind, err)
		}
		if other, ok := ids[key]; ok && other != id {
			t.Fatalf("%s and %s both pack to %x", id, other, key)
		}
		ids[key] = id
	}
	if len(ids) < 10_000 {
		t.Errorf("only %d ids pack", len(ids))
	}
}
