package session

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/hacky-run/hacky/internal/backlog"
)

// looks is what a process sees that opens tasks.json, to be called when it has
// read it.
func (w *simWorld) looks(p *simProc) func() {
	opened := time.Now()
	b, err := Read(p.loc)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		p.read = opened
		if !p.working { // Open begins anew when it has the lock
			p.seen = map[string]mask{}
		}
		if err == nil {
			w.remember(p, b)
		}
	}
}

func (w *simWorld) remember(p *simProc, b *backlog.Backlog) {
	for _, id := range w.items {
		i, _ := b.Lookup(id)
		p.seen[id] |= 1 << b.Items[i].Status
	}
}

// placed notes that a process has put a tasks.json in its place.
func (w *simWorld) placed(p *simProc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	src, err := os.ReadFile(p.loc.Path())
	if err != nil {
		w.failf("%v: %v", p, err)
		return
	}
	if info, err := os.Stat(p.loc.Path()); err == nil {
		w.disk.saved[string(src)] = info.ModTime()
	}
	b, err := backlog.Parse(p.loc.Path(), string(src))
	if err != nil {
		if !w.editor.open {
			w.failf("%v has written: %v", p, err)
		}
		return
	}
	w.remember(p, b)
	w.said(b, string(src) == w.editor.saved) // an editor's file is put back
}

func (w *simWorld) readEditor() {
	src, err := os.ReadFile(w.disk.location().Path())
	w.must(err)
	w.editor.src = string(src)
}

// save is an editor that saves what it has read, maybe long ago, with another
// title, and maybe with other statuses.
func (w *simWorld) save(fresh, inPlace bool) {
	if fresh {
		w.readEditor()
	}
	l, disk := w.disk.location(), w.disk.crash
	w.editor.n++
	w.counts.saves++
	src := regexp.MustCompile(`"edit \d+"`).ReplaceAllString(w.editor.src, fmt.Sprintf(`"edit %d"`, w.editor.n))
	b, err := backlog.Parse(l.Path(), src)
	if err != nil {
		w.must(err)
		return
	}
	statuses, meant := b.Statuses(), map[string]bool{}
	for range w.r.IntN(3) * w.r.IntN(2) {
		id := w.items[w.r.IntN(len(w.items))]
		i, _ := b.Lookup(id)
		statuses[i] = backlog.Statuses()[w.r.IntN(7)]
		meant[id] = true
	}
	data := b.Bytes(statuses)
	before, err := Read(l)
	w.must(err)
	name, flag := l.Path()+".editor", os.O_WRONLY|os.O_CREATE|os.O_TRUNC
	if inPlace {
		name, flag = l.Path(), os.O_WRONLY|os.O_TRUNC
	}
	w.disk.mu.Lock()
	f, err := disk.OpenFile(name, flag, 0o644)
	w.disk.mu.Unlock()
	w.must(err)
	if inPlace && w.r.IntN(2) == 0 {
		w.mu.Lock()
		w.editor.open = true
		w.mu.Unlock()
		time.Sleep(time.Duration(w.r.Int64N(2e6)))
	}
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	_, err = f.Write(data)
	w.must(cmp.Or(err, f.Sync(), f.Close()))
	if !inPlace {
		w.must(disk.Rename(name, l.Path()))
	}
	// Whose update gives way to an editor's and then finds no place to be kept
	// is lost with the editor's; it takes a full disk and a power cut.
	if w.r.IntN(2) == 0 || w.disk.weather != fair {
		w.must(disk.SyncDir(l.Dir))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.editor.open = false
	w.editor.src, w.editor.saved = string(data), string(data)
	w.disk.saved[string(data)] = time.Now()
	w.logf("an editor saves; fresh %v, in place %v", fresh, inPlace)
	after, err := backlog.Parse(l.Path(), string(data))
	w.must(err)
	w.rough = false
	w.shape = shapeOf(after)
	w.shapes[w.shape] = true
	for _, id := range w.items {
		i, _ := before.Lookup(id)
		k, _ := after.Lookup(id)
		if to := after.Items[k].Status; to != before.Items[i].Status {
			v := &simWrite{to: to, at: time.Now(), safe: time.Now(), inFile: time.Now(), stale: !meant[id], seenBy: map[*simProc]bool{}}
			for _, p := range w.procs {
				v.seenBy[p] = p.seen[id].has(to)
			}
			// What a run's journal still says of the item may hold against that.
			for _, o := range w.writes[id] {
				if o.by != nil && o.by.kind == "run" {
					w.add(id, &simWrite{to: o.to, at: v.at, safe: v.at, stale: true, seenBy: map[*simProc]bool{o.by: true}})
				}
			}
			w.add(id, v)
			w.logf("the editor makes %s %s; meant: %v", id, to, meant[id])
		}
	}
	w.said(after, true)
}
