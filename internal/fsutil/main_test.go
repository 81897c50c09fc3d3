package fsutil_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/hacky-run/hacky/internal/fsutil"
)

// helperEnv makes the test binary another process: it tries the lock of the
// file that it names, says how that went, and waits for the end of its input.
const helperEnv = "FSUTIL_TEST_LOCK"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		_, _, err := fsutil.OS().TryLock(name)
		switch {
		case errors.Is(err, fsutil.ErrLocked):
			fmt.Println("locked")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println("mine")
		}
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

// otherProcess tries the lock in another process, which lives until the test
// ends or kills it, and returns what it said.
func otherProcess(t *testing.T, name string) (said string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // it may have been killed
	})
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	return lines.Text(), cmd
}
