package git

import (
	"os"
	"syscall"
)

// inode is the number of the file that info is about.
func inode(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
