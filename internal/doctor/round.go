package doctor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hacky-run/hacky/internal/session"
)

// pressure is what a round does to the disk.
type pressure int

const (
	plenty    pressure = iota // nothing: there is room
	smallDisk                 // a small file system is filled up during the run
	smallFile                 // no file may be large (ulimit -f)
)

// round is one scratch session from its first run to its last.
type round struct {
	t        *torture
	n        int
	rnd      *rand.Rand
	pressure pressure
	dir      string // of the round
	loc      session.Location
	executed string // the file where commands write their ids
	env      []string
	run      []string // ids of what the run is to do
	blocks   int      // ulimit -f
	losses   int

	printed map[string]int // executions of an id when its completion had been printed
	sets    *settings
}

// round makes one and removes it again, unless there was a loss.
func (t *torture) round(ctx context.Context, n int) (err error) {
	r := &round{t: t, n: n, rnd: rand.New(rand.NewPCG(t.opts.Seed, uint64(n))), printed: map[string]int{}}
	undo, err := r.prepare()
	if err != nil {
		return fmt.Errorf("round %d: %w", n, errors.Join(err, undo()))
	}
	defer func() {
		if r.losses == 0 || r.pressure == smallDisk { // what is in memory cannot be kept
			err = errors.Join(err, r.keep(), undo())
		}
		if r.losses == 0 {
			err = errors.Join(err, os.RemoveAll(r.dir))
		}
	}()
	for k := range 1 + r.rnd.IntN(6) {
		if k > 0 && time.Now().After(t.deadline) {
			break
		}
		if err := r.life(ctx); err != nil || over(ctx) || r.losses > 0 {
			return err
		}
	}
	return r.last(ctx)
}

// prepare makes the session. undo is not nil, and unmounts what was mounted.
func (r *round) prepare() (undo func() error, err error) {
	nothing := func() error { return nil }
	r.dir = filepath.Join(r.t.dir, fmt.Sprintf("round-%d", r.n))
	dir := filepath.Join(r.dir, "session")
	for _, d := range []string{filepath.Join(r.t.dir, "home"), filepath.Join(r.t.dir, "tmp"), dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nothing, err
		}
	}
	n := 50 + r.rnd.IntN(151)
	r.pressure = pressure((r.n - 1) % 3)
	if r.pressure != plenty {
		n = 50 + r.rnd.IntN(31)
	}
	content, run, set, err := scratch(r.rnd, n, 40)
	if err != nil {
		return nothing, err
	}
	undo = nothing
	if r.pressure == smallDisk && r.t.noMount == "" {
		if undo, err = mountSmall(dir, int64(8*len(content))+1<<20); err != nil {
			r.t.noMount = err.Error()
			undo = nothing
		}
	}
	if r.pressure == smallDisk && r.t.noMount != "" {
		r.pressure = smallFile
	}
	// In blocks of 512 bytes, as POSIX has it; some shells take 1024. The list
	// of what was executed has to fit in any case.
	r.blocks = 40 + r.rnd.IntN(len(content)/512+20)
	r.loc = session.Location{Dir: dir, Name: session.TasksFile}
	r.executed = filepath.Join(r.dir, "executed")
	r.env = r.t.environment(executedEnv + "=" + r.executed)
	r.run = run
	r.sets = newSettings(set, r.t.opts.Seed, uint64(r.n))
	return undo, errors.Join(os.WriteFile(r.loc.Path(), content, 0o644), os.WriteFile(r.executed, nil, 0o644))
}

// keep copies what a loss leaves on a file system that is about to go.
func (r *round) keep() error {
	if r.losses == 0 {
		return nil
	}
	return os.CopyFS(filepath.Join(r.dir, "kept"), os.DirFS(r.loc.Dir))
}

func (r *round) lose(id, expected, found string) {
	r.losses++
	r.t.tally.Losses = append(r.t.tally.Losses, Loss{Seed: r.t.opts.Seed, Round: r.n, ID: id, Expected: expected, Found: found})
}

// moment is when to do something to a run: after so many lines of its output
// and then so long, or, without lines, so long after its start.
type moment struct {
	lines int
	then  time.Duration
}

func (r *round) moment() moment {
	if r.rnd.IntN(2) == 0 {
		return moment{then: time.Duration(r.rnd.IntN(250_000)) * time.Microsecond}
	}
	return moment{lines: 1 + r.rnd.IntN(2*len(r.run)), then: time.Duration(r.rnd.IntN(3000)) * time.Microsecond}
}

