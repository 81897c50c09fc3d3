package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// TortureOptions say how to torture.
type TortureOptions struct {
	Dir    string        // new or empty; "": a new directory in the current one
	Time   time.Duration // no new round begins after it
	Seed   uint64        // makes the rounds: backlogs, moments, sizes
	Binary string        // the hacky to run

	// Started, if not nil, is called when the directory is there.
	Started func(dir string)
}

// Loss is something that was acknowledged and is not there, or anything else
// that must not be.
type Loss struct {
	Seed     uint64 `json:"seed" yaml:"seed"`
	Round    int    `json:"round" yaml:"round"`
	ID       string `json:"id" yaml:"id"` // of the item; "" if it is about the session
	Expected string `json:"expected" yaml:"expected"`
	Found    string `json:"found" yaml:"found"`
}

// Tally is what became of it all.
type Tally struct {
	Dir          string   `json:"dir" yaml:"dir"`
	Kept         bool     `json:"kept" yaml:"kept"` // the directory was kept, because of losses
	Seed         uint64   `json:"seed" yaml:"seed"`
	Rounds       int      `json:"rounds" yaml:"rounds"`
	Kills        int      `json:"kills" yaml:"kills"`
	FullDisks    int      `json:"fullDisks" yaml:"fullDisks"`       // times that a disk was full during a run
	Acknowledged int      `json:"acknowledged" yaml:"acknowledged"` // updates: completions printed, and "hacky set" with exit 0
	Losses       []Loss   `json:"losses" yaml:"losses"`
	Interrupted  bool     `json:"interrupted" yaml:"interrupted"`
	Notes        []string `json:"notes" yaml:"notes"` // what could not be done here
}

// torture is one call of Torture.
type torture struct {
	opts     TortureOptions
	dir      string // absolute, no symbolic links
	deadline time.Time
	tally    Tally
	noMount  string // why no small disk can be mounted; "" if one can, as far as known
}

// Torture makes rounds until the time is over. The error says why it could not
// begin or go on; losses are no error. A context that ends stops it: what runs
// is killed, and what is mounted unmounted.
//
// Everything is below the directory, where the processes also find their home,
// configuration, state and temporary files. If the directory was there before,
// it is left empty, as it was; else it is removed. After a loss all stays.
func Torture(ctx context.Context, opts TortureOptions) (tally Tally, err error) {
	t := &torture{opts: opts, deadline: time.Now().Add(opts.Time)}
	t.tally = Tally{Seed: opts.Seed, Losses: []Loss{}, Notes: []string{}}
	undo, err := t.prepare()
	if err != nil {
		return t.tally, err
	}
	if opts.Started != nil {
		opts.Started(t.dir)
	}
	for n := 1; n == 1 || time.Now().Before(t.deadline); n++ {
		if err = t.round(ctx, n); err != nil || over(ctx) {
			break
		}
		t.tally.Rounds++
	}
	if over(ctx) {
		t.tally.Interrupted, err = true, nil
	}
	if t.noMount != "" {
		t.tally.Notes = append(t.tally.Notes, "no small disk could be mounted ("+t.noMount+"); files were limited in size instead")
	}
	if len(t.tally.Losses) > 0 {
		t.tally.Kept = true
		return t.tally, err
	}
	return t.tally, errors.Join(err, undo())
}

// prepare makes the directory, or makes sure that it is empty. undo leaves
// things as they were.
func (t *torture) prepare() (undo func() error, err error) {
	dir := t.opts.Dir
	made := true
	switch entries, rerr := os.ReadDir(dir); {
	case dir == "":
		dir, err = os.MkdirTemp(".", "hacky-torture-")
	case errors.Is(rerr, fs.ErrNotExist):
		err = os.Mkdir(dir, 0o755)
	case rerr != nil:
		err = rerr
	case len(entries) > 0:
		err = fmt.Errorf("%s is not empty: it holds %s; name a new or an empty directory", dir, entries[0].Name())
	default:
		made = false
	}
	if err != nil {
		return nil, fmt.Errorf("torture: %w", err)
	}
	if dir, err = filepath.Abs(dir); err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("torture: %w", err)
	}
	t.dir, t.tally.Dir = dir, dir
	return func() error {
		if made {
			return os.RemoveAll(dir)
		}
		entries, err := os.ReadDir(dir)
		errs := []error{err}
		for _, e := range entries {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
		return errors.Join(errs...)
	}, nil
}

// over reports whether the torture was interrupted: then nothing is judged any
// more.
func over(ctx context.Context) bool { return ctx.Err() != nil }

// environment is that of every process: the caller's without anything that
// configures hacky or leads out of the directory.
func (t *torture) environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "HACKY_") || strings.HasPrefix(name, "XDG_") ||
			slices.Contains([]string{"HOME", "TMPDIR", "PWD", "OLDPWD", "ENV", "BASH_ENV"}, name) {
			continue
		}
		env = append(env, v)
	}
	home := filepath.Join(t.dir, "home")
	return append(append(env, "HOME="+home, "TMPDIR="+filepath.Join(t.dir, "tmp"), "XDG_STATE_HOME="+filepath.Join(home, "state"),
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"), "XDG_RUNTIME_DIR="+filepath.Join(t.dir, "tmp"), "PWD="+t.dir), more...)
}
