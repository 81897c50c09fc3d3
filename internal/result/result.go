// Package result has the documents that commands print with `-o json` and
// `-o yaml`, each named after its command; those of status, next, why and plan
// are in ui, beside their text. Their keys are stable: later versions add some,
// and never rename or remove one. Lists are never null. Times are RFC 3339,
// durations milliseconds.
//
// configs/schema has a JSON Schema of each, made from these types by
// internal/schema.
package result

import (
	"time"

	"github.com/hacky-run/hacky/internal/checkpoint"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/doctor"
	"github.com/hacky-run/hacky/internal/validate"
)

// Agents are the profiles that stages may name.
type Agents struct {
	Agents []Agent `json:"agents" yaml:"agents"`
}

// Agent is a profile.
type Agent struct {
	Name       string   `json:"name" yaml:"name"`
	Program    string   `json:"program" yaml:"program"`
	Path       string   `json:"path" yaml:"path"` // "" if it is not there
	Argv       []string `json:"argv" yaml:"argv"`
	Prompt     string   `json:"prompt" yaml:"prompt"`
	Resumes    bool     `json:"resumes" yaml:"resumes"`
	Credential string   `json:"credential" yaml:"credential"`
	Install    string   `json:"install,omitempty" yaml:"install,omitempty"`
}

// Checkpoints are how far the attempts of a subtask got, oldest first.
type Checkpoints struct {
	ID          string                  `json:"id" yaml:"id"`
	Checkpoints []checkpoint.Checkpoint `json:"checkpoints" yaml:"checkpoints"`
}

// Config is the effective configuration.
type Config struct {
	Options []config.Effective `json:"options" yaml:"options"`
}

// Doctor is what the checks of this machine found. `doctor --torture` prints a
// doctor.Tally instead.
type Doctor struct {
	Checks []doctor.Check `json:"checks" yaml:"checks"`
}

// History are the runs of a session that executed something, the latest first.
type History struct {
	Session string `json:"session" yaml:"session"`
	Runs    []Run  `json:"runs" yaml:"runs"`
}

// Run is a run, as its attempts tell of it.
type Run struct {
	RunID       string    `json:"runId" yaml:"runId"`
	Started     time.Time `json:"started" yaml:"started"`
	Ended       time.Time `json:"ended" yaml:"ended"` // of its last attempt
	Running     bool      `json:"running" yaml:"running"`
	DurationMs  int64     `json:"durationMs" yaml:"durationMs"`
	BusyMs      int64     `json:"busyMs" yaml:"busyMs"` // of all attempts together
	Attempts    int       `json:"attempts" yaml:"attempts"`
	Completed   int       `json:"completed" yaml:"completed"`
	Failed      int       `json:"failed" yaml:"failed"`
	Interrupted int       `json:"interrupted" yaml:"interrupted"`
	Retried     int       `json:"retried" yaml:"retried"`
	TokensIn    int64     `json:"tokensIn,omitempty" yaml:"tokensIn,omitempty"`
	TokensOut   int64     `json:"tokensOut,omitempty" yaml:"tokensOut,omitempty"`
	CostUSD     float64   `json:"costUsd,omitempty" yaml:"costUsd,omitempty"`
	// Of these two at most the first 20 ids; "hacky history RUN" has all subtasks.
	CompletedIDs []string `json:"completedIds,omitempty" yaml:"completedIds,omitempty"`
	FailedIDs    []string `json:"failedIds,omitempty" yaml:"failedIds,omitempty"`
	Git          *RunGit  `json:"git,omitempty" yaml:"git,omitempty"` // if attempts changed anything

	// The rest is in the document of "hacky history RUN" only.
	Subtasks []RunSubtask `json:"subtasks,omitempty" yaml:"subtasks,omitempty"` // in the order in which they were begun
	Notes    []Note       `json:"notes,omitempty" yaml:"notes,omitempty"`       // given while it went on, the last 20
}

// RunGit sums up what the attempts of a run did to the repository. A file counts
// for every attempt that changed it.
type RunGit struct {
	Commits    int `json:"commits" yaml:"commits"`
	Files      int `json:"files" yaml:"files"`
	Insertions int `json:"insertions" yaml:"insertions"`
	Deletions  int `json:"deletions" yaml:"deletions"`
}

