package fsutil_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

func TestTransientAndCode(t *testing.T) {
	tests := []struct {
		errno     syscall.Errno
		code      string
		transient bool
	}{
		// The contract's list, §5.3.
		{syscall.EAGAIN, "EAGAIN", true},
		{syscall.EBUSY, "EBUSY", true},
		{syscall.EINTR, "EINTR", true},
		{syscall.EIO, "EIO", true},
		{syscall.ENFILE, "ENFILE", true},
		{syscall.EMFILE, "EMFILE", true},
		{syscall.ENOMEM, "ENOMEM", true},
		{syscall.ESTALE, "ESTALE", true},
		{syscall.ETIMEDOUT, "ETIMEDOUT", true},
		{syscall.ECONNRESET, "ECONNRESET", true},
		{syscall.ECONNREFUSED, "ECONNREFUSED", true},
		{syscall.ECONNABORTED, "ECONNABORTED", true},
		{syscall.EHOSTUNREACH, "EHOSTUNREACH", true},
		{syscall.ENETUNREACH, "ENETUNREACH", true},
		{syscall.ENETDOWN, "ENETDOWN", true},
		// Everything else fails fast.
		{syscall.ENOSPC, "ENOSPC", false},
		{syscall.EDQUOT, "EDQUOT", false},
		{syscall.EACCES, "EACCES", false},
		{syscall.EPERM, "EPERM", false},
		{syscall.EROFS, "EROFS", false},
		{syscall.ENOENT, "ENOENT", false},
		{syscall.EFBIG, "EFBIG", false},
		{syscall.ENAMETOOLONG, "ENAMETOOLONG", false},
		{syscall.EEXIST, "EEXIST", false},
		{syscall.EINVAL, "EINVAL", false},
		{syscall.EISDIR, "EISDIR", false},
		{syscall.EXDEV, "EXDEV", false},
		{syscall.ENOSYS, "ENOSYS", false},
		{syscall.EPIPE, "EPIPE", false},
		{syscall.ELOOP, "ELOOP", false},
		{syscall.EMLINK, "EMLINK", false},
	}
	for _, tt := range tests {
		for form, err := range map[string]error{
			"bare":   tt.errno,
			"path":   &fs.PathError{Op: "write", Path: "x", Err: tt.errno},
			"link":   &os.LinkError{Op: "rename", Old: "x", New: "y", Err: tt.errno},
			"%w":     fmt.Errorf("flush: %w", &fs.PathError{Op: "sync", Path: "x", Err: tt.errno}),
			"joined": errors.Join(errors.New("first"), tt.errno),
			"os":     os.NewSyscallError("fsync", tt.errno),
		} {
			if got := fsutil.Transient(err); got != tt.transient {
				t.Errorf("Transient(%s, %s) = %v", tt.code, form, got)
			}
			if got := fsutil.Code(err); got != tt.code {
				t.Errorf("Code(%s, %s) = %q", tt.code, form, got)
			}
			if got := fsutil.Reason(err); got != tt.errno.Error() {
				t.Errorf("Reason(%s, %s) = %q", tt.code, form, got)
			}
		}
	}
}

func TestErrorsOfNoSystem(t *testing.T) {
	for _, err := range []error{nil, errors.New("plain\ntext"), fsutil.ErrLocked, fsutil.ErrChanged} {
		if fsutil.Transient(err) || fsutil.Code(err) != "" {
			t.Errorf("%v has code %q, transient %v", err, fsutil.Code(err), fsutil.Transient(err))
		}
	}
	if got := fsutil.Reason(errors.New("plain\ntext")); got != "plain; text" {
		t.Errorf("Reason = %q", got)
	}
	if got := fsutil.Reason(nil); got != "" {
		t.Errorf("Reason(nil) = %q", got)
	}
}
