package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/configs"
	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/fsutil"
	"github.com/hacky-run/hacky/internal/nearest"
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
do real work on the spot. Each also makes a hacky.yaml with every option
commented out, unless there is one, and in .hacky/schema/ the JSON Schemas that
the files refer to. Without any of them the backlog is empty, to be filled in;
where there is a session already it changes nothing.

Exit codes: 0 made, or found; 2 a file is there already, cannot be read or
written, or is no backlog.`,
		Example: `  hacky init
  hacky init --example try && cd try && hacky run
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
			if f := c.Flags().Lookup("session"); f.Changed {
				return errors.New("--session names a session that is there, and init makes one; name its directory: hacky init --example DIR")
			}
			if o.empty() && isSession(o.dir) {
				loc := session.Location{Dir: o.dir, Name: session.TasksFile}
				_ = renewCopies(fsutil.OS(), loc, filepath.Join(o.dir, hackyYAML)) // they are a convenience
				_, err := fmt.Fprintf(a.stdout, "%s is a session already; nothing was changed\n", dirName(o.dir))
				return err
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

// empty reports whether the session begins with an empty backlog and without a
// PRD.
func (o *initOptions) empty() bool { return !o.example && o.prd == "" && o.from == "" }

func dirName(dir string) string {
	if dir == "." {
		return "this directory"
	}
	return dir
}

func isSession(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, session.TasksFile))
	return err == nil
}

func (a *app) init(fsys fsutil.FS, o initOptions) error {
	if o.example && (o.prd != "" || o.from != "") {
		return errors.New("--example makes a session of its own; leave --prd and --from out")
	}
	if info, err := fsys.Stat(o.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is there already and is no directory; name another for the session: hacky init ... DIR", o.dir)
	}
	tasks := emptyTasks()
	if o.from != "" {
		var err error
		if tasks, err = session.ReadBacklog(o.from); err != nil {
			return notThere("from", o.from, err)
		}
	}
	switch {
	case o.prd != "":
		return a.initPRD(fsys, o, tasks)
	case o.from != "":
		m, err := makeSession(fsys, o.dir, tasks)
		return a.made(m, "hacky run", err)
	case o.example:
		m, err := makeExample(fsys, o.dir)
		return a.made(m, "hacky run", err)
	}
	m, err := makeSession(fsys, o.dir, tasks)
	return a.made(m, "put the plan into tasks.json, then run: hacky run", err)
}

// emptyTasks is the text of a backlog to begin with.
func emptyTasks() string { return string(configs.Referring([]byte(session.EmptyBacklog), "tasks")) }

// emptyBacklog is emptyTasks, parsed.
func emptyBacklog() (*backlog.Backlog, error) { return backlog.Parse(session.TasksFile, emptyTasks()) }

