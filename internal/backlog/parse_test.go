package backlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"
)

// complaints is what Parse says, one "line:column: sentence" a line, "" when
// it accepts.
func complaints(t testing.TB, src string) string {
	t.Helper()
	b, err := Parse("tasks.json", src)
	if err == nil {
		if b == nil {
			t.Fatal("neither a backlog nor an error")
		}
		return ""
	}
	if b != nil {
		t.Error("a backlog besides an error")
	}
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("%T, want *InvalidError: %v", err, err)
	}
	if len(invalid.Problems) == 0 || invalid.File != "tasks.json" {
		t.Fatalf("%d problems of file %q", len(invalid.Problems), invalid.File)
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message))
	}
	return strings.Join(lines, "\n")
}

// nested is depth levels of what opens and closes, around inner.
func nested(depth int, opening, inner, closing string) string {
	return strings.Repeat(opening, depth) + inner + strings.Repeat(closing, depth)
}

func utf16Text(s, mark string, first, second int) string {
	var b strings.Builder
	b.WriteString(mark)
	for _, c := range []byte(s) {
		var two [2]byte
		two[first], two[second] = c, 0
		b.Write(two[:])
	}
	return b.String()
}

// manyKeys is an object with n keys and the last one twice, the second time on
// a line of its own.
func manyKeys(n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"key%d":%d,`, i, i)
	}
	fmt.Fprintf(&b, "\n%q:0}", fmt.Sprintf("key%d", n-1))
	return b.String()
}

var small = oneTask(
	subtask(1, `"story_points":0.5`, `"dependencies":[]`, `"context_scope":"a\n\u00e9é"`, `"run":["true","x"]`, `"timeout":"30m"`, `"env":{"A":"b"}`),
	subtask(2, `"story_points":1e2`, dependsOn(1), `"x":{"y":[true,false,null,-1.5e-3,{}]}`, `"gates":[{"level":1,"run":"make"}]`, `"retries":2`),
)

var refusals = []struct {
	name, src, want string
}{
	// No backlog at all.
	{"empty", "", `1:1: the file is empty; a backlog looks like {"backlog":[...]}: "hacky init --example" writes one`},
	{"only blanks", " \n\t\r\n ", `1:1: the file is empty; a backlog looks like {"backlog":[...]}: "hacky init --example" writes one`},
	{"only a BOM", "\ufeff", `1:1: the file is empty; a backlog looks like {"backlog":[...]}: "hacky init --example" writes one`},
	{"null", "null", `1:1: expected an object like {"backlog":[...]}, found null`},
	{"list at the top", `[{"backlog":[]}]`, `1:1: expected an object like {"backlog":[...]}, found a list`},
	{"number at the top", "\n 12", `2:2: expected an object like {"backlog":[...]}, found a number`},
	{"string at the top", `"backlog"`, `1:1: expected an object like {"backlog":[...]}, found a string`},
	{"true at the top", `true`, `1:1: expected an object like {"backlog":[...]}, found true or false`},
	{"no word of JSON", "backlog: []\n", `1:1: expected a value, found 'b'`},
	{"backlog missing", `{"Backlog":[]}`, `1:1: the key "backlog" is missing; a backlog looks like {"backlog":[...]}`},
	{"backlog null", `{"backlog":null}`, `1:12: "backlog" must be a list of phases, not null`},
	{"backlog an object", `{"backlog":{}}`, `1:12: "backlog" must be a list of phases, not an object`},
	{"phases that are none", "{\"backlog\":[1,\n\"P1\",\n[],\nnull]}", `1:13: a phase must be an object, not a number
2:1: a phase must be an object, not a string
3:1: a phase must be an object, not a list
4:1: a phase must be an object, not null`},
	{"two documents", "{\"backlog\":[]}\n{\"backlog\":[]}", `2:1: expected the end of the file, found '{'`},
	{"text after the end", "{\"backlog\":[]}\n// done", `2:1: expected the end of the file, found '/'`},

	// Encodings.
	{"two BOMs", "\ufeff\ufeff{\"backlog\":[]}", `1:1: expected a value, found '\ufeff'`},
	{"BOM inside", "{\"backlog\":\n \ufeff[]}", `2:2: expected a value, found '\ufeff'`},
	{"UTF-16 LE with BOM", utf16Text(`{"backlog":[]}`, "\xff\xfe", 0, 1), `1:1: the file is UTF-16; save it as UTF-8`},
	{"UTF-16 BE with BOM", utf16Text(`{"backlog":[]}`, "\xfe\xff", 1, 0), `1:1: the file is UTF-16; save it as UTF-8`},
	{"UTF-16 LE", utf16Text(`{"backlog":[]}`, "", 0, 1), `1:1: the file is UTF-16; save it as UTF-8`},
	{"UTF-16 BE", utf16Text(`{"backlog":[]}`, "", 1, 0), `1:1: the file is UTF-16; save it as UTF-8`},
	{"Latin-1 in a string", "{\"backlog\":[],\"x\":\"caf\xe9 au lait\"}", `1:23: byte 0xE9 is not UTF-8; save the file as UTF-8`},
	{"Latin-1 after an escape", "{\"backlog\":[],\"x\":\"\\\xe9\"}", `1:21: byte 0xE9 is not UTF-8; save the file as UTF-8`},
	{"Latin-1 outside strings", "{\"backlog\":[],\n\xe9}", `2:1: byte 0xE9 is not UTF-8; expected a key`},
	{"overlong UTF-8", "{\"backlog\":[],\"x\":\"\xc0\xaf\"}", `1:20: byte 0xC0 is not UTF-8; save the file as UTF-8`},
	{"encoded surrogate", "{\"backlog\":[],\"x\":\"\xed\xa0\x80\"}", `1:20: byte 0xED is not UTF-8; save the file as UTF-8`},
	{"cut character", "{\"backlog\":[],\"x\":\"12345678\xe2\x82\"}", `1:28: byte 0xE2 is not UTF-8; save the file as UTF-8`},
	{"NUL in a string", "{\"backlog\":[],\"x\":\"a\x00b\"}", `1:21: control character 0x00 inside a string; write it as \u0000`},
	{"NUL outside strings", "{\"backlog\":\x00[]}", `1:12: expected a value, found a NUL character; a crash or a full disk leaves such files behind`},
	{"NULs for a whole file", strings.Repeat("\x00", 64), `1:1: expected a value, found a NUL character; a crash or a full disk leaves such files behind`},
	{"NULs after the end", "{\"backlog\":[]}\n\x00\x00\x00", `2:1: expected the end of the file, found a NUL character; a crash or a full disk leaves such files behind`},
	{"form feed as white space", "{\"backlog\":\f[]}", `1:12: expected a value, found '\f'`},
	{"no-break space as white space", "{\"backlog\":\u00a0[]}", `1:12: expected a value, found '\u00a0'`},

	// JSON.
	{"line break in a string", "{\"backlog\":[],\"x\":\"a\nb\"}", `1:21: a line ends inside a string; close the string with a quote, or write the line break as \n`},
	{"tab in a string", "{\"backlog\":[],\"x\":\"a\tb\"}", `1:21: control character 0x09 inside a string; write it as \u0009`},
	{"tab in a long string", "{\"backlog\":[],\"x\":\"123456789012345678901234567890é\tb\"}", `1:51: control character 0x09 inside a string; write it as \u0009`},
	{"bad escape", `{"backlog":[],"x":"C:\dir"}`, `1:22: a backslash followed by 'd' is no escape sequence of JSON; a backslash itself is written \\`},
	{"bad escape of a long character", `{"backlog":[],"x":"\é"}`, `1:20: a backslash followed by 'é' is no escape sequence of JSON; a backslash itself is written \\`},
	{"hexadecimal escape", `{"backlog":[],"x":"\x41"}`, `1:20: a backslash followed by 'x' is no escape sequence of JSON; a backslash itself is written \\`},
	{"bad unicode escape", `{"backlog":[],"x":"\u12g4"}`, `1:20: \u must be followed by four hexadecimal digits; a backslash itself is written \\`},
	{"short unicode escape", `{"backlog":[],"x":"\u12"}`, `1:20: \u must be followed by four hexadecimal digits; a backslash itself is written \\`},
	{"cut in an escape", `{"backlog":[],"x":"\u12`, `1:19: the file ends inside the string that begins here; it was probably cut off while it was written`},
	{"cut after a backslash", `{"backlog":[],"x":"\`, `1:19: the file ends inside the string that begins here; it was probably cut off while it was written`},
	{"leading zero", `{"backlog":[],"x":01}`, `1:19: a number may not begin with 0`},
	{"leading zero after minus", `{"backlog":[],"x":-01}`, `1:20: a number may not begin with 0`},
	{"no digit after the point", `{"backlog":[],"x":1.}`, `1:21: expected a digit, found '}'`},
	{"no digit before the point", `{"backlog":[],"x":.5}`, `1:19: expected a value, found '.'`},
	{"plus", `{"backlog":[],"x":+1}`, `1:19: expected a value, found '+'`},
	{"no exponent", `{"backlog":[],"x":1e}`, `1:21: expected a digit, found '}'`},
	{"no exponent after its sign", `{"backlog":[],"x":1e+}`, `1:22: expected a digit, found '}'`},
	{"only a minus", `{"backlog":[],"x":-}`, `1:20: expected a digit, found '}'`},
	{"two points", `{"backlog":[],"x":1.2.3}`, `1:22: expected "," or "}", found '.'`},
	{"hexadecimal number", `{"backlog":[],"x":0x1}`, `1:20: expected "," or "}", found 'x'`},
	{"NaN", `{"backlog":[],"x":NaN}`, `1:19: expected a value, found 'N'`},
	{"capital word", `{"backlog":[],"x":True}`, `1:19: expected a value, found 'T'`},
	{"cut word", `{"backlog":[],"x":nul}`, `1:19: expected a value, found 'n'`},
	{"word too long", `{"backlog":[],"x":nulll}`, `1:23: expected "," or "}", found 'l'`},
	{"comma before }", `{"backlog":[],}`, `1:15: expected a key after the comma (remove the comma if nothing follows), found '}'`},
	{"comma before ]", "{\"backlog\":[],\"x\":[1,\n]}", `2:1: expected a value after the comma (remove the comma if nothing follows), found ']'`},
	{"comma after the last phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned"},]}`, `1:70: expected a value after the comma (remove the comma if nothing follows), found ']'`},
	{"comma first", `{"backlog":[],"x":[,1]}`, `1:20: expected a value, found ','`},
	{"comma missing in an object", "{\"backlog\":[]\n\"x\":1}", `2:1: expected "," or "}", found '"'`},
	{"comma missing in a list", `{"backlog":[],"x":[1 2]}`, `1:22: expected "," or "]", found '2'`},
	{"colon missing", `{"backlog" []}`, `1:12: expected ":", found '['`},
	{"key without quotes", `{backlog:[]}`, `1:2: expected a key or "}", found 'b'`},
	{"key in single quotes", `{'backlog':[]}`, `1:2: expected a key or "}", found '\''`},
	{"comment", "{\n  // phases\n  \"backlog\":[]}", `2:3: expected a key or "}", found '/'`},
	{"wrong bracket", `{"backlog":[}`, `1:13: expected a value, found '}'`},
	{"bracket too many", `{"backlog":[]]}`, `1:14: expected "," or "}", found ']'`},

	// Depth.
	{"10,000 lists at the top", nested(10_000, "[", "", "]"), `1:1001: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 objects at the top", nested(10_000, `{"a":`, "1", "}"), `1:5001: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 lists in an unknown field", `{"backlog":[],"x":` + nested(10_000, "[", "", "]") + "}", `1:1018: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 objects in an unknown field", `{"backlog":[],"x":` + nested(10_000, "{\"a\":\n", "1", "}") + "}", `1000:1: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 lists, never closed", `{"backlog":` + strings.Repeat("[", 10_000), `1:1011: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 lists in an item", oneTask(subtask(1, `"x":`+nested(10_000, "[", "", "]"))), `2:1064: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"10,000 phases inside each other", `{"backlog":` + nested(10_000, `[{"milestones":`, "[]", "}]") + "}", `1:7498: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},
	{"one level too deep", `{"backlog":[],"x":` + nested(MaxDepth, "[", "", "]") + "}", `1:1018: objects and lists are nested more than 1000 levels deep here; hacky reads no deeper`},

	// Duplicates.
	{"backlog twice", "{\"backlog\":[],\n\"backlog\":[]}", `2:1: the key "backlog" stands twice in one object; remove one of them`},
	{"backlog twice, the second wrong", "{\"backlog\":[],\n\"backlog\":{\"x\":1}}", `2:1: the key "backlog" stands twice in one object; remove one of them`},
	{"unknown key twice", `{"x":1,"backlog":[],"x":1}`, `1:21: the key "x" stands twice in one object; remove one of them`},
	{"key twice in an item", oneTask(subtask(1, "\n"+`"status":"Complete"`)), `3:1: the key "status" stands twice in one object; remove one of them`},
	{"key three times", oneTask(subtask(1, "\n"+`"title":"a"`, "\n"+`"title":"b"`)), `3:1: the key "title" stands twice in one object; remove one of them
4:1: the key "title" stands twice in one object; remove one of them`},
	{"key twice in a nested unknown object", oneTask(subtask(1, `"x":[{"a":{"b":1,`+"\n  "+`"b":2}}]`)), `3:3: the key "b" stands twice in one object; remove one of them`},
	{"key twice, spelled differently", `{"backlog":[],"\u0062acklog":[]}`, `1:15: the key "backlog" stands twice in one object; remove one of them`},
	{"surrogate pair and its character", `{"backlog":[],"😀":1,"\ud83d\ude00":2}`, `1:21: the key "😀" stands twice in one object; remove one of them`},
	{"empty key twice", `{"backlog":[],"":1,"":2}`, `1:20: the key "" stands twice in one object; remove one of them`},
	{"24 keys and one twice", `{"backlog":[],"x":` + manyKeys(24) + "}", `2:1: the key "key23" stands twice in one object; remove one of them`},
	{"25 keys and one twice", `{"backlog":[],"x":` + manyKeys(25) + "}", `2:1: the key "key24" stands twice in one object; remove one of them`},
	{"25 keys and the first twice", `{"backlog":[],"x":` + strings.Replace(manyKeys(25), "\n\"key24", "\n\"key0", 1) + "}", `2:1: the key "key0" stands twice in one object; remove one of them`},
	{"1,000 keys and one twice", `{"backlog":[],"x":` + manyKeys(1000) + "}", `2:1: the key "key999" stands twice in one object; remove one of them`},
	{"env name twice", oneTask(subtask(1, `"env":{"A":"1","A":"2"}`)), `2:84: the key "A" stands twice in one object; remove one of them`},
	{"id twice", oneTask(subtask(1), subtask(2), subtask(1)), `4:7: the id "P1.M1.T1.S1" stands twice; every id must be unique`},
	{"id three times", oneTask(subtask(1), subtask(1), subtask(1)), `3:7: the id "P1.M1.T1.S1" stands twice; every id must be unique
4:7: the id "P1.M1.T1.S1" stands twice; every id must be unique`},
	{"phase twice", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned"},` + "\n" + `{"type":"Phase","title":"","status":"Planned","id":"P1"}]}`, `2:52: the id "P1" stands twice; every id must be unique`},

	// Ids, types, statuses.
	{"id under the wrong parent", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2.S1", 1)), `2:7: the id "P1.M1.T2.S1" does not fit its parent "P1.M1.T1"; it must begin with "P1.M1.T1."`},
	{"id that begins like its parent's", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T11.S1", 1)), `2:7: the id "P1.M1.T11.S1" does not fit its parent "P1.M1.T1"; it must begin with "P1.M1.T1."`},
	{"id of another kind", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2", 1)), `2:7: the id "P1.M1.T2" of this subtask is that of a task; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of its own parent", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T1", 1)), `2:7: the id "P1.M1.T1" of this subtask is that of a task; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4
2:7: the id "P1.M1.T1" stands twice; every id must be unique`},
	{"id with another separator", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T1/S1", 1)), `2:7: "P1.M1.T1/S1" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"ids with leading zeros are others", oneTask(subtask(1), strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T1.S01", 1), strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T1.S01", 1)), `4:7: the id "P1.M1.T1.S01" stands twice; every id must be unique`},
	{"id under a parent with a leading zero", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T01.S1", 1)), `2:7: the id "P1.M1.T01.S1" does not fit its parent "P1.M1.T1"; it must begin with "P1.M1.T1."`},
	{"id twice, one missing, and a dependency on nothing", oneTask(subtask(1), subtask(1), `{"type":"Subtask","title":"s","status":"Planned","dependencies":[""]}`), `3:7: the id "P1.M1.T1.S1" stands twice; every id must be unique
4:1: this subtask has no "id"; every item needs one
4:66: this subtask cannot depend on "": "" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of a parent", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1", 1)), `2:7: the id "P1" of this subtask is that of a phase; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4
2:7: the id "P1" stands twice; every id must be unique`},
	{"id upwards", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "../../etc/passwd", 1)), `2:7: "../../etc/passwd" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id with a hidden step upwards", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1/..\u002f..`, 1)), `2:7: "P1.M1.T1.S1/../.." is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id with NUL", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1\u0000`, 1)), `2:7: "P1.M1.T1.S1\x00" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id that moves the cursor", oneTask(strings.Replace(subtask(1, `"dependencies":["P9"]`), "P1.M1.T1.S1", `P1.M1.T1.S\u001b[2J`, 1)), `2:7: "P1.M1.T1.S\x1b[2J" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4
2:93: "P1.M1.T1.S\x1b[2J" depends on "P9", which is not in this backlog; correct the id or remove it`},
	{"id with a line break", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1\n`, 1)), `2:7: "P1.M1.T1.S1\n" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id with a blank", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", ` P1.M1.T1.S1`, 1)), `2:7: " P1.M1.T1.S1" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id in small letters", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `p1.m1.t1.s1`, 1)), `2:7: "p1.m1.t1.s1" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id without number", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S`, 1)), `2:7: "P1.M1.T1.S" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id with a negative number", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S-1`, 1)), `2:7: "P1.M1.T1.S-1" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id with a fullwidth digit", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S１`, 1)), `2:7: "P1.M1.T1.S１" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of five segments", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1.S2`, 1)), `2:7: "P1.M1.T1.S1.S2" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of 19 digits", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1234567890123456789`, 1)), `2:7: "P1.M1.T1.S1234567890123456789" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of 10,000 digits", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S`+strings.Repeat("1", 10_000), 1)), `2:7: "P1.M1.T1.S11111111111111111111111111111111111111111111111111"... is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"long id of long characters", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "a"+strings.Repeat("é", 100), 1)), `2:7: "aééééééééééééééééééééééééééééé"... is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id empty", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "", 1)), `2:7: "" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id null", oneTask(`{"id":null,"type":"Subtask","title":"s","status":"Planned"}`), `2:7: "id" must be a string, not null`},
	{"id a number", oneTask(`{"id":1,"type":"Subtask","title":"s","status":"Planned"}`), `2:7: "id" must be a string, not a number`},
	{"bad id of a parent is one problem", strings.Replace(oneTask(subtask(1), subtask(2, dependsOn(1))), `"P1.M1.T1"`, `"P1.M1.X1"`, 1), `1:163: "P1.M1.X1" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"id of a wrong kind of a parent is one problem", strings.Replace(oneTask(subtask(1)), `"P1.M1.T1"`, `"P1"`, 1), `1:163: the id "P1" of this task is that of a phase; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4
1:163: the id "P1" stands twice; every id must be unique`},
	{"wrong id and what depends on it", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2.S1", 1), subtask(2, `"dependencies":["P1.M1.T2.S1"]`)), `2:7: the id "P1.M1.T2.S1" does not fit its parent "P1.M1.T1"; it must begin with "P1.M1.T1."`},
	{"everything missing", oneTask(`{}`), `2:1: this subtask has no "id"; every item needs one
2:1: this subtask has no "type"; every item needs one
2:1: this subtask has no "title"; every item needs one
2:1: this subtask has no "status"; every item needs one`},
	{"title and status missing", oneTask(`{"id":"P1.M1.T1.S1","type":"Subtask"}`), `2:1: this subtask "P1.M1.T1.S1" has no "title"; every item needs one
2:1: this subtask "P1.M1.T1.S1" has no "status"; every item needs one`},
	{"title a number", oneTask(`{"id":"P1.M1.T1.S1","type":"Subtask","title":1,"status":"Planned"}`), `2:46: "title" must be a string, not a number`},
	{"unknown type", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"Story"`, 1)), `2:28: unknown type "Story"; here it must be "Subtask"`},
	{"type of another level", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"Task"`, 1)), `2:28: a Task stands here, where only a Subtask may stand`},
	{"type in small letters", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"subtask"`, 1)), `2:28: unknown type "subtask"; here it must be "Subtask"`},
	{"type null", oneTask(strings.Replace(subtask(1), `"Subtask"`, `null`, 1)), `2:28: "type" must be a string, not null`},
	{"unknown status", oneTask(strings.Replace(subtask(1), `"Planned"`, `"Done"`, 1)), `2:59: unknown status "Done"; allowed: Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete`},
	{"status in small letters", oneTask(strings.Replace(subtask(1), `"Planned"`, `"planned"`, 1)), `2:59: unknown status "planned"; allowed: Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete`},
	{"status empty", oneTask(strings.Replace(subtask(1), `"Planned"`, `""`, 1)), `2:59: unknown status ""; allowed: Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete`},
	{"status null", oneTask(strings.Replace(subtask(1), `"Planned"`, `null`, 1)), `2:59: "status" must be a string, not null`},
	{"status a list", oneTask(strings.Replace(subtask(1), `"Planned"`, `["Planned"]`, 1)), `2:59: "status" must be a string, not a list`},

	// Levels.
	{"subtasks in a phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","subtasks":[{}]}]}`, `1:80: a phase has "milestones" below it, not "subtasks"`},
	{"tasks in a task", strings.Replace(oneTask(subtask(1)), `"subtasks"`, `"tasks"`, 1), `1:227: a task has "subtasks" below it, not "tasks"`},
	{"subtasks in a subtask", oneTask(subtask(1, `"subtasks":[ {} ]`)), `2:80: a subtask has no items below it; remove "subtasks"`},
	{"tasks in a phase, no list", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","tasks":{}}]}`, `1:77: a phase has "milestones" below it, not "tasks"`},
	{"milestones an object", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","milestones":{}}]}`, `1:82: "milestones" must be a list, not an object`},
	{"a subtask that is a string", oneTask(`"P1.M1.T1.S1"`, "[]"), `2:1: a subtask must be an object, not a string
3:1: a subtask must be an object, not a list`},

	// Dependencies.
	{"unknown dependency", oneTask(subtask(1), subtask(2, "\n"+dependsOn(1, 7))), `4:31: P1.M1.T1.S2 depends on "P1.M1.T1.S7", which is not in this backlog; correct the id or remove it`},
	{"dependency on what is no id", oneTask(subtask(1, `"dependencies":["setup"]`)), `2:85: P1.M1.T1.S1 cannot depend on "setup": "setup" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"empty dependency", oneTask(subtask(1, `"dependencies":[""]`)), `2:85: P1.M1.T1.S1 cannot depend on "": "" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"dependency that moves the cursor", oneTask(subtask(1, `"dependencies":["\u001b[2J"]`)), `2:85: P1.M1.T1.S1 cannot depend on "\x1b[2J": "\x1b[2J" is not an id; ids look like P1, P1.M2, P1.M2.T3 or P1.M2.T3.S4`},
	{"dependency null", oneTask(subtask(1, `"dependencies":[null]`)), `2:85: a dependency must be an id, not null`},
	{"dependencies a string", oneTask(subtask(1, `"dependencies":"P1.M1.T1.S2"`)), `2:84: "dependencies" must be a list of ids, not a string`},
	{"unknown dependency of what has no id", oneTask(`{"type":"Subtask","title":"s","status":"Planned","dependencies":["P7"]}`), `2:1: this subtask has no "id"; every item needs one
2:66: this subtask depends on "P7", which is not in this backlog; correct the id or remove it`},
	{"on itself", oneTask(subtask(1, dependsOn(1))), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1.S1; a subtask cannot wait for itself`},
	{"on its own parent", oneTask(subtask(1, `"dependencies":["P1.M1.T1"]`)), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1 -> P1.M1.T1.S1; a subtask cannot wait for an item that it is a part of`},
	{"on its own phase", oneTask(subtask(1), subtask(2, dependsOn(1), "\n"+`"x":["P1"]`), subtask(3, `"dependencies":["P1.M1.T1.S1","P1"]`)), `5:99: cycle: P1.M1.T1.S3 -> P1 -> P1.M1.T1.S3; a subtask cannot wait for an item that it is a part of`},
	{"cycle of 2", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(1))), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"cycle of 2, spelled with escapes", oneTask(subtask(1, `"dependencies":["P1\u002eM1.T1.S2"]`), subtask(2, dependsOn(1))), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"cycle of 3 with more around it", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(5, 3)), subtask(3, dependsOn(5, 4)), subtask(4, dependsOn(2)), subtask(5), subtask(6, dependsOn(1, 4))), `3:99: cycle: P1.M1.T1.S2 -> P1.M1.T1.S3 -> P1.M1.T1.S4 -> P1.M1.T1.S2; remove one of these dependencies`},
	{"the shortest cycle of a knot", oneTask(subtask(1, dependsOn(2, 4)), subtask(2, dependsOn(3)), subtask(3, dependsOn(1)), subtask(4, dependsOn(1))), `2:99: cycle: P1.M1.T1.S1 -> P1.M1.T1.S4 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"cycle of 1,000", ringBacklog(1000), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S3 -> P1.M1.T1.S4 -> P1.M1.T1.S5 -> P1.M1.T1.S6 -> P1.M1.T1.S7 -> P1.M1.T1.S8 -> P1.M1.T1.S9 -> P1.M1.T1.S10 -> (981 more) -> P1.M1.T1.S992 -> P1.M1.T1.S993 -> P1.M1.T1.S994 -> P1.M1.T1.S995 -> P1.M1.T1.S996 -> P1.M1.T1.S997 -> P1.M1.T1.S998 -> P1.M1.T1.S999 -> P1.M1.T1.S1000 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"two cycles", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(1)), subtask(3, dependsOn(1, 4)), subtask(4, dependsOn(3))), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S1; remove one of these dependencies
4:99: cycle: P1.M1.T1.S3 -> P1.M1.T1.S4 -> P1.M1.T1.S3; remove one of these dependencies`},
	{"a cycle, a self-reference and a stranger", oneTask(subtask(1, dependsOn(9, 2)), subtask(2, dependsOn(1)), subtask(3, dependsOn(3))), `2:85: P1.M1.T1.S1 depends on "P1.M1.T1.S9", which is not in this backlog; correct the id or remove it
2:99: cycle: P1.M1.T1.S1 -> P1.M1.T1.S2 -> P1.M1.T1.S1; remove one of these dependencies
4:85: cycle: P1.M1.T1.S3 -> P1.M1.T1.S3; a subtask cannot wait for itself`},
	{"cycle through parents", twoTasks(`"dependencies":["P1.M1.T2"]`, `"dependencies":["P1.M1.T1"]`), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T2 -> P1.M1.T2.S1 -> P1.M1.T1 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"cycle through one parent", twoTasks(`"dependencies":["P1.M1.T2"]`, `"dependencies":["P1.M1.T1.S1"]`), `2:85: cycle: P1.M1.T1.S1 -> P1.M1.T2 -> P1.M1.T2.S1 -> P1.M1.T1.S1; remove one of these dependencies`},
	{"cycle through a milestone and its task", `{"backlog":[
{"id":"P1","type":"Phase","title":"","status":"Planned","milestones":[{"id":"P1.M1","type":"Milestone","title":"","status":"Planned","tasks":[{"id":"P1.M1.T1","type":"Task","title":"","status":"Planned","subtasks":[
{"id":"P1.M1.T1.S1","type":"Subtask","title":"","status":"Planned","dependencies":["P2"]}]}]}]},
{"id":"P2","type":"Phase","title":"","status":"Planned","milestones":[{"id":"P2.M1","type":"Milestone","title":"","status":"Planned","tasks":[{"id":"P2.M1.T1","type":"Task","title":"","status":"Planned","subtasks":[
{"id":"P2.M1.T1.S1","type":"Subtask","title":"","status":"Planned","dependencies":["P1.M1"]}]}]}]}]}`, `3:84: cycle: P1.M1.T1.S1 -> P2 -> P2.M1.T1.S1 -> P1.M1 -> P1.M1.T1.S1; remove one of these dependencies`},

	// What is optional.
	{"points negative", oneTask(subtask(1, `"story_points":-1`)), `2:84: "story_points" is -1; it must be a number of at least 0`},
	{"points a little negative", oneTask(subtask(1, `"story_points":-0.5`)), `2:84: "story_points" is -0.5; it must be a number of at least 0`},
	{"points so little negative that a float is 0", oneTask(subtask(1, `"story_points":-1e-999`)), `2:84: "story_points" is -1e-999; it must be a number of at least 0`},
	{"points with very many digits", oneTask(subtask(1, `"story_points":-1`+strings.Repeat("0", 1000))), `2:84: "story_points" is -10000000000000000000000000000000000000000000000000000000000...; it must be a number of at least 0`},
	{"points a string", oneTask(subtask(1, `"story_points":"3"`)), `2:84: "story_points" must be a number of at least 0, not a string`},
	{"points true", oneTask(subtask(1, `"story_points":true`)), `2:84: "story_points" must be a number of at least 0, not true or false`},
	{"description a list", oneTask(subtask(1, `"description":["a"]`)), `2:83: "description" must be a string, not a list`},
	{"context_scope an object", oneTask(subtask(1, `"context_scope":{"a":1}`)), `2:85: "context_scope" must be a string, not an object`},
	{"run empty", oneTask(subtask(1, `"run":""`)), `2:75: "run" must not be empty`},
	{"run an empty list", oneTask(subtask(1, `"run":[]`)), `2:75: "run" must name a program`},
	{"run without a program", oneTask(subtask(1, `"run":["","x"]`)), `2:75: "run" must name a program`},
	{"run with a number", oneTask(subtask(1, `"run":["sleep",1]`)), `2:84: an argument of "run" must be a string, not a number`},
	{"run with a number first", oneTask(subtask(1, `"run":[1,null]`)), `2:76: an argument of "run" must be a string, not a number
2:78: an argument of "run" must be a string, not null`},
	{"run an object", oneTask(subtask(1, `"run":{"cmd":"true"}`)), `2:75: "run" must be a shell line or a list of arguments, not an object`},
	{"run true", oneTask(subtask(1, `"run":true`)), `2:75: "run" must be a shell line or a list of arguments, not true or false`},
	{"run with NUL", oneTask(subtask(1, `"run":"a\u0000b"`)), `2:75: "run" holds a NUL character, which no command can take`},
	{"argument with NUL", oneTask(subtask(1, `"run":["a","b\u0000"]`)), `2:80: "run" holds a NUL character, which no command can take`},
	{"timeout a number", oneTask(subtask(1, `"timeout":30`)), `2:79: "timeout" must be a duration like "400ms" or "30m", not a number`},
	{"timeout without unit", oneTask(subtask(1, `"timeout":"30"`)), `2:79: "timeout" is "30"; it must be a duration above 0, like "400ms" or "30m"`},
	{"timeout in days", oneTask(subtask(1, `"timeout":"2d"`)), `2:79: "timeout" is "2d"; it must be a duration above 0, like "400ms" or "30m"`},
	{"timeout 0", oneTask(subtask(1, `"timeout":"0s"`)), `2:79: "timeout" is "0s"; it must be a duration above 0, like "400ms" or "30m"`},
	{"timeout negative", oneTask(subtask(1, `"timeout":"-1m"`)), `2:79: "timeout" is "-1m"; it must be a duration above 0, like "400ms" or "30m"`},
	{"timeout too long for a clock", oneTask(subtask(1, `"timeout":"9999999999h"`)), `2:79: "timeout" is "9999999999h"; it must be a duration above 0, like "400ms" or "30m"`},
	{"env a list", oneTask(subtask(1, `"env":["A=b"]`)), `2:75: "env" must be an object of strings, not a list`},
	{"env of numbers", oneTask(subtask(1, `"env":{"A":1,"B":null}`)), `2:80: the variable "A" must be a string, not a number
2:86: the variable "B" must be a string, not null`},
	{"env name that moves the cursor", oneTask(subtask(1, `"env":{"\u001b[2J":1}`)), `2:88: the variable "\x1b[2J" must be a string, not a number`},
	{"env names that are none", oneTask(subtask(1, `"env":{"":"a","A=B":"c","N\u0000":"d"}`)), `2:76: "" is not a name of an environment variable
2:83: "A=B" is not a name of an environment variable
2:93: "N\x00" is not a name of an environment variable`},
	{"env value with NUL", oneTask(subtask(1, `"env":{"A":"b\u0000"}`)), `2:80: the variable "A" holds a NUL character, which no command can take`},
	{"env of a phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","env":{"A":1},"timeout":"x","workdir":""}]}`, `1:80: the variable "A" must be a string, not a number
