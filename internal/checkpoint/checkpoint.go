// Package checkpoint keeps durable notes of how far the attempts of a subtask
// got, so that a run that was interrupted goes on where it was.
//
// They are in artifacts/<ID>/checkpoints.json of the session, one JSON object:
//
//	version      "1.0"
//	checkpoints  the last 5, newest last, each
//	  id         unique in the file
//	  taskId     the subtask
//	  label      pre-execution, coder-response, validation-gate-1 to -4, complete, failed
//	  state      stage, prpPath, coderResponse, coderResult, validationResults
//	             [{level, name, passed, exit}], fixAttempt, timestamp; and
//	             agent, session (its conversation), passed [{step, inputs}],
//	             work and title (the work that the attempt was made for)
//	  createdAt  when it was made, RFC 3339
//	  error      what failed; null if nothing did
//
// Every checkpoint says all that had passed by then, with a digest of what it
// was made from, so the newest alone is enough. The file is replaced whole and
// is on stable storage when Add returns. One of a newer version is not touched.
//
// Rejected: a line per checkpoint appended (the format is fixed by other tools),
// and one file per checkpoint (five names to sync instead of one).
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// The labels. That of a passed gate is GateLabel of its level.
const (
	PreExecution  = "pre-execution"  // a stage before the last has passed
	CoderResponse = "coder-response" // the last stage has
	Complete      = "complete"
	Failed        = "failed"
)

// GateLabel is the label of a passed gate.
func GateLabel(level int) string { return "validation-gate-" + strconv.Itoa(level) }

// Version is that of the format.
const Version = "1.0"

// Kept is how many checkpoints a file holds.
const Kept = 5

// Checkpoint is one note.
type Checkpoint struct {
	ID        string    `json:"id" yaml:"id"`
	TaskID    string    `json:"taskId" yaml:"taskId"`
	Label     string    `json:"label" yaml:"label"`
	State     State     `json:"state" yaml:"state"`
	CreatedAt time.Time `json:"createdAt" yaml:"createdAt"`
	Error     *string   `json:"error" yaml:"error"`
}

// State is how far an attempt had got.
type State struct {
	Stage             string       `json:"stage" yaml:"stage"`                         // the command that made this checkpoint
	PRPPath           string       `json:"prpPath" yaml:"prpPath"`                     // the file that a stage before left, relative to the session
	CoderResponse     string       `json:"coderResponse" yaml:"coderResponse"`         // the log of the last stage, relative to the session
	CoderResult       string       `json:"coderResult" yaml:"coderResult"`             // the last text of its agent, bounded
	ValidationResults []Validation `json:"validationResults" yaml:"validationResults"` // of the gates since the last stage
	FixAttempt        int          `json:"fixAttempt" yaml:"fixAttempt"`
	Timestamp         time.Time    `json:"timestamp" yaml:"timestamp"`

	Agent   string `json:"agent,omitempty" yaml:"agent,omitempty"`     // profile of the last stage
	Session string `json:"session,omitempty" yaml:"session,omitempty"` // its conversation
	Passed  []Step `json:"passed,omitempty" yaml:"passed,omitempty"`   // in order
	Work    string `json:"work,omitempty" yaml:"work,omitempty"`       // digest of the work that the attempt was made for
	Title   string `json:"title,omitempty" yaml:"title,omitempty"`     // and its title
}

// Validation is what became of a gate.
type Validation struct {
	Level  int    `json:"level" yaml:"level"`
	Name   string `json:"name" yaml:"name"`
	Passed bool   `json:"passed" yaml:"passed"`
	Exit   int    `json:"exit" yaml:"exit"`
}

// Step is a stage or gate that has passed.
type Step struct {
	Step   string `json:"step" yaml:"step"`     // its name
	Inputs string `json:"inputs" yaml:"inputs"` // hex digest of what it was made from, all steps before included
}

// file is the content of checkpoints.json.
type file struct {
	Version     string       `json:"version"`
	Checkpoints []Checkpoint `json:"checkpoints"`
}

