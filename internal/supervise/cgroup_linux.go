package supervise

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A control group (cgroup v2, see cgroups(7)) holds everything that a command
// starts, however it moves away. Where hacky may make one below its own, the
// commands of a run are started in it: then not even a process that cleared its
// environment, made a session and lost its parent survives a hacky that was
// killed. Elsewhere, in most login sessions for example, the other ways remain.

// cgroup is the control group of a run; nil where there is none.
type cgroup struct {
	dir string
	fd  int
}

// cgroupName begins the name of a run's group.
const cgroupName = "hacky-"

// newCgroup makes one below the group that this process is in.
func newCgroup(runID string) (*cgroup, error) {
	parent, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	g := &cgroup{dir: filepath.Join(parent, cgroupName+filepath.Base(runID)), fd: -1}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Stat(g.kill()); err != nil { // before Linux 5.14
		return nil, errors.Join(err, os.Remove(g.dir))
	}
	if g.fd, err = unix.Open(g.dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, errors.Join(err, os.Remove(g.dir))
	}
	return g, nil
}

func (g *cgroup) kill() string { return filepath.Join(g.dir, "cgroup.kill") }

// ownCgroup is the directory of the cgroup v2 that this process is in.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return cgroupDir(string(mounts), string(groups))
}

var errNoCgroup = errors.New("there is no cgroup v2")

// cgroupDir finds it in what proc(5) says of mounts and groups.
func cgroupDir(mounts, groups string) (string, error) {
	path := ""
	for line := range strings.Lines(groups) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			path = p
		}
	}
	if path == "" {
		return "", errNoCgroup
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) == 0 || kind[0] != "cgroup2" {
			continue
		}
		root, at := fields[3], fields[4]
		if below, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(below, "..") {
			return filepath.Join(at, below), nil
		}
	}
	return "", errNoCgroup
}

// members are the processes in the group and in those below it.
func (g *cgroup) members() map[int]bool {
	if g == nil {
		return nil
	}
	out := map[int]bool{}
	_ = filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return nil //nolint:nilerr // a group that is going away has no members
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
			if pid, err := strconv.Atoi(s.Text()); err == nil {
				out[pid] = true
			}
		}
		return nil
	})
	return out
}

// end kills every member and removes the group.
func (g *cgroup) end() error {
	if g == nil {
		return nil
	}
	if g.fd >= 0 {
		_ = unix.Close(g.fd)
	}
	if g.remove() == nil {
		return nil
	}
	err := os.WriteFile(g.kill(), []byte("1"), 0)
	for pause := time.Millisecond; pause < time.Second; pause *= 2 { // until the dead are gone
		if rerr := g.remove(); rerr == nil {
			return nil
		} else if err == nil && !errors.Is(rerr, unix.EBUSY) {
			return rerr
		}
		time.Sleep(pause)
	}
	return errors.Join(err, g.remove())
}

// remove removes the group, with those that its members made below it, if there
// are no members.
func (g *cgroup) remove() error {
	var dirs []string
	_ = filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for k := len(dirs) - 1; k > 0; k-- {
		_ = unix.Rmdir(dirs[k]) // the removal of the first one tells
	}
	err := unix.Rmdir(g.dir)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
