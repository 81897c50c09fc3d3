package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func formats() []Format { return []Format{Claude, Codex, Gemini, OpenCode, Amp, Text} }

func read(f Format, text string) Report {
	r := NewReader(f)
	r.Write(Stdout, []byte(text))
	return r.Report()
}

func TestEvents(t *testing.T) {
	const ok = `{"type":"result","is_error":false,"result":"done","session_id":"s1"}` + "\n"
	failed := Report{Result: true, Failed: true, Error: Failure{Status: 429, Message: "m"}}
	tests := []struct {
		name   string
		format Format
		text   string
		want   Report
	}{
		{"nothing", Claude, "", Report{}},
		{"no newline at the end", Claude, strings.TrimSpace(ok), Report{Session: "s1", Text: "done", Result: true}},
		{"half a line at the end", Claude, ok + `{"type":"result","is_error":true`, Report{Session: "s1", Text: "done", Result: true}},
		{"CRLF", Claude, strings.ReplaceAll(ok, "\n", "\r\n"), Report{Session: "s1", Text: "done", Result: true}},
		{"spaces and another order", Claude, `{ "result" : "do\"ne }" , "usage": {"type":"x"}, "type" : "result" , "is_error": false }` + "\n", Report{Text: `do"ne }`, Result: true}},
		{"subtype says success", Claude, `{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"m"}` + "\n", failed},
		{"errors are a list", Claude, `{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["a","b"]}` + "\n",
			Report{Result: true, Failed: true, Error: Failure{Message: "a; b"}}},
		{"nothing but a subtype", Claude, `{"type":"result","subtype":"error_max_turns","is_error":true}` + "\n",
			Report{Result: true, Failed: true, Error: Failure{Message: "error_max_turns"}}},
		{"fields of other types", Claude, `{"type":"result","is_error":true,"result":5,"session_id":[1],"usage":"x","total_cost_usd":"y","api_error_status":"429","error":"m"}` + "\n", failed},
		{"not at the beginning of a line", Claude, " " + ok + "x" + ok, Report{}},
		{"not JSON", Claude, `{"type":"result","is_error":true` + "\n" + `{"type":"assistant" "text"` + "\n", Report{}},
		{"a text that is none replaces none", Claude,
			`{"type":"assistant","message":{"content":[{"type":"text","text":"hello"}]}}` + "\n" + `{"type":"assistant","text":garbage` + "\n", Report{Text: "hello"}},
		{"a tool's input has a text", Claude,
			`{"type":"assistant","message":{"content":[{"type":"text","text":"hello"}]}}` + "\n" +
				strings.Repeat(`{"type":"assistant","message":{"content":[{"type":"tool_use","input":{"type":"text","text":"no"}}]}}`+"\n", 3), Report{Text: "hello"}},
		{"text and tool in one", Claude, `{"type":"assistant","message":{"content":[{"type":"text","text":"hello"},{"type":"tool_use","input":{}}]}}` + "\n", Report{Text: "hello"}},
		{"a tool result quotes", Claude,
			`{"type":"user","message":{"content":[{"type":"tool_result","content":"{\"type\":\"result\",\"is_error\":true,\"api_error_status\":429}\n"}]}}` + "\n" + ok,
			Report{Session: "s1", Text: "done", Result: true}},
		{"refused, then served", Claude, `{"type":"system","subtype":"api_retry","error_status":529,"error":"overloaded"}` + "\n" +
			`{"type":"assistant","message":{"model":"m","content":[{"type":"text","text":"t"}]}}` + "\n", Report{Text: "t"}},
		{"refused, and no end", Claude, `{"type":"system","subtype":"api_retry","error_status":529,"error":"overloaded"}` + "\n", Report{Error: Failure{Status: 529, Type: "overloaded"}}},
		{"the limit was near, then all was well", Claude, `{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795440000}}` + "\n" +
			`{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1795440000}}` + "\n", Report{}},
		{"the limit, flat", Claude, `{"type":"rate_limit_event","status":"rejected","resets_at":"2026-11-23T13:20:00Z"}` + "\n",
			Report{Limit: Limit{true, time.Date(2026, 11, 23, 13, 20, 0, 0, time.UTC)}}},
		{"an id that is an option", Claude, `{"type":"result","is_error":false,"session_id":"--dangerous"}` + "\n", Report{Result: true}},
		{"a failed turn, then a good one", Codex, `{"type":"turn.failed","error":{"message":"x"}}` + "\n" + `{"type":"turn.started"}` + "\n" + `{"type":"turn.completed","usage":{"input_tokens":1}}` + "\n",
			Report{Result: true, TokensIn: 1}},
		{"a turn that does not end", Codex, `{"type":"turn.completed"}` + "\n" + `{"type":"turn.started"}` + "\n", Report{}},
		{"codex says the status in words", Codex, `{"type":"error","message":"unexpected status 503"}` + "\n" + `{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests"}}` + "\n",
			Report{Result: true, Failed: true, Error: Failure{Status: 429, Message: "exceeded retry limit, last status: 429 Too Many Requests"}}},
		{"what codex ran is no message", Codex, `{"type":"item.completed","item":{"type":"command_execution","aggregated_output":"{\"type\":\"agent_message\",\"text\":\"no\"}"}}` + "\n", Report{}},
		{"gemini goes on after a tool", Gemini, `{"type":"message","role":"assistant","content":"a","delta":true}` + "\n" + `{"type":"tool_use","tool_name":"x"}` + "\n" +
			`{"type":"message","role":"assistant","content":"b","delta":true}` + "\n" + `{"type":"message","role":"assistant","content":"c","delta":true}` + "\n", Report{Text: "bc"}},
		{"gemini's error is an event too", Gemini, `{"type":"result","status":"error","error":{"type":"Error","message":"m","code":"429"}}` + "\n",
			Report{Result: true, Failed: true, Error: Failure{Status: 429, Type: "Error", Message: "m"}}},
		{"opencode got over it", OpenCode, `{"type":"error","sessionID":"s","error":{"name":"E","data":{"message":"m","statusCode":500}}}` + "\n" +
			`{"type":"text","sessionID":"s","part":{"type":"text","text":"t"}}` + "\n", Report{Session: "s", Text: "t"}},
		{"opencode ended in the middle of a line", OpenCode, `{"type":"error","error":{"data":{"message":"m"}}}` + "\n" + `{"type":"text","part":{"type":"text","te`, Report{Error: Failure{Message: "m"}}},
		{"opencode says when", OpenCode, `{"type":"error","error":{"name":"E","data":{"message":"m","statusCode":429,"isRetryable":true,"responseHeaders":{"Retry-After":"86400"}}}}` + "\n",
			Report{Error: Failure{Status: 429, Type: "E", Message: "m", Retryable: true, Wait: 24 * time.Hour}}},
		{"text", Text, ok, Report{Text: ok}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if got := read(tt.format, tt.text); got != want {
				t.Errorf("%+v\nwant %+v", got, want)
			}
			// However it is cut, it is the same, and asking between changes nothing.
			r := NewReader(tt.format)
			for i := range len(tt.text) {
				r.Write(Stdout, []byte(tt.text[i:i+1]))
				r.Report()
			}
			if got := r.Report(); got != want {
				t.Errorf("byte by byte %+v\nwant %+v", got, want)
			}
		})
	}
}

