package secret

import "io"

// piecemeal bounds what a Stream copies at once.
const piecemeal = 64 << 10

// Stream masks what is written to it and passes it on, the same bytes as Mask
// of all of it. What may be the beginning of a secret is held back, less than
// the longest secret's length; anything else is passed on at once. Not for
// concurrent use.
type Stream struct {
	w       io.Writer
	set     *set
	held    []byte
	covered int  // how many of held are masked already
	masked  bool // the last that was passed on is a mask, and held, or what comes, follows it directly
	out     []byte
}

// Write implements io.Writer. After an error, which is w's, what was written is
// lost in part.
func (s *Stream) Write(p []byte) (int, error) {
	if s.set == nil {
		return s.w.Write(p)
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), piecemeal)
		b := rest[:n]
		if len(s.held) > 0 {
			s.held = append(s.held, b...)
			b = s.held
		}
		if err := s.pass(b, s.set.unfinished(b)); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// Flush passes on what is held back. The stream may be written to again; what
// came before is not looked at together with what comes.
func (s *Stream) Flush() error {
	if s.set == nil {
		return nil
	}
	err := s.pass(s.held, len(s.held))
	s.masked = false
	return err
}

// pass passes on b[:keep], masked, and holds the rest. The first covered bytes
// of b are masked already.
func (s *Stream) pass(b []byte, keep int) error {
	done := s.covered
	s.out = s.out[:0]
	for r := range s.set.runs(b) {
		if r.start >= keep {
			break // found again with what comes
		}
		if r.start > done {
			s.out = append(s.out, b[done:r.start]...)
			s.masked = false
		}
		if !s.masked {
			s.out = append(s.out, mask...)
			s.masked = true
		}
		done = max(done, r.end)
	}
	passed := s.out
	switch {
	case done >= keep:
	case len(s.out) == 0 && done == 0:
		passed = b[:keep]
		s.masked = false
		done = keep
	default:
		s.out = append(s.out, b[done:keep]...)
		passed = s.out
		s.masked = false
		done = keep
	}
	var err error
	if len(passed) > 0 {
		_, err = s.w.Write(passed)
	}
	s.covered = done - keep
	s.held = append(s.held[:0], b[keep:]...)
	return err
}
