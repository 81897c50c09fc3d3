// Package configs holds the samples that are built into the program: the
// commented configuration, generated from the option table, and the session
// that `hacky init --example` writes.
package configs

import _ "embed"

// HackyYAML is a hacky.yaml with every option commented out.
//
//go:embed hacky.yaml
var HackyYAML []byte

// Example is the tasks.json of a small session whose commands do real work.
//
//go:embed example.json
var Example []byte
