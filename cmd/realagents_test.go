package cmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealAgents runs the agents' own command lines, those that are in PATH,
// against a server on this machine that plays their service. It installs
// nothing, and none of them can reach a real account: home, keys and addresses
// are the test's.
func TestRealAgents(t *testing.T) {
	for name, agent := range realAgents() {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Run(name, func(t *testing.T) { t.Skip("it is not in PATH") })
			continue
		}
		for answer, want := range map[int]struct {
			code  int
			class string
			text  string
		}{
			http.StatusOK:                  {0, "ok", ""},
			http.StatusUnauthorized:        {1, "permanent", "not logged in"},
			http.StatusTooManyRequests:     {1, "transient", "429"},
			http.StatusInternalServerError: {1, "transient", ""},
		} {
			if answer != http.StatusOK && agent.patient {
				continue // it tries again by itself for longer than a test may take
			}
			t.Run(fmt.Sprint(name, " ", answer), func(t *testing.T) {
				t.Parallel()
				service := httptest.NewServer(service(answer))
				defer service.Close()
				home := t.TempDir()
				env := append(agent.setUp(t, home, service.URL), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "XDG_STATE_HOME="+home, "XDG_CACHE_HOME="+home,
					"PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
				w := newWorkshop(t, staged(1), "stages: [{name: implement, agent: "+name+"}]\n"+agent.config)
				r := w.hacky(env, "run", "--no-retry", "--idle-timeout", "60s")
				r.wants(t, want.code)
				contains(t, "standard output", r.stdout, want.text)
				line := read(t, filepath.Join(w.dir, "artifacts", "attempts.ndjson"))
				contains(t, "the evidence", line, `"class":"`+want.class+`"`, `"agent":"`+name+`"`)
				if answer == http.StatusOK {
					contains(t, "the evidence", line, `"session":"`, `"tokensIn":5`, `"tokensOut":3`)
					contains(t, "the checkpoints", read(t, filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "checkpoints.json")), "all done here")
				}
				for _, key := range []string{"local-0123456789"} {
					if log := read(t, filepath.Join(w.dir, "artifacts", "P1.M1.T1.S1", "attempt-1", "implement.log")); strings.Contains(log, key) {
						t.Error("the key is in the log")
					}
				}
			})
		}
	}
}

// realAgent is how an agent is told to use another service than its own.
type realAgent struct {
	setUp   func(t *testing.T, home, url string) (env []string)
	config  string // of hacky.yaml
	patient bool
}

func realAgents() map[string]realAgent {
	return map[string]realAgent{
		"claude": {setUp: func(_ *testing.T, _, url string) []string {
			return []string{"ANTHROPIC_BASE_URL=" + url, "ANTHROPIC_API_KEY=local-0123456789", "CLAUDE_CODE_MAX_RETRIES=0",
				"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "IS_SANDBOX=1"}
		}},
		"codex": {setUp: func(t *testing.T, home, url string) []string {
			write(t, filepath.Join(home, "config.toml"), `model = "m"
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "`+url+`/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 0
stream_max_retries = 0
`)
			return []string{"CODEX_HOME=" + home, "OPENAI_API_KEY=local-0123456789"}
		}},
		"gemini": {patient: true, config: "agents: {gemini: {args: [-m, gemini-2.5-flash]}}\n", setUp: func(t *testing.T, home, url string) []string {
			mkdir(t, filepath.Join(home, ".gemini"))
			write(t, filepath.Join(home, ".gemini", "settings.json"), `{"security":{"auth":{"selectedType":"gemini-api-key"}}}`)
			return []string{"GOOGLE_GEMINI_BASE_URL=" + url, "GEMINI_API_KEY=local-0123456789", "GEMINI_CLI_TRUST_WORKSPACE=true"}
		}},
		"opencode": {patient: true, setUp: func(_ *testing.T, _, url string) []string {
			return []string{`OPENCODE_CONFIG_CONTENT={"model":"local/m","provider":{"local":{"npm":"@ai-sdk/openai-compatible","name":"local",` +
				`"options":{"baseURL":"` + url + `/v1","apiKey":"local-0123456789"},"models":{"m":{"name":"m"}}}}}`}
		}},
	}
}

// service answers as the agents' services do: with a status that is no 200, or
// with five tokens read and three written, "all done here".
func service(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if status != http.StatusOK {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			kind := map[int]string{429: "rate_limit_error", 401: "authentication_error", 500: "api_error"}[status]
			_, _ = fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":"the test says %d","code":%[2]d}}`, kind, status)
			return
		}
		type object = map[string]any
		var events []object
		text := "all done here"
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/count_tokens"):
			_, _ = io.WriteString(w, `{"input_tokens":5}`)
			return
		case strings.HasSuffix(path, "/messages"):
			events = []object{
				{"type": "message_start", "message": object{"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []any{},
					"stop_reason": nil, "stop_sequence": nil, "usage": object{"input_tokens": 5, "output_tokens": 1}}},
				{"type": "content_block_start", "index": 0, "content_block": object{"type": "text", "text": ""}},
				{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": text}},
				{"type": "content_block_stop", "index": 0},
				{"type": "message_delta", "delta": object{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": object{"output_tokens": 3}},
				{"type": "message_stop"},
			}
		case strings.HasSuffix(path, "/responses"):
			item := object{"type": "message", "role": "assistant", "id": "m1", "status": "completed",
				"content": []object{{"type": "output_text", "text": text, "annotations": []any{}}}}
			events = []object{
				{"type": "response.created", "response": object{"id": "r1"}},
				{"type": "response.output_item.done", "output_index": 0, "item": item},
				{"type": "response.completed", "response": object{"id": "r1", "output": []object{item},
					"usage": object{"input_tokens": 5, "input_tokens_details": nil, "output_tokens": 3, "output_tokens_details": nil, "total_tokens": 8}}},
			}
		case strings.HasSuffix(path, "enerateContent"): // and streamGenerateContent
			answer := object{"candidates": []object{{"content": object{"role": "model", "parts": []object{{"text": text}}}, "finishReason": "STOP", "index": 0}},
				"usageMetadata": object{"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}, "modelVersion": "m"}
			if !strings.Contains(path, "stream") {
				_ = json.NewEncoder(w).Encode(answer)
				return
			}
			events = []object{answer}
		case strings.HasSuffix(path, "/chat/completions"):
			chunk := func(choices []object, usage any) object {
				return object{"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage}
			}
			events = []object{
				chunk([]object{{"index": 0, "delta": object{"role": "assistant", "content": text}, "finish_reason": nil}}, nil),
				chunk([]object{{"index": 0, "delta": object{}, "finish_reason": "stop"}}, nil),
				chunk([]object{}, object{"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}),
			}
		default:
			_, _ = io.WriteString(w, `{"data":[],"models":[]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range events {
			data, _ := json.Marshal(ev) // maps of plain values
			if kind, ok := ev["type"].(string); ok {
				_, _ = fmt.Fprintf(w, "event: %s\n", kind)
			}
			_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
		}
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		}
	})
}
