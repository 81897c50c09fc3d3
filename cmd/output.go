package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkOutput refuses a form that the command does not have.
func checkOutput(got string, forms ...string) error {
	if slices.Contains(forms, got) {
		return nil
	}
	return fmt.Errorf("--output: %q is not one of %s", got, strings.Join(forms, ", "))
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
