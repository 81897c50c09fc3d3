package backlog

// index finds items by id. Nearly all ids pack into a number, and a map of
// numbers needs neither the text of the id, which is long out of the
// processor's caches, nor its comparison (BenchmarkParse: a fifth faster than
// a map of strings).
type index struct {
	packed map[uint64]int32
	other  map[string]int32 // what does not pack: P007, or what is no id at all
}

// get takes pack(id) besides the id, which matters only if that is 0.
func (x index) get(key uint64, id string) (int32, bool) {
	if key != 0 {
		i, ok := x.packed[key]
		return i, ok
	}
	i, ok := x.other[id]
	return i, ok
}

// put reports whether the id is new. The later of two items is kept.
func (x index) put(key uint64, id string, i int32) bool {
	n := len(x.packed) + len(x.other)
	if key != 0 {
		x.packed[key] = i
	} else {
		x.other[id] = i
	}
	return len(x.packed)+len(x.other) > n
}

// packed says where each kind's number stands in a packed id, and how wide.
var packed = [...]struct{ shift, width uint }{
	Phase: {52, 12}, Milestone: {40, 12}, Task: {24, 16}, Subtask: {0, 24},
}

// packMask selects a kind's number.
func packMask(k Kind) uint64 { return (1<<packed[k].width - 1) << packed[k].shift }

// pack turns an id into a number: each segment's number plus 1 in its bits. It
// is 0 for what is no id and for the few that do not fit, among them numbers
// with leading zeros, so that no two ids share a number.
func pack(id string) (key uint64) {
	i := 0
	for k := Phase; i < len(id) && id[i] == k.letter(); k++ {
		i++
		from, n := i, uint64(0)
		for i < len(id) && id[i] >= '0' && id[i] <= '9' {
			n = n*10 + uint64(id[i]-'0')
			i++
			if n+1 >= 1<<packed[k].width {
				return 0
			}
		}
		if i == from || id[from] == '0' && i > from+1 {
			return 0
		}
		key |= (n + 1) << packed[k].shift
		if i == len(id) {
			return key
		}
		if id[i] != '.' || k == Subtask {
			return 0
		}
		i++
	}
	return 0
}

// kindOf is the kind of a packed id, and no kind at all for 0.
func kindOf(key uint64) Kind {
	for k := Subtask; key != 0; k-- {
		if key&packMask(k) != 0 {
			return k
		}
	}
	return noKind
}

const noKind Kind = 255
