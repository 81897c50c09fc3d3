//go:build bench_nosync

package cmd

const journalUnsafe = true