// An event that is too long is skipped, and counted, wherever it is cut; other
// lines may be as long as they like.
func TestLongLines(t *testing.T) {
	ok := `{"type":"result","is_error":false,"result":"done"}` + "\n"
	long := strings.Repeat("x", 3*MaxLine)
	text := `{"type":"assistant","message":{"content":[{"type":"text","text":"` + long + `"}]}}` + "\n" +
		`{"type":"user","message":"` + long + `"}` + "\n" + `{"a":"` + long + `","type":"result","is_error":true}` + "\n" + long + "\n{" + long + "\n" + ok
	want := Report{Text: "done", Result: true}
	for _, size := range []int{1000, 64 << 10, MaxLine, len(text)} {
		r := NewReader(Claude)
		for p := []byte(text); len(p) > 0; {
			n := min(size, len(p))
			r.Write(Stdout, p[:n])
			p = p[n:]
			if cap(r.part) > 2*MaxLine {
				t.Fatalf("%d bytes are kept", cap(r.part))
			}
		}
		got := r.Report()
		if got.Skipped < 1 || got.Skipped > 3 {
			t.Errorf("in pieces of %d: %d skipped", size, got.Skipped)
		}
		got.Skipped = 0
		if got != want {
			t.Errorf("in pieces of %d: %+v", size, got)
		}
	}
	exact := `{"type":"result","is_error":false,"result":"` + strings.Repeat("y", MaxLine)
	exact = exact[:MaxLine-2] + `"}` + "\n"
	if got := read(Claude, exact); !got.Result || got.Skipped != 0 || len(got.Text) != MaxText {
		t.Errorf("a line of just MaxLine: %v, %d skipped, text %d", got.Result, got.Skipped, len(got.Text))
	}
}

