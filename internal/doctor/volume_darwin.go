package doctor

import (
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func volumeOf(dir string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return volume{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	v := volume{
		kind: strings.ToLower(unix.ByteSliceToString(st.Fstypename[:])), point: unix.ByteSliceToString(st.Mntonname[:]),
		readOnly: st.Flags&unix.MNT_RDONLY != 0,
		free:     st.Bavail * uint64(st.Bsize), total: st.Blocks * uint64(st.Bsize),
		freeInodes: st.Ffree, allInodes: st.Files,
	}
	if v.kind == "hfs" { // its only kind is the one with a journal
		v.kind = "hfs+"
	}
	if st.Flags&unix.MNT_ASYNC != 0 {
		v.options = append(v.options, "mnt_async") // Linux has a harmless "async"
	}
	return v, nil
}

// fixed reports whether a file's flags keep it from being replaced, as chflags
// sets them.
func fixed(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Flags&(unix.UF_IMMUTABLE|unix.UF_APPEND|unix.SF_IMMUTABLE|unix.SF_APPEND) != 0
}

const unfix = "chflags nouchg,nouappnd,noschg,nosappnd"
