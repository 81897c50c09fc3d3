package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandPages: docs/cli is what the commands say. UPDATE_GOLDEN=1 writes it.
func TestCommandPages(t *testing.T) {
	t.Parallel()
	want := t.TempDir()
	hacky(t, want, "man", "--format", "markdown", "--dir", want).wants(t, 0)
	const pages = "../docs/cli"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.RemoveAll(pages); err != nil {
			t.Fatal(err)
		}
		mkdir(t, pages)
	}
	names, err := filepath.Glob(filepath.Join(want, "*.md"))
	if err != nil || len(names) < 15 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		page, text := filepath.Join(pages, filepath.Base(name)), read(t, name)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			write(t, page, text)
		}
		if got, err := os.ReadFile(page); err != nil || string(got) != text {
			t.Errorf("%s is not what the command says; type: make generate", page)
		}
	}
	if there, err := os.ReadDir(pages); err != nil || len(there) != len(names) {
		t.Errorf("%d pages, %v; want %d: type: make generate", len(there), err, len(names))
	}
}

// TestManPages: each command has one that man can show.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hacky(t, dir, "man", "--dir", filepath.Join(dir, "man1")).wants(t, 0)
	names, err := filepath.Glob(filepath.Join(dir, "man1", "hacky*.1"))
	if err != nil || len(names) < 15 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		contains(t, name, read(t, name), ".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLE", ".SH EXIT STATUS\n0")
		if page := read(t, name); strings.Contains(page, "Exit codes") || strings.Contains(page, "1970") {
			t.Errorf("%s: the exit codes stand twice, or it has a date that is none", name)
		}
	}
	contains(t, "hacky man run", hacky(t, dir, "man", "run").stdout, `hacky\-run \- Run the subtasks`, `\fB\-\-fix\-attempts\fP \fIint\fP`)
	contains(t, "hacky man completion", hacky(t, dir, "man", "completion").stdout, "\n.EX\n    bash        echo \\(aqeval \\(dq$(hacky completion bash)\\(dq\\(aq >> \\(ti/.bashrc\n")
	r := hacky(t, dir, "man", "rnu")
	r.wants(t, 2)
	contains(t, "hacky man rnu", r.stderr, `did you mean "run"?`)
	hacky(t, dir, "man", "--format", "html").wants(t, 2)
	hacky(t, dir, "man", "run", "--dir", dir).wants(t, 2)
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not installed: the pages were not formatted")
		return
	}
	out, err := exec.Command(groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, names...)...).CombinedOutput()
	if err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}
