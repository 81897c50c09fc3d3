package fsutil

import (
	"errors"
	"os"
	"syscall"
)

// fdatasync repeats the raw call when a signal interrupts it.
func fdatasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
