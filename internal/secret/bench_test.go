package secret

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// tenSecrets look like those of ten services; one is a short password.
func tenSecrets(rnd *rand.Rand) []string {
	const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	word := func(n int) string {
		var out strings.Builder
		for range n {
			out.WriteByte(alnum[rnd.IntN(len(alnum))])
		}
		return out.String()
	}
	return []string{
		"ANTHROPIC_API_KEY=sk-ant-api03-" + word(93), "OPENAI_API_KEY=sk-proj-" + word(48), "GITHUB_TOKEN=ghp_" + word(36),
		"AWS_SECRET_ACCESS_KEY=" + word(20) + "/" + word(19), "AWS_ACCESS_KEY_ID=AKIA" + strings.ToUpper(word(16)),
		"NPM_TOKEN=npm_" + word(36), "GEMINI_API_KEY=AIza" + word(35), "SLACK_TOKEN=xoxb-" + word(40),
		"DB_PASSWORD=" + word(12), "SENTRY_AUTH_TOKEN=" + word(64),
	}
}

// agentOutput is n bytes of JSON lines as agents print them.
func agentOutput(rnd *rand.Rand, n int) []byte {
	var out bytes.Buffer
	words := strings.Fields("the function returns an error if file path internal session test package import const token key secret password func nil err == != return string \\n\\t int json")
	for i := 0; out.Len() < n; i++ {
		fmt.Fprintf(&out, `{"type":"assistant","message":{"id":"msg_%020x","role":"assistant","content":[{"type":"text","text":"`, rnd.Uint64())
		for range 20 + rnd.IntN(200) {
			out.WriteString(words[rnd.IntN(len(words))])
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, `"}],"usage":{"input_tokens":%d,"output_tokens":%d}},"session_id":"%08x-aaaa"}`+"\n", rnd.IntN(100000), rnd.IntN(1000), rnd.Uint32())
	}
	return out.Bytes()[:n]
}

// BenchmarkMask compares with counting lines, the least that anything does that
// looks at output, and with the other ways to find many strings.
func BenchmarkMask(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := agentOutput(rnd, 16<<20)
	ten := New(tenSecrets(rnd))
	short := New(append(tenSecrets(rnd), "PIN_KEY=x7Gq2z"))
	pem := New(append(tenSecrets(rnd), "PRIVATE_KEY="+privateKey(rnd)))
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	run("newlines", func() { bytes.Count(text, []byte{'\n'}) })
	run("none", func() { New().Mask(text) })
	run("ten", func() { ten.Mask(text) })
	run("ten+6bytes", func() { short.Mask(text) })
	run("ten+pem", func() { pem.Mask(text) })
	for _, m := range []struct {
		name string
		m    *Masker
	}{{"ten", ten}, {"ten+6bytes", short}, {"ten+pem", pem}} {
		run("stream32K/"+m.name, func() {
			s := m.m.Stream(io.Discard)
			for chunk := range slices.Chunk(text, 32<<10) {
				s.Write(chunk)
			}
			s.Flush()
		})
	}
	run("stream-lines/ten", func() {
		s := ten.Stream(io.Discard)
		for line := range bytes.Lines(text) {
			s.Write(line)
		}
		s.Flush()
	})
	run("rejected/index-each", func() {
		for _, str := range ten.set.strings {
			bytes.Index(text, []byte(str))
		}
	})
	run("rejected/every-byte", func() {
		s := *ten.set
		s.stride = 1
		s.any(text)
	})
	run("rejected/first-byte", func() {
		firstByte(ten.set, text)
	})
	b.Logf("ten: %d strings, %d pieces, stride %d", len(ten.set.strings), len(ten.set.pieces), ten.set.stride)
}

// firstByte looks at every byte for the first of a secret.
func firstByte(s *set, text []byte) (found int) {
	for i, c := range text {
		for _, str := range s.begins[c] {
			if bytes.HasPrefix(text[i:], str) {
				found++
			}
		}
	}
	return found
}

func privateKey(rnd *rand.Rand) string {
	const b64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var out strings.Builder
	out.WriteString("-----BEGIN PRIVATE KEY-----\n")
	for line := range 26 {
		n := 64
		if line == 25 {
			n = 24
		}
		for range n {
			out.WriteByte(b64[rnd.IntN(64)])
		}
		out.WriteByte('\n')
	}
	out.WriteString("-----END PRIVATE KEY-----\n")
	return out.String()
}
