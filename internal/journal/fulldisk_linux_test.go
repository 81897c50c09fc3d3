package journal

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// TestFullDisk: a disk without a free block still takes what was allocated;
// then appends fail, and what was acknowledged is there.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("journal-test", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("cannot mount a small disk:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, fileName)
	j := mustCreate(t, fsutil.OS(), path, nil, Options{})
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	var a acks
	seq := uint64(1)
	for ; seq < 10000; seq++ {
		j.Append(true, a.of(seq), record(seq))
		if a.errs[seq] != nil {
			break
		}
	}
	if seq < 400 || !errors.Is(a.errs[seq], syscall.ENOSPC) {
		t.Fatalf("record %d: %v; want some hundred records, then ENOSPC", seq, a.errs[seq])
	}
	_ = j.Close() // it has failed
	c := mustRead(t, path)
	if !slices.Equal(c.Records, records(1, seq-1)) {
		t.Fatalf("%d records, want %d: %v", len(c.Records), seq-1, c.Records)
	}
	if names := files(t, dir); !reflect.DeepEqual(names, []string{"filler", fileName}) {
		t.Errorf("left %q", names)
	}
}
