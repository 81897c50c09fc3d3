//go:build unix && !linux

package fsutil

import "syscall"

// Linked looks at the number of links.
func (f osFile) Linked() bool {
	info, err := f.Stat()
	if err != nil {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Nlink > 0
}
