package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// longLine is how long a line of a value has to be to be masked by itself.
const longLine = 16

// forms are the byte strings to look for: every value in all its forms, each
// once.
func forms(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, textForms(v)...)
		out = append(out, base64Forms(v)...)
		if !strings.Contains(v, "\n") {
			continue
		}
		for line := range strings.Lines(v) {
			// What begins with dashes is the frame of a key, which certificates have, too.
			if line = strings.TrimSpace(line); len(line) >= longLine && !strings.HasPrefix(line, "-----") {
				out = append(out, textForms(line)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// textForms are a value as text. Agents print it inside JSON, and what their
// tools print, which may be JSON, inside JSON.
func textForms(v string) []string {
	query := url.QueryEscape(v)
	component := strings.ReplaceAll(query, "+", "%20")
	asJS := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(component)
	asPython := strings.ReplaceAll(component, "%2F", "/")
	out := []string{v, query, component, asJS, url.PathEscape(v), asPython, html.EscapeString(v)}
	for _, escaped := range []string{query, component, asJS, asPython, url.PathEscape(v)} {
		out = append(out, lowerHex(escaped))
	}
	out = append(out, hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v))))
	out = append(out, quotedForms(v)...)
	out = append(out, strings.ReplaceAll(escapeJSON(v), "/", `\/`)) // as PHP writes it
	for _, escape := range []func(string) string{escapeJSON, escapeHTML, escapeASCII} {
		once := escape(v)
		out = append(out, once, escape(once))
	}
	return out
}

// lowerHex is a URL-escaped text with lower-case digits.
func lowerHex(escaped string) string {
	out := []byte(escaped)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i+1:], bytes.ToLower(out[i+1:i+3]))
		}
	}
	return string(out)
}

// quotedForms are v between the quotes of Python's repr and of shells: sh's
// own, shlex.quote's, inside double quotes, and with backslashes.
func quotedForms(v string) []string {
	controls := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	repr := controls.Replace(v)
	var slashed strings.Builder
	for _, r := range v {
		if r < 0x80 && !strings.ContainsRune("-_./:=@%+,", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			slashed.WriteByte('\\')
		}
		slashed.WriteRune(r)
	}
	return []string{
		repr, strings.ReplaceAll(repr, "'", `\'`), strings.ReplaceAll(repr, `"`, `\"`),
		strings.ReplaceAll(v, "'", `'\''`), strings.ReplaceAll(v, "'", `'"'"'`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v),
		slashed.String(),
	}
}

// escapeJSON is v inside a JSON string as most write it.
func escapeJSON(v string) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return v // text can always be encoded
	}
	return buf.String()[1 : buf.Len()-2] // quotes and newline
}

// escapeHTML is escapeJSON as Go writes it: < > & escaped.
func escapeHTML(v string) string {
	b, err := json.Marshal(v)
	if err != nil {
		return v // text can always be encoded
	}
	return string(b[1 : len(b)-1])
}

// escapeASCII is escapeJSON as Python writes it: nothing but ASCII.
func escapeASCII(v string) string {
	var out strings.Builder
	for _, r := range escapeJSON(v) {
		if r < 0x80 {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}

// base64Forms are the characters that v alone decides when it stands at 0, 1 or
// 2 bytes after the beginning of a group of three, in both alphabets; and
// v encoded by itself, with and without padding.
func base64Forms(v string) []string {
	if len(v) < 8 {
		return nil // too short to be no word
	}
	var out []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		alone := enc.EncodeToString([]byte(v))
		out = append(out, alone, strings.TrimRight(alone, "="))
		for before := range 3 {
			all := enc.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
			out = append(out, all[(8*before+5)/6:8*(before+len(v))/6])
		}
	}
	return out
}