// await waits for the moment, the end of the process, or ten seconds: a run
// may never print so many lines.
func (p *process) await(ctx context.Context, m moment) {
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for n := 0; n < m.lines; {
		select {
		case n = <-p.lines:
		case <-p.ended:
			return
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
	wait := m.then
	if m.lines == 0 {
		wait -= time.Since(p.started)
	}
	select {
	case <-time.After(wait):
	case <-p.ended:
	case <-ctx.Done():
	}
}

// args are those of a run, with random settings of what matters here.
func (r *round) args() []string {
	return []string{"run", "--session", r.loc.Dir, "--scope", runPhase, "--progress", "json", "--parallelism", "4", "--recover",
		"--flush-interval", strconv.Itoa(10+r.rnd.IntN(1500)) + "ms", "--flush-batch", strconv.Itoa(1 + r.rnd.IntN(100)),
		"--flush-retries", "1", "--log-level", "warn"}
}

// life is one run until it is killed or comes to its end, with somebody setting
// other items meanwhile, and what has to be true afterwards.
func (r *round) life(ctx context.Context) error {
	name, args := r.t.opts.Binary, r.args()
	if r.pressure == smallFile {
		// The shell becomes hacky, so that the kill meets it.
		args = append([]string{"-c", `ulimit -f "$1" && shift && exec "$@"`, "sh", strconv.Itoa(r.blocks), name}, args...)
		name = "sh"
	}
	p, err := r.t.start(filepath.Join(r.dir, "run.stderr"), r.env, name, args...)
	if err != nil {
		return err
	}
	stop := r.setOthers(ctx)
	free := func() error { return nil }
	if r.pressure == smallDisk {
		p.await(ctx, r.moment())
		free, err = fill(filepath.Join(r.loc.Dir, "filler"), int64(r.rnd.IntN(24))<<10)
	}
	if r.pressure != plenty {
		r.t.tally.FullDisks++
	}
	// With a disk that is full, the way the run ends by itself matters as well.
	if r.pressure == plenty || r.rnd.IntN(2) == 0 {
		p.await(ctx, r.moment())
		p.kill()
	}
	hung := p.finish(ctx)
	err = errors.Join(err, stop(), free())
	if err != nil || over(ctx) {
		return err
	}
	if p.killed {
		r.t.tally.Kills++
	}
	if hung != "" {
		r.lose("", "that every process comes to its end", hung)
		return nil
	}
	r.verdictOn(p, r.pressure == plenty)
	if r.pressure != plenty {
		r.recover(ctx, p)
	}
	return r.check(ctx, p)
}

// verdictOn looks how a run ended.
func (r *round) verdictOn(p *process, plenty bool) {
	switch code := p.code(); {
	case p.killed, code == 0:
	case crashed(p.stderr):
		r.lose("", "that hacky does not crash", p.said())
	case plenty:
		r.lose("", "exit code 0 of the run", fmt.Sprintf("exit code %d: %s", code, p.said()))
	}
}

// fill fills up a disk but for so many bytes. free undoes it.
func fill(name string, leave int64) (free func() error, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil { // not even a name fits
		return func() error { return nil }, nil //nolint:nilerr // full enough
	}
	block := make([]byte, 4096)
	size := int64(0)
	for {
		n, err := f.Write(block)
		size += int64(n)
		if err != nil {
			break // it is full
		}
	}
	err = errors.Join(f.Truncate(max(0, size-leave)), f.Close())
	return func() error { return os.Remove(name) }, err
}

// recover does what the message of a run with exit code 3 says, now that there
// is room.
func (r *round) recover(ctx context.Context, p *process) {
	_, err := r.t.output(ctx, r.env, "recover", "--session", r.loc.Dir)
	// An update that waited while a later one of the same item found room is a
	// conflict, and has to be dropped; the check tells if it was another one.
	var ended *endedError
	if errors.As(err, &ended) && ended.code == 1 {
		_, err = r.t.output(ctx, r.env, "recover", "--session", r.loc.Dir, "--discard")
	}
	if err != nil && !over(ctx) {
		r.lose("", "exit code 0 of \"hacky recover\", as there is room again", err.Error())
	}
	for _, file := range append(r.sets.takeMarked(), p.stderr) {
		if holdsUpdates(file) {
			// Older than what is in tasks.json by now: then it is a conflict. And
			// a kill may have cut off the last line. The check will tell.
			_, _ = r.t.output(ctx, r.env, "recover", "--session", r.loc.Dir, "--file", file)
		}
	}
}

// last lets the work be finished, and looks at all of it.
func (r *round) last(ctx context.Context) error {
	p, err := r.t.start(filepath.Join(r.dir, "run.stderr"), r.env, r.t.opts.Binary, r.args()...)
	if err != nil {
		return err
	}
	switch hung := p.finish(ctx); {
	case over(ctx):
		return nil
	case hung != "":
		r.lose("", "that every process comes to its end", hung)
		return nil
	}
	r.verdictOn(p, true)
	if err := r.check(ctx, p); err != nil || r.losses > 0 || over(ctx) {
		return err
	}
	return r.checkEnd(ctx)
}
