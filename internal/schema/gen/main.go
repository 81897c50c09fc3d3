// Command gen writes configs/schema/*.schema.json. It is run by go generate in
// internal/schema.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hacky-run/hacky/internal/schema"
)

func main() {
	if err := generate(filepath.Join("..", "..", "configs", "schema")); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	all, err := schema.All()
	if err != nil {
		return err
	}
	for name, s := range all {
		text, err := schema.Encode(s)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name+".schema.json")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