// notThere is an error in reading what a flag names, with the file of nearly
// that name if there is none of that name.
func notThere(flag, path string, err error) error {
	if _, serr := os.Stat(path); !errors.Is(serr, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	entries, _ := os.ReadDir(dir) // what cannot be listed is not named
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if near := nearest.Near(path, names); near != "" {
		return fmt.Errorf("--%s: %s does not exist; %s", flag, path, near)
	}
	return fmt.Errorf("--%s: %s does not exist; name a file that is there, or write it first", flag, path)
}

// initPRD makes hacky.yaml before the session: a session that is there is whole,
// and is not looked at again.
func (a *app) initPRD(fsys fsutil.FS, o initOptions, tasks string) error {
	prd, err := session.ReadInput(o.prd)
	if err != nil {
		return notThere("prd", o.prd, err)
	}
	if prd == "" {
		return fmt.Errorf("--prd: %s is empty; write down in it what is wanted", o.prd)
	}
	plan := filepath.Join(o.dir, "plan")
	loc, found, err := session.Find(fsys, plan, prd)
	if err != nil {
		return err
	}
	m := maker{fsys: fsys, dir: o.dir}
	if !found {
		if err := m.makeDir(plan); err != nil {
			return m.undo(err)
		}
		if err := m.makeFiles("", ignoring(), copyOf("hacky"), sampleConfig(kept)); err != nil {
			return m.undo(err)
		}
		var made bool
		loc, made, err = session.Create(fsys, plan, prd, tasks, asSession(ignoring(), copyOf("tasks"))...)
		if err != nil {
			return m.undo(err)
		}
		found = !made // another init was faster, and what is beside its session stays
	}
	if found {
		if o.from != "" {
			return fmt.Errorf("%s has this PRD already, and its backlog is not overwritten", loc.Dir)
		}
		_ = renewCopies(fsys, loc, filepath.Join(o.dir, hackyYAML)) // they are a convenience
		_, err := fmt.Fprintf(a.stdout, "%s has this PRD already; nothing was changed\n", loc.Dir)
		return err
	}
	next := "hacky run"
	if o.from == "" {
		next = "put the plan into its backlog, then type: hacky run"
	}
	lines := append([]string{filepath.Join(loc.Dir, session.PRDSnapshot), loc.Path()}, m.shown()...)
	_, err = fmt.Fprintf(a.stdout, "wrote %s\nnext: %s%s\n", strings.Join(lines, "\nwrote "), next, a.sessionArg(loc.Path()))
	return err
}

// made prints what was written, and what to do next.
func (a *app) made(m *maker, next string, err error) error {
	if err != nil {
		return err
	}
	at := ""
	if m.dir != "." {
		at = "cd " + shellQuote(m.dir) + " && "
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s\nnext: %s%s\n", strings.Join(m.shown(), "\nwrote "), at, next)
	return err
}

// hackyYAML is the configuration as it is found without being named.
const hackyYAML = "hacky.yaml"

// stage is where a session keeps what is its own; new files are written here
// before they get their names.
const stage = fsutil.PrivateDir

type initFile struct {
	name    string
	content []byte
	there   policy
}

// policy is what becomes of a file that is there already.
type policy int

const (
	refused policy = iota // it is an error
	alike                 // it is an error, unless it is just what it would be: an init was killed
	kept
	renewed
)

func ignoring() initFile { return initFile{stage + "/.gitignore", []byte("*\n"), kept} }

// copyOf is the schema that editors check and complete a kind of file by.
func copyOf(name string) initFile {
	return initFile{configs.SchemaFile(name), configs.Schema(name), renewed}
}

func sampleConfig(there policy) initFile {
	return initFile{hackyYAML, configs.Referring(configs.HackyYAML, "hacky"), there}
}

func asSession(files ...initFile) []session.File {
	var out []session.File
	for _, f := range files {
		out = append(out, session.File{Name: f.name, Content: string(f.content)})
	}
	return out
}

// makeExample makes the example session.
func makeExample(fsys fsutil.FS, dir string) (*maker, error) {
	m := &maker{fsys: fsys, dir: dir}
	return m, m.undo(m.makeFiles("name another directory: hacky init --example DIR", ignoring(), copyOf("tasks"), copyOf("hacky"), sampleConfig(alike),
		initFile{session.TasksFile, configs.Referring(configs.Example, "tasks"), refused}))
}

// makeSession makes a session with a backlog.
func makeSession(fsys fsutil.FS, dir, tasks string) (*maker, error) {
	m := &maker{fsys: fsys, dir: dir}
	return m, m.undo(m.makeFiles("name another directory: hacky init --from FILE DIR", ignoring(), copyOf("tasks"), copyOf("hacky"), sampleConfig(kept),
		initFile{session.TasksFile, []byte(tasks), refused}))
}

// renewCopies puts the copies of the schemas that a session's backlog and a
// configuration refer to where they refer to them: clones do not have them, and
// those of an older hacky know less. config may be "".
func renewCopies(fsys fsutil.FS, loc session.Location, config string) error {
	var errs []error
	for file, name := range map[string]string{loc.Path(): "tasks", config: "hacky"} {
		if refers(file, name) {
			m := &maker{fsys: fsys, dir: filepath.Dir(file)}
			errs = append(errs, m.undo(m.makeFiles("", ignoring(), copyOf(name))))
		}
	}
	return errors.Join(errs...)
}

// refers tells whether a file names the copy of a schema at its beginning, where
// editors look for it.
func refers(path, name string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only read from
	begin := make([]byte, 4096)
	n, _ := io.ReadFull(f, begin)
	return bytes.Contains(begin[:n], []byte(configs.SchemaFile(name)))
}

// maker makes files in a directory, and can take them back.
type maker struct {
	fsys    fsutil.FS
	dir     string
	begun   []string // files, in dir
	written []string // those of them that are there
	dirs    []string // each behind the one it is in
}

// shown are the paths of the new files that people want to know of, the last
// first.
func (m *maker) shown() []string {
	var out []string
	for _, name := range slices.Backward(m.written) {
		if !strings.HasPrefix(name, stage) {
			out = append(out, filepath.Join(m.dir, name))
		}
	}
	return out
}

// undo removes what was made if err is an error, and returns that with what
// could not be removed.
func (m *maker) undo(err error) error {
	if err == nil {
		return nil
	}
	errs := []error{err}
	for _, name := range slices.Backward(m.written) {
		errs = append(errs, m.fsys.Remove(filepath.Join(m.dir, name)))
	}
	m.sweep()
	for _, dir := range slices.Backward(m.dirs) {
		errs = append(errs, m.fsys.Remove(dir))
	}
	return errors.Join(errs...)
}

// makeFiles makes files and returns when they are on stable storage. tasks.json
// comes last: while it is not there nobody takes the directory for a session.
// Each gets its name when it is whole, and in a way that does not overwrite what
// has come there meanwhile. instead ends what is said of a file that is there.
func (m *maker) makeFiles(instead string, files ...initFile) error {
	var wanted []initFile
	for _, f := range slices.Backward(files) {
		path := filepath.Join(m.dir, f.name)
		_, err := m.fsys.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			wanted = append(wanted, f)
			continue
		}
		if err != nil {
			return err
		}
		same := false
		if f.there == alike || f.there == renewed {
			text, err := session.ReadInput(path)
			same = err == nil && text == string(f.content)
		}
		switch {
		case f.there == refused, f.there == alike && !same:
			return fmt.Errorf("%s is there already and is not overwritten; %s", path, instead)
		case f.there == renewed && !same:
			wanted = append(wanted, f)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if err := m.makeDir(filepath.Join(m.dir, stage)); err != nil {
		return err
	}
	for _, f := range files {
		m.begun = append(m.begun, f.name)
	}
	m.sweep()
	for _, f := range slices.Backward(wanted) {
		if err := m.makeFile(f, instead); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) makeFile(f initFile, instead string) error {
	path := filepath.Join(m.dir, f.name)
	if err := m.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	write := func(w io.Writer) error { _, err := w.Write(f.content); return err }
	err := fsutil.PlaceNew(m.fsys, path, filepath.Join(m.dir, stage), 0o666, write)
	switch {
	case err == nil:
		m.written = append(m.written, f.name)
	case !errors.Is(err, fs.ErrExist):
	case f.there == kept:
		return nil
	case f.there == renewed:
		_, err = fsutil.Replace(m.fsys, fsutil.Replacement{Path: path, Write: write, Stage: filepath.Join(m.dir, stage)})
	default:
		return fmt.Errorf("%s has just come there and is not overwritten; %s", path, instead)
	}
	return err
}

// sweep removes what an init that was killed has left of files it had begun.
// One that is just being written by another init makes that one fail, whole.
func (m *maker) sweep() {
	for _, name := range m.begun {
		_, _ = fsutil.SweepTemps(m.fsys, filepath.Join(m.dir, stage), filepath.Base(name)) // it is in nobody's way
	}
}

// makeDir makes a directory and those above it that are missing.
func (m *maker) makeDir(dir string) error {
	err := m.fsys.Mkdir(dir, 0o777)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err = m.makeDir(filepath.Dir(dir)); err == nil {
			err = m.fsys.Mkdir(dir, 0o777)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := m.fsys.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is there already and is no directory", dir)
		}
		return err
	case err != nil:
		return err
	}
	m.dirs = append(m.dirs, dir)
	return m.fsys.SyncDir(filepath.Dir(dir))
}
