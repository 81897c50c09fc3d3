package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hacky-run/hacky/internal/backlog"
	"github.com/hacky-run/hacky/internal/nearest"
)

// resolveScope finds the items of a scope; nil is everything. origin is where
// the scope was given.
func resolveScope(b *backlog.Backlog, ids []string, origin string) ([]int32, error) {
	if ids == nil {
		return nil, nil
	}
	scope := []int32{}
	var unknown []string
	for _, id := range ids {
		i, ok := b.Lookup(id)
		if !ok {
			unknown = append(unknown, id)
			continue
		}
		scope = append(scope, i)
	}
	if len(unknown) > 0 {
		if len(unknown) == 1 {
			ids := make([]string, b.Len())
			for k := range b.Items {
				ids[k] = b.Items[k].ID
			}
			if near := nearest.Near(unknown[0], ids); near != "" {
				return nil, fmt.Errorf("%s: %s is not in the backlog; %s", origin, unknown[0], near)
			}
		}
		verb := "is"
		if len(unknown) > 1 {
			verb = "are"
		}
		return nil, fmt.Errorf("%s: %s %s not in the backlog; \"hacky status -o tree\" shows what is", origin, strings.Join(unknown, ", "), verb)
	}
	return scope, nil
}

// lookup finds an item by its id. The error names the nearest.
func lookup(b *backlog.Backlog, id string) (int32, error) {
	if i, ok := b.Lookup(id); ok {
		return i, nil
	}
	return 0, unknownID(b, id, 1)
}

// suggestions bounds for how many mistyped ids the nearest is looked for.
const suggestions = 3

// unknownID says that an id is not there, and which is near; nth counts them.
func unknownID(b *backlog.Backlog, id string, nth int) error {
	switch {
	case b.Len() == 0:
		return fmt.Errorf("%q is not in the backlog, which is empty; put the plan into it, or make another session: hacky init --from FILE", id)
	case nth > suggestions:
		return fmt.Errorf("%q is not in the backlog; \"hacky status -o tree\" shows what is", id)
	}
	ids := make([]string, b.Len())
	for k := range b.Items {
		ids[k] = b.Items[k].ID
	}
	if near := nearest.Near(id, ids); near != "" {
		return fmt.Errorf("%q is not in the backlog; %s", id, near)
	}
	return fmt.Errorf("%q is not in the backlog; \"hacky status -o tree\" shows what is", id)
}

// listIDs names the first few items of a list.
func listIDs(b *backlog.Backlog, items []int32) string {
	const most = 5
	var ids []string
	for k, i := range items {
		if k == most {
			ids = append(ids, fmt.Sprintf("and %d more", len(items)-most))
			break
		}
		ids = append(ids, b.Items[i].ID)
	}
	return strings.Join(ids, ", ")
}

// count is "1 subtask", "2 subtasks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
