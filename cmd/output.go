package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hacky-run/hacky/internal/nearest"
)

// checkOutput refuses a form that the command does not have.
func checkOutput(got string, forms ...string) error {
	return checkWord("--output", got, forms...)
}

// checkWord refuses what is not one of the words of a flag, and names the
// nearest.
func checkWord(flag, got string, words ...string) error {
	if slices.Contains(words, got) {
		return nil
	}
	err := fmt.Errorf("%s: %q is not one of %s", flag, got, strings.Join(words, ", "))
	if near := nearest.Near(got, words); near != "" {
		err = fmt.Errorf("%w; %s", err, near)
	}
	return err
}

// document prints v as one JSON or YAML document.
func document(w io.Writer, form string, v any) error {
	if form == "yaml" {
		enc := yaml.NewEncoder(w)
		enc.SetIndent(2)
		if err := enc.Encode(v); err != nil {
			return err
		}
		return enc.Close()
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
