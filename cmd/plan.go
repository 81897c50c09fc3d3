package cmd

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/config"
	"github.com/hacky-run/hacky/internal/schedule"
	"github.com/hacky-run/hacky/internal/session"
	"github.com/hacky-run/hacky/internal/ui"
)

func (a *app) planCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what a run would do: order, waves, critical path, estimate",
		Long: `Show the subtasks that hacky run would run, in order; the waves, each of which
could run at once; the critical path, by past durations or else story points;
and when a run would end, learned from the attempts of this session, if there
are any; what limits and used up quotas do to that is said. It takes no lock and writes nothing. "hacky run --dry-run" shows the
same, and refuses what a run would refuse.

Exit codes: 0, 2 mistake in the call or the backlog.`,
		Example: `  hacky plan --parallelism 8
  hacky plan --scope P2 --with-deps -o json | jq '.criticalPath'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, log, err := a.load(c)
			if err != nil {
				return err
			}
			if err := checkOutput(output, "table", "json", "yaml"); err != nil {
				return err
			}
			return a.plan(cfg, log, output)
		},
	}
	config.Register(c.Flags(), "scope", "parallelism", "with-deps")
	c.Flags().StringVarP(&output, "output", "o", "table", "output: table, json, yaml")
	return c
}

func (a *app) plan(cfg *config.Config, log zerolog.Logger, output string) error {
	loc, err := a.locate(cfg)
	if err != nil {
		return err
	}
	b, statuses, err := session.View(loc)
	if err != nil {
		return err
	}
	j := &job{app: a, cfg: cfg, log: log, loc: loc, runID: newRunID()}
	defer j.close()
	if err := j.choose(b, statuses); err != nil {
		return err
	}
	refused := ""
	if err := j.check(b, statuses); err != nil { // a plan may be made before it can be run
		refused, _, _ = strings.Cut(err.Error(), "\n")
	}
	p := j.plan(b, statuses)
	p.Refused = refused
	if output != "table" {
		return document(a.stdout, output, p)
	}
	return p.Text(a.stdout, a.width(), a.now())
}

// plan foresees a run of what was chosen.
func (j *job) plan(b *backlog.Backlog, statuses []backlog.Status) *ui.Plan {
	fresh := func() *schedule.Plan { return schedule.New(b, statuses, j.selected) }
	order := schedule.Order(fresh())
	p := &ui.Plan{Session: j.loc.Dir, Scope: append([]string{}, j.cfg.Scope...), Parallelism: j.cfg.Parallelism, Total: len(order),
		Subtasks: make([]ui.PlanItem, 0, len(order)), Waves: [][]string{}, OutOfScope: ui.OutOfScope{IDs: []string{}}}
	if j.cfg.Commit { // as oneAtATime has it
		p.Parallelism = 1
	}
	waveOf, points := make([]int, b.Len()), make([]float64, b.Len())
	for k, wave := range schedule.Waves(fresh()) {
		ids := make([]string, len(wave))
		for n, i := range wave {
			ids[n], waveOf[i] = b.Items[i].ID, k+1
		}
		p.Waves = append(p.Waves, ids)
	}
	for i := range b.Items {
		if b.Items[i].Kind != backlog.Subtask {
			continue
		}
		points[i] = b.Points(int32(i))
		if !j.selected[i] && !statuses[i].Satisfied() {
			p.OutOfScope.Count++
			p.OutOfScope.IDs = append(p.OutOfScope.IDs, b.Items[i].ID)
		}
	}
	pace, err := learn(j.loc, b)
	if err != nil {
		j.log.Warn().Err(err).Msg("cannot tell how long subtasks have taken")
	}
	takes := func(i int32) float64 { return pace.Takes(i, points[i]) }
	for _, i := range order {
		s := ui.PlanItem{ID: b.Items[i].ID, Title: b.Items[i].Title, Status: statuses[i].String(), Wave: waveOf[i], Points: points[i]}
		if j.runner != nil {
			s.Command = j.runner.Describe(i)
		}
		if pace != nil {
			seconds := millis(takes(i))
			s.Seconds = &seconds
		}
		p.Points += points[i]
		p.Subtasks = append(p.Subtasks, s)
	}
	weight := func(int32) float64 { return 1 }
	switch p.Critical.By = "subtasks"; {
	case pace != nil:
		p.Critical.By, weight = "durations", takes
	case p.Points > 0:
		p.Critical.By, weight = "points", func(i int32) float64 { return points[i] }
	}
	path, total := schedule.CriticalPath(b, order, weight)
	p.Critical.IDs = []string{}
	for _, i := range path {
		p.Critical.IDs = append(p.Critical.IDs, b.Items[i].ID)
		p.Critical.Points += points[i]
	}
	p.Starts = len(order)
	p.Limits = ui.PlanLimits{MaxTasks: j.cfg.MaxTasks, MaxDurationSeconds: j.cfg.MaxDuration.Seconds()}
	started := j.selected
	if p.Limits.MaxTasks > 0 && p.Limits.MaxTasks < len(order) {
		p.Starts = p.Limits.MaxTasks
		started = make([]bool, b.Len())
		for _, i := range order[:p.Starts] {
			started[i] = true
		}
	}
	p.Held = j.holds(order)
	if pace != nil {
		total = millis(total)
		p.Critical.Seconds = &total
		all := schedule.Simulate(schedule.New(b, statuses, started), p.Parallelism, takes)
		p.Estimate = &ui.PlanEstimate{Seconds: millis(all), End: j.now().Add(time.Duration(min(all, 1e9) * float64(time.Second))),
			Finished: pace.Finished(), SecondsPerPoint: millis(pace.PerPoint()), SecondsEach: millis(pace.Each())}
	}
	return p
}

// holds are the quotas that are used up, of those that these subtasks use.
func (j *job) holds(order []int32) []ui.Hold {
	out := []ui.Hold{}
	if j.runner == nil {
		return out
	}
	holds, _ := session.Holds(j.loc, j.now()) // what cannot be read is not shown
	for _, h := range holds {
		held := ui.Hold{Credential: h.Credential, Until: h.Until, IDs: []string{}}
		for _, i := range order {
			if slices.Contains(j.runner.Credentials(i), h.Credential) {
				held.Add(j.b.Items[i].ID)
			}
		}
		if held.Subtasks > 0 {
			out = append(out, held)
		}
	}
	return out
}

// millis are seconds rounded to what is worth printing.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// learn takes the durations of what has been completed: those of all attempts
// up to the one that did, but not those that a quota turned away. It is nil if
// nothing has been.
func learn(loc session.Location, b *backlog.Backlog) (*schedule.Pace, error) {
	var pace schedule.Pace
	spent := map[string]float64{}
	err := session.EachPast(loc, func([]byte) bool { return true }, func(past session.Past) {
		took := past.Ended.Sub(past.Started).Seconds()
		i, known := b.Lookup(past.ID)
		if took < 0 || !known || b.Items[i].Kind != backlog.Subtask || past.Class == "quota" || past.Class == "interrupted" {
			return
		}
		spent[past.ID] += took
		if past.Class == "ok" {
			pace.Took(i, b.Points(i), spent[past.ID])
			delete(spent, past.ID)
		}
	})
	if pace.Finished() == 0 {
		return nil, err
	}
	return &pace, err
}
