package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// volume is what the system says of a file system.
type volume struct {
	kind     string // "ext4"
	options  []string
	point    string // where it is mounted; "" if unknown
	readOnly bool

	free, total           uint64 // bytes; free for this user
	freeInodes, allInodes uint64 // allInodes is 0 where there is no limit
}

// fileSystem judges the kind of file system and how it is mounted.
func (e *examination) fileSystem() {
	v, err := volumeOf(e.store)
	if err != nil {
		e.add("file-system", Failed, "the file system of %s cannot be examined: %s; look whether the directory is there", e.store, fsutil.Reason(err))
		return
	}
	c := judge(v)
	c.Detail = fmt.Sprintf("%s is on %s: %s", e.store, v.describe(), c.Detail)
	e.checks = append(e.checks, c)
}

func (v volume) describe() string {
	if v.point == "" {
		return v.kind
	}
	return v.kind + " (" + v.point + ")"
}

// judge says what a file system is worth, as far as can be told without
// pulling the plug.
func judge(v volume) Check {
	c := Check{Name: "file-system", Status: OK, Detail: "it keeps the order of writes and fsync"}
	warn := func(text string) Check { return Check{c.Name, Warning, text} }
	kind, sub, _ := strings.Cut(v.kind, ".")
	switch {
	case v.readOnly:
		return Check{c.Name, Failed, "it is mounted read-only; mount it for writing, or move the session"}
	case slices.Contains([]string{"tmpfs", "ramfs", "rootfs", "devtmpfs"}, kind):
		return warn("it is in memory, and what is there is gone after a reboot; keep sessions on a disk")
	case slices.Contains([]string{"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "ceph", "afs", "lustre", "gluster", "glusterfs", "9p", "virtiofs", "vboxsf", "prl_fs", "hostfs"}, kind):
		return warn("it is served by another machine, which decides what fsync and locks are worth; prefer a local disk, and never run one session from two machines")
	case kind == "overlay" || kind == "aufs" || kind == "unionfs":
		return warn("it is the layer of a container and goes away with it; keep sessions on a volume")
	case kind == "fuse" || kind == "fuseblk" || kind == "osxfuse" || kind == "macfuse" || kind == "ecryptfs":
		return warn(strings.TrimSpace(sub+" is a program in between") + ", and whether it passes fsync on cannot be told; prefer a local disk, or try it with: hacky doctor --torture")
	case slices.Contains([]string{"vfat", "msdos", "exfat", "ext2", "ntfs", "ntfs3", "hfs", "minix", "udf"}, kind):
		return warn("it has no journal of its own or no atomic rename, and a power cut may damage it; prefer ext4, xfs, btrfs, zfs or apfs")
	}
	for _, option := range v.options {
		switch option {
		case "nobarrier", "barrier=0":
			return warn("it is mounted with " + option + ", so a power cut may lose what fsync has promised; mount it without, unless the disk's cache has a battery")
		case "data=writeback":
			return warn("it is mounted with data=writeback, so after a power cut a file may hold old blocks; mount it with data=ordered")
		case "mnt_async", "norecovery", "noload":
			return warn("it is mounted with " + strings.TrimPrefix(option, "mnt_") + ", so fsync promises nothing; mount it without")
		case "fsync_mode=nobarrier":
			return warn("it is mounted with fsync_mode=nobarrier, so a power cut may lose what fsync has promised; mount it with fsync_mode=posix")
		}
	}
	if !slices.Contains([]string{"ext4", "ext3", "xfs", "btrfs", "zfs", "apfs", "hfs+", "f2fs", "jfs", "bcachefs", "reiserfs", "nilfs2", "ocfs2"}, kind) {
		return warn("hacky knows nothing about it; try it with: hacky doctor --torture")
	}
	return c
}

// leastInodes is how many files hacky needs to make at once, with room.
const leastInodes = 64

// needed is how much free space lets every write succeed: the new tasks.json,
// a recovery file with another copy, the journal and logs.
func needed(backlog int64) uint64 { return uint64(3*backlog) + 1<<20 }

func (e *examination) space() {
	v, err := volumeOf(e.store)
	if err != nil {
		return // told already
	}
	need := needed(e.size())
	reserve := e.reserve()
	switch {
	case v.free < need:
		e.add("space", Failed, "%s are free and %s may be needed (3 x tasks.json + 1 MiB)%s; make room before the next run", bytesOf(v.free), bytesOf(need), reserve)
	default:
		e.add("space", OK, "%s are free, %s may be needed%s", bytesOf(v.free), bytesOf(need), reserve)
	}
	switch {
	case v.allInodes == 0:
		e.add("inodes", OK, "the file system has no fixed number of files")
	case v.freeInodes < leastInodes:
		e.add("inodes", Failed, "only %d more files can be made and hacky may need %d; remove files before the next run", v.freeInodes, leastInodes)
	default:
		e.add("inodes", OK, "%d more files can be made", v.freeInodes)
	}
}

// reserve tells of the space that is set aside in .hacky/ for the last update.
func (e *examination) reserve() string {
	if !e.found {
		return ""
	}
	entries, err := e.FS.ReadDir(e.hidden)
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "reserve") {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			return fmt.Sprintf("; %s are in reserve in .hacky/", bytesOf(uint64(info.Size())))
		}
	}
	return ""
}

func bytesOf(n uint64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
