// Command tour makes the README's picture: it runs hacky on tasks.json here, in
// tmux, which is a real terminal, waits for a moment in the middle, and draws
// what is on the screen as an SVG.
//
//	go run ./docs/tour -hacky bin/hacky > docs/tour.svg
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed tasks.json
var tasks []byte

func main() {
	hacky := flag.String("hacky", "bin/hacky", "the program")
	flag.Parse()
	screen, err := record(*hacky)
	if err == nil {
		_, err = os.Stdout.WriteString(draw(screen))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

const (
	columns, rows = 100, 16
	patience      = time.Minute
)

// record returns the lines of the screen at the moment when two subtasks have
// failed or are blocked, three run, and there is an estimate.
func record(hacky string) (lines []string, err error) {
	hacky, err = filepath.Abs(hacky)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tour-")
	if err != nil {
		return nil, err
	}
	defer func() {
		// A hacky whose terminal has just been closed still writes what it knows.
		gone := os.RemoveAll(dir)
		for k := 0; gone != nil && k < 100; k++ {
			time.Sleep(50 * time.Millisecond)
			gone = os.RemoveAll(dir)
		}
		err = errors.Join(err, gone)
	}()
	if err := os.WriteFile(filepath.Join(dir, "tasks.json"), tasks, 0o644); err != nil {
		return nil, err
	}
	tmux := func(args ...string) (string, error) {
		c := exec.Command("tmux", append([]string{"-u", "-S", filepath.Join(dir, "socket"), "-f", os.DevNull}, args...)...)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "TERM=screen", "LANG=C.UTF-8", "SHELL=/bin/sh"}
		out, err := c.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
		}
		return string(out), nil
	}
	if _, err := tmux("new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows+1), "-c", dir,
		"env", "-i", "PATH="+filepath.Dir(hacky)+":/usr/bin:/bin", "HOME="+dir, "TERM=screen", "LANG=C.UTF-8", "PS1=$ ", "sh"); err != nil {
		return nil, err
	}
	defer func() {
		_, kerr := tmux("kill-server")
		err = errors.Join(err, kerr)
	}()
	if _, err := tmux("send-keys", "hacky run --parallelism 3", "Enter"); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		screen, err := tmux("capture-pane", "-p", "-e")
		switch {
		case err != nil:
			return nil, err
		case strings.Contains(screen, "5/11, 1 failed, 1 blocked, 3 running") && strings.Contains(screen, " left"):
			lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
			return lines, os.WriteFile(filepath.Join(dir, "seen"), nil, 0o644)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("the moment did not come; the screen is\n%s", screen)
		}
	}
}

// The measures of a character, and colours that are readable on the dark ground.
const (
	charWidth, lineHeight = 8.4, 19.0
	left, top             = 16.0, 44.0
	plainColour           = "#e6edf3"
)

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// draw makes an SVG of lines with colours (ECMA-48, SGR). Every run of characters
// is as wide as its columns, whatever the font.
func draw(lines []string) string {
	var b strings.Builder
	width, height := 2*left+columns*charWidth, top+float64(len(lines))*lineHeight+8
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %[1]f %[2]f" role="img">`+"\n", width, height)
	b.WriteString("<title>hacky run in a terminal: finished subtasks, one that failed, three that run, and a progress bar</title>\n" +
		"<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;white-space:pre}</style>\n")
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="8" fill="#0d1117"/>`+"\n", width, height)
	for k, c := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", 20+20*k, c)
	}
	colour := plainColour
	for row, line := range lines {
		y, column := top+float64(row)*lineHeight, 0
		text := func(s string) {
			n := utf8.RuneCountInString(s)
			if strings.TrimSpace(s) != "" {
				fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s">%s</text>`+"\n",
					left+float64(column)*charWidth, y, float64(n)*charWidth, colour, html.EscapeString(s))
			}
			column += n
		}
		for {
			at := sgr.FindStringSubmatchIndex(line)
			if at == nil {
				text(line)
				break
			}
			text(line[:at[0]])
			colour = colourOf(line[at[2]:at[3]])
			line = line[at[1]:]
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func colourOf(code string) string {
	switch code {
	case "31":
		return "#ff7b72"
	case "32":
		return "#3fb950"
	case "33":
		return "#d29922"
	}
	return plainColour
}