// Texts are bounded, keep their end, and are cut between characters.
func TestBounds(t *testing.T) {
	for i, f := range []Format{Text, Claude, Gemini, Text, Claude, Gemini, Text, Claude, Gemini} {
		pad := strings.Repeat("x", i/3) // so that the cut is anywhere in a character
		long := strings.Repeat("0123456789\u20ac", 5000) + "end" + pad
		r := NewReader(f)
		switch f {
		case Text:
			r.Write(Stdout, []byte(long))
		case Claude:
			fmt.Fprintf(to{r}, `{"type":"assistant","message":{"content":[{"type":"text","text":%s}]}}`+"\n", quoted(long))
		case Gemini:
			for range 30_000 {
				fmt.Fprintf(to{r}, `{"type":"message","role":"assistant","content":"0123456789\u20ac","delta":true}`+"\n")
			}
			fmt.Fprintf(to{r}, `{"type":"message","role":"assistant","content":"end%s","delta":true}`+"\n", pad)
			if cap(r.log.texts) > 2*MaxLine {
				t.Errorf("%d bytes are kept", cap(r.log.texts))
			}
		}
		r.Write(Stderr, []byte(long))
		rep := r.Report()
		for _, got := range []string{rep.Text, rep.Stderr} {
			if len(got) > MaxText || len(got) < MaxText-3 || !strings.HasSuffix(got, "\u20acend"+pad) || strings.Contains(got, "\ufffd") || !utf8.ValidString(got) {
				t.Errorf("%s: %d bytes: %.20q ... %q", f, len(got), got, got[max(0, len(got)-20):])
			}
		}
	}
}

type to struct{ r *Reader }

