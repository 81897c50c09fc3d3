package agent

import (
	"context"
	"os"
	"testing"
)

func TestSaying(t *testing.T) {
	p := setUp(t, Recipe{}, shell(`printf 'first\n 50%%\r 99%%\r\n\n'; touch ready; until test -e go-on; do sleep 0.01; done; echo more; touch said; until test -e end; do sleep 0.01; done`))
	const i = 3 // the first subtask
	if got := p.r.Saying(i); got != "" {
		t.Errorf("before it runs: %q", got)
	}
	ended := make(chan Result)
	go func() { ended <- p.attempt(context.Background(), 1, 1) }()
	await(t, "output", func() bool { _, err := os.Stat(p.dir + "/ready"); return err == nil && p.r.Saying(i) != "" })
	if got := p.r.Saying(i); got != " 99%" {
		t.Errorf("while it runs: %q", got)
	}
	p.write("go-on", "", 0o644)
	await(t, "more output", func() bool { _, err := os.Stat(p.dir + "/said"); return err == nil })
	p.write("end", "", 0o644)
	<-ended
	if got := p.r.Saying(i); got != "" {
		t.Errorf("when it is over: %q", got)
	}
}

func TestLastLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "\n \r\n": "", "a": "a", "a\nb": "b", "a\nb\n\n": "b", "a\r\n": "a", "10%\r20%\r": "20%", "x\xff": "x",
	} {
		if got := lastLine([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
