//go:build unix && !linux

package agent

import "github.com/hacky-run/hacky/internal/supervise"

// orphans cannot be told from other processes on systems that give them to the
// first process of all.
type orphans struct{}

// Adopt makes the run complete: s, which may be nil, learns of every process
// group. It is called before the first Execute. What leaves its group is out
// of reach here.
func (r *Runner) Adopt(s *supervise.Supervisor) error {
	r.supervisor = s
	return nil
}

func (r *Runner) disown() error { return nil }

// Finish would end what commands left behind, if it could be found.
func (r *Runner) Finish() int { return 0 }

func (r *Runner) endOrphans(string, int) int { return 0 }

func (r *Runner) killOrphans() {}
