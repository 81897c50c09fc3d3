package backlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
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
	{"empty", "", "?"},
	{"only blanks", " \n\t\r\n ", "?"},
	{"only a BOM", "\ufeff", "?"},
	{"null", "null", "?"},
	{"list at the top", `[{"backlog":[]}]`, "?"},
	{"number at the top", "\n 12", "?"},
	{"string at the top", `"backlog"`, "?"},
	{"true at the top", `true`, "?"},
	{"no word of JSON", "backlog: []\n", "?"},
	{"backlog missing", `{"Backlog":[]}`, "?"},
	{"backlog null", `{"backlog":null}`, "?"},
	{"backlog an object", `{"backlog":{}}`, "?"},
	{"phases that are none", "{\"backlog\":[1,\n\"P1\",\n[],\nnull]}", "?"},
	{"two documents", "{\"backlog\":[]}\n{\"backlog\":[]}", "?"},
	{"text after the end", "{\"backlog\":[]}\n// done", "?"},

	// Encodings.
	{"two BOMs", "\ufeff\ufeff{\"backlog\":[]}", "?"},
	{"BOM inside", "{\"backlog\":\n \ufeff[]}", "?"},
	{"UTF-16 LE with BOM", utf16Text(`{"backlog":[]}`, "\xff\xfe", 0, 1), "?"},
	{"UTF-16 BE with BOM", utf16Text(`{"backlog":[]}`, "\xfe\xff", 1, 0), "?"},
	{"UTF-16 LE", utf16Text(`{"backlog":[]}`, "", 0, 1), "?"},
	{"UTF-16 BE", utf16Text(`{"backlog":[]}`, "", 1, 0), "?"},
	{"Latin-1 in a string", "{\"backlog\":[],\"x\":\"caf\xe9 au lait\"}", "?"},
	{"Latin-1 after an escape", "{\"backlog\":[],\"x\":\"\\\xe9\"}", "?"},
	{"Latin-1 outside strings", "{\"backlog\":[],\n\xe9}", "?"},
	{"overlong UTF-8", "{\"backlog\":[],\"x\":\"\xc0\xaf\"}", "?"},
	{"encoded surrogate", "{\"backlog\":[],\"x\":\"\xed\xa0\x80\"}", "?"},
	{"cut character", "{\"backlog\":[],\"x\":\"12345678\xe2\x82\"}", "?"},
	{"NUL in a string", "{\"backlog\":[],\"x\":\"a\x00b\"}", "?"},
	{"NUL outside strings", "{\"backlog\":\x00[]}", "?"},
	{"NULs for a whole file", strings.Repeat("\x00", 64), "?"},
	{"NULs after the end", "{\"backlog\":[]}\n\x00\x00\x00", "?"},
	{"form feed as white space", "{\"backlog\":\f[]}", "?"},
	{"no-break space as white space", "{\"backlog\":\u00a0[]}", "?"},

	// JSON.
	{"line break in a string", "{\"backlog\":[],\"x\":\"a\nb\"}", "?"},
	{"tab in a string", "{\"backlog\":[],\"x\":\"a\tb\"}", "?"},
	{"tab in a long string", "{\"backlog\":[],\"x\":\"123456789012345678901234567890é\tb\"}", "?"},
	{"bad escape", `{"backlog":[],"x":"C:\dir"}`, "?"},
	{"bad escape of a long character", `{"backlog":[],"x":"\é"}`, "?"},
	{"hexadecimal escape", `{"backlog":[],"x":"\x41"}`, "?"},
	{"bad unicode escape", `{"backlog":[],"x":"\u12g4"}`, "?"},
	{"short unicode escape", `{"backlog":[],"x":"\u12"}`, "?"},
	{"cut in an escape", `{"backlog":[],"x":"\u12`, "?"},
	{"cut after a backslash", `{"backlog":[],"x":"\`, "?"},
	{"leading zero", `{"backlog":[],"x":01}`, "?"},
	{"leading zero after minus", `{"backlog":[],"x":-01}`, "?"},
	{"no digit after the point", `{"backlog":[],"x":1.}`, "?"},
	{"no digit before the point", `{"backlog":[],"x":.5}`, "?"},
	{"plus", `{"backlog":[],"x":+1}`, "?"},
	{"no exponent", `{"backlog":[],"x":1e}`, "?"},
	{"no exponent after its sign", `{"backlog":[],"x":1e+}`, "?"},
	{"only a minus", `{"backlog":[],"x":-}`, "?"},
	{"two points", `{"backlog":[],"x":1.2.3}`, "?"},
	{"hexadecimal number", `{"backlog":[],"x":0x1}`, "?"},
	{"NaN", `{"backlog":[],"x":NaN}`, "?"},
	{"capital word", `{"backlog":[],"x":True}`, "?"},
	{"cut word", `{"backlog":[],"x":nul}`, "?"},
	{"word too long", `{"backlog":[],"x":nulll}`, "?"},
	{"comma before }", `{"backlog":[],}`, "?"},
	{"comma before ]", "{\"backlog\":[],\"x\":[1,\n]}", "?"},
	{"comma after the last phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned"},]}`, "?"},
	{"comma first", `{"backlog":[],"x":[,1]}`, "?"},
	{"comma missing in an object", "{\"backlog\":[]\n\"x\":1}", "?"},
	{"comma missing in a list", `{"backlog":[],"x":[1 2]}`, "?"},
	{"colon missing", `{"backlog" []}`, "?"},
	{"key without quotes", `{backlog:[]}`, "?"},
	{"key in single quotes", `{'backlog':[]}`, "?"},
	{"comment", "{\n  // phases\n  \"backlog\":[]}", "?"},
	{"wrong bracket", `{"backlog":[}`, "?"},
	{"bracket too many", `{"backlog":[]]}`, "?"},

	// Depth.
	{"10,000 lists at the top", nested(10_000, "[", "", "]"), "?"},
	{"10,000 objects at the top", nested(10_000, `{"a":`, "1", "}"), "?"},
	{"10,000 lists in an unknown field", `{"backlog":[],"x":` + nested(10_000, "[", "", "]") + "}", "?"},
	{"10,000 objects in an unknown field", `{"backlog":[],"x":` + nested(10_000, "{\"a\":\n", "1", "}") + "}", "?"},
	{"10,000 lists, never closed", `{"backlog":` + strings.Repeat("[", 10_000), "?"},
	{"10,000 lists in an item", oneTask(subtask(1, `"x":`+nested(10_000, "[", "", "]"))), "?"},
	{"10,000 phases inside each other", `{"backlog":` + nested(10_000, `[{"milestones":`, "[]", "}]") + "}", "?"},
	{"one level too deep", `{"backlog":[],"x":` + nested(MaxDepth, "[", "", "]") + "}", "?"},

	// Duplicates.
	{"backlog twice", "{\"backlog\":[],\n\"backlog\":[]}", "?"},
	{"unknown key twice", `{"x":1,"backlog":[],"x":1}`, "?"},
	{"key twice in an item", oneTask(subtask(1, "\n"+`"status":"Complete"`)), "?"},
	{"key three times", oneTask(subtask(1, "\n"+`"title":"a"`, "\n"+`"title":"b"`)), "?"},
	{"key twice in a nested unknown object", oneTask(subtask(1, `"x":[{"a":{"b":1,`+"\n  "+`"b":2}}]`)), "?"},
	{"key twice, spelled differently", `{"backlog":[],"\u0062acklog":[]}`, "?"},
	{"surrogate pair and its character", `{"backlog":[],"😀":1,"\ud83d\ude00":2}`, "?"},
	{"empty key twice", `{"backlog":[],"":1,"":2}`, "?"},
	{"24 keys and one twice", `{"backlog":[],"x":` + manyKeys(24) + "}", "?"},
	{"25 keys and one twice", `{"backlog":[],"x":` + manyKeys(25) + "}", "?"},
	{"1,000 keys and one twice", `{"backlog":[],"x":` + manyKeys(1000) + "}", "?"},
	{"env name twice", oneTask(subtask(1, `"env":{"A":"1","A":"2"}`)), "?"},
	{"id twice", oneTask(subtask(1), subtask(2), subtask(1)), "?"},
	{"id three times", oneTask(subtask(1), subtask(1), subtask(1)), "?"},
	{"phase twice", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned"},` + "\n" + `{"type":"Phase","title":"","status":"Planned","id":"P1"}]}`, "?"},

	// Ids, types, statuses.
	{"id under the wrong parent", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2.S1", 1)), "?"},
	{"id that begins like its parent's", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T11.S1", 1)), "?"},
	{"id of another kind", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2", 1)), "?"},
	{"id of a parent", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1", 1)), "?"},
	{"id upwards", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "../../etc/passwd", 1)), "?"},
	{"id with a hidden step upwards", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1/..\u002f..`, 1)), "?"},
	{"id with NUL", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1\u0000`, 1)), "?"},
	{"id that moves the cursor", oneTask(strings.Replace(subtask(1, `"dependencies":["P9"]`), "P1.M1.T1.S1", `P1.M1.T1.S\u001b[2J`, 1)), "?"},
	{"id with a line break", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1\n`, 1)), "?"},
	{"id with a blank", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", ` P1.M1.T1.S1`, 1)), "?"},
	{"id in small letters", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `p1.m1.t1.s1`, 1)), "?"},
	{"id without number", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S`, 1)), "?"},
	{"id with a negative number", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S-1`, 1)), "?"},
	{"id with a fullwidth digit", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S１`, 1)), "?"},
	{"id of five segments", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1.S2`, 1)), "?"},
	{"id of 19 digits", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S1234567890123456789`, 1)), "?"},
	{"id of 10,000 digits", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", `P1.M1.T1.S`+strings.Repeat("1", 10_000), 1)), "?"},
	{"long id of long characters", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", strings.Repeat("é", 100), 1)), "?"},
	{"id empty", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "", 1)), "?"},
	{"id null", oneTask(`{"id":null,"type":"Subtask","title":"s","status":"Planned"}`), "?"},
	{"id a number", oneTask(`{"id":1,"type":"Subtask","title":"s","status":"Planned"}`), "?"},
	{"bad id of a parent is one problem", strings.Replace(oneTask(subtask(1), subtask(2, dependsOn(1))), `"P1.M1.T1"`, `"P1.M1.X1"`, 1), "?"},
	{"wrong id and what depends on it", oneTask(strings.Replace(subtask(1), "P1.M1.T1.S1", "P1.M1.T2.S1", 1), subtask(2, `"dependencies":["P1.M1.T2.S1"]`)), "?"},
	{"everything missing", oneTask(`{}`), "?"},
	{"title and status missing", oneTask(`{"id":"P1.M1.T1.S1","type":"Subtask"}`), "?"},
	{"title a number", oneTask(`{"id":"P1.M1.T1.S1","type":"Subtask","title":1,"status":"Planned"}`), "?"},
	{"unknown type", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"Story"`, 1)), "?"},
	{"type of another level", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"Task"`, 1)), "?"},
	{"type in small letters", oneTask(strings.Replace(subtask(1), `"Subtask"`, `"subtask"`, 1)), "?"},
	{"type null", oneTask(strings.Replace(subtask(1), `"Subtask"`, `null`, 1)), "?"},
	{"unknown status", oneTask(strings.Replace(subtask(1), `"Planned"`, `"Done"`, 1)), "?"},
	{"status in small letters", oneTask(strings.Replace(subtask(1), `"Planned"`, `"planned"`, 1)), "?"},
	{"status empty", oneTask(strings.Replace(subtask(1), `"Planned"`, `""`, 1)), "?"},
	{"status null", oneTask(strings.Replace(subtask(1), `"Planned"`, `null`, 1)), "?"},
	{"status a list", oneTask(strings.Replace(subtask(1), `"Planned"`, `["Planned"]`, 1)), "?"},

	// Levels.
	{"subtasks in a phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","subtasks":[{}]}]}`, "?"},
	{"tasks in a task", strings.Replace(oneTask(subtask(1)), `"subtasks"`, `"tasks"`, 1), "?"},
	{"subtasks in a subtask", oneTask(subtask(1, `"subtasks":[ {} ]`)), "?"},
	{"tasks in a phase, no list", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","tasks":{}}]}`, "?"},
	{"milestones an object", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","milestones":{}}]}`, "?"},
	{"a subtask that is a string", oneTask(`"P1.M1.T1.S1"`, "[]"), "?"},

	// Dependencies.
	{"unknown dependency", oneTask(subtask(1), subtask(2, "\n"+dependsOn(1, 7))), "?"},
	{"dependency on what is no id", oneTask(subtask(1, `"dependencies":["setup"]`)), "?"},
	{"empty dependency", oneTask(subtask(1, `"dependencies":[""]`)), "?"},
	{"dependency that moves the cursor", oneTask(subtask(1, `"dependencies":["\u001b[2J"]`)), "?"},
	{"dependency null", oneTask(subtask(1, `"dependencies":[null]`)), "?"},
	{"dependencies a string", oneTask(subtask(1, `"dependencies":"P1.M1.T1.S2"`)), "?"},
	{"unknown dependency of what has no id", oneTask(`{"type":"Subtask","title":"s","status":"Planned","dependencies":["P7"]}`), "?"},
	{"on itself", oneTask(subtask(1, dependsOn(1))), "?"},
	{"on its own parent", oneTask(subtask(1, `"dependencies":["P1.M1.T1"]`)), "?"},
	{"on its own phase", oneTask(subtask(1), subtask(2, dependsOn(1), "\n"+`"x":["P1"]`), subtask(3, `"dependencies":["P1.M1.T1.S1","P1"]`)), "?"},
	{"cycle of 2", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(1))), "?"},
	{"cycle of 2, spelled with escapes", oneTask(subtask(1, `"dependencies":["P1\u002eM1.T1.S2"]`), subtask(2, dependsOn(1))), "?"},
	{"cycle of 3 with more around it", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(5, 3)), subtask(3, dependsOn(5, 4)), subtask(4, dependsOn(2)), subtask(5), subtask(6, dependsOn(1, 4))), "?"},
	{"the shortest cycle of a knot", oneTask(subtask(1, dependsOn(2, 4)), subtask(2, dependsOn(3)), subtask(3, dependsOn(1)), subtask(4, dependsOn(1))), "?"},
	{"cycle of 1,000", ringBacklog(1000), "?"},
	{"two cycles", oneTask(subtask(1, dependsOn(2)), subtask(2, dependsOn(1)), subtask(3, dependsOn(1, 4)), subtask(4, dependsOn(3))), "?"},
	{"a cycle, a self-reference and a stranger", oneTask(subtask(1, dependsOn(9, 2)), subtask(2, dependsOn(1)), subtask(3, dependsOn(3))), "?"},
	{"cycle through parents", twoTasks(`"dependencies":["P1.M1.T2"]`, `"dependencies":["P1.M1.T1"]`), "?"},
	{"cycle through one parent", twoTasks(`"dependencies":["P1.M1.T2"]`, `"dependencies":["P1.M1.T1.S1"]`), "?"},
	{"cycle through a milestone and its task", `{"backlog":[
{"id":"P1","type":"Phase","title":"","status":"Planned","milestones":[{"id":"P1.M1","type":"Milestone","title":"","status":"Planned","tasks":[{"id":"P1.M1.T1","type":"Task","title":"","status":"Planned","subtasks":[
{"id":"P1.M1.T1.S1","type":"Subtask","title":"","status":"Planned","dependencies":["P2"]}]}]}]},
{"id":"P2","type":"Phase","title":"","status":"Planned","milestones":[{"id":"P2.M1","type":"Milestone","title":"","status":"Planned","tasks":[{"id":"P2.M1.T1","type":"Task","title":"","status":"Planned","subtasks":[
{"id":"P2.M1.T1.S1","type":"Subtask","title":"","status":"Planned","dependencies":["P1.M1"]}]}]}]}]}`, "?"},

	// What is optional.
	{"points negative", oneTask(subtask(1, `"story_points":-1`)), "?"},
	{"points a little negative", oneTask(subtask(1, `"story_points":-0.5`)), "?"},
	{"points so little negative that a float is 0", oneTask(subtask(1, `"story_points":-1e-999`)), "?"},
	{"points with very many digits", oneTask(subtask(1, `"story_points":-1`+strings.Repeat("0", 1000))), "?"},
	{"points a string", oneTask(subtask(1, `"story_points":"3"`)), "?"},
	{"points true", oneTask(subtask(1, `"story_points":true`)), "?"},
	{"description a list", oneTask(subtask(1, `"description":["a"]`)), "?"},
	{"context_scope an object", oneTask(subtask(1, `"context_scope":{"a":1}`)), "?"},
	{"run empty", oneTask(subtask(1, `"run":""`)), "?"},
	{"run an empty list", oneTask(subtask(1, `"run":[]`)), "?"},
	{"run without a program", oneTask(subtask(1, `"run":["","x"]`)), "?"},
	{"run with a number", oneTask(subtask(1, `"run":["sleep",1]`)), "?"},
	{"run with a number first", oneTask(subtask(1, `"run":[1,null]`)), "?"},
	{"run an object", oneTask(subtask(1, `"run":{"cmd":"true"}`)), "?"},
	{"run true", oneTask(subtask(1, `"run":true`)), "?"},
	{"run with NUL", oneTask(subtask(1, `"run":"a\u0000b"`)), "?"},
	{"argument with NUL", oneTask(subtask(1, `"run":["a","b\u0000"]`)), "?"},
	{"timeout a number", oneTask(subtask(1, `"timeout":30`)), "?"},
	{"timeout without unit", oneTask(subtask(1, `"timeout":"30"`)), "?"},
	{"timeout in days", oneTask(subtask(1, `"timeout":"2d"`)), "?"},
	{"timeout 0", oneTask(subtask(1, `"timeout":"0s"`)), "?"},
	{"timeout negative", oneTask(subtask(1, `"timeout":"-1m"`)), "?"},
	{"timeout too long for a clock", oneTask(subtask(1, `"timeout":"9999999999h"`)), "?"},
	{"env a list", oneTask(subtask(1, `"env":["A=b"]`)), "?"},
	{"env of numbers", oneTask(subtask(1, `"env":{"A":1,"B":null}`)), "?"},
	{"env name that moves the cursor", oneTask(subtask(1, `"env":{"\u001b[2J":1}`)), "?"},
	{"env names that are none", oneTask(subtask(1, `"env":{"":"a","A=B":"c","N\u0000":"d"}`)), "?"},
	{"env value with NUL", oneTask(subtask(1, `"env":{"A":"b\u0000"}`)), "?"},
	{"env of a phase", `{"backlog":[{"id":"P1","type":"Phase","title":"","status":"Planned","env":{"A":1},"timeout":"x","workdir":""}]}`, "?"},
	{"workdir empty", oneTask(subtask(1, `"workdir":""`)), "?"},
	{"workdir a number", oneTask(subtask(1, `"workdir":1`)), "?"},
	{"workdir with NUL", oneTask(subtask(1, `"workdir":"a\u0000"`)), "?"},
	{"gates an object", oneTask(subtask(1, `"gates":{}`)), "?"},
	{"gate a string", oneTask(subtask(1, `"gates":["make test"]`)), "?"},
	{"gate without anything", oneTask(subtask(1, `"gates":[{}]`)), "?"},
	{"gate levels", oneTask(subtask(1, `"gates":[{"level":0,"run":"a"},{"level":5,"run":"a"},{"level":"1","run":"a"},{"level":1.5,"run":"a"},{"level":null,"run":"a"}]`)), "?"},
	{"gate run and timeout", oneTask(subtask(1, `"gates":[{"level":1,"run":"","timeout":"soon"},{"level":1,"run":null}]`)), "?"},
	{"gate names", oneTask(subtask(1, `"gates":[{"level":1,"run":"a","name":"../x"},{"level":1,"run":"a","name":""},{"level":1,"run":"a","name":1},{"level":1,"run":"a","name":"`+strings.Repeat("n", 65)+`"}]`)), "?"},
	{"retries negative", oneTask(subtask(1, `"retries":-1`)), "?"},
	{"retries 11", oneTask(subtask(1, `"retries":11`)), "?"},
	{"retries 1.5", oneTask(subtask(1, `"retries":1.5`)), "?"},
	{"retries a string", oneTask(subtask(1, `"retries":"3"`)), "?"},
	{"retries with very many digits", oneTask(subtask(1, `"retries":`+strings.Repeat("9", 1000))), "?"},

	// Places.
	{"columns are characters", "{\"backlog\":[],\"日本語é😀\":01}", "?"},
	{"a BOM is no column", "\ufeff{\"backlog\":01}", "?"},
	{"a BOM is no column, line 2", "\ufeff{\"backlog\":[],\r\n \"x\":01}", "?"},
	{"CRLF", "{\r\n\t\"backlog\":[],\r\n\t\"x\":01\r\n}\r\n", "?"},
	{"a lone CR is no new line", "{\r\"backlog\":[],\r\"x\":01}", "?"},
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
}]}`, "?"},
	{"what came before bad JSON is told too", oneTask(subtask(1, `"story_points":-1`)) + "x", "?"},
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
	if testing.Short() {
		t.Skip("needs 1 GB")
	}
	got := complaints(t, strings.Repeat(" ", MaxSize+1))
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

// Nothing takes quadratic time: each of these is seconds when it does, and
// minutes with ten times as much.
func TestLargeKnots(t *testing.T) {
	const n = 30_000
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
