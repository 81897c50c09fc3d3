package profile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hacky-run/hacky/internal/agent/fakeagent"
)

func TestMain(m *testing.M) {
	fakeagent.RunIfCalled()
	os.Exit(m.Run())
}

// stage is a place where agents are.
type stage struct {
	t     *testing.T
	bin   string
	state string
	dir   string
	all   map[string]Profile
}

func newPlace(t *testing.T, user map[string]any) *stage {
	t.Helper()
	p := &stage{t: t, bin: t.TempDir(), state: t.TempDir(), dir: t.TempDir()}
	if err := fakeagent.Install(p.bin); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.all, err = Load(user); err != nil {
		t.Fatal(err)
	}
	return p
}

// ran is what became of a call.
type ran struct {
	report Report
	end    End
	stdout []byte
}

// feed hands one stream to a Reader.
type feed struct {
	mu     *sync.Mutex
	r      *Reader
	stream Stream
	copy   *bytes.Buffer
}

func (f feed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.r.Write(f.stream, p)
	if f.copy != nil {
		f.copy.Write(p)
	}
	return len(p), nil
}

func (p *stage) command(ctx context.Context, prof Profile, call Call, env ...string) *exec.Cmd {
	p.t.Helper()
	if call.PromptFile == "" && prof.Prompt == ByFile {
		call.PromptFile = filepath.Join(p.dir, "prompt.md")
		if err := os.WriteFile(call.PromptFile, []byte(call.Prompt), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	argv, err := prof.Command(call)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, filepath.Base(argv[0])))
	cmd.Args = argv
	cmd.Dir = p.dir
	cmd.Env = append([]string{"PATH=" + p.bin, "FAKE_AGENT_STATE=" + p.state, "GORACE=atexit_sleep_ms=0"}, env...)
	if prof.Prompt == ByStdin {
		cmd.Stdin = strings.NewReader(call.Prompt)
	}
	return cmd
}

// call runs an agent to its end.
func (p *stage) call(prof Profile, call Call, env ...string) ran {
	p.t.Helper()
	cmd := p.command(p.t.Context(), prof, call, env...)
	r := NewReader(prof.Output)
	var mu sync.Mutex
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = feed{&mu, r, Stdout, &stdout}, feed{&mu, r, Stderr, nil}
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		p.t.Fatal(err)
	}
	return ran{r.Report(), End{Exit: cmd.ProcessState.ExitCode(), Now: noonish, Zone: time.UTC}, stdout.Bytes()}
}

// noonish is when the fake agents' texts are read.
var noonish = time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)

const session = "6f6b1c1e-7a52-4d7a-9a3e-0d2c6a8f1b11"

