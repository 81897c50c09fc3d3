package session

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/fsutil/faultfs"
)

func TestHolds(t *testing.T) {
	l := home(t, sample(planned(1)...))
	s := open(t, l, options(nil, nil))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time {
		return time.Now().Add(time.Duration(hours) * time.Hour).Truncate(time.Second)
	}
	check := func(want string, now time.Time) {
		t.Helper()
		holds, err := Holds(l, now)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, h := range holds {
			got += fmt.Sprintf("%s ", h.Credential)
		}
		if got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
	}
	set := func(credential string, until time.Time) {
		t.Helper()
		if err := s.SetHold(credential, until); err != nil {
			t.Fatal(err)
		}
	}
	check("", now)
	set("claude", at(3))
	set("codex", at(1))
	check("codex claude ", time.Now())
	check("claude ", at(2))
	check("", at(3))
	set("claude", at(5)) // instead of the first
	check("claude ", at(4))
	set("codex", time.Time{})
	check("claude ", time.Now())
	set("claude", time.Time{})
	if exists(t, filepath.Join(l.Dir, ".hacky", "holds.json")) {
		t.Error("the file stays without holds")
	}
	put(t, filepath.Join(l.Dir, ".hacky", "holds.json"), "{")
	if _, err := Holds(l, now); err == nil {
		t.Error("a damaged file is no error")
	}
	set("claude", at(1)) // and does not keep a hold from being noted
	check("claude ", time.Now())
	closeSession(t, s)
}

// TestHoldsFaults: whatever fails, the file is the old or the new one.
func TestHoldsFaults(t *testing.T) {
	for n := 1; ; n++ {
		l := home(t, sample(planned(1)...))
		count, from := 0, false
		f := faultfs.New(fsutil.OS(), func(faultfs.Op) error {
			if !from {
				return nil
			}
			if count++; count == n {
				return faultfs.Torn(syscall.EIO)
			}
			return nil
		})
		s := open(t, l, options(f, nil))
		until := time.Now().Add(time.Hour)
		if err := s.SetHold("a", until); err != nil {
			t.Fatal(err)
		}
		from = true
		err := s.SetHold("b", until)
		from = false
		holds, rerr := Holds(l, time.Now())
		if rerr != nil || len(holds) == 0 || err == nil && len(holds) == 1 && holds[0].Credential == "a" {
			t.Errorf("operation %d: %v; %v, %v", n, err, holds, rerr)
		}
		closeSession(t, s)
		if count < n {
			break
		}
	}
}
