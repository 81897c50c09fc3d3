// Package fakeagent is coding agents that are none, for tests: programs named
// claude, codex, gemini, opencode, aider and amp, which take the same arguments
// as those, print the same and exit with the same codes, as far as a runner can
// tell. It is part of test binaries: a test's main calls RunIfCalled first, and
// Install puts the names into a directory for PATH; a testscript names Main as
// a command instead. A program of any other name is a plain command.
//
// What an agent does is chosen by its environment:
//
//	FAKE_AGENT         scenarios with commas between: the first call does the first,
//	                   and so on, the last one for ever. Without: ok
//	FAKE_AGENT_<NAME>  the same for one program: FAKE_AGENT_CLAUDE=quota
//	FAKE_AGENT_STATE   a directory for what one call tells the next: the number of
//	                   calls, the conversations, and <name>.<call>.json with the
//	                   arguments, prompt, directory and HACKY_ variables of each
//	FAKE_AGENT_PER     task: calls are counted for each HACKY_TASK_ID
//	FAKE_AGENT_RESET   when a limit ends: text as it is, or +2s, from now, in the
//	                   way this agent says it
//	FAKE_AGENT_WRITE   path=content, one a line: files to write when it succeeds;
//	                   $NAME is replaced in both
//	FAKE_AGENT_SLEEP   how long it works before it answers, such as 50ms
//
// The scenarios:
//
//	ok           an answer with the digest of the prompt, tokens and, where the
//	             agent prints them, costs
//	400 401 403 429 500 503 529
//	             the service answers so; with FAKE_AGENT_RESET a 429 says when
//	             to come back, where the agent passes that on
//	null529      claude: given up after many 529, and no status in the result
//	quota        the subscription's limit, in words
//	event        claude: the same as rate_limit_event; event-camel: newer spelling
//	epoch        claude: usage limit reached|EPOCH, as older ones say
//	overage      claude: out of extra usage
//	retried      three attempts that the service refused, then ok
//	quotes       a tool prints all of the limit texts, then ok
//	quotes-fail  the same, then exit 1 for a reason of its own
//	login        not logged in
//	early        exit 0 before the result
//	input turns  gemini: exit 42 and 53
//	exit:N       exit with N and a line on standard error
//	hang         nothing, for an hour; hang-after: after its first events
//	stubborn     as hang, and SIGTERM is ignored
//	orphan       ok, but a grandchild lives on for an hour and holds the output
//	             open; its pid is in FAKE_AGENT_STATE/grandchild
//	lines:N      N assistant events, then ok
//	bytes:N      N bytes of tool output at full speed, then ok
//	binary:N     N bytes of junk, then ok
//
// SIGTERM ends all of them with 143, SIGINT claude with 0 and others with 130.
// With FAKE_AGENT_STATE a claude that is given a --session-id for the second
// time says that it is in use, and every agent refuses to resume a conversation
// that it does not know.
package fakeagent

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Names are the agents there are.
func Names() []string { return []string{"aider", "amp", "claude", "codex", "gemini", "opencode"} }

// Plain is the name of a program that is no agent, but for FAKE_AGENT.
const Plain = "plain-agent"

// RunIfCalled is Main if this program was called by the name of an agent. A
// test's main calls it before anything else.
func RunIfCalled() {
	if name := filepath.Base(os.Args[0]); name == Plain || slices.Contains(Names(), name) {
		Main()
	}
}

// Install makes this program callable by the names of all agents in dir.
func Install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range append(Names(), Plain) {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// lifetime bounds how long one may be forgotten.
const lifetime = time.Hour

// Main is the agent by whose name this program was called. It does not return.
func Main() {
	if os.Getenv("FAKE_AGENT_ROLE") == "grandchild" {
		time.Sleep(lifetime)
		os.Exit(0)
	}
	a := &agent{name: filepath.Base(os.Args[0]), args: os.Args[1:], out: bufio.NewWriterSize(os.Stdout, 64<<10), state: os.Getenv("FAKE_AGENT_STATE")}
	a.scenario, a.param = a.choose()
	a.signals()
	a.readPrompt()
	a.note()
	a.exit(a.run())
}

// agent is one call.
type agent struct {
	name     string
	args     []string
	out      *bufio.Writer
	state    string // "" for none
	call     int    // the number of this one, from 1
	key      string // what calls are counted by
	scenario string
	param    int
	prompt   string
	session  string
	resumed  bool
}

func (a *agent) exit(code int) {
	if err := a.out.Flush(); err != nil {
		os.Exit(141)
	}
	os.Exit(code)
}

// fail ends it with a message on standard error.
func (a *agent) fail(code int, format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	a.exit(code)
}

func (a *agent) choose() (scenario string, param int) {
	list := os.Getenv("FAKE_AGENT_" + strings.ToUpper(a.name))
	if list == "" {
		list = os.Getenv("FAKE_AGENT")
	}
	a.count()
	all := strings.Split(list, ",")
	word := strings.TrimSpace(all[min(max(a.call, 1), len(all))-1])
	word, number, _ := strings.Cut(word, ":")
	param, _ = strconv.Atoi(number)
	if word == "" {
		word = "ok"
	}
	return word, param
}

// count takes the next number among calls that may come at the same time.
func (a *agent) count() {
	a.key = a.name
	if id := os.Getenv("HACKY_TASK_ID"); id != "" && os.Getenv("FAKE_AGENT_PER") == "task" {
		a.key += "." + id
	}
	if a.state == "" {
		return
	}
	for a.call = 1; ; a.call++ {
		f, err := os.OpenFile(a.file(a.call), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			a.fail(70, "fakeagent: %v", err)
		}
		return
	}
}

func (a *agent) file(call int) string {
	return filepath.Join(a.state, fmt.Sprintf("%s.%d.json", a.key, call))
}

// note writes down how it was called.
func (a *agent) note() {
	if a.state == "" {
		return
	}
	dir, _ := os.Getwd()
	env := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "HACKY_") {
			env[name] = value
		}
	}
	text, err := json.Marshal(map[string]any{"args": a.args, "prompt": a.prompt, "dir": dir, "env": env, "scenario": a.scenario})
	if err == nil {
		err = os.WriteFile(a.file(a.call), text, 0o644)
	}
	if err != nil {
		a.fail(70, "fakeagent: %v", err)
	}
}

