package doctor

import (
	"strings"
	"testing"
)

func TestMountOf(t *testing.T) {
	const info = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw,size=1k
30 25 0:27 / /dev/shm rw - ramfs ramfs rw
40 27 8:1 / /my\040disk rw,noatime master:1 shared:2 - xfs /dev/sda1 rw,nobarrier
broken line
41 27 8:2 / /my ro - btrfs /dev/sdb rw
`
	for dir, want := range map[string]struct{ point, kind, option string }{
		"/":              {"/", "ext4", "discard"},
		"/mydir":         {"/", "ext4", "relatime"},
		"/dev/shm/a":     {"/dev/shm", "ramfs", "rw"},
		"/my disk":       {"/my disk", "xfs", "nobarrier"},
		"/my disk/a b/c": {"/my disk", "xfs", "noatime"},
		"/my/a":          {"/my", "btrfs", "ro"},
	} {
		m, ok := mountOf(strings.NewReader(info), dir)
		if !ok || m.point != want.point || m.kind != want.kind || !strings.Contains(strings.Join(m.options, " "), want.option) {
			t.Errorf("%s: %+v, %v", dir, m, ok)
		}
	}
	if _, ok := mountOf(strings.NewReader("nothing"), "/"); ok {
		t.Error("a mount was made up")
	}
}