// Path is where a subtask's checkpoints are, relative to the session. The id
// must have the shape of one.
func Path(id string) string { return filepath.Join("artifacts", id, "checkpoints.json") }

// maxFile bounds a file that is read.
const maxFile = 4 << 20

// ErrVersion says that a file is of a version that this program does not know.
var ErrVersion = errors.New("unknown version")

// Read reads a subtask's checkpoints, oldest first; none if there is no file.
// dir is the session's directory. The error says what is wrong with the file.
func Read(fsys fsutil.FS, dir, id string) ([]Checkpoint, error) {
	name := filepath.Join(dir, Path(id))
	f, err := fsys.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read checkpoints: %s has more than %d bytes", name, maxFile)
	}
	list, err := Decode(data, id)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %s: %w", name, err)
	}
	return list, nil
}

// Decode reads the content of a file that belongs to a subtask.
func Decode(data []byte, id string) ([]Checkpoint, error) {
	var content file
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	if content.Version != Version {
		return nil, fmt.Errorf("version %q: %w; this hacky knows %q", content.Version, ErrVersion, Version)
	}
	for k, c := range content.Checkpoints {
		if c.TaskID != id {
			return nil, fmt.Errorf("checkpoint %d is of %q, not of %s", k+1, c.TaskID, id)
		}
	}
	return content.Checkpoints, nil
}

// Add adds a checkpoint to those that are there and drops the oldest beyond
// Kept. TaskID, ID and CreatedAt are set here. When it returns nil, the
// checkpoint is on stable storage. before are those that Read returned, so that
// a file that could not be read is written anew.
func Add(fsys fsutil.FS, dir, id string, before []Checkpoint, c Checkpoint, now time.Time) ([]Checkpoint, error) {
	c.TaskID, c.CreatedAt, c.State.Timestamp = id, now.UTC(), now.UTC()
	c.ID = id + "-" + strconv.FormatInt(now.UnixNano(), 36)
	for slices.ContainsFunc(before, func(b Checkpoint) bool { return b.ID == c.ID }) {
		c.ID += "x"
	}
	if c.State.ValidationResults == nil {
		c.State.ValidationResults = []Validation{}
	}
	list := append(slices.Clone(before[max(0, len(before)-Kept+1):]), c)
	data, err := json.MarshalIndent(file{Version, list}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write checkpoint: %w", err)
	}
	name := filepath.Join(dir, Path(id))
	for _, d := range []string{filepath.Dir(filepath.Dir(name)), filepath.Dir(name)} {
		err := fsys.Mkdir(d, 0o777)
		if err == nil {
			err = fsys.SyncDir(filepath.Dir(d))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("write checkpoint: %w", err)
		}
	}
	_, err = fsutil.Replace(fsys, fsutil.Replacement{Path: name, Fresh: 0o666, Stage: filepath.Join(dir, fsutil.PrivateDir),
		Write: func(w io.Writer) error { _, err := w.Write(append(data, '\n')); return err }})
	if err != nil {
		return nil, fmt.Errorf("write checkpoint: %w", err)
	}
	return list, nil
}

// Resume tells how many steps of a plan have passed already: those of the
// newest checkpoint, as far as their inputs are the same. steps are all steps
// of the attempt, in order. why says what keeps it from going on further, or
// from going on at all; it is empty if nothing was checkpointed.
func Resume(list []Checkpoint, steps []Step) (passed int, last State, why string) {
	if len(list) == 0 {
		return 0, State{}, ""
	}
	newest := list[len(list)-1]
	if newest.Label == Complete {
		return 0, State{}, "it was complete, and is to be done again"
	}
	for passed < len(steps) && passed < len(newest.State.Passed) {
		was, is := newest.State.Passed[passed], steps[passed]
		switch {
		case was.Step != is.Step:
			why = fmt.Sprintf("%s is now where %s was", is.Step, was.Step)
		case was.Inputs != is.Inputs:
			why = "the inputs of " + is.Step + " have changed"
		}
		if why != "" {
			break
		}
		passed++
	}
	return passed, newest.State, why
}
