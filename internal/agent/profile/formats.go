package profile

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"
)

// parseClaude reads the events of claude, and of amp, which prints the same. A
// result's subtype says "success" even when the service refused: only is_error
// counts.
func parseClaude(log *record, kind, line []byte) bool {
	switch string(kind) {
	case "assistant":
		if log == nil {
			return true
		}
		if !has(line, `<synthetic>`) {
			log.retry = Failure{} // the service answered
		}
		switch first := firstBlock(line); {
		case first == "text":
			log.setText(line, claudeText)
		case !has(line, `"text"`):
		case has(line, `"tool_use"`): // whose input may have a "text" of its own
			if text, _ := claudeText(line); text != "" {
				log.settle(text)
			}
		default:
			log.setText(line, claudeText)
		}
		return true
	case "system":
		if !has(head(line), `"init"`) && !has(head(line), `"api_retry"`) {
			return incomplete(log, line)
		}
		if log != nil {
			log.claudeSystem(line)
		}
		return true
	case "result":
		if log != nil {
			log.claudeResult(line)
		}
		return true
	case "rate_limit_event":
		if log != nil {
			log.claudeLimit(line)
		}
		return true
	}
	return false
}

// firstBlock is the type of the first part of a message's content, if it is
// written as usual.
func firstBlock(line []byte) string {
	const before = `[{"type":"` // brackets are rare, and so found fast
	if i := bytes.Index(line, []byte(before)); i >= 0 && bytes.HasSuffix(line[:i], []byte(`"content":`)) {
		kind, _, _ := bytes.Cut(line[i+len(before):], []byte(`"`))
		return string(kind)
	}
	return ""
}

func claudeText(line []byte) (text, failure string) {
	var e struct {
		Error   string
		Message struct {
			Content []struct{ Type, Text string }
		}
	}
	if !decode(line, &e) {
		return "", ""
	}
	var parts []string
	for _, c := range e.Message.Content {
		if c.Type == "text" && c.Text != "" {
			parts = append(parts, c.Text)
		}
	}
	return strings.Join(parts, "\n"), e.Error
}

func (r *record) claudeSystem(line []byte) {
	var e struct {
		Subtype   string
		SessionID string `json:"session_id"`
		Error     string
		Status    any `json:"error_status"`
	}
	if !decode(line, &e) {
		return
	}
	set(&r.session, e.SessionID)
	if e.Subtype == "api_retry" {
		r.retry = Failure{Status: status(e.Status), Type: e.Error}
	}
}

func (r *record) claudeResult(line []byte) {
	var e struct {
		SessionID string `json:"session_id"`
		IsError   bool   `json:"is_error"`
		Subtype   string
		Status    any `json:"api_error_status"`
		Result    string
		Error     string
		Errors    []string
		Cost      float64 `json:"total_cost_usd"`
		Usage     struct {
			In      float64 `json:"input_tokens"`
			Created float64 `json:"cache_creation_input_tokens"`
			Read    float64 `json:"cache_read_input_tokens"`
			Out     float64 `json:"output_tokens"`
		}
	}
	if !decode(line, &e) {
		return
	}
	set(&r.session, e.SessionID)
	r.result, r.failed, r.failure = true, e.IsError, Failure{}
	r.in, r.out, r.cost = tokens(e.Usage.In, e.Usage.Created, e.Usage.Read), tokens(e.Usage.Out), dollars(e.Cost)
	if !e.IsError {
		r.retry = Failure{}
		if e.Result != "" {
			r.settle(e.Result)
		}
		return
	}
	r.failure = Failure{Status: status(e.Status), Message: end(cmp.Or(e.Result, e.Error, strings.Join(e.Errors, "; ")), MaxText)}
	if r.failure.Message == "" && e.Subtype != "success" {
		r.failure.Message = e.Subtype
	}
}

