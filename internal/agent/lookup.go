package agent

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lookup finds a program in the PATH that the command will see. Names with a
// slash are left to the system, relative to the command's directory.
func (a *attempt) lookup(x *execution) (string, error) {
	name := x.argv[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	dirs := lookupEnv(x.env, "PATH")
	key := [2]string{dirs, name}
	a.mu.Lock()
	found := a.programs[key]
	a.mu.Unlock()
	if found != "" {
		return found, nil
	}
	for _, dir := range filepath.SplitList(dirs) {
		file := filepath.Join(dir, name)
		absolute := filepath.IsAbs(dir)
		if !absolute {
			file = filepath.Join(a.dir, file)
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			if absolute { // others have other directories
				a.mu.Lock()
				a.programs[key] = file
				a.mu.Unlock()
			}
			return file, nil
		}
	}
	return "", &exec.Error{Name: name, Err: fs.ErrNotExist}
}

// forget makes the next lookup look again: the program may have moved.
func (a *attempt) forget(x *execution) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.programs, [2]string{lookupEnv(x.env, "PATH"), x.argv[0]})
}
