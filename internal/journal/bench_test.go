package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// writers shares b.N turns among goroutines that wait for each.
func writers(b *testing.B, n int, turn func(i int)) {
	turns := make(chan int, b.N)
	for i := range b.N {
		turns <- i
	}
	close(turns)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for i := range turns {
				turn(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkAppend is the journal with writers that wait for each of their
// records; compare BenchmarkRawWriteFdatasync.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		for _, window := range []time.Duration{0, time.Millisecond} {
			urgent := n == 1 // nothing else goes on
			if urgent && window > 0 {
				continue
			}
			b.Run(fmt.Sprintf("writers=%d/window=%v", n, window), func(b *testing.B) {
				j := mustCreate(b, fsutil.OS(), filepath.Join(b.TempDir(), fileName), nil, Options{Window: window})
				var mu sync.Mutex
				seq := uint64(0)
				base := Base{}
				writers(b, n, func(int) {
					done := make(chan error, 1)
					mu.Lock()
					seq++
					if seq%1000 == 0 { // a flush now and then
						j.Flushed(seq-100, base)
					}
					r := Record{ID: "P1.M1.T1.S1234", From: 2, To: 4, At: time.Now(), Seq: seq}
					if urgent {
						mu.Unlock()
						j.Append(true, func(err error) { done <- err }, r)
					} else {
						j.Append(false, func(err error) { done <- err }, r)
						mu.Unlock()
					}
					if err := <-done; err != nil {
						b.Error(err)
					}
				})
				mustClose(b, j)
			})
		}
	}
}

// BenchmarkRawWriteFdatasync is what the disk can do: every writer for himself
// writes the bytes of one commit into one preallocated file and syncs it.
func BenchmarkRawWriteFdatasync(b *testing.B) {
	frame := encodeFrame(1, encode(Record{ID: "P1.M1.T1.S1234"}).data)
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", n), func(b *testing.B) {
			f, err := fsutil.OS().OpenFile(filepath.Join(b.TempDir(), "raw"), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(make([]byte, largeSize), 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			room := largeSize / len(frame)
			writers(b, n, func(i int) {
				if _, err := f.WriteAt(frame, int64(i%room*len(frame))); err != nil {
					b.Error(err)
				}
				if err := f.SyncData(); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkRead reads what a crash left: 100,000 records, in commits of five.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), fileName)
	data := encodeHeader(Base{})
	for i := uint64(0); i < 100000; i += 5 {
		var payload []byte
		for _, r := range records(i+1, i+5) {
			payload = append(payload, encode(r).data...)
		}
		data = append(data, encodeFrame(i/5+1, payload)...)
	}
	if err := os.WriteFile(path, append(data, make([]byte, growSize)...), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if c := mustRead(b, path); len(c.Records) != 100000 {
			b.Fatal(len(c.Records))
		}
	}
}
