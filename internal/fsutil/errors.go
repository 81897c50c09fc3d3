package fsutil

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Transient reports whether an operation that failed with err may succeed when
// it is repeated: the table of the contract, §5.3.
func Transient(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EAGAIN, syscall.EBUSY, syscall.EINTR, syscall.EIO, syscall.ENFILE, syscall.EMFILE,
		syscall.ENOMEM, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ECONNRESET, syscall.ECONNREFUSED,
		syscall.ECONNABORTED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN:
		return true
	}
	return false
}

// Code is the system's name of an error, like "ENOSPC"; "" if it has none.
func Code(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	return unix.ErrnoName(errno)
}

// Reason is the part of an error that people want to read: "no space left on
// device" instead of the chain of operations and temporary names before it.
func Reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
