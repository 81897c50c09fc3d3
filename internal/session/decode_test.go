package session

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// TestTruncatedRecovery cuts a recovery file at every length: what is read then
// was in it, and it is called damaged.
func TestTruncatedRecovery(t *testing.T) {
	l := home(t, sample(planned(4)...))
	fail(t, l, backlog.Complete, 1, 2, 3)
	text := get(t, l.RecoveryPath())
	all := DecodeRecovery([]byte(text))
	readable := 0
	for n := range len(strings.TrimSpace(text)) {
		r := DecodeRecovery([]byte(text[:n]))
		if r.Damage == nil {
			t.Fatalf("cut at %d of %d: not called damaged", n, len(text))
		}
		if len(r.Changes) > len(all.Changes) || len(r.Changes) < readable {
			t.Fatalf("cut at %d: %d changes", n, len(r.Changes))
		}
		readable = len(r.Changes)
		for i, u := range r.Changes {
			if u != all.Changes[i] {
				t.Fatalf("cut at %d: change %v, want %v", n, u, all.Changes[i])
			}
		}
	}
	if readable != 3 {
		t.Errorf("cut in the large member, %d changes can be read", readable)
	}
}

func TestDecodeRecovery(t *testing.T) {
	whole := strings.TrimSpace(sample(backlog.Complete, backlog.Failed))
	good := `{"id":"P1.M1.T1.S1","from":"Planned","to":"Complete","at":"2026-01-24T15:30:45.123Z","seq":1}`
	changes := func(c ...string) string {
		return `{"version":"1.0","changes":[` + strings.Join(c, ",") + `],"pendingUpdates":null}`
	}
	line := MarkedPrefix + good + "\n"
	tests := []struct {
		name    string
		text    string
		changes string
		damage  string // part of it; "" for none
	}{
		{"hacky's", changes(good), "S1=C", ""},
		{"with a BOM", "\ufeff" + changes(good), "S1=C", ""},
		{"unknown members", `{"x":[{}],"changes":[` + good + `],"y":1}`, "S1=C", ""},
		{"no changes at all", changes(), "", ""},
		{"another tool's", `{"version":"1.0","pendingUpdates":` + whole + `}`, "", ""},
		{"changes null", `{"changes":null,"pendingUpdates":` + whole + `}`, "", ""},
		{"a later version", strings.Replace(changes(good), "1.0", "2.0", 1), "S1=C", "format version 2.0"},
		{"a later version as a number", `{"version":10,"changes":[]}`, "", "format version 10"},
		{"neither", `{"version":"1.0"}`, "", `neither "changes" nor "pendingUpdates"`},
		{"both null", `{"changes":null,"pendingUpdates":null}`, "", `neither "changes" nor "pendingUpdates"`},
		{"the same key twice", `{"changes":[` + good + `],"changes":[]}`, "S1=C", "stands twice"},
		{"more after it", changes(good) + "{}", "S1=C", "more after its end"},
		{"not a list", `{"changes":{}}`, "", "must be a list"},
		{"a change without to", changes(good, `{"id":"P1.M1.T1.S2","from":"Planned"}`), "S1=C", `no "to"`},
		{"a change to null", changes(`{"id":"P1.M1.T1.S2","to":null}`, good), "S1=C", `no "to"`},
		{"a change without from", changes(`{"id":"P1.M1.T1.S2","to":"Failed"}`), "S2=F", ""},
		{"a status that does not exist", changes(good, `{"id":"P1.M1.T1.S2","to":"Done"}`, strings.Replace(good, "S1", "S3", 1)), "S1=C S3=C", "Done"},
		{"an id that is none", changes(good, strings.Replace(good, "P1.M1", "../P1", 1)), "S1=C", "../P1"},
		{"a change that is none", changes(good, "5"), "S1=C", "changes: number 2: "},
		{"a time that is none", changes(strings.Replace(good, "2026-", "", 1)), "", "parsing time"},
		{"a backlog that is none", `{"pendingUpdates":{"backlog":5}}`, "", "pendingUpdates"},
		{"marked lines", "hacky: cannot write\n" + line + "more\r\n", "S1=C", ""},
		{"marked lines within others", "stderr | " + line, "S1=C", ""},
		{"marked lines in a JSON log", `{"level":"warn"}` + "\n" + line + `{"level":"error"}` + "\n", "S1=C", ""},
		{"a marked line cut off", line + line[:40], "S1=C", "unexpected end"},
		{"its words in a string", strings.Replace(changes(good), "1.0", MarkedPrefix+`{}`, 1), "S1=C", ""},
		{"something else", "hello\n", "", "it is no recovery file"},
		{"empty", "", "", "it is no recovery file"},
		{"zeros", "\x00\x00", "", "it is no recovery file"},
		{"a list", "[]", "", "it is no recovery file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := DecodeRecovery([]byte(tt.text))
			if got := waiting(r); got != tt.changes {
				t.Errorf("changes %q, want %q", got, tt.changes)
			}
			switch {
			case tt.damage == "" && r.Damage != nil:
				t.Errorf("damage: %v", r.Damage)
			case tt.damage != "" && (r.Damage == nil || !strings.Contains(r.Damage.Error(), tt.damage)):
				t.Errorf("damage %v, want %q", r.Damage, tt.damage)
			}
		})
	}
}

