// Package configs holds the samples that are built into the program: the
// commented configuration, generated from the option table, and the session
// that `hacky init --example` writes.
package configs

import (
	"embed"
	"strings"
)

// HackyYAML is a hacky.yaml with every option commented out.
//
//go:embed hacky.yaml
var HackyYAML []byte

// Example is the tasks.json of a small session whose commands do real work.
//
//go:embed example.json
var Example []byte

//go:embed schema/*.schema.json
var schemas embed.FS

// SchemaDir is where a session has copies of the schemas, for editors: no
// network is needed, and they are those of the hacky that made it.
const SchemaDir = ".hacky/schema"

// Schema is the JSON Schema of a kind of file: tasks, hacky and others.
func Schema(name string) []byte {
	text, err := schemas.ReadFile("schema/" + name + ".schema.json")
	if err != nil {
		panic("configs: " + err.Error()) // it is embedded
	}
	return text
}

// SchemaFile is where the copy of a schema is, from the directory of the file
// that refers to it.
func SchemaFile(name string) string { return SchemaDir + "/" + name + ".schema.json" }

// Referring is a sample that refers to the schema of its kind: a tasks.json
// with a first key, a hacky.yaml with a first line.
func Referring(sample []byte, name string) []byte {
	path := SchemaFile(name)
	if text := string(sample); strings.HasPrefix(text, "{\n") {
		return []byte("{\n  \"$schema\": \"" + path + "\"," + text[1:])
	}
	return append([]byte("# yaml-language-server: $schema="+path+"\n"), sample...)
}