func (r *record) claudeLimit(line []byte) {
	type limit struct {
		Status string
		Snake  any `json:"resets_at"`
		Camel  any `json:"resetsAt"`
	}
	var e struct {
		limit
		Info limit `json:"rate_limit_info"`
	}
	if !decode(line, &e) {
		return
	}
	l := e.limit
	if e.Info.Status != "" {
		l = e.Info
	}
	r.limit = Limit{Rejected: l.Status == "rejected"}
	for _, v := range []any{l.Snake, l.Camel, e.Snake, e.Camel} {
		if t := moment(v); r.limit.Rejected && !t.IsZero() {
			r.limit.Reset = t
			return
		}
	}
}

// parseCodex reads the events of codex. An error of its own may be got over;
// turn.failed is the end.
func parseCodex(log *record, kind, line []byte) bool {
	switch string(kind) {
	case "item.completed":
		if !has(head(line), `"agent_message"`) {
			return incomplete(log, line)
		}
		if log != nil {
			log.setText(line, codexText)
			log.retry = Failure{}
		}
		return true
	case "thread.started", "turn.started", "turn.completed", "turn.failed", "error":
		if log != nil {
			log.codexEvent(string(kind), line)
		}
		return true
	}
	return false
}

func codexText(line []byte) (text, failure string) {
	var e struct {
		Item struct{ Type, Text string }
	}
	if !decode(line, &e) || e.Item.Type != "agent_message" {
		return "", ""
	}
	return e.Item.Text, ""
}

func (r *record) codexEvent(kind string, line []byte) {
	var e struct {
		ThreadID string `json:"thread_id"`
		Message  string
		Error    struct{ Message string }
		Usage    struct {
			In  float64 `json:"input_tokens"`
			Out float64 `json:"output_tokens"`
		}
	}
	if !decode(line, &e) {
		return
	}
	switch kind {
	case "thread.started":
		set(&r.session, e.ThreadID)
	case "turn.started":
		r.result, r.failed, r.failure = false, false, Failure{}
	case "turn.completed":
		r.result, r.failed, r.failure, r.retry = true, false, Failure{}, Failure{}
		r.in, r.out = tokens(e.Usage.In), tokens(e.Usage.Out)
	case "turn.failed":
		r.result, r.failed = true, true
		r.failure, r.retry = said(cmp.Or(e.Error.Message, r.retry.Message)), Failure{}
	case "error":
		r.retry = said(e.Message)
	}
}

// said is a failure that is told in words only, its HTTP status among them.
func said(message string) Failure {
	f := Failure{Message: end(message, MaxText)}
	for _, before := range []string{"last status: ", "unexpected status ", "\"status\":", "\"code\":"} {
		if _, rest, ok := strings.Cut(f.Message, before); ok {
			rest = strings.TrimLeft(rest, " ")
			if f.Status = status(rest[:min(3, len(rest))]); f.Status > 0 {
				break
			}
		}
	}
	return f
}

// parseGemini reads the events of gemini. The error that ends it is on standard
// error, see geminiError.
func parseGemini(log *record, kind, line []byte) bool {
	switch string(kind) {
	case "message":
		if !has(head(line), `"assistant"`) {
			return incomplete(log, line)
		}
		if log == nil {
			return true
		}
		if !bytes.HasSuffix(line, []byte(`"delta":true}`)) && !has(line, `delta":true`) && !has(line, `delta": true`) {
			log.newText()
		}
		log.addText(line, geminiText)
		return true
	case "tool_use":
		if log != nil {
			log.newText()
		}
		return true
	case "init", "result":
		if log != nil {
			log.geminiEvent(string(kind), line)
		}
		return true
	}
	return false
}

func geminiText(line []byte) (text, failure string) {
	var e struct{ Role, Content string }
	if !decode(line, &e) || e.Role != "assistant" {
		return "", ""
	}
	return e.Content, ""
}

type geminiFailure struct {
	Type    string
	Message string
	Code    any
}

