package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hacky-run/hacky/internal/backlog"
)

// tree makes files in a new current directory; a path that ends in a slash is
// a directory.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		dir := filepath.Dir(name)
		if strings.HasSuffix(name, "/") {
			dir = name
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != name {
			put(t, name, content)
		}
	}
}

func TestLocate(t *testing.T) {
	open, done := sample(backlog.Planned), sample(backlog.Complete, backlog.Obsolete)
	plan := map[string]string{
		"plan/001_aaa/tasks.json":   open,
		"plan/002_bbb/tasks.json":   open,
		"plan/010_ccc/tasks.json":   done,
		"plan/011_ddd/":             "", // no backlog
		"plan/notes_12/tasks.json":  open,
		"plan/099-dash/tasks.json":  open,
		"plan/020_eee":              "a file",
		"elsewhere/tasks.json":      open,
		"elsewhere/other.json":      open,
		"empty/":                    "",
		"named/tasks.json/":         "",
		"plan/001_aaa/prd_snapshot": "",
	}
	fixes := func(statuses map[string]string) map[string]string {
		m := map[string]string{"plan/001_aaa/tasks.json": open, "plan/002_bbb/tasks.json": open}
		for name, content := range statuses {
			m["plan/002_bbb/bugfix/"+name+"/tasks.json"] = content
		}
		return m
	}
	tests := []struct {
		name  string
		files map[string]string
		ask   string
		want  string // path of the backlog
		err   string // part of the error
	}{
		{"a directory", plan, "elsewhere", "elsewhere/tasks.json", ""},
		{"a directory with a slash", plan, "elsewhere/", "elsewhere/tasks.json", ""},
		{"a directory without a backlog", plan, "empty", "", "holds no tasks.json"},
		{"a path of a tasks.json", plan, "elsewhere/tasks.json", "elsewhere/tasks.json", ""},
		{"a path of another file", plan, "elsewhere/other.json", "elsewhere/other.json", ""},
		{"a path of no tasks.json", plan, "empty/tasks.json", "", "does not exist"},
		{"a tasks.json that is a directory", plan, "named/tasks.json", "named/tasks.json", ""},
		{"a name", plan, "002_bbb", "plan/002_bbb/tasks.json", ""},
		{"a hash", plan, "aaa", "plan/001_aaa/tasks.json", ""},
		{"a part of a hash", plan, "aa", "", `"aa" was not found`},
		{"a name without a backlog", plan, "011_ddd", "", "under plan/"},
		{"nothing of that name", plan, "zzz", "", "no name or hash under plan/"},
		{"the current directory", map[string]string{"tasks.json": open, "plan/001_aaa/tasks.json": open}, "", "tasks.json", ""},
		{"the highest, by number", plan, "", "plan/010_ccc/tasks.json", ""},
		{"2 before 10", map[string]string{"plan/2_b/tasks.json": open, "plan/10_a/tasks.json": open}, "", "plan/10_a/tasks.json", ""},
		{"an incomplete bugfix", fixes(map[string]string{"001_x": open}), "", "plan/002_bbb/bugfix/001_x/tasks.json", ""},
		{"the highest incomplete bugfix", fixes(map[string]string{"001_x": open, "002_y": open, "003_z": done}), "",
			"plan/002_bbb/bugfix/002_y/tasks.json", ""},
		{"complete bugfixes", fixes(map[string]string{"001_x": done}), "", "plan/002_bbb/tasks.json", ""},
		{"a broken bugfix is worth hearing of", fixes(map[string]string{"001_x": "{"}), "", "plan/002_bbb/bugfix/001_x/tasks.json", ""},
		{"nothing", map[string]string{"plan/": ""}, "", "", "no session found: there is no tasks.json here and no plan/NNN_hash/tasks.json"},
		{"not even plan", nil, "", "", "no session found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree(t, tt.files)
			l, err := Locate(tt.ask)
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Locate(%q) = %v, %v; want an error with %q", tt.ask, l, err, tt.err)
				}
			case err != nil:
				t.Fatalf("Locate(%q): %v", tt.ask, err)
			case l.Path() != tt.want:
				t.Errorf("Locate(%q) = %s, want %s", tt.ask, l.Path(), tt.want)
			}
		})
	}
}

func TestLocateSymlinks(t *testing.T) {
	tree(t, map[string]string{"real/s/tasks.json": sample(backlog.Planned), "real/backlog.json": sample(backlog.Planned), "plan/": "", "dangling/": ""})
	for link, target := range map[string]string{
		"plan/001_abc":        "../real/s",
		"linked":              "real/s",
		"tasks.json":          "real/backlog.json",
		"dangling/tasks.json": "nowhere",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for ask, want := range map[string]string{
		"abc": "plan/001_abc/tasks.json", "linked": "linked/tasks.json", "": "tasks.json",
		"dangling": "dangling/tasks.json", "dangling/tasks.json": "dangling/tasks.json", // Read says what is wrong
	} {
		if l, err := Locate(ask); err != nil || l.Path() != want {
			t.Errorf("Locate(%q) = %s, %v; want %s", ask, l.Path(), err, want)
		}
	}
}
