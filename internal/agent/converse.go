package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hacky-run/hacky/internal/agent/profile"
	"github.com/hacky-run/hacky/internal/agent/prompt"
	"github.com/hacky-run/hacky/internal/backlog"
)

// listener reads what an agent prints, from the two goroutines of its two
// streams.
type listener struct {
	mu     sync.Mutex
	reader *profile.Reader
}

func (l *listener) hear(s profile.Stream) func([]byte) {
	return func(p []byte) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reader.Write(s, p)
	}
}

func (l *listener) report() profile.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reader.Report()
}

// maxCalls bounds how often an agent is called for one stage because of what it
// says about its conversation: it is there already, then it is lost.
const maxCalls = 3

// converse calls stage k's agent and judges what became of it. An agent that is
// asked to mend what a gate has found goes on with its conversation; one whose
// call failed begins again: that conversation may be what it failed of.
func (a *attempt) converse(ctx context.Context, k int, x *execution, d prompt.Data, end *ended) error {
	st := &a.stages[k]
	p := st.Agent
	session := a.conversations[p.Name]
	resume := a.mending && session != "" && p.CanResume()
	for call := 1; ; call++ {
		if !resume && p.NeedsSession() {
			session = newUUID()
		}
		d.Resumed = resume
		t := st.prompt
		if resume && d.Failure != "" {
			t = a.fix
		}
		text, err := t.Render(d)
		if err != nil {
			return err
		}
		text = a.masker.MaskString(text)
		file, stdin, err := a.writePrompt(text)
		if err != nil {
			return err
		}
		argv, err := p.Command(profile.Call{Prompt: text, PromptFile: file, Session: session, Resume: resume})
		if err != nil {
			_ = stdin.Close() // only read from
			return err
		}
		x.argv, x.stdin, x.listener = argv, a.null, &listener{reader: profile.NewReader(p.Output)}
		if p.Prompt == profile.ByStdin {
			x.stdin = stdin
		}
		x.env = append(mergeEnv(mergeEnv(a.env, envOf(p)), st.Env), "HACKY_STAGE="+st.Name, "HACKY_PROMPT_FILE="+file)
		*end = a.exec(ctx, x)
		_ = stdin.Close() // only read from
		if end.class == Interrupted || end.neverRan() {
			return nil
		}
		report := x.listener.report()
		verdict := p.Judge(report, profile.End{Exit: end.exit, Signal: end.signal, Stopped: end.stopped, Now: time.Now()})
		if report.Session != "" {
			session = report.Session
		}
		a.heard(st, report, session, verdict)
		switch {
		case verdict.Conversation == profile.Exists && !resume && p.CanResume() && call < maxCalls:
			resume = true
			a.note("its agent's conversation is there already; going on with it")
			continue
		case verdict.Conversation == profile.Lost && resume && call < maxCalls:
			resume, session = false, ""
			a.note("its agent has lost the conversation; beginning a new one")
			continue
		}
		a.judged(end, verdict)
		return nil
	}
}

// heard keeps what an agent said, masked: it goes into checkpoints, prompts of
// other subtasks, and evidence.
func (a *attempt) heard(st *stage, r profile.Report, session string, v profile.Verdict) {
	text := r.Text
	if len(text) > maxResult {
		text = text[len(text)-maxResult:]
	}
	a.said = &Said{Agent: st.Agent.Name, Session: session, Text: a.masker.MaskString(text),
		TokensIn: r.TokensIn, TokensOut: r.TokensOut, CostUSD: r.CostUSD}
	if v.Conversation != profile.Lost {
		a.conversations[st.Agent.Name] = session
	}
}

// judged puts a verdict into the words of an attempt.
func (a *attempt) judged(end *ended, v profile.Verdict) {
	switch v.Class {
	case profile.OK:
		end.class, end.reason = OK, ""
		return
	case profile.Transient:
		end.class = Transient
	case profile.Quota:
		end.class = Quota
		a.res.Until, a.res.Credential = v.Until, v.Credential
	default:
		end.class = Permanent
	}
	end.reason = a.masker.MaskString(v.Reason)
}

func envOf(p *profile.Profile) []backlog.EnvVar {
	var out []backlog.EnvVar
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		out = append(out, backlog.EnvVar{Name: name, Value: p.Env[name]})
	}
	return out
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
