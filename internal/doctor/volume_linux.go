package doctor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func volumeOf(dir string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return volume{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	v := volume{
		kind: kindOf(int64(st.Type)), readOnly: st.Flags&unix.ST_RDONLY != 0, //nolint:unconvert // an int32 elsewhere
		free: st.Bavail * uint64(st.Bsize), total: st.Blocks * uint64(st.Bsize),
		freeInodes: st.Ffree, allInodes: st.Files,
	}
	if os.Geteuid() == 0 {
		v.free = st.Bfree * uint64(st.Bsize)
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return v, nil // without /proc the magic number has to do
	}
	defer f.Close() //nolint:errcheck // only read from
	if m, ok := mountOf(f, dir); ok {
		v.kind, v.options, v.point = m.kind, m.options, m.point
		v.readOnly = v.readOnly || slices.Contains(m.options, "ro")
	}
	return v, nil
}

type mount struct {
	point, kind string
	options     []string
}

// mountOf finds the mount that holds dir: the deepest one above it, and of
// several at the same place the last. proc(5) has the format:
//
//	36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func mountOf(info io.Reader, dir string) (mount, bool) {
	var best mount
	found := false
	lines := bufio.NewScanner(info)
	for lines.Scan() {
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(head), strings.Fields(tail)
		if !ok || len(left) < 6 || len(right) < 2 {
			continue
		}
		point := unescape(left[4])
		if !within(dir, point) || found && len(point) < len(best.point) {
			continue
		}
		best, found = mount{point: point, kind: right[0], options: strings.Split(left[5], ",")}, true
		if len(right) > 2 {
			best.options = append(best.options, strings.Split(right[2], ",")...)
		}
	}
	return best, found
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// unescape undoes the octal numbers that stand for blanks in /proc.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// kindOf names a file system by its magic number, statfs(2), for where there
// is no /proc.
func kindOf(magic int64) string {
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", 0x2fc12fc1: "zfs",
		unix.F2FS_SUPER_MAGIC: "f2fs", unix.BCACHEFS_SUPER_MAGIC: "bcachefs", unix.REISERFS_SUPER_MAGIC: "reiserfs",
		unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.FUSE_SUPER_MAGIC: "fuse",
		unix.NFS_SUPER_MAGIC: "nfs", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB_SUPER_MAGIC: "smb", unix.SMB2_SUPER_MAGIC: "smb2",
		unix.V9FS_MAGIC: "9p", unix.CEPH_SUPER_MAGIC: "ceph", unix.AFS_SUPER_MAGIC: "afs", 0x0bd00bd0: "lustre",
		unix.MSDOS_SUPER_MAGIC: "vfat", unix.EXFAT_SUPER_MAGIC: "exfat", unix.SQUASHFS_MAGIC: "squashfs", unix.ISOFS_SUPER_MAGIC: "iso9660",
	}
	if name, ok := names[magic&0xffffffff]; ok {
		return name
	}
	return fmt.Sprintf("file system %#x", magic&0xffffffff)
}

// fixed reports whether a file's flags keep it from being replaced, as chattr
// sets them. Not every file system has flags.
func fixed(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only looked at
	const immutable, appendOnly = 0x10, 0x20
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	return err == nil && flags&(immutable|appendOnly) != 0
}

const unfix = "chattr -i -a"
