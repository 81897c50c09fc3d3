package schema

import (
	"time"

	"github.com/hacky-run/hacky/internal/checkpoint"
)

// Status is the name of a status.
type Status string

// ID is an item's id, PhaseID and the like one of that level.
type ID string

// PhaseID is P1.
type PhaseID string

// MilestoneID is P1.M2.
type MilestoneID string

// TaskID is P1.M2.T3.
type TaskID string

// SubtaskID is P1.M2.T3.S4.
type SubtaskID string

// Duration is one as Go writes it.
type Duration string

// Command is a shell line or an argument list.
type Command any

// YAMLCommand is a Command in hacky.yaml, where texts need no quotes.
type YAMLCommand any

// YAMLEnv are variables in hacky.yaml.
type YAMLEnv map[string]any

// YAMLLimit is a timeout in hacky.yaml.
type YAMLLimit any

// StageName is the name of a stage.
type StageName string

// Level is a gate's level.
type Level int

// Points are story points.
type Points float64

// Retries are how often a subtask may be repeated.
type Retries int

// IsPhase is the type of a phase; the next three are those of what is below.
type IsPhase string

// IsMilestone is the type of a milestone.
type IsMilestone string

// IsTask is the type of a task.
type IsTask string

// IsSubtask is the type of a subtask.
type IsSubtask string

// Tasks is tasks.json; backlog.Parse reads it.
type Tasks struct {
	Backlog []Phase `json:"backlog"`
}

// Inherited is what any item may say for those below it.
type Inherited struct {
	Env     map[string]string `json:"env,omitempty" jsonschema:"variables of the commands below; the nearest counts"`
	Workdir string            `json:"workdir,omitempty" jsonschema:"where commands run; relative to where hacky was started"`
	Timeout Duration          `json:"timeout,omitempty" jsonschema:"time one attempt may take"`
}

// Phase is the first level.
type Phase struct {
	ID          PhaseID     `json:"id"`
	Type        IsPhase     `json:"type"`
	Title       string      `json:"title"`
	Status      Status      `json:"status"`
	Description *string     `json:"description,omitempty"`
	Milestones  []Milestone `json:"milestones,omitempty"`
	Inherited
}

// Milestone is the second level.
type Milestone struct {
	ID          MilestoneID `json:"id"`
	Type        IsMilestone `json:"type"`
	Title       string      `json:"title"`
	Status      Status      `json:"status"`
	Description *string     `json:"description,omitempty"`
	Tasks       []Task      `json:"tasks,omitempty"`
	Inherited
}

// Task is the third level.
type Task struct {
	ID          TaskID    `json:"id"`
	Type        IsTask    `json:"type"`
	Title       string    `json:"title"`
	Status      Status    `json:"status"`
	Description *string   `json:"description,omitempty"`
	Subtasks    []Subtask `json:"subtasks,omitempty"`
	Inherited
}

// Subtask is what runs.
type Subtask struct {
	ID           SubtaskID `json:"id"`
	Type         IsSubtask `json:"type"`
	Title        string    `json:"title"`
	Status       Status    `json:"status"`
	StoryPoints  Points    `json:"story_points,omitempty"`
	Dependencies []ID      `json:"dependencies,omitempty" jsonschema:"what has to be Complete or Obsolete before; a parent stands for all subtasks below it"`
	ContextScope *string   `json:"context_scope,omitempty" jsonschema:"text for an agent; CONTRACT DEFINITION: and numbered sections are passed in parts"`
	Run          Command   `json:"run,omitempty"`
	Gates        []Gate    `json:"gates,omitempty" jsonschema:"commands that check the result, levels ascending"`
	Retries      Retries   `json:"retries,omitempty" jsonschema:"retries after a transient failure"`
	Inherited
}

// Gate checks a result.
type Gate struct {
	Level   Level    `json:"level"`
	Name    string   `json:"name,omitempty"`
	Run     Command  `json:"run"`
	Timeout Duration `json:"timeout,omitempty"`
}

// Sections are the keys of hacky.yaml that are no options.
type Sections struct {
	Stages []Stage          `json:"stages,omitempty" jsonschema:"what a subtask without a run of its own goes through"`
	Gates  []YAMLGate       `json:"gates,omitempty" jsonschema:"gates of subtasks that have none of their own"`
	Agents map[string]Agent `json:"agents,omitempty" jsonschema:"profiles of agents, by name; they add to those built in, or change them"`
	Env    YAMLEnv          `json:"env,omitempty" jsonschema:"variables for every command; ${NAME} is hacky's own"`
}

// Stage is one command of an attempt: run or agent.
type Stage struct {
	Name    StageName   `json:"name"`
	Run     YAMLCommand `json:"run,omitempty" jsonschema:"a shell line, or a list of arguments"`
	Agent   string      `json:"agent,omitempty" jsonschema:"the name of an agent's profile, in place of run; hacky agents lists them"`
	Prompt  string      `json:"prompt,omitempty" jsonschema:"a text/template, or the name of a file that ends in .md"`
	Output  string      `json:"output,omitempty" jsonschema:"a file that has to be there and not empty afterwards; a text/template"`
	Env     YAMLEnv     `json:"env,omitempty" jsonschema:"variables of this stage"`
	Timeout YAMLLimit   `json:"timeout,omitempty" jsonschema:"time the stage may take; none or 0 is no limit"`
}