1:93: "timeout" is "x"; it must be a duration above 0, like "400ms" or "30m"
1:107: "workdir" must not be empty`},
	{"workdir empty", oneTask(subtask(1, `"workdir":""`)), `2:79: "workdir" must not be empty`},
	{"workdir a number", oneTask(subtask(1, `"workdir":1`)), `2:79: "workdir" must be a string, not a number`},
	{"workdir with NUL", oneTask(subtask(1, `"workdir":"a\u0000"`)), `2:79: "workdir" holds a NUL character, which no command can take`},
	{"gates an object", oneTask(subtask(1, `"gates":{}`)), `2:77: "gates" must be a list, not an object`},
	{"gate a string", oneTask(subtask(1, `"gates":["make test"]`)), `2:78: a gate must be an object like {"level":1,"run":"make test"}, not a string`},
	{"gate without anything", oneTask(subtask(1, `"gates":[{}]`)), `2:78: this gate has no "level"; every gate needs one from 1 to 4
2:78: this gate has no "run"; every gate needs a command`},
	{"gate levels", oneTask(subtask(1, `"gates":[{"level":0,"run":"a"},{"level":5,"run":"a"},{"level":"1","run":"a"},{"level":1.5,"run":"a"},{"level":null,"run":"a"}]`)), `2:87: "level" must be an integer between 1 and 4, not 0
