//go:build !bench_nosync

package cmd

// journalUnsafe leaves the journal's fdatasync out. Only the benchmark builds a
// hacky that does, to measure what it costs; no option turns it on.
const journalUnsafe = false
