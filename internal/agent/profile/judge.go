package profile

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Class is what became of an agent.
type Class uint8

// The classes.
const (
	OK        Class = iota
	Transient       // may pass: try again
	Quota           // nothing that uses the same credential gets on until the reset
	Auth            // not logged in; as Permanent, and Reason says how to log in
	Permanent       // any other failure
)

func (c Class) String() string {
	return [...]string{"ok", "transient", "quota", "auth", "permanent"}[c]
}

// Conversation is what a failure says about the agent's conversation.
type Conversation uint8

// What it may say.
const (
	Unknown Conversation = iota
	Exists               // the id is taken: call again with Resume
	Lost                 // nothing to resume: call again without, with a new id
)

// End is how the process ended.
type End struct {
	Exit    int            // exit code; -1 if it did not exit by itself
	Signal  string         // the signal that ended it, for people; "" if none did
	Stopped string         // why hacky ended it ("no output for 5m"); "" if hacky did not
	Now     time.Time      // when it ended
	Zone    *time.Location // of clock times without a zone; nil: that of Now
}

// Verdict is what became of an agent.
type Verdict struct {
	Class        Class
	Until        time.Time // Quota only: when it ends; zero if unknown
	Credential   string    // Quota only: what to park
	Reason       string    // one clause for people; "" if OK
	Conversation Conversation
}

// Judge says what became of an agent that printed this and ended so.
//
// A success is exit 0 and what the profile's Success asks for. A failure is
// classified by the first of these that says something:
//
//  1. What the agent itself reports, in an event or, gemini, in the document at
//     the end of its standard error. By HTTP status: 401 and 403 auth; 402, and
//     any with a quota text, quota; 429 quota if a reset time is known or the
//     service said that the subscription's limit is reached, else a rate limit
//     that passes, transient; 408, 409, 425 and 5xx transient, whatever reset
//     they name; other 4xx permanent. Without a status its words count.
//  2. That hacky stopped it, or a signal ended it: transient.
//  3. The exit code: what the profile says; 75 and 124 transient (a program's
//     own time limit is as good as ours); 65, 78, 126 and 127 permanent; 129 to
//     159 (128 + signal) transient.
//  4. The profile's patterns, over the last assistant text and standard error's
//     last lines: quota, auth, transient, permanent.
//
// What is left is permanent; but exit 0 without the result that has to be there
// is transient: something ended the agent early.
//
// A taken or lost conversation is transient and not the agent's fault: calling
// again as Conversation says need not count as an attempt. A quota without a
// known end has no Until. The end of a quota that is in the past is now.
func (p Profile) Judge(r Report, end End) Verdict {
	j := judgement{p: p, r: r, end: end}
	j.last = p.lastWords(r)
	if end.Exit == 0 && end.Stopped == "" && end.Signal == "" && j.succeeded() {
		return Verdict{}
	}
	if v, ok := j.conversation(); ok {
		return v
	}
	for _, look := range []func() (Verdict, bool){j.reported, j.ended, j.exited, j.words} {
		if v, ok := look(); ok {
			return v
		}
	}
	why := clause(cmp.Or(j.failure().Message, lastLines(plain(r.Stderr), 1, 400)))
	if end.Exit == 0 && !r.Failed && !j.reports() {
		return Verdict{Class: Transient, Reason: "exit 0, but no result: " + cmp.Or(why, "it was interrupted, or ended early")}
	}
	return Verdict{Class: Permanent, Reason: j.exit(why)}
}

type judgement struct {
	p    Profile
	r    Report
	end  End
	last string // the last assistant text and the last of standard error, plain
}

// Of the last words, patterns see so much.
const (
	lastWordLines = 25
	lastWordSize  = 4 << 10
)

func (p Profile) lastWords(r Report) string {
	text := plain(r.Text)
	if p.Output == Text {
		for _, re := range p.Patterns.Done {
			if all := re.FindAllStringIndex(text, -1); len(all) > 0 {
				text = text[all[len(all)-1][1]:]
			}
		}
	}
	return lastLines(text, lastWordLines, lastWordSize) + "\n" + lastLines(plain(r.Stderr), lastWordLines, lastWordSize)
}

