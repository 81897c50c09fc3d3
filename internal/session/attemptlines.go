package session

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// AttemptLines calls f with every line of artifacts/attempts.ndjson, oldest
// first. A line is f's only until it returns. Lines over a megabyte are passed
// over; others may be no records, as people may have edited the file.
func AttemptLines(l Location, f func(line []byte)) error {
	file, err := l.Files().OpenFile(attemptsPath(l.Dir), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read from
	lines := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			f(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
	}
}