// TestShapes plays every shape of every agent through its real profile.
func TestShapes(t *testing.T) {
	const reset = "FAKE_AGENT_RESET="
	tests := []struct {
		agent, scenario string
		env             string
		class           Class
		until           string // "15:04:05" of the reset, on the next such time; "": none
		reason          string // in Reason
	}{
		{"claude", "ok", "", OK, "", ""},
		{"claude", "retried", "", OK, "", ""},
		{"claude", "quotes", "", OK, "", ""},
		{"claude", "lines:3000", "", OK, "", ""},
		{"claude", "bytes:3000000", "", OK, "", ""},
		{"claude", "binary:3000000", "", OK, "", ""},
		{"claude", "429", "", Transient, "", "429"},
		{"claude", "429", reset + "3600", Quota, "13:30:00", "429"},
		{"claude", "529", "", Transient, "", "529"},
		{"claude", "null529", "", Transient, "", "529"},
		{"claude", "500", "", Transient, "", "500"},
		{"claude", "503", "", Transient, "", "503"},
		{"claude", "400", "", Permanent, "", "400"},
		{"claude", "401", "", Auth, "", "/login"},
		{"claude", "403", "", Auth, "", "/login"},
		{"claude", "login", "", Auth, "", "/login"},
		{"claude", "quota", "", Quota, "09:20:00", "session limit"},
		{"claude", "quota", reset + "3pm", Quota, "15:00:00", "session limit"},
		{"claude", "event", reset + "1795440000", Quota, "13:20:00", "limit"},
		{"claude", "event-camel", reset + "1795440000", Quota, "13:20:00", "limit"},
		{"claude", "epoch", reset + "1795440000", Quota, "13:20:00", "usage limit"},
		{"claude", "overage", "", Quota, "04:00:00", "extra usage"},
		{"claude", "early", "", Transient, "", "no result"},
		{"claude", "quotes-fail", "", Permanent, "", "index out of range"},
		{"claude", "exit:1", "", Permanent, "", "exit 1: claude: something went wrong"},
		{"claude", "exit:75", "", Transient, "", "temporary"},
		{"claude", "exit:124", "", Transient, "", "time limit"},
		{"claude", "exit:143", "", Transient, "", "signal 15"},
		{"claude", "exit:65", "", Permanent, "", "exit 65"},
		{"claude", "exit:78", "", Permanent, "", "exit 78"},
		{"claude", "exit:126", "", Permanent, "", "exit 126"},
		{"claude", "exit:127", "", Permanent, "", "exit 127"},

		{"codex", "ok", "", OK, "", ""},
		{"codex", "retried", "", OK, "", ""},
		{"codex", "quotes", "", OK, "", ""},
		{"codex", "bytes:3000000", "", OK, "", ""},
		{"codex", "binary:3000000", "", OK, "", ""},
		{"codex", "429", "", Transient, "", "429"},
		{"codex", "429", reset + "3600", Quota, "13:30:00", "429"},
		{"codex", "500", "", Transient, "", "high demand"},
		{"codex", "400", "", Permanent, "", "400"},
		{"codex", "401", "", Auth, "", "codex login"},
		{"codex", "quota", "", Quota, "23:37:00", "You've hit your usage limit"},
		{"codex", "quota", reset + "in 2 days 3 hours", Quota, "15:30:00", "usage limit"},
		{"codex", "early", "", Transient, "", "no result"},
		{"codex", "quotes-fail", "", Permanent, "", "index out of range"},

		{"gemini", "ok", "", OK, "", ""},
		{"gemini", "quotes", "", OK, "", ""},
		{"gemini", "lines:500", "", OK, "", ""},
		{"gemini", "binary:3000000", "", OK, "", ""},
		{"gemini", "429", "", Transient, "", "429"},
		{"gemini", "429", reset + "3600", Quota, "13:30:00", "429"},
		{"gemini", "500", "", Transient, "", "500"},
		{"gemini", "503", "", Transient, "", "503"},
		{"gemini", "400", "", Permanent, "", "400"},
		{"gemini", "401", "", Auth, "", "GEMINI_API_KEY"},
		{"gemini", "quota", "", Quota, "17:42:00", "daily quota"},
		{"gemini", "login", "", Auth, "", "GEMINI_API_KEY"},
		{"gemini", "input", "", Permanent, "", "exit 42"},
		{"gemini", "turns", "", Permanent, "", "exit 53"},
		{"gemini", "exit:173", "", Transient, "", "429"},
		{"gemini", "exit:144", "", Permanent, "", "400"},
		{"gemini", "exit:41", "", Auth, "", "exit 41"},
		{"gemini", "early", "", Transient, "", "no result"},

		{"opencode", "ok", "", OK, "", ""},
		{"opencode", "quotes", "", OK, "", ""},
		{"opencode", "429", "", Transient, "", "429"},
		{"opencode", "429", reset + "86400", Quota, "12:30:00", "429"},
		{"opencode", "500", "", Transient, "", "500"},
		{"opencode", "400", "", Permanent, "", "400"},
		{"opencode", "401", "", Auth, "", "opencode auth login"},
		{"opencode", "login", "", Auth, "", "opencode auth login"},
		{"opencode", "quota", "", Quota, "12:30:00", "Monthly"},
		{"opencode", "quotes-fail", "", Permanent, "", "index out of range"},

		{"aider", "ok", "", OK, "", ""},
		{"aider", "retried", "", OK, "", ""},
		{"aider", "429", "", Transient, "", "RateLimitError"},
		{"aider", "429", reset + "3600", Quota, "13:30:00", "RateLimitError"},
		{"aider", "500", "", Transient, "", "InternalServerError"},
		{"aider", "401", "", Auth, "", "ANTHROPIC_API_KEY"},
		{"aider", "400", "", Permanent, "", "BadRequestError"},
		{"aider", "quota", "", Quota, "14:30:00", "quota"},
		{"aider", "exit:1", "", Permanent, "", "exit 1"},
		{"aider", "binary:300000", "", OK, "", ""},

		{"amp", "ok", "", OK, "", ""},
		{"amp", "quotes", "", OK, "", ""},
		{"amp", "429", "", Transient, "", "429"},
		{"amp", "529", "", Transient, "", "529"},
		{"amp", "quota", "", Quota, "14:30:00", "usage limit"},
		{"amp", "login", "", Auth, "", "amp login"},
		{"amp", "early", "", Transient, "", "no result"},

		{"mine", "ok", "", OK, "", ""},
		{"mine", "429", "", Permanent, "", "exit 1"},
		{"mine", "exit:75", "", Transient, "", "temporary"},
		{"mine", "exit:9", "", Transient, "", "exit 9"},
	}
	for _, tt := range tests {
		t.Run(tt.agent+" "+tt.scenario+" "+tt.env, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, map[string]any{"mine": map[string]any{
				"argv": []any{fakeagent.Plain, "--prompt-file", "{prompt-file}"}, "prompt": "file", "exits": map[any]any{9: "transient"},
			}})
			prof := p.all[tt.agent]
			const prompt = "Make it so.\nAnd \"so\".\n"
			got := p.call(prof, Call{Prompt: prompt, Session: session}, "FAKE_AGENT="+tt.scenario, tt.env)
			v := prof.Judge(got.report, got.end)
			if v.Class != tt.class || !strings.Contains(v.Reason, tt.reason) || (v.Reason == "") != (tt.class == OK) {
				t.Errorf("verdict %v, %q; want %v, ...%q...\nend %+v\nreport %+v", v.Class, v.Reason, tt.class, tt.reason, got.end, got.report)
			}
			if (v.Credential == tt.agent) != (tt.class == Quota) || v.Conversation != Unknown {
				t.Errorf("credential %q, conversation %v", v.Credential, v.Conversation)
			}
			until := ""
			if !v.Until.IsZero() {
				until = v.Until.In(time.UTC).Format("15:04:05")
			}
			if until != tt.until {
				t.Errorf("until %v, want %s", v.Until, tt.until)
			}
			if tt.class == OK && prof.Output != Text {
				want := Report{Session: got.report.Session, Text: "Done. prompt 22 bytes sha256 " + fakeagent.Digest(prompt), Result: prof.Success == ByResult, TokensIn: 1120, TokensOut: 34}
				if tt.agent == "claude" || tt.agent == "opencode" {
					want.CostUSD = 0.0123
				}
				if strings.HasPrefix(tt.scenario, "lines") {
					want.Text = got.report.Text // of gemini, all that it said without a tool between
				}
				if got.report != want || got.report.Session == "" || !strings.Contains(got.report.Text, "Done. prompt 22 bytes") {
					t.Errorf("report %+v\nwant   %+v", got.report, want)
				}
			}
			if tt.class == OK && !strings.Contains(got.report.Text, fakeagent.Digest(prompt)) {
				t.Errorf("the prompt did not arrive: %q", got.report.Text)
			}
		})
	}
}