func (j *judgement) succeeded() bool {
	switch j.p.Success {
	case ByResult:
		return j.r.Result && !j.r.Failed
	case ByText:
		_, matched := j.words()
		return !matched && !j.reports()
	}
	return !j.reports() && !j.r.Failed
}

// failure is what the agent reports.
func (j *judgement) failure() Failure {
	if j.p.Output == Gemini {
		if f, ok := geminiError(j.r.Stderr); ok {
			return f
		}
	}
	return j.r.Error
}

func (j *judgement) reports() bool { return j.failure() != Failure{} }

func (j *judgement) conversation() (Verdict, bool) {
	words := plain(j.failure().Message) + "\n" + lastLines(plain(j.r.Stderr), lastWordLines, lastWordSize)
	if line := match(j.p.Patterns.Exists, words); line != "" {
		return Verdict{Class: Transient, Conversation: Exists, Reason: "the conversation exists already: " + line}, true
	}
	if line := match(j.p.Patterns.Lost, words); line != "" {
		return Verdict{Class: Transient, Conversation: Lost, Reason: "the conversation is gone: " + line}, true
	}
	return Verdict{}, false
}

// match is the line of the first match; "" if there is none.
func match(patterns []*regexp.Regexp, text string) string {
	for _, re := range patterns {
		if at := re.FindStringIndex(text); at != nil {
			from := strings.LastIndexByte(text[:at[0]], '\n') + 1
			line, _, _ := strings.Cut(text[from:], "\n")
			return cmp.Or(clause(line), "a pattern matches")
		}
	}
	return ""
}

func (j *judgement) reported() (Verdict, bool) {
	f := j.failure()
	if f == (Failure{}) && !j.r.Limit.Rejected {
		return Verdict{}, false
	}
	return j.classify(f)
}

// classify judges a failure that is known from an event or an exit code.
func (j *judgement) classify(f Failure) (Verdict, bool) {
	words := plain(f.Message)
	why := clause(words)
	if why == "" {
		why = clause(f.Type)
	}
	if f.Status > 0 {
		why = strings.TrimSuffix(fmt.Sprintf("API error %d: %s", f.Status, why), ": ")
	}
	until, note := j.reset(f, words)
	is := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(f.Type), w) {
				return true
			}
		}
		return false
	}
	patterns := j.p.Patterns
	limited := f.Status == 429 || f.Status == 0 && is("rate_limit", "ratelimit")
	switch {
	case match(patterns.Quota, words) != "", f.Status == 402, is("billing"),
		limited && (!until.IsZero() || j.r.Limit.Rejected),
		f.Status == 0 && j.r.Limit.Rejected && !j.r.Failed,
		f.Status == 0 && j.r.Limit.Rejected && words == "":
		return j.quota(until, cmp.Or(why, "the limit is reached")+note), true
	case f.Status == 401, f.Status == 403, f.Status == 0 && is("auth"):
		return j.auth(why), true
	case limited:
		return Verdict{Class: Transient, Reason: cmp.Or(why, "rate limit")}, true
	case f.Status >= 500, f.Status == 408, f.Status == 409, f.Status == 425:
		return Verdict{Class: Transient, Reason: why}, true
	case match(patterns.Auth, words) != "":
		return j.auth(why), true
	case f.Status > 0, f.Status == 0 && is("invalid_request"):
		return Verdict{Class: Permanent, Reason: why}, true
	case f.Retryable, is("overloaded", "server_error"), match(patterns.Transient, words) != "":
		return Verdict{Class: Transient, Reason: why}, true
	case match(patterns.Permanent, words) != "":
		return Verdict{Class: Permanent, Reason: why}, true
	}
	return Verdict{}, false
}