// TestPartOfAWhole: of a backlog that is not in order, the subtasks that are can
// be recovered, and so can the changes that stand behind it.
func TestPartOfAWhole(t *testing.T) {
	whole := strings.TrimSpace(sample(backlog.Complete, backlog.Failed, backlog.Complete))
	whole = strings.Replace(whole, `"status":"Failed"`, `"status":"Done"`, 1)
	b, err := backlog.Parse("tasks.json", sample(planned(3)...))
	if err != nil {
		t.Fatal(err)
	}
	r := DecodeRecovery([]byte(`{"pendingUpdates":` + whole + `}`))
	if r.Damage == nil || !strings.Contains(r.Damage.Error(), "Done") {
		t.Errorf("damage: %v", r.Damage)
	}
	var got []string
	for _, u := range r.changesOn(b, b.Statuses()) {
		got = append(got, u.ID+" "+u.To.String())
	}
	if want := sub(1) + " Complete," + sub(3) + " Complete"; strings.Join(got, ",") != want {
		t.Errorf("%v, want %s", got, want)
	}
	r = DecodeRecovery([]byte(`{"pendingUpdates":` + whole + `,"changes":[{"id":"P1.M1.T1.S2","to":"Failed"}]}`))
	if r.Damage == nil || waiting(r) != "S2=F" {
		t.Errorf("%s, damage %v", waiting(r), r.Damage)
	}
}

func TestReadRecoveryRefuses(t *testing.T) {
	for want, make := range map[string]func(path string) error{
		"no such file":        func(p string) error { return os.Symlink("gone", p) },
		"not a regular file":  func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"r is not a regular":  func(p string) error { return os.Mkdir(p, 0o700) },
		"hacky reads at most": func(p string) error { return sparse(p, maxRecovery+1) },
	} {
		p := t.TempDir() + "/r"
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRecovery(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestReadRecoveryFromStandardInput: hacky recover --file -.
func TestReadRecoveryFromStandardInput(t *testing.T) {
	name := t.TempDir() + "/stderr.log"
	put(t, name, MarkedLine(Update{ID: sub(1), To: backlog.Complete})+"\n")
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer func(was *os.File) { os.Stdin = was }(os.Stdin)
	os.Stdin = f
	r, err := ReadRecovery("-")
	if err != nil || r.Damage != nil || waiting(r) != "S1=C" || r.Path != "-" {
		t.Errorf("%+v, %v", r, err)
	}
}

// FuzzDecodeRecovery: whatever the file holds, it is read without panicking,
// every change in it is a possible one, and written again it is the same.
func FuzzDecodeRecovery(f *testing.F) {
	good := `{"id":"P1.M1.T1.S1","from":"Planned","to":"Complete","at":"2026-01-24T15:30:45.123Z","seq":1}`
	for _, seed := range []string{
		"", "{", `{"changes":[` + good + `]}`, `{"changes":[` + good + `,{}],"base":5}`, MarkedPrefix + good,
		"{}\n" + MarkedPrefix + good, `{"pendingUpdates":` + sample(backlog.Complete) + `}`, `{"changes":[` + good, "\ufeff{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := DecodeRecovery([]byte(text))
		var lines strings.Builder
		for _, u := range r.Changes {
			if _, err := backlog.ParseID(u.ID); err != nil || !strings.Contains(text, u.ID[strings.LastIndexByte(u.ID, '.')+1:]) && !strings.Contains(text, `\u`) {
				t.Errorf("a change of %q, from nowhere: %v", u.ID, err)
			}
			fmt.Fprintln(&lines, MarkedLine(u))
		}
		again := DecodeRecovery([]byte(lines.String()))
		if waiting(again) != waiting(r) || len(r.Changes) > 0 && again.Damage != nil {
			t.Errorf("%q became %q: %v", waiting(r), waiting(again), again.Damage)
		}
	})
}
