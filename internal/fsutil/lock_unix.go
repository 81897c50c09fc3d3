//go:build unix

package fsutil

import (
	"errors"
	"io/fs"
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

// Probe reports, as ErrLocked, that another process holds the lock of an open
// file. It tries a lock that may be shared and gives it back, so that two who
// ask do not see each other.
func Probe(f File) error {
	of, ok := f.(osFile)
	if !ok {
		return fs.ErrInvalid
	}
	err := rawFlock(of.File, syscall.LOCK_SH|syscall.LOCK_NB)
	switch {
	case err == nil:
		return funlock(of.File)
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrLocked
	}
	return err
}
