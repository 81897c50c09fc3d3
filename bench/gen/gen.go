// Package gen makes tasks.json backlogs of any size and shape for benchmarks and tests. Equal arguments
// give equal bytes.
//
// Every subtask has id, type, title, status "Planned", story_points, dependencies, context_scope and run.
// The tree is filled from the front: 100 subtasks a task, 10 tasks a milestone, 10 milestones a phase.
package gen

// Independent is n subtasks that wait for nothing; each runs cmd.
func Independent(n int, cmd []string) []byte { return Waves(n).Backlog(cmd) }

// Chain is n subtasks, each waiting for the one before.
func Chain(n int, cmd []string) []byte { return ChainGraph(n).Backlog(cmd) }

// Layers is layers x width subtasks, each waiting for all of the layer before: width*width*(layers-1) edges.
func Layers(layers, width int, cmd []string) []byte { return LayersGraph(layers, width).Backlog(cmd) }

// FanOut is one subtask and n more that wait for it.
func FanOut(n int, cmd []string) []byte { return Waves(1, n).Backlog(cmd) }

// FanIn is n subtasks and one more that waits for them all.
func FanIn(n int, cmd []string) []byte { return Waves(n, 1).Backlog(cmd) }

// Realistic looks like what planning tools write: about 500 bytes a subtask, most of it text with escapes,
// and up to three dependencies on earlier subtasks. Every subtask runs ["true"].
func Realistic(subtasks int) []byte { return RealisticGraph(subtasks).Backlog([]string{"true"}) }
