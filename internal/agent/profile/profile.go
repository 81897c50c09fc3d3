package profile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// PromptBy is how an agent gets its prompt.
type PromptBy string

// The ways. With all but the first, standard input has to be /dev/null: some
// agents read it as well.
const (
	ByStdin    PromptBy = "stdin"    // standard input
	ByArgument PromptBy = "argument" // {prompt} in argv
	ByFile     PromptBy = "file"     // {prompt-file} in argv
)

// Format is which parser reads an agent's output.
type Format string

// The parsers.
const (
	Claude   Format = "claude"
	Codex    Format = "codex"
	Gemini   Format = "gemini"
	OpenCode Format = "opencode"
	Amp      Format = "amp"  // as Claude
	Text     Format = "text" // no events; all of standard output is the agent's text
)

// Success is what an agent has to do to have succeeded. Exit 0 is part of each.
type Success string

// The rules.
const (
	ByResult Success = "result" // the output has a result event, and that is no error
	ByExit   Success = "exit"   // the last event is no error
	ByText   Success = "text"   // and no pattern matches the last lines
)

// Profile is how one agent is called, read and judged; profiles.yaml says more
// about each field. Load makes it; it is never changed afterwards and may be
// used by many goroutines at once.
type Profile struct {
	Name       string
	Argv       []string // to begin a conversation; empty: only to be extended
	Resume     []string // to go on with one; empty: it cannot
	Args       []string // what {args} stands for
	Prompt     PromptBy
	Output     Format
	Success    Success
	Credential string // what a quota parks
	Install    string // a sentence: how to get it
	Login      string // a clause: how to log in; "" if nothing is known
	Env        map[string]string
	Exits      map[int]Meaning
	Patterns   Patterns
}

// Meaning is what an exit code says: a class, or the HTTP status it stands for.
type Meaning struct {
	Class  Class
	Status int // 0: Class counts
}

// Patterns are looked for in the last assistant text and the last lines of
// standard error, apostrophes and spaces being plain ones there.
type Patterns struct {
	Quota, Transient, Auth, Permanent []*regexp.Regexp

	Exists []*regexp.Regexp // the conversation is there already
	Lost   []*regexp.Regexp // the conversation to resume is not there
	Done   []*regexp.Regexp // Text only: what was printed before the last match has passed
}

// Call is one call of an agent.
type Call struct {
	Prompt     string // the text; used if the profile's Prompt is ByArgument
	PromptFile string // its absolute path; used if it is ByFile
	Session    string // the conversation: a new UUID, or with Resume what the agent called it
	Resume     bool   // go on with Session
}

// MaxArgument is the longest argument that Linux takes, in bytes.
const MaxArgument = 128<<10 - 1

// Placeholders.
const (
	inPrompt     = "{prompt}"
	inPromptFile = "{prompt-file}"
	inSession    = "{session}"
	inArgs       = "{args}" // a whole element only
)

var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{[a-z]+(-[a-z]+)*\}`) })

// NeedsSession reports whether a call that begins a conversation needs a UUID
// in Call.Session.
func (p Profile) NeedsSession() bool { return uses(p.Argv, inSession) }

// CanResume reports whether the agent can go on with a conversation.
func (p Profile) CanResume() bool { return len(p.Resume) > 0 }

// Program is the name or path of the program that is called; "" if there is none.
func (p Profile) Program() string {
	if len(p.Argv) == 0 {
		return ""
	}
	return p.Argv[0]
}

// Command is the argv of a call, its placeholders replaced. The error is a
// sentence for people: what is missing, or a prompt that no argument can hold.
func (p Profile) Command(c Call) ([]string, error) {
	argv := p.Argv
	if c.Resume {
		argv = p.Resume
	}
	switch {
	case len(argv) == 0 && c.Resume:
		return nil, fmt.Errorf("agent %s cannot go on with a conversation", p.Name)
	case len(argv) == 0:
		return nil, fmt.Errorf("agent %s has no argv; give it one (hacky.yaml: agents.%s.argv)", p.Name, p.Name)
	case c.Session == "" && uses(argv, inSession):
		return nil, fmt.Errorf("agent %s needs the id of a conversation", p.Name)
	case c.PromptFile == "" && uses(argv, inPromptFile):
		return nil, fmt.Errorf("agent %s needs a file with the prompt; give the stage a prompt", p.Name)
	case c.Prompt == "" && uses(argv, inPrompt):
		return nil, fmt.Errorf("agent %s needs a prompt; give the stage one", p.Name)
	}
	// One pass over each element: what is put in is not looked at again.
	values := strings.NewReplacer(inPrompt, c.Prompt, inPromptFile, c.PromptFile, inSession, c.Session)
	var out []string
	for _, arg := range argv {
		if arg == inArgs {
			out = append(out, p.Args...)
			continue
		}
		arg = values.Replace(arg)
		if strings.ContainsRune(arg, 0) {
			return nil, errors.New("the prompt holds a NUL character, which no argument can")
		}
		if len(arg) > MaxArgument {
			return nil, fmt.Errorf("the prompt has %d bytes, and an argument at most %d; have agent %s read it from stdin or a file", len(c.Prompt), MaxArgument, p.Name)
		}
		out = append(out, arg)
	}
	return out, nil
}

func uses(argv []string, what string) bool {
	return slices.ContainsFunc(argv, func(arg string) bool { return strings.Contains(arg, what) })
}
