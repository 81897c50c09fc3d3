package git

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Since is what is dirty in s and was clean in before: what was changed between
// the two, as far as a commit may take it.
func (s *Snapshot) Since(before *Snapshot) *Snapshot {
	out := &Snapshot{dirty: map[string]identity{}}
	for path, is := range s.dirty {
		if _, dirty := before.dirty[path]; !dirty {
			out.dirty[path] = is
		}
	}
	return out
}

// Without is s with everything clean that is still as it is in own, so that a
// Commit since then takes it. changed are the paths of own that are dirty in
// another way by now, sorted: somebody else went on with them.
func (s *Snapshot) Without(own *Snapshot) (rest *Snapshot, changed []string) {
	rest = &Snapshot{dirty: map[string]identity{}}
	for path, is := range s.dirty {
		was, mine := own.dirty[path]
		if mine && was == is {
			continue
		}
		rest.dirty[path] = is
		if mine {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	return rest, changed
}

// entry is a path of a snapshot in JSON.
type entry struct {
	Path  string `json:"path"`
	Gone  bool   `json:"gone,omitempty"`
	Mode  uint32 `json:"mode,omitempty"` // an os.FileMode
	Size  int64  `json:"size,omitempty"`
	Time  int64  `json:"time,omitempty"` // of its modification, in nanoseconds since 1970
	Inode uint64 `json:"inode,omitempty"`
}

// MarshalJSON leaves out paths that are not UTF-8: they count as dirty by
// somebody else, then.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	list := make([]entry, 0, len(s.dirty))
	for path, is := range s.dirty {
		switch {
		case !utf8.ValidString(path):
		case is == identity{}:
			list = append(list, entry{Path: path, Gone: true})
		default:
			list = append(list, entry{path, false, uint32(is.mode), is.size, is.time.UnixNano(), is.inode})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (s *Snapshot) UnmarshalJSON(data []byte) error {
	var list []entry
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	s.dirty = make(map[string]identity, len(list))
	for _, e := range list {
		if e.Gone {
			s.dirty[e.Path] = identity{}
			continue
		}
		s.dirty[e.Path] = identity{os.FileMode(e.Mode), e.Size, time.Unix(0, e.Time), e.Inode}
	}
	return nil
}