// A conversation is begun once and resumed afterwards; one that is taken or
// gone is told as such.
func TestConversations(t *testing.T) {
	for _, name := range []string{"claude", "codex", "gemini", "opencode", "amp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil)
			prof := p.all[name]
			if !prof.CanResume() {
				t.Fatal("it cannot resume")
			}
			call := Call{Prompt: "begin"}
			if prof.NeedsSession() {
				call.Session = session
			}
			first := p.call(prof, call)
			id := first.report.Session
			if id == "" || prof.NeedsSession() && id != session {
				t.Fatalf("the session is %q", id)
			}
			again := p.call(prof, Call{Prompt: "go on", Session: id, Resume: true})
			if v := prof.Judge(again.report, again.end); v.Class != OK || again.report.Session != id {
				t.Errorf("resumed: %+v, session %q, want %q", v, again.report.Session, id)
			}
			lost := p.call(prof, Call{Prompt: "go on", Session: "00000000-0000-4000-8000-000000000000", Resume: true})
			if v := prof.Judge(lost.report, lost.end); v.Class != Transient || v.Conversation != Lost {
				t.Errorf("resumed what is not there: %+v\n%+v", v, lost.report)
			}
			if !prof.NeedsSession() {
				return
			}
			taken := p.call(prof, call)
			if v := prof.Judge(taken.report, taken.end); v.Class != Transient || v.Conversation != Exists {
				t.Errorf("began what is there: %+v\n%+v", v, taken.report)
			}
		})
	}
}