// YAMLGate is a Gate in hacky.yaml.
type YAMLGate struct {
	Level   Level       `json:"level"`
	Name    string      `json:"name,omitempty" jsonschema:"what logs call the gate"`
	Run     YAMLCommand `json:"run" jsonschema:"a shell line, or a list of arguments"`
	Timeout YAMLLimit   `json:"timeout,omitempty" jsonschema:"time the gate may take; none or 0 is no limit"`
}

// Agent is a profile; internal/agent/profile/profiles.yaml describes the fields.
type Agent struct {
	Extends    string            `json:"extends,omitempty" jsonschema:"the profile that this one changes"`
	Argv       []string          `json:"argv,omitempty" jsonschema:"the command line; {prompt}, {prompt-file} and the like are replaced"`
	Resume     []string          `json:"resume,omitempty" jsonschema:"the command line that goes on with a conversation"`
	Args       []string          `json:"args,omitempty" jsonschema:"what is added to both command lines"`
	Prompt     string            `json:"prompt,omitempty" jsonschema:"how it gets the prompt: stdin, argument or file"`
	Output     string            `json:"output,omitempty" jsonschema:"what it prints: claude, codex, gemini, opencode, amp or text"`
	Success    string            `json:"success,omitempty" jsonschema:"what tells that it succeeded: result, exit or text"`
	Credential string            `json:"credential,omitempty" jsonschema:"whose quota it uses; agents with the same wait together"`
	Install    string            `json:"install,omitempty" jsonschema:"how to get the program, for messages"`
	Login      string            `json:"login,omitempty" jsonschema:"how to log in, for messages"`
	Env        map[string]string `json:"env,omitempty" jsonschema:"variables of its commands; ${NAME} is hacky's own"`
	Exits      map[string]any    `json:"exits,omitempty" jsonschema:"exit codes by class of failure"`
	Patterns   map[string]any    `json:"patterns,omitempty" jsonschema:"what it prints, by class of failure"`
}

// Recovery is tasks.json.failed.
type Recovery struct {
	Version        string    `json:"version"`
	Timestamp      time.Time `json:"timestamp,omitzero"`
	SessionPath    string    `json:"sessionPath,omitempty"`
	PendingUpdates *Tasks    `json:"pendingUpdates,omitempty" jsonschema:"the whole backlog as it should have been written; null in a small file"`
	Error          *struct {
		Message  string `json:"message"`
		Code     string `json:"code"`
		Attempts int    `json:"attempts"`
	} `json:"error,omitempty"`
	PendingCount int      `json:"pendingCount,omitempty"`
	Changes      []Change `json:"changes,omitempty"`
	Base         string   `json:"base,omitempty" jsonschema:"sha256 of the tasks.json that the changes were made on"`
}

// Change is an update.
type Change struct {
	ID   ID        `json:"id"`
	From Status    `json:"from,omitempty"`
	To   Status    `json:"to"`
	At   time.Time `json:"at,omitzero"`
	Seq  int       `json:"seq,omitempty"`

	Work  string `json:"work,omitempty"`
	Title string `json:"title,omitempty"`
}

// Attempt is a line of artifacts/attempts.ndjson; internal/session writes it.
type Attempt struct {
	ID         ID               `json:"id"`
	Attempt    int              `json:"attempt"`
	Class      string           `json:"class"`
	Exit       int              `json:"exit"`
	Reason     string           `json:"reason,omitempty"`
	Started    time.Time        `json:"started"`
	Ended      time.Time        `json:"ended"`
	Commands   []AttemptCommand `json:"commands"`
	Log        string           `json:"log,omitempty"`
	RunID      string           `json:"runId,omitempty"`
	Skipped    int              `json:"skipped,omitempty"`
	Credential string           `json:"credential,omitempty"`
	Until      time.Time        `json:"until,omitzero"`
	Git        *AttemptGit      `json:"git,omitempty"`
	Warnings   []string         `json:"warnings,omitempty"`
}

// AttemptCommand is a stage or gate of an attempt.
type AttemptCommand struct {
	Stage      string   `json:"stage"`
	Gate       int      `json:"gate,omitempty"`
	Exit       int      `json:"exit"`
	DurationMs int      `json:"durationMs"`
	Log        string   `json:"log,omitempty"`
	SHA256     string   `json:"sha256,omitempty"`
	Agent      string   `json:"agent,omitempty"`
	Session    string   `json:"session,omitempty"`
	TokensIn   *int     `json:"tokensIn,omitempty"`
	TokensOut  *int     `json:"tokensOut,omitempty"`
	CostUSD    *float64 `json:"costUsd,omitempty"`
}

// AttemptGit is what an attempt did to the repository.
type AttemptGit struct {
	Before     string `json:"before"`
	After      string `json:"after"`
	Files      *int   `json:"files,omitempty"`
	Insertions *int   `json:"insertions,omitempty"`
	Deletions  *int   `json:"deletions,omitempty"`
	Untracked  *int   `json:"untracked,omitempty"`
	Commit     string `json:"commit,omitempty"`
}

// Checkpoints is artifacts/ID/checkpoints.json.
type Checkpoints struct {
	Version     string                  `json:"version"`
	Checkpoints []checkpoint.Checkpoint `json:"checkpoints"`
}