func (a *agent) signals() {
	ch := make(chan os.Signal, 1)
	if a.scenario == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(ch, syscall.SIGTERM)
	}
	signal.Notify(ch, syscall.SIGINT)
	go func() {
		switch s := <-ch; {
		case s == syscall.SIGTERM:
			os.Exit(143)
		case a.name == "claude":
			os.Exit(0)
		}
		os.Exit(130)
	}()
}

// option is the value of an option; "" if it is not there.
func (a *agent) option(names ...string) string {
	for i, arg := range a.args {
		for _, name := range names {
			if arg == name && i+1 < len(a.args) {
				return a.args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

func (a *agent) has(arg string) bool { return slices.Contains(a.args, arg) }

// readPrompt finds the prompt where the agent would. A file has to be there,
// and standard input has to end.
func (a *agent) readPrompt() {
	if file := a.option("--message-file", "--prompt-file"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			a.fail(1, "Unable to read message file: %v", err)
		}
		a.prompt = string(text)
		return
	}
	given := a.option("--prompt", "--message")
	if given == "" && a.name == "gemini" {
		given = a.option("-p")
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		a.fail(1, "Error: read standard input: %v", err)
	}
	a.prompt = given + string(text)
	if a.prompt == "" && a.name != Plain {
		a.fail(1, "Error: no prompt was given")
	}
}

// conversation finds out which one this call is about.
func (a *agent) conversation(begin, resume, fresh string) {
	a.session = begin
	if resume != "" {
		a.session, a.resumed = resume, true
	}
	if a.session == "" {
		a.session = fresh
	}
	if a.state == "" {
		return
	}
	known := filepath.Join(a.state, "conversation."+a.name+"."+hex.EncodeToString([]byte(a.session)))
	_, err := os.Stat(known)
	switch {
	case resume != "" && err != nil:
		a.unknownConversation()
	case begin != "" && resume == "" && err == nil:
		a.fail(1, "Error: Session ID %s is already in use.", begin)
	case err != nil:
		if err := os.WriteFile(known, nil, 0o644); err != nil {
			a.fail(70, "fakeagent: %v", err)
		}
	}
}

func (a *agent) unknownConversation() {
	switch a.name {
	case "claude":
		a.fail(1, "No conversation found with session ID: %s", a.session)
	case "codex":
		a.fail(1, "Error: no rollout found for thread id %s", a.session)
	case "gemini":
		a.fail(42, "Error resuming session: Invalid session identifier %q.", a.session)
	case "amp":
		a.fail(1, "Error: Thread %s not found", a.session)
	}
	a.fail(1, "Error: Session not found")
}

// uuid is a random one.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// answer is what it says in the end.
func (a *agent) answer() string {
	return fmt.Sprintf("Done. prompt %d bytes sha256 %s", len(a.prompt), Digest(a.prompt))
}

// Digest is what an answer says of a prompt.
func Digest(prompt string) string {
	sum := sha256.Sum256([]byte(prompt))
	return hex.EncodeToString(sum[:8])
}

// work is what a success leaves behind.
func (a *agent) work() {
	for line := range strings.SplitSeq(os.Getenv("FAKE_AGENT_WRITE"), "\n") {
		path, content, ok := strings.Cut(os.ExpandEnv(line), "=")
		if !ok {
			continue
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(content+"\n"), 0o644)
		}
		if err != nil {
			a.fail(70, "fakeagent: %v", err)
		}
	}
}

// hang waits to be ended.
func (a *agent) hang() int {
	_ = a.out.Flush()
	time.Sleep(lifetime)
	return 1
}

// orphan starts a grandchild that keeps the output open.
func (a *agent) orphan() {
	self, err := os.Executable()
	if err != nil {
		a.fail(70, "fakeagent: %v", err)
	}
	child := exec.Cmd{Path: self, Args: os.Args[:1], Env: append(os.Environ(), "FAKE_AGENT_ROLE=grandchild"), Stdout: os.Stdout, Stderr: os.Stderr}
	if err := child.Start(); err != nil {
		a.fail(70, "fakeagent: %v", err)
	}
	if a.state != "" {
		if err := os.WriteFile(filepath.Join(a.state, "grandchild"), []byte(strconv.Itoa(child.Process.Pid)), 0o644); err != nil {
			a.fail(70, "fakeagent: %v", err)
		}
	}
}
