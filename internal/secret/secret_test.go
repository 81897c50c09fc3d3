package secret

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func TestNamesOfSecrets(t *testing.T) {
	for _, name := range []string{
		"API_KEY", "ANTHROPIC_API_KEY", "apiKey", "GITHUB_TOKEN", "npm_config__authToken", "CLIENT_SECRET", "PGPASSWORD", "DB_PASSWD",
		"GPG_PASSPHRASE", "AWS_CREDENTIALS", "REDISCLI_AUTH", "DB_PASS", "MYSQL_PWD", "GH_PAT",
	} {
		if !IsSecretName(name) {
			t.Errorf("%s is taken for no secret", name)
		}
	}
	for _, name := range []string{"", "HOME", "PATH", "PWD", "OLDPWD", "GIT_AUTHOR_NAME", "XAUTHORITY", "GEMINI_DEFAULT_AUTH_TYPE", "HACKY_TASK_ID", "COMPASS", "PAT", "BYPASS"} {
		if IsSecretName(name) {
			t.Errorf("%s is taken for a secret", name)
		}
	}
}

func TestValuesThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "id.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := []string{
		"KEY=", "KEY", "KEY=short", "KEY=  short  ", "KEY_ON=disabled", "KEY_ON=Enabled", "SSL_KEY=" + file, "MAX_TOKENS=32000000",
		"TOKEN_PRICE=0.000125", "API_KEY=xxxxxxxx", "API_KEY=********", "HOME=/root/somewhere",
	}
	if m := New(plain); m.set != nil || len(m.Names()) > 0 {
		t.Errorf("these are masked: %q", m.Names())
	}
	secrets := []string{"A_KEY=123456", "B_KEY=sixsix", "C_KEY=" + file + ".missing", "D_TOKENS=12ab34cd", "E_PASSWORD=1234567", "F_KEY=a.b.c.d", "G_KEY=pa=ss=word"}
	m := New(plain, secrets)
	for _, kv := range secrets {
		name, value, _ := strings.Cut(kv, "=")
		if got := m.MaskString("<" + value + ">"); got != "<***>" || !slices.Contains(m.Names(), name) {
			t.Errorf("%s: %q", kv, got)
		}
	}
	if want := []string{"A_KEY", "B_KEY", "C_KEY", "D_TOKENS", "E_PASSWORD", "F_KEY", "G_KEY"}; !slices.Equal(m.Names(), want) {
		t.Errorf("Names = %q", m.Names())
	}
}

func TestTheLongestWins(t *testing.T) {
	for _, c := range []struct{ env, text, want string }{
		{"A_KEY=hunter2 B_KEY=hunter2hunter", "-hunter2hunter-hunter2-", "-***-***-"},             // prefix
		{"A_KEY=hunter2 B_KEY=thehunter2x", "-thehunter2x-hunter2-thehunter2", "-***-***-the***"}, // inside
		{"A_KEY=abcdefg B_KEY=defghij", "-abcdefghij-", "-***-"},                                  // overlapping
		{"A_KEY=abcdef B_KEY=ghijkl", "-abcdefghijkl-", "-***-"},                                  // side by side
		{"A_KEY=abcdef", "abcdef", "***"},
		{"A_KEY=abcdef", "abcdefabcdef.abcde", "***.abcde"},
		{"A_KEY=hunter2\t", "hunter2.", "***."}, // as its users trim it
	} {
		if got := New(strings.Split(c.env, " ")).MaskString(c.text); got != c.want {
			t.Errorf("%s: %q = %q, want %q", c.env, c.text, got, c.want)
		}
	}
}

