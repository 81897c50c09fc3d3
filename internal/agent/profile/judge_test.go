package profile

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	all, err := Load(agents(t, `
mine:
  argv: [mine]
  credential: shared
  exits: {3: quota, 4: auth, 5: transient, 6: 503, 7: permanent}
  patterns: {quota: ["you’re out of it"], transient: [flaky, too many requests]}
loud: {extends: mine, success: text}
`))
	if err != nil {
		t.Fatal(err)
	}
	in := noonish.Add
	failed := func(f Failure) Report { return Report{Result: true, Failed: true, Error: f} }
	rejected := Limit{Rejected: true, Reset: in(time.Hour)}
	old := "You're out of it\n" + strings.Repeat("all is well\n", lastWordLines)
	tests := []struct {
		name   string
		agent  string
		report Report
		end    End
		class  Class
		until  time.Time
		reason string
	}{
		{"a result, but not exit 0", "claude", Report{Result: true}, End{Exit: 1}, Permanent, time.Time{}, "exit 1"},
		{"a result, then it hung", "claude", Report{Result: true}, End{Stopped: "no output for 5m0s"}, Transient, time.Time{}, "no output for 5m0s"},
		{"is_error and exit 0", "claude", failed(Failure{Message: "strange"}), End{}, Permanent, time.Time{}, "exit 0: strange"},
		{"the event's time, not the text's", "claude", Report{Result: true, Failed: true, Limit: rejected, Error: Failure{Status: 429, Message: "hit your limit · resets 3pm"}},
			End{Exit: 1}, Quota, in(time.Hour), "API error 429: hit your limit · resets 3pm"},
		{"the event's time has long passed", "claude", Report{Result: true, Failed: true, Limit: Limit{true, in(-time.Hour)}, Error: Failure{Status: 429, Message: "hit your limit · resets 3pm"}},
			End{Exit: 1}, Quota, in(150 * time.Minute), "API error 429: hit your limit · resets 3pm"},
		{"rejected, then silence", "claude", Report{Limit: rejected}, End{Exit: 143, Stopped: "no output for 5m0s"}, Quota, in(time.Hour), "the limit is reached"},
		{"rejected, paid otherwise, then an error of its own", "claude", Report{Result: true, Failed: true, Limit: rejected, Error: Failure{Message: "error_max_turns"}},
			End{Exit: 1}, Permanent, time.Time{}, "exit 1: error_max_turns"},
		{"rejected, and all went well", "claude", Report{Result: true, Limit: rejected}, End{}, OK, time.Time{}, ""},
		{"a limit without a time", "claude", failed(Failure{Status: 429, Message: "You've hit your limit"}), End{Exit: 1}, Quota, time.Time{}, "API error 429: You've hit your limit"},
		{"no credit is a quota without an end", "claude", failed(Failure{Status: 400, Message: "Credit balance is too low"}), End{Exit: 1}, Quota, time.Time{}, "API error 400: Credit balance is too low"},
		{"402", "claude", failed(Failure{Status: 402}), End{Exit: 1}, Quota, time.Time{}, "API error 402"},
		{"a server that says when is still not a quota", "claude", failed(Failure{Status: 503, Message: "retry-after: 60"}), End{Exit: 1}, Transient, time.Time{}, "API error 503: retry-after: 60"},
		{"only a type", "claude", failed(Failure{Type: "rate_limit"}), End{Exit: 1}, Transient, time.Time{}, "rate_limit"},
		{"only a type: billing", "claude", failed(Failure{Type: "billing_error"}), End{Exit: 1}, Quota, time.Time{}, "billing_error"},
		{"a zone that nobody knows", "claude", failed(Failure{Status: 429, Message: "resets 3pm (Mars/Base)"}), End{Exit: 1}, Quota, in(150 * time.Minute),
			"API error 429: resets 3pm (Mars/Base) (there is no zone Mars/Base; taken for local time)"},
		{"an error, then SIGKILL", "codex", Report{Error: Failure{Message: "Reconnecting... 2/5"}}, End{Exit: -1, Signal: "signal 9 (killed)"}, Transient, time.Time{}, "killed by signal 9 (killed)"},
		{"no exit code at all", "codex", Report{}, End{Exit: -1}, Transient, time.Time{}, "it did not exit by itself"},
		{"an error at the end of exit 0", "opencode", Report{Error: Failure{Status: 500, Message: "x"}}, End{}, Transient, time.Time{}, "API error 500: x"},
		{"may be tried again", "opencode", Report{Error: Failure{Message: "x", Retryable: true}}, End{Exit: 1}, Transient, time.Time{}, "x"},
		{"a wait in a header", "opencode", Report{Error: Failure{Status: 429, Message: "x", Wait: time.Hour}}, End{Exit: 1}, Quota, in(time.Hour), "API error 429: x"},
		{"the wait is absurd", "opencode", Report{Error: Failure{Status: 429, Message: "x", Wait: 2000 * time.Hour}}, End{Exit: 1}, Transient, time.Time{}, "API error 429: x"},
		{"an answer that speaks of limits", "claude", Report{Result: true, Text: "I fixed the usage limit reached error"}, End{}, OK, time.Time{}, ""},
		{"an exit code beats words", "mine", Report{Stderr: "you're out of it"}, End{Exit: 127}, Permanent, time.Time{}, "exit 127: you're out of it"},
		{"exit code: quota", "mine", Report{Stderr: "come back in 2 hours"}, End{Exit: 3}, Quota, in(2 * time.Hour), "exit 3: come back in 2 hours"},
		{"exit code: auth", "mine", Report{}, End{Exit: 4}, Auth, time.Time{}, "not logged in (exit 4)"},
		{"exit code: transient", "mine", Report{}, End{Exit: 5}, Transient, time.Time{}, "exit 5"},
		{"exit code: a status", "mine", Report{Stderr: "busy"}, End{Exit: 6}, Transient, time.Time{}, "API error 503: busy"},
		{"exit code: permanent", "mine", Report{Stderr: "flaky"}, End{Exit: 7}, Permanent, time.Time{}, "exit 7: flaky"},
		{"words", "mine", Report{Stderr: "\x1b[31mYou’re\u00a0out of it,\tresets in 90s\r\n"}, End{Exit: 1}, Quota, in(90 * time.Second), "[31mYou're out of it, resets in 90s"},
		{"words of long ago", "mine", Report{Stderr: old, Text: old}, End{Exit: 1}, Permanent, time.Time{}, "exit 1: all is well"},
		{"a rate limit in words, with its end", "mine", Report{Stderr: "too many requests, try again in 20s"}, End{Exit: 1}, Quota, in(20 * time.Second), "too many requests, try again in 20s"},
		{"a rate limit in words", "mine", Report{Stderr: "too many requests. Retrying in 20s"}, End{Exit: 1}, Transient, time.Time{}, "too many requests. Retrying in 20s"},
		{"exit 0 whatever it says", "mine", Report{Text: "flaky"}, End{}, OK, time.Time{}, ""},
		{"exit 0, but what it says", "loud", Report{Text: "flaky"}, End{}, Transient, time.Time{}, "flaky"},
		{"a long reason", "mine", Report{Stderr: strings.Repeat("é", 5000)}, End{Exit: 1}, Permanent, time.Time{}, "exit 1: " + strings.Repeat("é", 200)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.end.Now = noonish
			p := all[tt.agent]
			v := p.Judge(tt.report, tt.end)
			if v.Class != tt.class || v.Reason != tt.reason || !v.Until.Equal(tt.until) {
				t.Errorf("%v until %v: %q\nwant %v until %v: %q", v.Class, v.Until, v.Reason, tt.class, tt.until, tt.reason)
			}
			if want := map[bool]string{true: p.Credential}[tt.class == Quota]; v.Credential != want {
				t.Errorf("credential %q, want %q", v.Credential, want)
			}
		})
	}
}
