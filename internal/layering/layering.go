// Package layering has no code: its test keeps the arrows between packages
// pointing downwards (docs/design/0001-rooms.md).
package layering
