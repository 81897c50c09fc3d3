package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/configs"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/session"
)

func (a *app) initCmd() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a session",
		Long: `Make a session, in DIR or here. Existing files are never overwritten.

--prd FILE makes plan/NNN_HASH/, with a copy of the PRD and an empty backlog, or
the one of --from; HASH is from the PRD's content, and a session that has it
already is found instead. --from FILE makes a tasks.json that is FILE byte for
byte, if it is a backlog in order. --example makes a tasks.json whose commands
do real work on the spot. With the latter two there is also a hacky.yaml with
every option commented out, unless there is one. Without any of them it asks, on
a terminal.

Exit codes: 0 made, or found; 1 nothing was answered; 2 a file is there already,
cannot be read or written, or is no backlog.`,
		Example: `  hacky init --example try && cd try && hacky run
  hacky init --prd PRD.md
  hacky init --prd PRD.md --from tasks.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("init takes one directory, but got %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) == 1 {
				o.dir = args[0]
			}
			for _, name := range []string{"prd", "from"} {
				if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return fmt.Errorf("--%s: the name of a file is missing", name)
				}
			}
			if c.Flags().NFlag() == 0 && a.canAsk() {
				if err := a.askInit(&o); err != nil {
					return err
				}
			}
			return a.init(fsutil.OS(), o)
		},
	}
	c.Flags().BoolVar(&o.example, "example", false, "make the example session")
	c.Flags().StringVar(&o.prd, "prd", "", "make a session under plan/ for this PRD")
	c.Flags().StringVar(&o.from, "from", "", "with this backlog")
	return c
}

type initOptions struct {
	example   bool
	prd, from string
	dir       string
}

// askInit asks what to make a session from.
func (a *app) askInit(o *initOptions) error {
	answer, err := a.ask("Make a session from: 1 a PRD, 2 a tasks.json, 3 the example [1-3]? ")
	if err != nil {
		return err
	}
	switch answer {
	case "1":
		o.prd, err = a.ask("The PRD is in the file: ")
	case "2":
		o.from, err = a.ask("The backlog is in the file: ")
	case "3":
		o.example = true
	}
	if err == nil && *o == (initOptions{dir: o.dir}) {
		err = &exitError{exitFailed, errors.New("nothing was made")}
	}
	return err
}

func (a *app) init(fsys fsutil.FS, o initOptions) error {
	if o.example && (o.prd != "" || o.from != "") {
		return errors.New("--example makes a session of its own; leave --prd and --from out")
	}
	tasks := ""
	if o.from != "" {
		var err error
		if tasks, err = session.ReadBacklog(o.from); err != nil {
			return err
		}
	}
	switch {
	case o.prd != "":
		return a.initPRD(fsys, o, tasks)
	case o.from != "":
		written, err := makeSession(fsys, o.dir, tasks)
		return a.made(o.dir, written, err)
	case o.example:
		written, err := makeExample(fsys, o.dir)
		return a.made(o.dir, written, err)
	}
	return errors.New("init needs what to make a session from: --prd FILE, --from FILE or --example")
}

func (a *app) initPRD(fsys fsutil.FS, o initOptions, tasks string) error {
	prd, err := session.ReadInput(o.prd)
	if err != nil {
		return err
	}
	if prd == "" {
		return fmt.Errorf("%s is empty", o.prd)
	}
	plan := filepath.Join(o.dir, "plan")
	madeDirs, err := makeDirs(fsys, plan)
	var loc session.Location
	made := false
	if err == nil {
		loc, made, err = session.Create(fsys, plan, prd, tasks)
	}
	if err != nil {
		for _, dir := range slices.Backward(madeDirs) {
			err = errors.Join(err, fsys.Remove(dir))
		}
		return err
	}
	if !made {
		if o.from != "" {
			return fmt.Errorf("%s has this PRD already, and its backlog is not overwritten", loc.Dir)
		}
		_, err := fmt.Fprintf(a.stdout, "%s has this PRD already; nothing was changed\n", loc.Dir)
		return err
	}
	next := "hacky run"
	if tasks == "" {
		next = "put the plan into its backlog, then type: hacky run"
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s\nwrote %s\nnext: %s%s\n", filepath.Join(loc.Dir, session.PRDSnapshot), loc.Path(), next, sessionArg(loc.Path()))
	return err
}

// made tells what was written.
func (a *app) made(dir string, written []string, err error) error {
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(written) {
		if filepath.Base(filepath.Dir(path)) == ".hacky" || strings.HasSuffix(filepath.Dir(path), configs.SchemaDir) {
			continue
		}
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

type initFile struct {
	name    string
	content []byte
	keep    bool // if it is there already
}

// schemaFiles are what editors check and complete the others by.
func schemaFiles() []initFile {
	return []initFile{{".hacky/.gitignore", []byte("*\n"), true}, {configs.SchemaDir + "/tasks.schema.json", configs.Schema("tasks"), true},
		{configs.SchemaDir + "/hacky.schema.json", configs.Schema("hacky"), true}}
}

// makeExample makes the example session.
func makeExample(fsys fsutil.FS, dir string) (written []string, err error) {
	return makeFiles(fsys, dir, "name another directory: hacky init --example DIR",
		append(schemaFiles(), initFile{"hacky.yaml", configs.Referring(configs.HackyYAML, "hacky"), false},
			initFile{session.TasksFile, configs.Referring(configs.Example, "tasks"), false}))
}

// makeSession makes a session with a backlog.
func makeSession(fsys fsutil.FS, dir, tasks string) (written []string, err error) {
	return makeFiles(fsys, dir, "name another directory: hacky init --from FILE DIR",
		append(schemaFiles(), initFile{"hacky.yaml", configs.Referring(configs.HackyYAML, "hacky"), true}, initFile{session.TasksFile, []byte(tasks), false}))
}

// makeFiles makes files in a directory and returns when they are on stable
// storage. tasks.json comes last: while it is not there, or not whole, nobody
// takes the directory for a session. They are made in their place and not
// renamed to it, as a rename would overwrite what comes there meanwhile. On an
// error nothing of it is left.
func makeFiles(fsys fsutil.FS, dir, instead string, files []initFile) (written []string, err error) {
	var missing []initFile
	for _, f := range slices.Backward(files) {
		path := filepath.Join(dir, f.name)
		_, err := fsys.Lstat(path)
		switch {
		case err == nil && !f.keep:
			return nil, fmt.Errorf("%s is there already and is not overwritten; %s", path, instead)
		case errors.Is(err, fs.ErrNotExist):
			missing = append([]initFile{f}, missing...)
		case err != nil:
			return nil, err
		}
	}
	made, err := makeDirs(fsys, dir)
	for _, f := range missing {
		if err != nil {
			break
		}
		path := filepath.Join(dir, f.name)
		var below []string
		below, err = makeDirs(fsys, filepath.Dir(path))
		made = append(made, below...)
		if err != nil {
			break
		}
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
