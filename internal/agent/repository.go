package agent

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hacky-run/hacky/internal/git"
)

// look notes how the repository around the attempt's directory is before it
// begins.
func (a *attempt) look(ctx context.Context) {
	a.repo = a.repository(ctx)
	if a.repo == nil {
		return
	}
	a.res.Head.Before, _ = a.repo.Head(ctx) // evidence; without it there is less
	if !a.recipe.Commit {
		return
	}
	var err error
	if a.snapshot, err = a.repo.Snapshot(ctx); err != nil {
		a.blind = err
		return
	}
	a.claim()
}

// repository is the one around the attempt's directory, looked for once.
func (a *attempt) repository(ctx context.Context) *git.Repo {
	a.mu.Lock()
	repo, known := a.repos[a.dir]
	a.mu.Unlock()
	if known {
		return repo
	}
	repo = a.openRepo(ctx, above(a.dir))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.repos[a.dir] = repo
	return repo
}

// openRepo is the repository at top, nil for none, opened once: 100,000 subtasks may have as
// many workdirs, and opening one takes three processes.
func (r *Runner) openRepo(ctx context.Context, top string) *git.Repo {
	if top == "" {
		return nil
	}
	r.mu.Lock()
	repo, known := r.repos[top]
	r.mu.Unlock()
	if known {
		return repo
	}
	repo, ok, err := git.Open(ctx, top)
	if err != nil || !ok {
		repo = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repos[top] = repo
	return repo
}

// canCommit says why nothing that subtask i changes in dir could be committed,
// if that is asked for: better now than in the morning. Each repository is asked
// once.
func (r *Runner) canCommit(i int32, dir string) error {
	if !r.recipe.Commit {
		return nil
	}
	top := above(dir)
	err, known := r.commits[top]
	if !known {
		if repo := r.openRepo(context.Background(), top); repo == nil {
			err = fmt.Errorf("%s is in no git repository, and so cannot be committed; type git init there, or leave --commit out", dir)
		} else {
			err = repo.CanCommit(context.Background())
		}
		r.commits[top] = err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.b.Items[i].ID, err)
	}
	return nil
}

// above is the nearest directory at dir or above it with a .git; "" if there is
// none.
func above(dir string) string {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// worthDiff is how long an attempt without an agent lasts that is worth two
// processes of git that count its changes.
const worthDiff = 250 * time.Millisecond

// compare notes what the attempt did to the repository.
func (a *attempt) compare(ctx context.Context) {
	if a.repo == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	a.res.Head.After, _ = a.repo.Head(ctx) // as in look
	a.settle()
	h := &a.res.Head
	byAgent := slices.ContainsFunc(a.res.Commands, func(c Outcome) bool { return c.Said != nil })
	if h.Before == h.After && !byAgent && h.Commit == "" && time.Since(a.res.Started) < worthDiff {
		return
	}
	if st, err := a.repo.DiffStat(ctx, h.Before, a.stateFile); err == nil {
		h.Compared = true
		h.Files, h.Insertions, h.Deletions, h.Untracked = st.Files, st.Insertions, st.Deletions, st.Untracked
	}
}

// stateFile tells which paths of the repository are the session's own state.
func (a *attempt) stateFile(name string) bool {
	rel, ok := a.repo.Rel(a.session)
	if !ok {
		return false
	}
	inside := name
	if rel != "." && rel != "" {
		if inside, ok = strings.CutPrefix(name, rel+"/"); !ok {
			return false
		}
	}
	first, _, _ := strings.Cut(inside, "/")
	return first == ".hacky" || first == "artifacts" || first == a.backlogName || strings.HasPrefix(first, a.backlogName+".") ||
		strings.HasPrefix(first, "."+a.backlogName+".")
}

// protected are the files of a session that no command may change (§2).
func protected() []string {
	return []string{"prd_snapshot.md", "delta_prd.md", "delta_from.txt", "parent_session.txt"}
}

// guarded are the protected files as they were at one moment.
type guarded struct {
	dir   time.Time // when an entry of the session's directory changed last
	files map[string]fs.FileInfo
}

// tick is longer than the ticks in which file systems count their times.
const tick = 20 * time.Millisecond

// lookAtGuarded looks at the protected files. As long as nothing came or went in the
// directory it looks at those that were there only: mostly there are none, and
// eight looks for a command of a millisecond would be a tenth of its time.
func (r *Runner) lookAtGuarded() guarded {
	var now guarded
	info, err := os.Stat(r.session)
	if err == nil {
		now.dir = info.ModTime()
	}
	r.mu.Lock()
	last := r.guarded
	r.mu.Unlock()
	same := err == nil && last.dir.Equal(now.dir) && time.Since(now.dir) > tick
	if same && len(last.files) == 0 {
		return last
	}
	for _, name := range protected() {
		if same && last.files[name] == nil {
			continue
		}
		if info, err := os.Lstat(filepath.Join(r.session, name)); err == nil {
			if now.files == nil {
				now.files = map[string]fs.FileInfo{}
			}
			now.files[name] = info
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guarded = now
	return now
}

// watch notes the protected files; the function that it returns says which a
// command has changed since.
func (a *attempt) watch() (tell func(what string)) {
	before := a.lookAtGuarded()
	return func(what string) {
		after := a.lookAtGuarded()
		for _, name := range protected() {
			was, is := before.files[name], after.files[name]
			if (was == nil) != (is == nil) || was != nil && (was.Size() != is.Size() || !was.ModTime().Equal(is.ModTime()) || !os.SameFile(was, is)) {
				a.note(fmt.Sprintf("%s changed %s, which is the user's; look at the difference, and put it back if it is wrong", what, name))
			}
		}
	}
}
