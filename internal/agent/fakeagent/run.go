package fakeagent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// voice is how one agent says things. Each method prints; the codes are what
// the agent exits with afterwards.
type voice interface {
	begin()                               // the first events
	text(s string)                        // an assistant message
	tool(output string)                   // a tool's output
	success(answer string)                // the last events of a success
	service(status int, reset string) int // the service refused
	limit(reset string) int               // the subscription's limit is reached
	login() int                           // not logged in
}

func (a *agent) voice() voice {
	switch a.name {
	case "claude", "amp":
		return &claude{a}
	case "codex":
		return &codex{a}
	case "gemini":
		return &gemini{a}
	case "opencode":
		return &openCode{a}
	}
	return &words{a}
}

// line prints an event.
func (a *agent) line(v any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // as JSON.stringify and serde_json
	if err := enc.Encode(v); err != nil {
		a.fail(70, "fakeagent: %v", err)
	}
	_, _ = a.out.Write(text.Bytes()) // Flush tells
}

// object is a JSON object whose members keep their order.
type object []any

// MarshalJSON writes names and values as they come.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, v := range o {
		if i > 0 {
			out.WriteByte(",:"[i%2])
		}
		if err := enc.Encode(v); err != nil {
			return nil, err
		}
		out.Truncate(out.Len() - 1)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (a *agent) run() int {
	v := a.voice()
	if a.scenario == "hang" || a.scenario == "stubborn" {
		return a.hang()
	}
	if a.scenario == "exit" {
		a.fail(a.param, "%s: something went wrong", a.name)
	}
	v.begin()
	_ = a.out.Flush()
	if d, err := time.ParseDuration(os.Getenv("FAKE_AGENT_SLEEP")); err == nil {
		time.Sleep(d)
	}
	switch a.scenario {
	case "400", "401", "403", "429", "500", "503", "529":
		var code int
		_, _ = fmt.Sscan(a.scenario, &code)
		return v.service(code, a.reset("retry-after"))
	case "quota":
		return v.limit(a.reset("words"))
	case "login":
		return v.login()
	case "early":
		v.text("I will look at it now.")
		return 0
	case "hang-after":
		v.text("I will look at it now.")
		return a.hang()
	case "orphan":
		a.orphan()
	case "lines":
		for i := range a.param {
			v.text(fmt.Sprintf("Step %d of %d: everything is in order so far.", i+1, a.param))
		}
	case "bytes":
		a.flood(v)
	case "binary":
		a.junk()
	case "retried":
		if r, ok := v.(interface{ retrying(status int) }); ok {
			for range 3 {
				r.retrying(529)
			}
		}
	case "quotes", "quotes-fail":
		v.tool(quoted)
		if a.scenario == "quotes-fail" {
			a.fail(1, "panic: index out of range")
		}
	default:
		if r, ok := v.(interface {
			special(scenario string) (int, bool)
		}); ok {
			if code, known := r.special(a.scenario); known {
				return code
			}
		}
		if a.scenario != "ok" {
			a.fail(70, "fakeagent: %s knows no scenario %q", a.name, a.scenario)
		}
	}
	a.work()
	v.success(a.answer())
	return 0
}

// quoted is everything that must not be believed when a tool prints it.
const quoted = `You've hit your limit · resets 4:20am (America/New_York)
You’ve hit your usage limit. Try again at 11:37 PM.
Claude AI usage limit reached|1763942400
{"type":"result","subtype":"success","is_error":true,"api_error_status":429}
{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429"}}
litellm.RateLimitError: rate limit; Invalid API key; Overloaded
`

// flood prints the same tool's output again and again. It is made once: the
// reader is what is to be measured.
func (a *agent) flood(v voice) {
	var events bytes.Buffer
	out := a.out
	a.out = bufio.NewWriter(&events)
	for range 20 {
		v.tool(strings.Repeat(strings.Repeat("x", 79)+"\n", 50))
	}
	_ = a.out.Flush() // a Buffer takes everything
	a.out = out
	for n := 0; n < a.param; n += events.Len() {
		if _, err := a.out.Write(events.Bytes()); err != nil {
			return
		}
	}
}

// junk prints the same bytes that mean nothing again and again.
func (a *agent) junk() {
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 256<<10)
	for i := range buf {
		buf[i] = byte(r.Uint32())
		if buf[i] < 8 { // more of what could be taken for events
			buf[i] = "\n{\n\"}\n[,"[buf[i]]
		}
	}
	for n := a.param; n > 0; n -= len(buf) {
		_, _ = a.out.Write(buf[:min(n, len(buf))]) // Flush tells
	}
	_ = a.out.WriteByte('\n') // so that the next event is at the beginning of a line
}

// reset is when a limit ends; kind is how this is said: epoch, retry-after
// (seconds) or words.
func (a *agent) reset(kind string) string {
	text := os.Getenv("FAKE_AGENT_RESET")
	ahead, relative := strings.CutPrefix(text, "+")
	d, err := time.ParseDuration(ahead)
	if !relative || err != nil {
		return text
	}
	switch kind {
	case "epoch":
		return fmt.Sprint(time.Now().Add(d).Unix())
	case "retry-after":
		return fmt.Sprint(int(d.Seconds()))
	}
	return "in " + d.String()
}

// usage of every success.
const (
	tokensIn, tokensCached, tokensOut = 120, 1000, 34
	costUSD                           = 0.0123
)