2:109: "level" must be an integer between 1 and 4, not 5
2:131: "level" must be an integer between 1 and 4, not a string
2:155: "level" must be an integer between 1 and 4, not 1.5
2:179: "level" must be an integer between 1 and 4, not null`},
	{"gate run and timeout", oneTask(subtask(1, `"gates":[{"level":1,"run":"","timeout":"soon"},{"level":1,"run":null}]`)), `2:95: "run" must not be empty
2:108: "timeout" is "soon"; it must be a duration above 0, like "400ms" or "30m"
2:133: "run" must be a shell line or a list of arguments, not null`},
	{"gate names", oneTask(subtask(1, `"gates":[{"level":1,"run":"a","name":"any text"},{"level":1,"run":"a","name":""},{"level":1,"run":"a","name":1}]`)), `2:146: "name" must not be empty
2:178: "name" must be a string, not a number`},
	{"retries negative", oneTask(subtask(1, `"retries":-1`)), `2:79: "retries" must be an integer between 0 and 10, not -1`},
	{"retries 11", oneTask(subtask(1, `"retries":11`)), `2:79: "retries" must be an integer between 0 and 10, not 11`},
	{"retries 1.5", oneTask(subtask(1, `"retries":1.5`)), `2:79: "retries" must be an integer between 0 and 10, not 1.5`},
	{"retries a string", oneTask(subtask(1, `"retries":"3"`)), `2:79: "retries" must be an integer between 0 and 10, not a string`},
	{"retries with very many digits", oneTask(subtask(1, `"retries":`+strings.Repeat("9", 1000))), `2:79: "retries" must be an integer between 0 and 10, not 999999999999999999999999999999999999999999999999999999999999...`},

	// Places.
	{"columns are characters", "{\"backlog\":[],\"日本語é😀\":01}", `1:23: a number may not begin with 0`},
	{"a BOM is no column", "\ufeff{\"backlog\":01}", `1:12: a number may not begin with 0`},
	{"a BOM is no column, line 2", "\ufeff{\"backlog\":[],\r\n \"x\":01}", `2:6: a number may not begin with 0`},
	{"CRLF", "{\r\n\t\"backlog\":[],\r\n\t\"x\":01\r\n}\r\n", `3:6: a number may not begin with 0`},
	{"a lone CR is no new line", "{\r\"backlog\":[],\r\"x\":01}", `1:21: a number may not begin with 0`},
	{"everything at once, in the file's order", `{"backlog":[{
  "type": "Milestone",
  "id": "P1",
  "status": "Done",
  "milestones": [{
    "id": "P2.M1", "type": "Milestone", "title": "m", "status": "Planned",
    "tasks": [{
      "id": "P2.M1.T1", "type": "Task", "title": "t", "status": "Planned",
      "subtasks": [
        {"id": "P2.M1.T1.S1", "type": "Subtask", "title": "s", "status": "Planned", "story_points": -3, "dependencies": ["P2.M1.T1.S2", "P7"]},
        {"id": "P2.M1.T1.S2", "type": "Subtask", "title": "s", "status": "Planned", "dependencies": ["P2.M1.T1.S1"], "timeout": "soon"},
        {"id": "P2.M1.T1.S2", "type": "Subtask", "title": "s", "status": "Planned", "x": 1, "x": 2}
      ]
    }]
  }]
}]}`, `1:13: this phase "P1" has no "title"; every item needs one
2:11: a Milestone stands here, where only a Phase may stand
4:13: unknown status "Done"; allowed: Planned, Researching, Implementing, Retrying, Complete, Failed, Obsolete
6:11: the id "P2.M1" does not fit its parent "P1"; it must begin with "P1."
10:101: "story_points" is -3; it must be a number of at least 0
10:122: cycle: P2.M1.T1.S1 -> P2.M1.T1.S2 -> P2.M1.T1.S1; remove one of these dependencies
10:137: P2.M1.T1.S1 depends on "P7", which is not in this backlog; correct the id or remove it
11:129: "timeout" is "soon"; it must be a duration above 0, like "400ms" or "30m"
12:16: the id "P2.M1.T1.S2" stands twice; every id must be unique
12:93: the key "x" stands twice in one object; remove one of them`},
	{"what came before bad JSON is told too", oneTask(subtask(1, `"story_points":-1`)) + "x", `2:84: "story_points" is -1; it must be a number of at least 0
