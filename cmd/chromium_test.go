package cmd_test

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// chromium calls a headless one with a page from file://, and returns what it
// prints.
func chromium(t *testing.T, page string, args ...string) (stdout, stderr string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (Debian package chromium; make deps installs it)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--enable-logging=stderr", "--v=0", "--window-size=1000,1400",
		"--host-resolver-rules=MAP * ~NOTFOUND"}, args...)
	c := exec.CommandContext(ctx, program, append(all, "file://"+page)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Skipf("chromium cannot be run here: %v\n%s", err, clip(errs.String()))
	}
	return out.String(), errs.String()
}

// TestReportInChromium: the report of a real session shows what there was, says
// nothing on the console, needs no network, and is drawn in both colour schemes.
func TestReportInChromium(t *testing.T) {
	t.Parallel()
	dir := session(t, oneTask(subtask{run: `"true"`}, subtask{run: `"test $HACKY_ATTEMPT -gt 1 || exit 75"`},
		subtask{run: `"echo '<script>alert(1)</script> the last words'; exit 3"`}, subtask{run: `"true"`, deps: `["P1.M1.T1.S3"]`}))
	hacky(t, dir, "run", "--retry-backoff", "100ms").wants(t, 1)
	hacky(t, dir, "report").wants(t, 0)
	page := filepath.Join(dir, "hacky-report.html")
	for _, remote := range []string{"http://", "https://", "src=", "@import"} {
		if text := strings.ReplaceAll(read(t, page), `xmlns="http://www.w3.org/2000/svg"`, ""); strings.Contains(text, remote) {
			t.Errorf("the page holds %q", remote)
		}
	}
	dom, console := chromium(t, page, "--dump-dom")
	contains(t, "the page", dom, "2 of 4", "P1.M1.T1.S3", "&lt;script&gt;alert(1)&lt;/script&gt; the last words", "<svg", "run.log")
	if strings.Contains(console, "CONSOLE") || strings.Contains(dom, "<script>alert") {
		t.Errorf("the console: %s", console)
	}
	light, dark := picture(t, page), picture(t, page, "--blink-settings=preferredColorScheme=0")
	for name, p := range map[string]shades{"light": light, "dark": dark} {
		if p.colours < 10 {
			t.Errorf("the %s picture has %d colours", name, p.colours)
		}
	}
	if light.corner <= dark.corner {
		t.Errorf("brightness of the corner: %d light, %d dark", light.corner, dark.corner)
	}
}

// shades are what is told of a picture.
type shades struct {
	colours int
	corner  uint32 // brightness
}

func picture(t *testing.T, page string, args ...string) shades {
	t.Helper()
	name := filepath.Join(t.TempDir(), "picture.png")
	chromium(t, page, append(args, "--screenshot="+name)...)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	r, g, b, _ := img.At(2, 2).RGBA()
	return shades{len(seen), r + g + b}
}
