package backlog

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"
)

// FuzzParse: no text makes Parse panic, and what it accepts is JSON in which
// encoding/json sees the same items, and comes back byte for byte.
//
//	go test -run - -fuzz FuzzParse ./internal/backlog/
func FuzzParse(f *testing.F) {
	f.Add(small)
	for _, c := range refusals {
		if len(c.src) < 2000 {
			f.Add(c.src)
		}
	}
	g := &randomTree{r: rand.New(rand.NewPCG(9, 10)), odd: true, deps: 30}
	for range 20 {
		f.Add(g.backlog(f).Source())
	}
	files, err := filepath.Glob("../../testdata/backlogs/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, src string) {
		if complaints(t, src) != "" {
			return
		}
		b := mustParse(t, src)
		text := src
		if len(text) >= len(bom) && text[:len(bom)] == bom {
			text = text[len(bom):]
		}
		if !json.Valid([]byte(text)) || !utf8.ValidString(src) {
			t.Fatalf("accepted, and is not JSON in UTF-8: %q", src)
		}
		if got := string(b.Bytes(b.Statuses())); got != src {
			t.Fatalf("unchanged, and yet %q became %q", src, got)
		}
		places, err := naivePlaces(src)
		if err != nil {
			t.Fatal(err)
		}
		if len(places) != b.Len() {
			t.Fatalf("%d items, encoding/json sees %d: %q", b.Len(), len(places), src)
		}
		ids := map[string]bool{}
		for i, p := range places {
			it := &b.Items[i]
			if kind, err := ParseID(it.ID); err != nil || kind != it.Kind || it.ID != p.id || it.Status.String() != p.status || ids[it.ID] {
				t.Fatalf("item %d is %+v, encoding/json sees %+v, %v", i, it, p, err)
			}
			ids[it.ID] = true
		}
		b.RollUp(b.Statuses())

		// Set, written, read and set back. A word spelled with escapes comes back
		// spelled plainly, so that is what it is compared with.
		want := plainly(src, places)
		for _, s := range []Status{Complete, Failed} {
			set := mustParse(t, string(mustParse(t, want).Bytes(allSet(b, s))))
			if got := string(set.Bytes(b.Statuses())); got != want {
				t.Fatalf("set to %v and back, %q became %q", s, want, got)
			}
		}
	})
}

// plainly is src with all status words spelled without escapes.
func plainly(src string, places []place) string {
	places = slices.Clone(places)
	slices.SortFunc(places, func(a, b place) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, p := range places {
		out = append(append(out, src[at:p.from]...), p.status...)
		at = p.to
	}
	return string(append(out, src[at:]...))
}
