package doctor

import (
	"fmt"
	"os"
	"syscall"
)

// mountSmall mounts a file system of so many bytes in memory on dir.
func mountSmall(dir string, size int64) (unmount func() error, err error) {
	const flags = syscall.MS_NOSUID | syscall.MS_NODEV
	if err := syscall.Mount("hacky-torture", dir, "tmpfs", flags, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		return nil, &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	return func() error {
		// Lazily: a process that is just ending may still be in it.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
		return nil
	}, nil
}
