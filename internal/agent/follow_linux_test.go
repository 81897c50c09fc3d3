package agent

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// Kernels without descriptors of processes get another way to the same end:
// what was printed is in the log when the process has been waited for.
func TestFollowWithoutPidfd(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var buffers sync.Pool
	for range 50 {
		log := &logFile{files: fsutil.OS(), dir: root.Name(), name: "out.log"}
		out, err := newOutput(log, &buffers)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "printf hello; exit 3"},
			&syscall.ProcAttr{Files: []uintptr{0, uintptr(out.child), uintptr(out.child)}})
		if err != nil {
			t.Fatal(err)
		}
		none := -1
		status, err := follow(pid, &none, out)
		if err != nil || status.ExitStatus() != 3 || string(log.last()) != "hello" || log.written() != "out.log" || out.open() {
			t.Errorf("exit %d, %v; it printed %q, log %q, open %v", status.ExitStatus(), err, log.last(), log.written(), out.open())
		}
		out.finish()
		if err := log.close(); err != nil {
			t.Error(err)
		}
	}
}
