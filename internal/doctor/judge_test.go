package doctor

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		kind, options string
		readOnly      bool
		status        Status
		detail        string
	}{
		{kind: "ext4", options: "rw,relatime,discard", status: OK},
		{kind: "xfs", status: OK},
		{kind: "btrfs", status: OK},
		{kind: "zfs", status: OK},
		{kind: "apfs", status: OK},
		{kind: "f2fs", status: OK},
		{kind: "ext4", options: "rw,async", status: OK},
		{kind: "ext4", options: "rw,nobarrier", status: Warning, detail: "nobarrier"},
		{kind: "ext4", options: "rw,barrier=0", status: Warning, detail: "barrier=0"},
		{kind: "ext3", options: "rw,data=writeback", status: Warning, detail: "data=ordered"},
		{kind: "apfs", options: "mnt_async", status: Warning, detail: "mounted with async,"},
		{kind: "tmpfs", status: Warning, detail: "gone after a reboot"},
		{kind: "ramfs", status: Warning, detail: "gone after a reboot"},
		{kind: "nfs4", status: Warning, detail: "two machines"},
		{kind: "cifs", status: Warning, detail: "another machine"},
		{kind: "9p", status: Warning, detail: "another machine"},
		{kind: "fuse.sshfs", status: Warning, detail: "sshfs is a program in between"},
		{kind: "overlay", status: Warning, detail: "container"},
		{kind: "vfat", status: Warning, detail: "power cut"},
		{kind: "newfs", status: Warning, detail: "--torture"},
		{kind: "ext4", readOnly: true, status: Failed, detail: "read-only"},
	} {
		got := judge(volume{kind: c.kind, options: strings.Split(c.options, ","), readOnly: c.readOnly})
		if got.Status != c.status || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s (%s): %+v", c.kind, c.options, got)
		}
	}
}
