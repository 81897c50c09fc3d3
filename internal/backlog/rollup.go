package backlog

// RollUp derives the parents' statuses from those of the subtasks: it returns
// statuses with every parent's entry replaced, a parent without children kept.
//
//   - all children Obsolete: Obsolete;
//   - all Complete or Obsolete: Complete;
//   - none started: Planned;
//   - some child Failed, and nothing below still running or able to run:
//     Failed. What waits for a failed item is not able to;
//   - else Implementing.
//
// A parent with no subtasks below says nothing about the work and is left out.
//
// It takes time linear in items and dependencies.
func (b *Backlog) RollUp(statuses []Status) []Status {
	out := append([]Status(nil), statuses...)
	stuck := b.Stuck(statuses)
	// What is below an item is summed up in its parent, last item first, so
	// that children come before their parents.
	type sum struct {
		children, obsolete, complete, planned, failed int32
		alive                                         bool // something below runs or is able to
	}
	sums := make([]sum, len(b.Items))
	for i := len(b.Items) - 1; i >= 0; i-- {
		it, s := &b.Items[i], &sums[i]
		switch {
		case it.Kind == Subtask:
			s.alive = out[i].Running() || out[i] == Planned && (stuck == nil || !stuck[i])
		case s.children == 0:
			continue
		case s.obsolete == s.children:
			out[i] = Obsolete
		case s.obsolete+s.complete == s.children:
			out[i] = Complete
		case s.obsolete+s.planned == s.children:
			out[i] = Planned
		case s.failed > 0 && !s.alive:
			out[i] = Failed
		default:
			out[i] = Implementing
		}
		if it.Parent < 0 {
			continue
		}
		up := &sums[it.Parent]
		up.children++
		up.alive = up.alive || s.alive
		switch out[i] {
		case Obsolete:
			up.obsolete++
		case Complete:
			up.complete++
		case Planned:
			up.planned++
		case Failed:
			up.failed++
		}
	}
	return out
}

// Stuck marks the subtasks that cannot run because they wait, directly or
// through others, for a failed one. It is nil when nothing is.
func (b *Backlog) Stuck(statuses []Status) []bool {
	var queue []int32
	for i := range b.Items {
		if b.Items[i].Kind == Subtask && statuses[i] == Failed {
			queue = append(queue, int32(i))
		}
	}
	if len(queue) == 0 {
		return nil
	}
	stuck := make([]bool, len(b.Items))
	told := make([]bool, len(b.Items)) // its dependents know
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		for a := v; a >= 0 && !told[a]; a = b.Items[a].Parent {
			told[a] = true
			for _, d := range b.Dependents(a) {
				if statuses[d] == Planned && !stuck[d] {
					stuck[d] = true
					queue = append(queue, d)
				}
			}
		}
	}
	return stuck
}
