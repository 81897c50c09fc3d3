// Package session looks after a session directory: one backlog and everything
// about its execution (§2 of the contract).
//
// A Location says which directory; Read loads its backlog without touching
// anything. Open opens it for writing. From then on Apply accepts updates into
// a batch and acknowledges them, and Flush writes the batch into tasks.json:
// whole, atomically, with retries, merged by id with what other programs wrote
// meanwhile (merge.go has the rules). A flush that fails for good leaves the
// updates in the recovery file (recovery.go has its format); Close does so for
// whatever comes after. Nothing accepted is dropped in silence: every decision
// against an update is logged.
//
// Parents' statuses are derived when a flush is made; nobody sets them.
//
// Files: tasks.json, tasks.json.failed, artifacts/attempts.ndjson, and in
// .hacky/ the two locks, the reserve for a full disk (places.go) and the holds
// of used up quotas (holds.go). run.lock is held by the one run, write.lock by
// whoever is just writing tasks.json; notes.go tells what stands in that.
//
// A Session is safe for concurrent use.
package session
