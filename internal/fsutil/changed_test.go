package fsutil_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

// saver saves the file as an editor does, by a rename, before certain calls of
// a method, each time with another text.
type saver struct {
	t      *testing.T
	path   string
	method string
	times  int
	saved  string // the last text
	n      int
}

func (s *saver) fault(op faultfs.Op) error {
	if op.Name != s.method || s.n >= s.times {
		return nil
	}
	s.n++
	s.saved = fmt.Sprintf("save %d\n", s.n)
	put(s.t, s.path+".editor", s.saved)
	if err := os.Rename(s.path+".editor", s.path); err != nil {
		s.t.Error(err)
	}
	return nil
}

// TestReplaceChanged: whoever saved since the base was read keeps the file,
// however late and however often that was.
func TestReplaceChanged(t *testing.T) {
	tests := []struct {
		name   string
		kind   kind
		method string // before which it is saved
		times  int
	}{
		{"before it begins", exchange, "Lstat", 1},
		{"while it is written", exchange, "Write", 1},
		{"in the last instant", exchange, "Exchange", 1},
		{"and again while it is put back", exchange, "Exchange", 2},
		{"and again", exchange, "Exchange", 3},
		{"and again and again", exchange, "Exchange", 6},
		{"before the rename", fallback, "Close", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.kind)
			editor := &saver{t: t, path: s.path, method: tt.method, times: tt.times}
			ffs := faultfs.New(fsutil.OS(), tt.kind.with(editor.fault))
			info, err := fsutil.Replace(ffs, s.replace)
			if !errors.Is(err, fsutil.ErrChanged) || info != nil {
				t.Fatalf("info %v, error %v; want ErrChanged", info, err)
			}
			if tt.method == "Lstat" && ffs.Count("") != 1 {
				t.Errorf("it made %v, though it was clear from the start", names(ffs.Ops()))
			}
			if got := s.content(t); got != editor.saved {
				t.Errorf("content %q, want the last save %q", got, editor.saved)
			}
			if litter := s.litter(t); len(litter) > 0 {
				t.Errorf("left %q", litter)
			}
		})
	}
}

// TestReplaceChangedFaults: what was swapped out is nobody's to lose when the
// disk fails at that moment, too.
func TestReplaceChangedFaults(t *testing.T) {
	for n := 1; ; n++ {
		s := newScene(t, exchange)
		editor := &saver{t: t, path: s.path, method: "Exchange", times: 1}
		nth := faultfs.Nth(n, syscall.EIO)
		ffs := faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
			return errors.Join(editor.fault(op), nth(op))
		})
		_, err := fsutil.Replace(ffs, s.replace)
		if len(ffs.Ops()) < n {
			return
		}
		op := ffs.Ops()[n-1]
		if err == nil {
			t.Errorf("%s (%d) failed: no error", op.Name, n)
		}
		want := editor.saved
		if editor.n == 0 {
			want = oldText
		}
		if got := s.content(t); got != want {
			t.Errorf("%s (%d) failed: content %q, want %q", op.Name, n, got, want)
		}
		if litter := s.litter(t); len(litter) > 0 && op.Name != "Remove" {
			t.Errorf("%s (%d) failed: left %q", op.Name, n, litter)
		}
	}
}

// TestReplaceCannotPutBack: when nothing works any more after the exchange, the
// other's save stays beside the file, and the error says where.
func TestReplaceCannotPutBack(t *testing.T) {
	s := newScene(t, exchange)
	editor := &saver{t: t, path: s.path, method: "Exchange", times: 1}
	exchanges := 0
	info, err := fsutil.Replace(faultfs.New(fsutil.OS(), func(op faultfs.Op) error {
		if op.Name == "Exchange" {
			exchanges++
		}
		if op.Name == "Rename" || exchanges == 2 {
			return syscall.EROFS
		}
		return editor.fault(op)
	}), s.replace)
	if info == nil || !errors.Is(err, syscall.EROFS) || errors.Is(err, fsutil.ErrChanged) {
		t.Fatalf("info %v, error %v; want info and EROFS", info, err)
	}
	litter := s.litter(t)
	if len(litter) != 1 {
		t.Fatalf("beside the file: %q, want the other's save", litter)
	}
	if data, _ := os.ReadFile(filepath.Join(s.dir, litter[0])); string(data) != editor.saved {
		t.Errorf("beside the file: %q, want %q", data, editor.saved)
	}
}
