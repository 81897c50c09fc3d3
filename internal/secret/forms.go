package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	out := []string{v, query, component, asJS, url.PathEscape(v)}
	for _, escape := range []func(string) string{escapeJSON, escapeHTML, escapeASCII} {
		once := escape(v)
		out = append(out, once, escape(once))
	}
	return out
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
