// Package fsutil is hacky's way to the file system.
//
// FS is the seam: everything that must survive a crash goes through it, so
// that tests can fail or cut off any single operation. OS is the real one.
//
// Replace puts a whole new file in an old one's place: a reader sees the old
// or the new content, never a mixture and never none, and so does whoever
// looks after a crash. When it returns nil, the new file is on stable storage.
// When it returns an error, no temporary file is left behind. It can be told
// which file the content was made from: if somebody has saved another one since,
// even in the last instant, theirs stays.
//
// Transient and Code classify errors by the contract's table (§5.3), not by
// syscall.Errno.Temporary, which is false for EBUSY and ESTALE.
//
// The package returns errors; it does not log, retry or print.
package fsutil
