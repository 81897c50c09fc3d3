package fakeagent

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// claude is claude -p --output-format stream-json --verbose, and amp -x
// --stream-json, whose events are the same.
type claude struct{ *agent }

func (c *claude) begin() {
	if c.name == "amp" {
		resume := ""
		if c.has("threads") {
			resume = c.option("continue")
		}
		c.conversation("", resume, "T-"+uuid())
	} else {
		if c.option("--output-format") == "stream-json" && !c.has("--verbose") {
			c.fail(1, "Error: When using --print, --output-format=stream-json requires --verbose")
		}
		c.conversation(c.option("--session-id"), c.option("--resume", "-r"), uuid())
	}
	c.line(object{"type", "system", "subtype", "init", "cwd", "/", "session_id", c.session, "tools", []string{"Bash", "Edit", "Read", "Write"}, "model", "fake", "permissionMode", "acceptEdits"})
}

func (c *claude) message(model string, content ...object) {
	c.line(object{"type", "assistant", "message", object{"model", model, "id", "msg_1", "type", "message", "role", "assistant", "content", content,
		"usage", object{"input_tokens", 1, "output_tokens", 1}}, "parent_tool_use_id", nil, "session_id", c.session})
}

func (c *claude) text(s string) { c.message("fake", object{"type", "text", "text", s}) }

func (c *claude) tool(output string) {
	c.message("fake", object{"type", "tool_use", "id", "toolu_1", "name", "Bash", "input", object{"command", "cat log"}})
	c.line(object{"type", "user", "message", object{"role", "user", "content", []object{{"tool_use_id", "toolu_1", "type", "tool_result", "content", output, "is_error", false}}},
		"parent_tool_use_id", nil, "session_id", c.session})
}

func (c *claude) success(answer string) {
	c.text(answer)
	c.result(false, nil, answer)
}

func (c *claude) result(failed bool, status any, text string) {
	o := object{"type", "result", "subtype", "success", "is_error", failed, "api_error_status", status, "duration_ms", 1234, "num_turns", 1, "result", text, "session_id", c.session}
	if c.name == "claude" {
		o = append(o, "total_cost_usd", costUSD)
	}
	c.line(append(o, "usage", object{"input_tokens", tokensIn, "cache_creation_input_tokens", 0, "cache_read_input_tokens", tokensCached, "output_tokens", tokensOut}))
}

// refused is an error of the service, as text and as result.
func (c *claude) refused(status any, text string) int {
	c.message("<synthetic>", object{"type", "text", "text", text})
	c.result(true, status, text)
	return 1
}

func (c *claude) retrying(status int) {
	word := map[int]string{429: "rate_limit", 529: "overloaded"}[status]
	if word == "" {
		word = "server_error"
	}
	c.line(object{"type", "system", "subtype", "api_retry", "attempt", 1, "max_retries", 10, "retry_delay_ms", 512, "error_status", status, "error", word, "session_id", c.session})
}