4:1: expected the end of the file, found 'x'`},
}

// twoTasks is P1.M1 with T1 and T2 of one subtask each.
func twoTasks(first, second string) string {
	return `{"backlog":[{"id":"P1","type":"Phase","title":"p","status":"Planned","milestones":[` +
		`{"id":"P1.M1","type":"Milestone","title":"m","status":"Planned","tasks":[` +
		`{"id":"P1.M1.T1","type":"Task","title":"t","status":"Planned","subtasks":[` + "\n" +
		`{"id":"P1.M1.T1.S1","type":"Subtask","title":"s","status":"Planned",` + first + `}]},` + "\n" +
		`{"id":"P1.M1.T2","type":"Task","title":"t","status":"Planned","subtasks":[` + "\n" +
		`{"id":"P1.M1.T2.S1","type":"Subtask","title":"s","status":"Planned",` + second + `}]}]}]}]}`
}

func TestRefusals(t *testing.T) {
	names := map[string]bool{}
	for _, c := range refusals {
		if names[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			if got := complaints(t, c.src); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Whatever a file holds, what is said about it fits a terminal: no control
// characters, and no megabytes.
func TestRefusalsAreFitToPrint(t *testing.T) {
	for _, c := range refusals {
		for line := range strings.Lines(complaints(t, c.src)) {
			line = strings.TrimSuffix(line, "\n")
			if len(line) > 700 || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%s: %q", c.name, line)
			}
		}
	}
}

func TestAccepted(t *testing.T) {
	for name, src := range map[string]string{
		"no phases":                    `{"backlog":[]}`,
		"small":                        small,
		"BOM":                          "\ufeff" + small,
		"CRLF":                         strings.ReplaceAll(small, "\n", "\r\n"),
		"lone CR":                      strings.ReplaceAll(small, "\n", "\r"),
		"tabs":                         strings.ReplaceAll(small, ":", "\t:\t"),
		"no final newline":             strings.TrimSuffix(small, "\n"),
		"many final newlines":          small + "\n\n\n",
		"unknown fields at the top":    `{"version":2,"backlog":[],"meta":{"a":[{}]}}`,
		"children null":                `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","milestones":null}]}`,
		"no children key":              `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned"}]}`,
		"no children at a wrong level": `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","tasks":[],"subtasks":null,"milestones":[]}]}`,
		"lists at MaxDepth":            `{"backlog":[],"x":` + nested(MaxDepth-1, "[", "", "]") + "}",
		"objects at MaxDepth":          `{"backlog":[],"x":` + nested(MaxDepth-1, `{"a":`, "1", "}") + "}",
		"many lists side by side":      `{"backlog":[],"x":[` + strings.Repeat("[],", 3*MaxDepth) + "[]]}",
		"many objects side by side":    `{"backlog":[],"x":[` + strings.Repeat("{},", 3*MaxDepth) + "{}]}",
		"points 0.5":                   oneTask(subtask(1, `"story_points":0.5`)),
		"points 1e2":                   oneTask(subtask(1, `"story_points":1e2`)),
		"points 0":                     oneTask(subtask(1, `"story_points":0`)),
		"points -0":                    oneTask(subtask(1, `"story_points":-0`), subtask(2, `"story_points":-0.0e7`)),
		"points huge":                  oneTask(subtask(1, `"story_points":1e999`)),
		"lone surrogates":              oneTask(subtask(1, `"context_scope":"\ud800 \udc00 \ud800\ud800 \udc00\ud800"`)),
		"all escapes":                  oneTask(subtask(1, `"context_scope":"\"\\\/\b\f\n\r\t\u00e9\u0000"`)),
		"null for what is optional": oneTask(subtask(1, `"story_points":null`, `"dependencies":null`, `"context_scope":null`, `"description":null`,
			`"run":null`, `"timeout":null`, `"env":null`, `"workdir":null`, `"gates":null`, `"retries":null`)),
		"null in a gate":                 oneTask(subtask(1, `"gates":[{"level":1,"run":"a","name":null,"timeout":null}]`)),
		"same key in different objects":  `{"backlog":[],"x":{"a":{"a":[{"a":1},{"a":1}]}},"a":1}`,
		"id spelled with escapes":        oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1\u002eM1.T1.S\u0031`, 1), subtask(2, dependsOn(1))),
		"id of 18 digits":                oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S123456789012345678`, 1)),
		"ids in any order":               oneTask(subtask(3), subtask(1), subtask(2)),
		"dependency forwards":            oneTask(subtask(1, dependsOn(2)), subtask(2)),
		"dependency twice":               oneTask(subtask(1), subtask(2, dependsOn(1, 1))),
		"diamond":                        oneTask(subtask(1, dependsOn(2, 3)), subtask(2, dependsOn(4)), subtask(3, dependsOn(4)), subtask(4)),
		"dependency on another parent":   twoTasks(`"x":0`, `"dependencies":["P1.M1.T1"]`),
		"dependency on a parent forward": twoTasks(`"dependencies":["P1.M1.T2"]`, `"x":0`),
		"fields of subtasks on parents":  `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","dependencies":7,"run":false,"story_points":"many"}]}`,
		"DEL and C1 in a string":         oneTask(subtask(1, "\"context_scope\":\"\x7f\u0085\u2028\"")),
	} {
		if got := complaints(t, src); got != "" {
			t.Errorf("%s: refused:\n%s", name, got)
		}
	}
}