func (f geminiFailure) failure() Failure {
	out := said(f.Message)
	out.Type = f.Type
	if s := status(f.Code); s > 0 {
		out.Status = s
	}
	return out
}

func (r *record) geminiEvent(kind string, line []byte) {
	var e struct {
		SessionID string `json:"session_id"`
		Status    string
		Error     geminiFailure
		Stats     struct {
			In  float64 `json:"input_tokens"`
			Out float64 `json:"output_tokens"`
		}
	}
	if !decode(line, &e) {
		return
	}
	set(&r.session, e.SessionID)
	if kind == "init" {
		return
	}
	r.newText()
	r.result, r.failed, r.failure = true, e.Status != "success", Failure{}
	r.in, r.out = tokens(e.Stats.In), tokens(e.Stats.Out)
	if r.failed {
		r.failure = e.Error.failure()
	}
}

// geminiError finds the error document that gemini ends with, spread over the
// last lines of standard error.
func geminiError(stderr string) (f Failure, ok bool) {
	for at := len(stderr); at > 0; {
		at = strings.LastIndex(stderr[:at], "{")
		if at < 0 {
			break
		}
		if at > 0 && stderr[at-1] != '\n' {
			continue
		}
		var e struct{ Error *geminiFailure }
		if decode([]byte(strings.TrimSpace(stderr[at:])), &e) && e.Error != nil {
			return e.Error.failure(), true
		}
	}
	return Failure{}, false
}

// parseOpenCode reads the events of opencode. It has no result but its exit
// code; an error is the last event then.
func parseOpenCode(log *record, kind, line []byte) bool {
	switch string(kind) {
	case "text":
		if log != nil {
			log.failure = Failure{}
			log.setText(line, openCodeText)
		}
		return true
	case "step_start", "step_finish", "error", "done":
		if log != nil {
			log.openCodeEvent(string(kind), line)
		}
		return true
	}
	return false
}

func openCodeText(line []byte) (text, failure string) {
	var e struct {
		Part struct{ Type, Text string }
	}
	if !decode(line, &e) {
		return "", ""
	}
	return e.Part.Text, ""
}

func (r *record) openCodeEvent(kind string, line []byte) {
	var e struct {
		SessionID string `json:"sessionID"`
		Part      struct {
			Cost   float64
			Tokens struct {
				Input, Output, Reasoning float64
				Cache                    struct{ Read, Write float64 }
			}
		}
		Error struct {
			Name string
			Data struct {
				Message     string
				StatusCode  any
				IsRetryable bool
				Headers     map[string]any `json:"responseHeaders"`
			}
		}
	}
	if !decode(line, &e) {
		return
	}
	set(&r.session, e.SessionID)
	switch kind {
	case "step_finish":
		t := e.Part.Tokens
		r.failure = Failure{}
		r.in += tokens(t.Input, t.Cache.Read, t.Cache.Write)
		r.out += tokens(t.Output, t.Reasoning)
		r.cost += dollars(e.Part.Cost)
	case "done":
		r.result, r.failed = true, r.failure != Failure{}
	case "error":
		d := e.Error.Data
		f := said(cmp.Or(d.Message, e.Error.Name))
		f.Type, f.Retryable = e.Error.Name, d.IsRetryable
		if s := status(d.StatusCode); s > 0 {
			f.Status = s
		}
		for name, v := range d.Headers {
			if text, ok := v.(string); ok && strings.EqualFold(name, "retry-after") {
				f.Reset, f.Wait = retryAfter(text)
			}
		}
		r.failure = f
	}
}

// retryAfter is the value of an HTTP header: seconds, or a date.
func retryAfter(v string) (reset time.Time, wait time.Duration) {
	if n, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && n > 0 && n <= MaxReset.Seconds() {
		return time.Time{}, time.Duration(n * float64(time.Second))
	}
	t, _ := time.Parse(httpDate, strings.TrimSpace(v))
	return t, 0
}

// httpDate is the layout of dates in HTTP headers.
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"
