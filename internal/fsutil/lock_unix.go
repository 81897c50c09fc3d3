//go:build unix

package fsutil

import (
	"errors"
	"os"
	"syscall"
)

// flock takes the lock without waiting.
func flock(f *os.File) error { return rawFlock(f, syscall.LOCK_EX|syscall.LOCK_NB) }

// funlock gives it back.
func funlock(f *os.File) error { return rawFlock(f, syscall.LOCK_UN) }

// The raw call does not repeat itself when a signal interrupts it.
func rawFlock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