// A file that lost its end is never taken for a backlog.
func TestTruncatedAtEveryByte(t *testing.T) {
	for _, src := range []string{small, strings.TrimSuffix(small, "\n"), "\ufeff" + small} {
		whole := len(strings.TrimRight(src, "\n"))
		for n := range whole {
			got := complaints(t, src[:n])
			if got == "" {
				t.Fatalf("accepted: %q", src[:n])
			}
			if n > 0 && utf8.ValidString(src[:n]) && !strings.Contains(got, "cut off") && !strings.Contains(got, "is empty") {
				t.Errorf("no word of being cut off: %q: %s", src[max(0, n-20):n], got)
			}
		}
	}
}

// No byte changed anywhere makes Parse panic or accept what is not JSON.
func TestEveryByteChanged(t *testing.T) {
	for i := range len(small) {
		for _, c := range []byte("\x00 \n\"\\{}[],:0-.eEx/\x7f\x80\xff") {
			src := small[:i] + string([]byte{c}) + small[i+1:]
			if complaints(t, src) == "" && !json.Valid([]byte(src)) {
				t.Fatalf("accepted: %q", src)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	// Memory that nobody touches costs nothing.
	data, err := syscall.Mmap(-1, 0, MaxSize+1, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("no address space for a file of %d bytes: %v", MaxSize+1, err)
	}
	defer func() { _ = syscall.Munmap(data) }()
	got := complaints(t, unsafe.String(&data[0], len(data)))
	if want := "1:1: the file has 1073741825 bytes; hacky reads at most 1073741824"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	const n = 3000
	subtasks := make([]string, n)
	for i := range subtasks {
		subtasks[i] = subtask(i+1, `"story_points":-1`)
	}
	// Without line breaks: counting columns must not be quadratic either.
	src := strings.ReplaceAll(oneTask(subtasks...), "\n", "")
	_, err := Parse("tasks.json", src)
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	if len(invalid.Problems) != maxProblems || invalid.More != n-maxProblems {
		t.Errorf("%d problems and %d more", len(invalid.Problems), invalid.More)
	}
	for _, p := range invalid.Problems {
		if at := p.Column - 1; p.Line != 1 || src[at:at+2] != "-1" {
			t.Fatalf("%d:%d is %q", p.Line, p.Column, src[at:at+2])
		}
	}
	lines := strings.Split(invalid.Error(), "\n")
	if len(lines) != shownProblems+1 || lines[shownProblems] != "tasks.json: and 2980 more problems; `hacky validate` lists them" {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
	if want := `tasks.json:1:314: "story_points" is -1; it must be a number of at least 0`; lines[0] != want {
		t.Errorf("got %s\nwant %s", lines[0], want)
	}
}

// One more than is shown is shown too: "1 more" would take the same line.
func TestErrorShowsOneMore(t *testing.T) {
	subtasks := make([]string, shownProblems+1)
	for i := range subtasks {
		subtasks[i] = subtask(i+1, `"story_points":-1`)
	}
	_, err := Parse("tasks.json", oneTask(subtasks...))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != shownProblems+1 || !strings.HasPrefix(lines[shownProblems], "tasks.json:22:") {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
}

func TestSpecs(t *testing.T) {
	b := mustParse(t, oneTask(
		subtask(1, `"run":"echo \u0022hi\u0022"`, `"timeout":"1h30m"`, `"env":{"B":"2","A":"","PATH":"/x"}`, `"workdir":"a/b"`, `"retries":0`,
			`"gates":[{"run":["go","vet",""],"level":4,"timeout":"400ms","name":"vet_1-a","why":{}},{"level":1,"run":"make"}]`),
		subtask(2, `"run":["printf","%s\n",""]`, `"gates":[]`, `"retries":10`),
		subtask(3, `"run":null`),
		subtask(4),
	))
	at := func(n int) Spec {
		i, _ := b.Lookup(fmt.Sprintf("P1.M1.T1.S%d", n))
		return b.Spec(i)
	}
	want := []Spec{
		{Run: Command{Shell: `echo "hi"`}, Timeout: 90 * time.Minute, Env: []EnvVar{{"B", "2"}, {"A", ""}, {"PATH", "/x"}}, Workdir: "a/b",
			HasGates: true, Gates: []Gate{{Level: 4, Name: "vet_1-a", Run: Command{Argv: []string{"go", "vet", ""}}, Timeout: 400 * time.Millisecond}, {Level: 1, Run: Command{Shell: "make"}}}},
		{Run: Command{Argv: []string{"printf", "%s\n", ""}}, HasGates: true, Retries: 10},
		{Retries: -1},
		{Retries: -1},
	}
	for i, w := range want {
		if got := at(i + 1); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", w) {
			t.Errorf("S%d\n got %#v\nwant %#v", i+1, got, w)
		}
	}
	if !at(3).Run.IsZero() || at(2).Run.IsZero() || at(1).Run.String() != `echo "hi"` || at(2).Run.String() != "printf %s\n " {
		t.Error("commands")
	}
}

// Small JSON texts, right and wrong: an unknown field's value is accepted
// exactly when encoding/json accepts it, save for duplicate keys, depth and
// invalid UTF-8, where it is the more tolerant one.
func TestAgreesWithEncodingJSON(t *testing.T) {
	pieces := []string{"", " ", "\t\r\n", "{", "}", "[", "]", ",", ":", `"`, `"a"`, `"b":`, `\`, `\u`, `\u12aF`, `\ud800`, "0", "1", "-", "+", ".", "e", "E5", "1e5", "1.5", "true", "fals", "null", "n", "é", "\x00", "\x01", "\x7f", "'", "/"}
	accepted := 0
	try := func(value string) {
		src := `{"backlog":[],"x":` + value + `}`
		valid := json.Valid([]byte(src))
		if valid {
			accepted++
		}
		if got := complaints(t, src); (got == "") != valid && !strings.Contains(got, "stands twice") {
			t.Errorf("%q: encoding/json says %t, we say %q", value, valid, got)
		}
	}
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				try(a + b + c)
				try(`"` + a + b + c + `"`)
				try("[" + a + b + "," + c + "]")
				try(`{"k":` + a + b + c + "}")
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d of the texts are JSON", accepted)
	}
}

// A string is looked at eight bytes at a time: what matters must be seen at
// every place, whatever stands beside it.
func TestStringsAtEveryOffset(t *testing.T) {
	for _, special := range []string{`\"`, `\\`, "\x1f", "\x00", "\n", "é", "\xff", "\x7f", "\u2028", `\u00e9`, "!", "#", "[", "]", "\x80", "😀", `\x`} {
		for _, fill := range []string{"a", "é", "!", "#", "]", "\x7f", " "} {
			for before := range 20 {
				for after := range 20 {
					src := `{"backlog":[],"x":"` + strings.Repeat(fill, before) + special + strings.Repeat(fill, after) + `"}`
					want := json.Valid([]byte(src)) && utf8.ValidString(src)
					if got := complaints(t, src); (got == "") != want {
						t.Fatalf("%q: %q", src, got)
					}
				}
			}
		}
	}
}

// Nothing takes quadratic time: where it does, this test takes minutes.
func TestLargeKnots(t *testing.T) {
	const n = 100_000
	chain := make([]string, n) // each waits for the next: the deepest stack
	fan := make([]string, n)   // all wait for the last
	for i := range n - 1 {
		chain[i] = subtask(i+1, dependsOn(i+2))
		fan[i] = subtask(i+1, dependsOn(n))
	}
	chain[n-1], fan[n-1] = subtask(n), subtask(n)
	mustParse(t, oneTask(chain...))
	mustParse(t, oneTask(fan...))
	fan[n-1] = subtask(n, dependsOn(1))
	if got := complaints(t, oneTask(fan...)); !strings.HasPrefix(got, "2:") || strings.Count(got, "\n") > 0 {
		t.Error(got)
	}
}