func TestFormsInWhichSecretsLeak(t *testing.T) {
	const value = `p"a\s<w>ö r/d+&!'x`
	m := New([]string{"DB_PASSWORD=" + value})
	quote := func(v string) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	js := `p\"a\\s<w>ö r/d+&!'x`
	b64 := base64.StdEncoding
	for name, text := range map[string]string{
		"plain":               value,
		"JSON of Go":          strings.Trim(quote(value), `"`),
		"JSON of JS":          js,
		"JSON of Python":      `p\"a\\s<w>\u00f6 r/d+&!'x`,
		"JSON in JSON":        `p\\\"a\\\\s<w>ö r/d+&!'x`,
		"query":               url.QueryEscape(value),
		"path":                url.PathEscape(value),
		"encodeURI of JS":     "p%22a%5Cs%3Cw%3E%C3%B6%20r%2Fd%2B%26!'x",
		"quote of Python":     `p%22a%5Cs%3Cw%3E%C3%B6%20r/d%2B%26%21%27x`,
		"lower-case query":    `p%22a%5cs%3cw%3e%c3%b6+r%2fd%2b%26%21%27x`,
		"repr of Python":      `p"a\\s<w>ö r/d+&!\'x`,
		"shlex of Python":     `p"a\s<w>ö r/d+&!'"'"'x`,
		"hex":                 `7022615c733c773ec3b620722f642b26212778`,
		"HEX":                 `7022615C733C773EC3B620722F642B26212778`,
		"%q of bash":          `p\"a\\s\<w\>ö\ r/d+\&\!\'x`,
		"@Q of bash":          `p"a\s<w>ö r/d+&!'\''x`,
		"double quotes of sh": `p\"a\\s<w>ö r/d+&!'x`,
		"JSON of PHP":         `p\"a\\s<w>ö r\/d+&!'x`,
		"HTML":                html.EscapeString(value),
		"base64":              b64.EncodeToString([]byte(value)),
		"base64, unpadded":    base64.RawURLEncoding.EncodeToString([]byte(value)),
	} {
		if got := m.MaskString("<" + text + ">"); got != "<***>" {
			t.Errorf("%s: %q is %q", name, text, got)
		}
	}
	for _, user := range []string{"", "u:", "me:", "bob:", "x-access-token:"} {
		for _, after := range []string{"", "\n", "ab", "abc"} {
			all := b64.EncodeToString([]byte(user + value + after))
			got := m.MaskString(all)
			first, end := (8*len(user)+5)/6, 8*(len(user)+len(value))/6 // characters of the value alone
			if !strings.HasPrefix(got, all[:first]+mask) || len(got) > first+len(mask)+len(all)-end {
				t.Errorf("base64 of %q, value, %q is %q", user, after, got)
			}
		}
	}
}

func TestLinesOfAPrivateKey(t *testing.T) {
	key := privateKey(rand.New(rand.NewPCG(9, 9)))
	m := New([]string{"DEPLOY_KEY=" + key})
	lines := strings.Split(strings.TrimSpace(key), "\n")
	for _, line := range lines[1 : len(lines)-1] {
		if got := m.MaskString("  12: " + line + "\r\n"); got != "  12: ***\r\n" {
			t.Errorf("a line of the key is %q", got)
		}
	}
	if got := m.MaskString("-----BEGIN PRIVATE KEY-----\nother"); got != "-----BEGIN PRIVATE KEY-----\nother" {
		t.Errorf("the frame of any key is %q", got)
	}
	if got := m.MaskString(key); got != "***\n" {
		t.Errorf("the key is %q", got)
	}
	escaped, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.MaskString(string(escaped)); got != `"***\n"` {
		t.Errorf("the key in JSON is %q", got)
	}
	short := New([]string{"A_SECRET=first line of sixteen\nshort"})
	if got := short.MaskString("short; first line of sixteen"); got != "short; ***" {
		t.Errorf("lines by themselves: %q", got)
	}
}

func TestNothingToMaskCostsNothing(t *testing.T) {
	text := []byte("some text without any")
	for _, m := range []*Masker{nil, New(), New([]string{"HOME=/root"}), New([]string{"A_KEY=hunter2hunter2"})} {
		if got := m.Mask(text); unsafe.SliceData(got) != unsafe.SliceData(text) || len(got) != len(text) {
			t.Error("Mask copied")
		}
	}
	m := New()
	if n := testing.AllocsPerRun(10, func() { m.Mask(text); m.MaskString("text") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
