// Command gen writes the files that are made from the table of options:
// configs/hacky.yaml, and the marked part of docs/configuration.md. It is run
// by go generate in internal/config.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hacky-run/hacky/internal/config"
)

func main() {
	if err := generate(filepath.Join("..", "..")); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(root string) error {
	if err := os.WriteFile(filepath.Join(root, "configs", "hacky.yaml"), config.SampleYAML(), 0o644); err != nil {
		return err
	}
	page := filepath.Join(root, "docs", "configuration.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, opened := bytes.Cut(text, []byte("<!-- options -->\n"))
	_, after, closed := bytes.Cut(rest, []byte("<!-- /options -->"))
	if !opened || !closed {
		return fmt.Errorf("%s has no <!-- options --> and <!-- /options -->", page)
	}
	table := config.OptionsTable()
	text = fmt.Appendf(nil, "%s<!-- options -->\n%s<!-- /options -->%s", before, table, after)
	return os.WriteFile(page, text, 0o644)
}