func (w to) Write(p []byte) (int, error) {
	w.r.Write(Stdout, p)
	return len(p), nil
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestGeminiError(t *testing.T) {
	p := NewReader(Gemini)
	p.Write(Stderr, []byte("Attempt 1 failed with status 429. Retrying with backoff... {\"error\":{\"code\":500}}\n{\n  \"x\": 1\n}\n{\n  \"session_id\": \"s\",\n  \"error\": {\n    \"type\": \"Error\",\n    \"message\": \"m\",\n    \"code\": 429\n  }\n}\n"))
	if f, ok := geminiError(p.Report().Stderr); !ok || f != (Failure{Status: 429, Type: "Error", Message: "m"}) {
		t.Errorf("%+v, %v", f, ok)
	}
	for _, text := range []string{"", "{", "x {\"error\":{}}", "{}\n{}", "{\"error\":null}", strings.Repeat("{\n", MaxStderr/2)} {
		if f, ok := geminiError(text); ok {
			t.Errorf("%.20q: %+v", text, f)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"type":"assistant","message":{"content":[{"type":"text","text":"hello"}]}}`+"\n"), 7)
	f.Add([]byte(`{ "usage":{"a":[1,"}\""]},"type":"result","is_error":true}`+"\r\n{\"type\":\"message\",\"role\":\"assistant\"}\n"), 1)
	all, err := Load(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = 1 + max(size, -size-1)%200
		for _, format := range formats() {
			whole := NewReader(format)
			whole.Write(Stdout, data)
			whole.Write(Stderr, data)
			cut := NewReader(format)
			for p := data; len(p) > 0; {
				n := min(size, len(p))
				piece := bytes.Clone(p[:n])
				cut.Write(Stdout, piece)
				cut.Write(Stderr, piece)
				clear(piece)
				p = p[n:]
			}
			if a, b := whole.Report(), cut.Report(); a != b {
				t.Errorf("%s: %+v\nin pieces of %d: %+v", format, a, size, b)
			}
			for _, p := range all {
				if p.Output == format {
					p.Judge(whole.Report(), End{Exit: len(data) % 3, Now: noonish})
				}
			}
		}
	})
}

// outputs are what agents print for hours, about size bytes each.
func outputs(size int) map[string]string {
	events := func(line string) string {
		return strings.Repeat(line+"\n", size/(len(line)+1))
	}
	row := strings.Repeat("x", 79)
	junk := make([]byte, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range junk {
		junk[i] = byte(rnd.Uint32())
	}
	return map[string]string{
		"tools":    events(`{"type":"user","message":{"role":"user","content":[{"type":"tool_result","content":` + quoted(strings.Repeat(row+"\n", 50)) + `}]}}`),
		"short":    events(`{"type":"user","message":{"content":[{"type":"tool_result","content":"ok"}]}}`),
		"messages": events(`{"type":"assistant","message":{"model":"m","content":[{"type":"text","text":"Step 7: everything is in order so far."}],"usage":{"input_tokens":1}},"session_id":"s"}`),
		"calls":    events(`{"type":"assistant","message":{"model":"m","content":[{"type":"tool_use","id":"t","name":"Write","input":{"content":` + quoted(strings.Repeat(row+"\n", 20)) + `}}]}}`),
		"reversed": events(`{"message":{"content":[{"tool":"tool_result","content":` + quoted(strings.Repeat(row+"\n", 50)) + `}]},"type":"user"}`),
		"plain":    events(row),
		"deltas":   events(`{"type":"message","timestamp":"2026-11-23T10:00:01.000Z","role":"assistant","content":"in order so far","delta":true}`),
		"junk":     string(junk),
	}
}

// BenchmarkReader reads 16 MiB of what agents print, in the pieces of a pipe.
// newlines is the yardstick: counting the newlines of the same bytes.
func BenchmarkReader(b *testing.B) {
	for name, text := range outputs(16 << 20) {
		data := []byte(text)
		pieces := func(b *testing.B, do func(p []byte)) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for at := 0; at < len(data); at += 64 << 10 {
					do(data[at:min(at+64<<10, len(data))])
				}
			}
		}
		b.Run(name+"/newlines", func(b *testing.B) {
			n := 0
			pieces(b, func(p []byte) { n += bytes.Count(p, []byte("\n")) })
			runtime.KeepAlive(n)
		})
		for _, f := range []Format{Claude, Codex, Gemini, OpenCode, Text} {
			if name == "deltas" && f != Gemini || name != "plain" && name != "junk" && f == Text || f == OpenCode && name != "tools" {
				continue
			}
			b.Run(name+"/"+string(f), func(b *testing.B) {
				r := NewReader(f)
				pieces(b, func(p []byte) { r.Write(Stdout, p) })
				runtime.KeepAlive(r.Report())
			})
		}
	}
}
