//go:build unix

package fsutil

import (
	"errors"
	"os"
	"syscall"
)

// flock takes the lock without waiting. The raw call does not repeat itself
// when a signal interrupts it.
func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