// An agent that is ended says so by its exit code, or in claude's case does
// not: that is no success.
func TestSignals(t *testing.T) {
	for _, tt := range []struct {
		agent  string
		signal syscall.Signal
		exit   int
		reason string
	}{
		{"claude", syscall.SIGTERM, 143, "signal 15"},
		{"claude", syscall.SIGINT, 0, "no result"},
		{"codex", syscall.SIGINT, 130, "signal 2"},
	} {
		t.Run(tt.agent+" "+tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil)
			prof := p.all[tt.agent]
			cmd := p.command(t.Context(), prof, Call{Prompt: "x", Session: session}, "FAKE_AGENT=hang-after")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r := NewReader(prof.Output)
			buf := make([]byte, 4096)
			for r.Report().Text == "" { // it has begun to hang
				n, err := out.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				r.Write(Stdout, buf[:n])
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			end := End{Exit: cmd.ProcessState.ExitCode(), Now: noonish}
			if end.Exit != tt.exit {
				t.Fatalf("exit %d, want %d", end.Exit, tt.exit)
			}
			if v := prof.Judge(r.Report(), end); v.Class != Transient || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("%+v", v)
			}
			end.Stopped = "no output for 5m0s"
			if v := prof.Judge(r.Report(), end); v.Class != Transient || v.Reason != end.Stopped {
				t.Errorf("stopped: %+v", v)
			}
		})
	}
}

// What the fake agents do besides: scenarios one after the other, files that
// they write, a grandchild that lives on.
func TestFake(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	prof := p.all["codex"]
	var classes []Class
	for range 3 {
		got := p.call(prof, Call{Prompt: "x"}, "FAKE_AGENT=quota,ok", "HACKY_TASK_ID=P1.M1.T1.S1", "FAKE_AGENT_WRITE=prps/$HACKY_TASK_ID.md=a plan")
		classes = append(classes, prof.Judge(got.report, got.end).Class)
	}
	if classes[0] != Quota || classes[1] != OK || classes[2] != OK {
		t.Errorf("%v", classes)
	}
	if text, err := os.ReadFile(filepath.Join(p.dir, "prps", "P1.M1.T1.S1.md")); err != nil || string(text) != "a plan\n" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(p.state, "codex.2.json")); err != nil || !strings.Contains(string(text), `"prompt":"x"`) || !strings.Contains(string(text), "workspace-write") {
		t.Errorf("%s, %v", text, err)
	}

	cmd := p.command(t.Context(), prof, Call{Prompt: "x"}, "FAKE_AGENT=orphan")
	cmd.WaitDelay = time.Millisecond // the pipe stays open
	cmd.Stdout = new(bytes.Buffer)
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("the output ended with the agent: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(p.state, "grandchild"))
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, c := range string(text) {
		pid = 10*pid + int(c-'0')
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the grandchild %d: %v", pid, err)
	}
}