// RunSubtask is what became of a subtask in a run.
type RunSubtask struct {
	ID         string `json:"id" yaml:"id"`
	Title      string `json:"title,omitempty" yaml:"title,omitempty"` // if it is in the backlog still
	Outcome    string `json:"outcome" yaml:"outcome"`                 // completed, failed, stopped
	Attempts   int    `json:"attempts" yaml:"attempts"`
	DurationMs int64  `json:"durationMs" yaml:"durationMs"` // of all attempts
	Reason     string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// Logs are which logs a subtask has, oldest first.
type Logs struct {
	ID     string `json:"id" yaml:"id"`
	Status string `json:"status" yaml:"status"`
	Logs   []Log  `json:"logs" yaml:"logs"`
}

// Log is a log, or a command that printed nothing.
type Log struct {
	Attempt int    `json:"attempt" yaml:"attempt"` // 0: none, but the last "hacky verify"
	Stage   string `json:"stage" yaml:"stage"`
	Result  string `json:"result,omitempty" yaml:"result,omitempty"` // "" while it is not on record
	File    string `json:"file,omitempty" yaml:"file,omitempty"`     // in the session directory
	Bytes   int64  `json:"bytes" yaml:"bytes"`

	At time.Time `json:"-" yaml:"-"` // when it was last written to, or ended
}

// Recover is what became of the updates that waited.
type Recover struct {
	Session string   `json:"session" yaml:"session"`
	DryRun  bool     `json:"dryRun" yaml:"dryRun"`
	Changes []Change `json:"changes" yaml:"changes"`
}

// Change is an update that waited.
type Change struct {
	ID      string `json:"id" yaml:"id"`
	From    string `json:"from" yaml:"from"`
	To      string `json:"to" yaml:"to"`
	Disk    string `json:"disk" yaml:"disk"`
	Verdict string `json:"verdict" yaml:"verdict"`
	Why     string `json:"why,omitempty" yaml:"why,omitempty"`

	Work      string `json:"work,omitempty" yaml:"work,omitempty"`
	Title     string `json:"title,omitempty" yaml:"title,omitempty"`
	DiskTitle string `json:"diskTitle,omitempty" yaml:"diskTitle,omitempty"`
}

// Sessions are those under plan/.
type Sessions struct {
	Sessions []Session `json:"sessions" yaml:"sessions"`
}

// Session is one of them.
type Session struct {
	Name            string         `json:"name" yaml:"name"`
	Hash            string         `json:"hash" yaml:"hash"`
	Dir             string         `json:"dir" yaml:"dir"`
	Default         bool           `json:"default" yaml:"default"` // what commands here use
	Total           int            `json:"total" yaml:"total"`     // subtasks
	Done            int            `json:"done" yaml:"done"`
	Counts          map[string]int `json:"counts" yaml:"counts"` // subtasks by status
	Running         bool           `json:"running" yaml:"running"`
	Holder          string         `json:"holder,omitempty" yaml:"holder,omitempty"`
	RecoveryWaiting bool           `json:"recoveryWaiting" yaml:"recoveryWaiting"`
	LastActivity    *time.Time     `json:"lastActivity,omitempty" yaml:"lastActivity,omitempty"`
	Error           string         `json:"error,omitempty" yaml:"error,omitempty"`
}

// Show is everything about an item.
type Show struct {
	ID          string `json:"id" yaml:"id"`
	Type        string `json:"type" yaml:"type"`
	Title       string `json:"title" yaml:"title"`
	Status      string `json:"status" yaml:"status"`
	Description string `json:"description,omitempty" yaml:"description,omitempty"`
	Context     string `json:"contextScope,omitempty" yaml:"contextScope,omitempty"`
	Run         string `json:"run,omitempty" yaml:"run,omitempty"`

	// How it stands, and what it is executed with, its parents' part included. The
	// values of env may be secrets and are left out.
	Standing    string     `json:"standing,omitempty" yaml:"standing,omitempty"` // of a subtask: done, failed, held, interrupted, running, ready, waiting
	Since       *time.Time `json:"since,omitempty" yaml:"since,omitempty"`       // running: since when; failed: when
	HeldUntil   *time.Time `json:"heldUntil,omitempty" yaml:"heldUntil,omitempty"`
	StoryPoints *float64   `json:"storyPoints,omitempty" yaml:"storyPoints,omitempty"` // of all subtasks below a parent
	Done        *int       `json:"done,omitempty" yaml:"done,omitempty"`               // subtasks below a parent, Complete or Obsolete
	Subtasks    *int       `json:"subtasks,omitempty" yaml:"subtasks,omitempty"`
	TimeoutMs   int64      `json:"timeoutMs,omitempty" yaml:"timeoutMs,omitempty"`
	Retries     *int       `json:"retries,omitempty" yaml:"retries,omitempty"`
	Workdir     string     `json:"workdir,omitempty" yaml:"workdir,omitempty"`
	Env         []string   `json:"env,omitempty" yaml:"env,omitempty"`
	Gates       []Gate     `json:"gates,omitempty" yaml:"gates,omitempty"` // its own, or those of the configuration

	Parents      []Item    `json:"parents" yaml:"parents"`
	Dependencies []Item    `json:"dependencies" yaml:"dependencies"`
	Dependents   []Item    `json:"dependents" yaml:"dependents"`
	Attempts     []Attempt `json:"attempts" yaml:"attempts"`
	Notes        []Note    `json:"notes,omitempty" yaml:"notes,omitempty"`

	Checkpoint *checkpoint.Checkpoint `json:"checkpoint,omitempty" yaml:"checkpoint,omitempty"` // the last one
	Verify     []Log                  `json:"verify,omitempty" yaml:"verify,omitempty"`         // what the gates printed in the last "hacky verify"
}

// Gate is a validation command of a subtask.
type Gate struct {
	Level     int    `json:"level" yaml:"level"`
	Name      string `json:"name,omitempty" yaml:"name,omitempty"`
	Run       string `json:"run" yaml:"run"`
	TimeoutMs int64  `json:"timeoutMs,omitempty" yaml:"timeoutMs,omitempty"`
}

// Item is another item that is named.
type Item struct {
	ID     string `json:"id" yaml:"id"`
	Title  string `json:"title" yaml:"title"`
	Status string `json:"status" yaml:"status"`
}

// Note is what somebody said with hacky set --note.
type Note struct {
	At       time.Time `json:"at" yaml:"at"`
	Status   string    `json:"status" yaml:"status"`
	Note     string    `json:"note" yaml:"note"`
	Subtasks int       `json:"subtasks,omitempty" yaml:"subtasks,omitempty"` // it was said of; not where a subtask is shown
	IDs      []string  `json:"ids,omitempty" yaml:"ids,omitempty"`           // the first 20 of them
}

// Attempt is a line of artifacts/attempts.ndjson, whose keys it keeps.
type Attempt struct {
	Attempt    int        `json:"attempt" yaml:"attempt"`
	Class      string     `json:"class" yaml:"class"`
	Exit       int        `json:"exit" yaml:"exit"`
	Reason     string     `json:"reason,omitempty" yaml:"reason,omitempty"`
	Started    time.Time  `json:"started" yaml:"started"`
	Ended      time.Time  `json:"ended" yaml:"ended"`
	Commands   []Command  `json:"commands" yaml:"commands"`
	Log        string     `json:"log,omitempty" yaml:"log,omitempty"`
	RunID      string     `json:"runId,omitempty" yaml:"runId,omitempty"`
	Skipped    int        `json:"skipped,omitempty" yaml:"skipped,omitempty"`
	Credential string     `json:"credential,omitempty" yaml:"credential,omitempty"`
	Until      *time.Time `json:"until,omitempty" yaml:"until,omitempty"`
	Git        *Git       `json:"git,omitempty" yaml:"git,omitempty"`
	Warnings   []string   `json:"warnings,omitempty" yaml:"warnings,omitempty"`
}

// Command is a stage or a gate of an attempt.
type Command struct {
	Stage      string  `json:"stage" yaml:"stage"`
	Gate       int     `json:"gate,omitempty" yaml:"gate,omitempty"`
	Exit       int     `json:"exit" yaml:"exit"`
	DurationMs int64   `json:"durationMs" yaml:"durationMs"`
	Log        string  `json:"log,omitempty" yaml:"log,omitempty"`
	SHA256     string  `json:"sha256,omitempty" yaml:"sha256,omitempty"`
	Agent      string  `json:"agent,omitempty" yaml:"agent,omitempty"`
	Session    string  `json:"session,omitempty" yaml:"session,omitempty"`
	TokensIn   int64   `json:"tokensIn,omitempty" yaml:"tokensIn,omitempty"`
	TokensOut  int64   `json:"tokensOut,omitempty" yaml:"tokensOut,omitempty"`
	CostUSD    float64 `json:"costUsd,omitempty" yaml:"costUsd,omitempty"`
}

// Git is what an attempt did to the repository.
type Git struct {
	Before     string `json:"before" yaml:"before"`
	After      string `json:"after" yaml:"after"`
	Files      *int   `json:"files,omitempty" yaml:"files,omitempty"` // this and the next three only if they were counted
	Insertions int    `json:"insertions,omitempty" yaml:"insertions,omitempty"`
	Deletions  int    `json:"deletions,omitempty" yaml:"deletions,omitempty"`
	Untracked  int    `json:"untracked,omitempty" yaml:"untracked,omitempty"`
	Commit     string `json:"commit,omitempty" yaml:"commit,omitempty"`
}

// Validate is what is wrong with a session.
type Validate struct {
	File     string             `json:"file" yaml:"file"`
	Problems []validate.Problem `json:"problems" yaml:"problems"`
	Warnings []string           `json:"warnings" yaml:"warnings"`
	Repaired []validate.Problem `json:"repaired,omitempty" yaml:"repaired,omitempty"`
	Backup   string             `json:"backup,omitempty" yaml:"backup,omitempty"`
}

// Verify is which completed subtasks' gates still hold.
type Verify struct {
	Session string     `json:"session" yaml:"session"`
	Results []Verified `json:"results" yaml:"results"`
}

// Verified is one of them.
type Verified struct {
	ID     string `json:"id" yaml:"id"`
	Gates  int    `json:"gates" yaml:"gates"`
	Holds  bool   `json:"holds" yaml:"holds"`
	Gate   string `json:"gate,omitempty" yaml:"gate,omitempty"`
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
	Log    string `json:"log,omitempty" yaml:"log,omitempty"`
}

// Added are the items that a command has added to the backlog.
type Added struct {
	Session string   `json:"session" yaml:"session"`
	IDs     []string `json:"ids" yaml:"ids"`
}

// Version is what hacky this is.
type Version struct {
	Version  string `json:"version" yaml:"version"`
	Revision string `json:"revision,omitempty" yaml:"revision,omitempty"`
	Go       string `json:"go" yaml:"go"`
	OS       string `json:"os" yaml:"os"`
	Arch     string `json:"arch" yaml:"arch"`
}