func (c *claude) service(status int, reset string) int {
	if status == 429 || status >= 500 {
		c.retrying(status)
		c.retrying(status)
	}
	text := map[int]string{
		400: `API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}`,
		401: "Invalid API key · Please run /login",
		403: "API Error: 403 Your account does not have access to Claude Code. Please run /login",
		429: `API Error: Request rejected (429) · this may be a temporary capacity issue`,
		529: `API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
	}[status]
	if text == "" {
		text = fmt.Sprintf(`API Error: %d {"type":"error","error":{"type":"api_error","message":"Internal server error"}}`, status)
	}
	if status == 429 && reset != "" {
		text += ", retry-after: " + reset
	}
	return c.refused(status, text)
}

func (c *claude) limit(reset string) int {
	if c.name == "amp" {
		return c.refused(nil, "You have reached your usage limit; resets "+orElse(reset, "in 2 hours"))
	}
	return c.refused(429, "You’ve hit your session limit · resets "+orElse(reset, "4:20am (America/New_York)"))
}

func (c *claude) login() int {
	if c.name == "amp" {
		c.fail(1, "Not logged in. Run `amp login` or set AMP_API_KEY.")
	}
	c.result(true, nil, "Not logged in · Please run /login")
	return 1
}

func (c *claude) special(scenario string) (int, bool) {
	if c.name != "claude" {
		return 0, false
	}
	epoch, _ := strconv.Atoi(c.reset("epoch"))
	switch scenario {
	case "null529":
		for range 3 {
			c.retrying(529)
		}
		return c.refused(nil, "API Error: Repeated 529 Overloaded errors"), true
	case "event":
		c.line(object{"type", "rate_limit_event", "rate_limit_info", object{"status", "rejected", "resets_at", epoch, "rate_limit_type", "five_hour"}, "session_id", c.session})
		return c.refused(429, "You've hit your limit"), true
	case "event-camel":
		c.line(object{"type", "rate_limit_event", "rate_limit_info", object{"status", "rejected", "resetsAt", epoch, "rateLimitType", "five_hour"}, "session_id", c.session})
		return c.refused(nil, "You've hit your limit"), true
	case "epoch":
		return c.refused(nil, fmt.Sprintf("Claude AI usage limit reached|%d", epoch)), true
	case "overage":
		return c.refused(429, "You're out of extra usage · resets "+orElse(c.reset("words"), "4am (UTC)")), true
	}
	return 0, false
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// codex is codex exec --json.
type codex struct{ *agent }

func (c *codex) begin() {
	resume := ""
	for i, arg := range c.args {
		if arg != "resume" {
			continue
		}
		rest := c.args[i+1:]
		for _, arg := range rest {
			if arg == "--sandbox" || arg == "-s" { // an option of exec only
				c.fail(2, "error: unexpected argument '%s' found\n\nUsage: codex exec resume [OPTIONS] [SESSION_ID] [PROMPT]", arg)
			}
		}
		if len(rest) > 0 {
			resume = rest[0]
		}
		break
	}
	c.conversation("", resume, uuid())
	c.line(object{"type", "thread.started", "thread_id", c.session})
	c.line(object{"type", "turn.started"})
}

func (c *codex) text(s string) {
	c.line(object{"type", "item.completed", "item", object{"id", "item_1", "type", "agent_message", "text", s}})
}

func (c *codex) tool(output string) {
	c.line(object{"type", "item.completed", "item", object{"id", "item_0", "type", "command_execution", "command", "bash -lc 'cat log'", "aggregated_output", output, "exit_code", 0, "status", "completed"}})
}

func (c *codex) success(answer string) {
	c.text(answer)
	c.line(object{"type", "turn.completed", "usage", object{"input_tokens", tokensIn + tokensCached, "cached_input_tokens", tokensCached, "output_tokens", tokensOut}})
}

func (c *codex) failed(message string) int {
	c.line(object{"type", "error", "message", message})
	c.line(object{"type", "turn.failed", "error", object{"message", message}})
	return 1
}

func (c *codex) retrying(status int) {
	c.line(object{"type", "error", "message", fmt.Sprintf("Reconnecting... 1/5 (unexpected status %d)", status)})
}

func (c *codex) service(status int, reset string) int {
	switch status {
	case 429:
		text := "exceeded retry limit, last status: 429 Too Many Requests"
		if reset != "" {
			text += ", retry-after: " + reset
		}
		return c.failed(text)
	case 500, 503, 529:
		return c.failed("We're currently experiencing high demand, which may cause temporary errors.")
	case 401:
		return c.failed("unexpected status 401 Unauthorized: Missing bearer or basic authentication in header")
	}
	return c.failed(fmt.Sprintf(`unexpected status %d: {"error":{"message":"invalid request"}}`, status))
}

func (c *codex) limit(reset string) int {
	if reset == "" {
		reset = "at 11:37 PM"
	}
	return c.failed("You’ve hit your usage limit. Upgrade to Pro, visit https://chatgpt.com/codex/settings/usage to purchase more credits or try again " + reset + ".")
}

func (c *codex) login() int { return c.service(401, "") }

// gemini is gemini --output-format stream-json. Its errors are documents on
// standard error.
type gemini struct{ *agent }

func (g *gemini) begin() {
	g.conversation(g.option("--session-id"), g.option("--resume", "-r"), uuid())
	if len(g.scenario) == 3 || g.scenario == "quota" || g.scenario == "login" {
		return // it prints nothing before its first answer
	}
	g.line(object{"type", "init", "timestamp", "2026-11-23T10:00:00.000Z", "session_id", g.session, "model", "fake"})
	g.line(object{"type", "message", "timestamp", "2026-11-23T10:00:00.000Z", "role", "user", "content", g.prompt})
}

func (g *gemini) text(s string) {
	for len(s) > 0 { // it streams
		n := min(len(s), 20)
		g.line(object{"type", "message", "timestamp", "2026-11-23T10:00:01.000Z", "role", "assistant", "content", s[:n], "delta", true})
		s = s[n:]
	}
}

func (g *gemini) tool(output string) {
	g.line(object{"type", "tool_use", "timestamp", "2026-11-23T10:00:01.000Z", "tool_name", "run_shell_command", "tool_id", "t1", "parameters", object{"command", "cat log"}})
	g.line(object{"type", "tool_result", "timestamp", "2026-11-23T10:00:01.000Z", "tool_id", "t1", "status", "success", "output", output})
}

func (g *gemini) success(answer string) {
	g.text(answer)
	g.line(object{"type", "result", "timestamp", "2026-11-23T10:00:02.000Z", "status", "success", "stats", object{"total_tokens", tokensIn + tokensCached + tokensOut,
		"input_tokens", tokensIn + tokensCached, "output_tokens", tokensOut, "cached", tokensCached, "input", tokensIn, "duration_ms", 1000, "tool_calls", 0}})
}

func (g *gemini) failed(kind, message string, code int) int {
	text, err := json.MarshalIndent(map[string]any{"session_id": g.session, "error": map[string]any{"type": kind, "message": message, "code": code}}, "", "  ")
	if err != nil {
		g.fail(70, "fakeagent: %v", err)
	}
	fmt.Fprintf(os.Stderr, "Loaded cached credentials.\n%s\n", text)
	return code % 256
}

func (g *gemini) service(status int, reset string) int {
	message := map[int]string{400: "Invalid argument", 401: "Request had invalid authentication credentials", 429: "Resource exhausted. Please try again later.", 500: "Internal error encountered."}[status]
	if reset != "" {
		message += " Please retry in " + reset + "s."
	}
	return g.failed("Error", orElse(message, "The model is overloaded."), status)
}

func (g *gemini) limit(reset string) int {
	return g.failed("TerminalQuotaError", "You have exhausted your daily quota on this model. It resets "+orElse(reset, "in 5h12m")+".", 429)
}

func (g *gemini) login() int {
	return g.failed("FatalAuthenticationError", "Please set an Auth method in your settings.json or specify GEMINI_API_KEY", 41)
}

func (g *gemini) special(scenario string) (int, bool) {
	switch scenario {
	case "input":
		return g.failed("FatalInputError", "No input provided via stdin.", 42), true
	case "turns":
		return g.failed("FatalTurnLimitedError", "Reached max session turns for this session.", 53), true
	}
	return 0, false
}

// openCode is opencode run --format json.
type openCode struct{ *agent }

func (o *openCode) begin() {
	o.conversation("", o.option("-s", "--session"), "ses_"+strings.ReplaceAll(uuid(), "-", "")[:26])
	o.event("step_start", "part", object{"id", "prt_1", "type", "step-start", "sessionID", o.session})
}

func (o *openCode) event(kind string, more ...any) {
	o.line(append(object{"type", kind, "timestamp", 1795906800000, "sessionID", o.session}, more...))
}

func (o *openCode) text(s string) {
	o.event("text", "part", object{"id", "prt_2", "sessionID", o.session, "type", "text", "text", s})
}

func (o *openCode) tool(output string) {
	o.event("tool_use", "part", object{"id", "prt_3", "type", "tool", "tool", "bash", "state", object{"status", "completed", "input", object{"command", "cat log"}, "output", output}})
}

func (o *openCode) success(answer string) {
	o.text(answer)
	o.event("step_finish", "part", object{"id", "prt_4", "type", "step-finish", "reason", "stop", "cost", costUSD,
		"tokens", object{"input", tokensIn, "output", tokensOut, "reasoning", 0, "cache", object{"read", tokensCached, "write", 0}}})
}

func (o *openCode) failed(name, message string, status int, retryable bool, headers object) int {
	data := object{"message", message}
	if status > 0 {
		data = append(data, "statusCode", status, "isRetryable", retryable, "responseHeaders", headers, "responseBody", "{}")
	}
	o.event("error", "error", object{"name", name, "data", data})
	return 1
}

func (o *openCode) service(status int, reset string) int {
	headers := object{"content-type", "application/json"}
	if reset != "" {
		headers = append(headers, "retry-after", reset)
	}
	message := map[int]string{400: "Invalid request", 401: "Invalid API key", 429: "Rate limit exceeded", 529: "Overloaded"}[status]
	return o.failed("APIError", orElse(message, "Internal server error"), status, status == 429 || status >= 500, headers)
}

func (o *openCode) limit(reset string) int {
	return o.failed("APIError", "Monthly usage limit reached. Resets "+orElse(reset, "in 3 days")+".", 429, false, object{})
}

func (o *openCode) login() int {
	return o.failed("ProviderAuthError", "Anthropic API key is missing", 0, false, nil)
}

// words is aider, and any program that only prints text. aider exits with 0
// whatever happens.
type words struct{ *agent }

func (w *words) begin() {
	if w.name == "aider" {
		w.print("Aider v0.86.1\nMain model: fake with diff edit format\nGit repo: .git with 3 files\n")
	}
}

func (w *words) print(s string) { _, _ = w.out.WriteString(s + "\n") } // Flush tells

func (w *words) text(s string)      { w.print(s) }
func (w *words) tool(output string) { w.print(strings.TrimSuffix(output, "\n")) }

func (w *words) success(answer string) {
	w.print(answer)
	if w.name == "aider" {
		w.print("Tokens: 1.1k sent, 34 received. Cost: $0.01 message, $0.01 session.\nApplied edit to main.go")
	}
}

func (w *words) retrying(int) {
	w.print("litellm.RateLimitError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"}}\nThe API provider has rate limited you.\nRetrying in 0.2 seconds...")
}

func (w *words) failed(name, message string) int {
	if w.name == "aider" {
		w.print("litellm." + name + ": AnthropicException - " + message)
		return 0
	}
	w.print(message)
	return 1
}

func (w *words) service(status int, reset string) int {
	switch {
	case status == 429:
		w.retrying(status)
		if reset != "" {
			return w.failed("RateLimitError", "rate limited, retry-after: "+reset)
		}
		return w.failed("RateLimitError", `{"type":"error","error":{"type":"rate_limit_error"}}`)
	case status == 401, status == 403:
		return w.failed("AuthenticationError", `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`)
	case status >= 500:
		return w.failed("InternalServerError", "Overloaded")
	}
	return w.failed("BadRequestError", `{"type":"error","error":{"type":"invalid_request_error"}}`)
}

func (w *words) limit(reset string) int {
	return w.failed("RateLimitError", "You exceeded your current quota, please check your plan and billing details; try again "+orElse(reset, "in 2 hours"))
}

func (w *words) login() int { return w.service(401, "") }