// reset is when a failure may be over; zero if nobody says.
func (j *judgement) reset(f Failure, words string) (until time.Time, note string) {
	now := j.end.Now
	at := f.Reset
	if f.Wait > 0 {
		at = now.Add(f.Wait)
	}
	if at.IsZero() && j.r.Limit.Rejected {
		at = j.r.Limit.Reset
	}
	if t, ok := within(at, now); ok {
		return t, ""
	}
	found, _ := parseReset(words, now, j.zone())
	return found.at, found.note
}

func (j *judgement) zone() *time.Location {
	if j.end.Zone == nil {
		return j.end.Now.Location()
	}
	return j.end.Zone
}

func (j *judgement) quota(until time.Time, why string) Verdict {
	return Verdict{Class: Quota, Until: until, Credential: j.p.Credential, Reason: why}
}

func (j *judgement) auth(why string) Verdict {
	reason := "not logged in"
	if why != "" {
		reason += " (" + why + ")"
	}
	if j.p.Login != "" {
		reason += "; " + j.p.Login
	}
	return Verdict{Class: Auth, Reason: reason}
}

// ended judges an agent that did not end by itself.
func (j *judgement) ended() (Verdict, bool) {
	switch {
	case j.end.Stopped != "":
		return Verdict{Class: Transient, Reason: j.end.Stopped}, true
	case j.end.Signal != "":
		return Verdict{Class: Transient, Reason: "killed by " + j.end.Signal}, true
	case j.end.Exit < 0:
		return Verdict{Class: Transient, Reason: "it did not exit by itself"}, true
	}
	return Verdict{}, false
}

// exited judges the exit codes that mean something.
func (j *judgement) exited() (Verdict, bool) {
	code := j.end.Exit
	m, own := j.p.Exits[code]
	why := j.exit(clause(lastLines(plain(j.r.Stderr), 1, 400)))
	switch {
	case own && m.Status > 0:
		return j.classify(Failure{Status: m.Status, Message: strings.TrimSpace(j.last)})
	case own && m.Class == Quota:
		found, _ := parseReset(j.last, j.end.Now, j.zone())
		return j.quota(found.at, why+found.note), true
	case own && m.Class == Auth:
		return j.auth(why), true
	case own:
		return Verdict{Class: m.Class, Reason: why}, true
	case code == 75, code == 124, code >= 129 && code <= 159:
		return Verdict{Class: Transient, Reason: why}, true
	case code == 65, code == 78, code == 126, code == 127:
		return Verdict{Class: Permanent, Reason: why}, true
	}
	return Verdict{}, false
}

// exit names an exit code, and what else is known.
func (j *judgement) exit(why string) string {
	reason := fmt.Sprintf("exit %d", j.end.Exit)
	switch code := j.end.Exit; {
	case code == 75:
		reason += ", a temporary failure"
	case code == 124:
		reason += ", a time limit"
	case code >= 129 && code <= 159:
		reason += fmt.Sprintf(", ended by signal %d", code-128)
	}
	if why != "" {
		reason += ": " + why
	}
	return reason
}

// words judges by the profile's patterns.
func (j *judgement) words() (Verdict, bool) {
	for _, c := range []struct {
		class    Class
		patterns []*regexp.Regexp
	}{
		{Quota, j.p.Patterns.Quota}, {Auth, j.p.Patterns.Auth},
		{Transient, j.p.Patterns.Transient}, {Permanent, j.p.Patterns.Permanent},
	} {
		line := match(c.patterns, j.last)
		if line == "" {
			continue
		}
		switch found, ok := parseReset(j.last, j.end.Now, j.zone()); {
		case c.class == Quota:
			return j.quota(found.at, line+found.note), true
		case c.class == Auth:
			return j.auth(line), true
		case c.class == Transient && ok && rateLimit().MatchString(line):
			return j.quota(found.at, line+found.note), true
		}
		return Verdict{Class: c.class, Reason: line}, true
	}
	return Verdict{}, false
}

// rateLimit is a 429 in words: with a reset time, it is a quota.
var rateLimit = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)rate.?limit|too many requests|\b429\b|resource.?exhausted`)
})
