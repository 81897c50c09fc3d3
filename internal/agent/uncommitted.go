package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/git"
)

// What an attempt changes and does not commit, because it failed, was stopped or
// has to wait for a quota, is its subtask's all the same, and is committed when
// that completes. artifacts/<ID>/uncommitted.json says which paths those are and
// how they were left; what somebody else has changed since is not taken. It is
// written before an attempt begins, after every stage and at the end, and
// removed when the subtask is complete. It is not synced: without it less is
// committed, never more.
type uncommitted struct {
	Open    bool          `json:"open"` // an attempt goes on, or was cut off
	Changed *git.Snapshot `json:"changed"`
}

// maxUncommitted bounds a file that is read.
const maxUncommitted = 64 << 20

func (a *attempt) uncommittedFile() string {
	return path.Join("artifacts", a.item.ID, "uncommitted.json")
}

// claim takes what earlier attempts left behind for this one's.
func (a *attempt) claim() {
	own := uncommitted{Changed: new(git.Snapshot)}
	if err := a.readUncommitted(&own); err != nil {
		a.warn("what its earlier attempts changed will not be committed: " + err.Error())
	}
	if own.Open {
		a.warn("an earlier attempt of it was cut off; what that changed after its last stage cannot be told from what others did, and will not be committed")
	}
	rest, changed := a.snapshot.Without(own.Changed)
	changed = slices.DeleteFunc(changed, a.stateFile)
	if len(changed) > 0 {
		a.warn(fmt.Sprintf("%d files that its earlier attempts changed were changed since, and will not be committed: %s", len(changed), strings.Join(changed[:min(3, len(changed))], ", ")))
	}
	a.snapshot = rest
	a.writeUncommitted(uncommitted{Open: true, Changed: own.Changed})
}

// keepChanges notes what was changed so far. open says that the attempt goes on.
func (a *attempt) keepChanges(open bool) {
	if a.snapshot == nil {
		return
	}
	now, err := a.repo.Snapshot(context.Background()) // also when the run is being stopped
	if err != nil {
		a.note("what it changed will not be committed by a later attempt: " + err.Error())
		return
	}
	a.writeUncommitted(uncommitted{Open: open, Changed: now.Since(a.snapshot)})
}

// settle is for the end of an attempt: what is committed is no longer noted.
func (a *attempt) settle() {
	if a.snapshot == nil {
		return
	}
	if a.res.Class != OK {
		a.keepChanges(false)
		return
	}
	if err := a.root.Remove(a.uncommittedFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.note("remove " + a.uncommittedFile() + ": " + err.Error())
	}
}

// readUncommitted leaves own as it is if there is no file.
func (a *attempt) readUncommitted(own *uncommitted) error {
	f, err := a.fs.OpenFile(filepath.Join(a.session, a.uncommittedFile()), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxUncommitted))
	if err != nil {
		return err
	}
	read := uncommitted{Changed: new(git.Snapshot)}
	if err := json.Unmarshal(data, &read); err != nil || read.Changed == nil {
		return fmt.Errorf("%s is damaged", a.uncommittedFile())
	}
	*own = read
	return nil
}

func (a *attempt) writeUncommitted(own uncommitted) {
	name := a.uncommittedFile()
	data, err := json.Marshal(own)
	file := filepath.Join(a.session, name)
	if err == nil {
		err = writeFile(a.fs, file+".new", data)
	}
	if err == nil {
		err = a.fs.Rename(file+".new", file)
	}
	if err != nil {
		a.note("what it changes will not be committed by a later attempt: " + err.Error())
	}
}
