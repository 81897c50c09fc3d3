package fsutil

import "golang.org/x/sys/unix"

// Linked asks for the number of links alone. Since Linux 6.13 whoever asks for
// the times of a file makes its next write take one of its own, and note that in
// the file system's journal: a fifth more for each record of ours.
func (f osFile) Linked() bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return true
	}
	var st unix.Statx_t
	cerr := raw.Control(func(fd uintptr) { err = unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_NLINK, &st) })
	return cerr != nil || err != nil || st.Mask&unix.STATX_NLINK == 0 || st.Nlink > 0
}
