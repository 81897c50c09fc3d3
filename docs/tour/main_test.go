package main

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	element = regexp.MustCompile(`<text x="([0-9.]+)" y="([0-9]+)"[^>]*>(.*)</text>`)
	times   = regexp.MustCompile(`\d\d:\d\d:\d\d|\d+(\.\d+)?m?s\b`)
	bar     = regexp.MustCompile(`[█░]+ +`)
)

// words are what a picture says, in an order and without times that depend on how
// fast the machine is.
func words(svg string) string {
	lines := map[string]string{}
	for _, m := range element.FindAllStringSubmatch(svg, -1) {
		lines[m[2]] += html.UnescapeString(m[3])
	}
	var out []string
	for _, line := range lines {
		out = append(out, bar.ReplaceAllString(times.ReplaceAllString(strings.Join(strings.Fields(line), " "), "N"), "BAR "))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestFresh: the picture in the README is what hacky shows.
func TestFresh(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: docs/tour.svg was not compared with what hacky shows")
	}
	hacky := filepath.Join(t.TempDir(), "hacky")
	if out, err := exec.Command("go", "build", "-o", hacky, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines, err := record(hacky)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile("../tour.svg")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := words(draw(lines)), words(string(svg)); got != want {
		t.Errorf("the picture is not fresh; type: make picture\n%s\n\nhacky shows\n%s", want, got)
	}
	if strings.Contains(string(svg), os.TempDir()) || len(lines) < 10 {
		t.Errorf("%d lines", len(lines))
	}
}
