package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hacky-run/hacky/configs"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/session"
)

func (a *app) initExample(fsys fsutil.FS, dir string) error {
	written, err := makeExample(fsys, dir)
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(written) {
		if _, err := fmt.Fprintf(a.stdout, "wrote %s\n", path); err != nil {
			return err
		}
	}
	at := ""
	if dir != "." {
		at = "cd " + shellQuote(dir) + " && "
	}
	_, err = fmt.Fprintf(a.stdout, "next: %shacky run\n", at)
	return err
}

// makeExample makes the example session and returns when it is on stable
// storage. tasks.json comes last: while it is not there, or not whole, nobody
// takes the directory for a session. On an error nothing of it is left.
func makeExample(fsys fsutil.FS, dir string) (written []string, err error) {
	files := []struct {
		name    string
		content []byte
	}{{"hacky.yaml", configs.HackyYAML}, {session.TasksFile, configs.Example}}
	for _, f := range slices.Backward(files) {
		path := filepath.Join(dir, f.name)
		if _, err := fsys.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s is there already and is not overwritten; name another directory: hacky init --example DIR", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	made, err := makeDirs(fsys, dir)
	for _, f := range files {
		if err != nil {
			break
		}
		path := filepath.Join(dir, f.name)
		if err = writeNew(fsys, path, f.content); err == nil {
			written = append(written, path)
		}
	}
	if err != nil {
		for k := range written {
			err = errors.Join(err, fsys.Remove(written[len(written)-1-k]))
		}
		for k := range made {
			err = errors.Join(err, fsys.Remove(made[len(made)-1-k]))
		}
		return nil, err
	}
	return written, nil
}

// makeDirs makes a directory and those above it that are missing.
func makeDirs(fsys fsutil.FS, dir string) (made []string, err error) {
	err = fsys.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if made, err = makeDirs(fsys, filepath.Dir(dir)); err == nil {
			err = fsys.Mkdir(dir, 0o755)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := fsys.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is there already and is no directory", dir)
		}
		return made, err
	case err != nil:
		return made, err
	}
	return append(made, dir), fsys.SyncDir(filepath.Dir(dir))
}

// writeNew writes a file that must not be there. On an error it is not.
func writeNew(fsys fsutil.FS, path string, content []byte) error {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(path))
	}
	return nil
}
