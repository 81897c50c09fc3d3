// Package supervise ends what a run started when hacky itself is killed and
// cannot do it any more.
//
// A run has one supervisor: hacky once more, with a hidden first argument, in
// a session of its own, with an empty environment and no descriptor but two.
// One is a pipe that only hacky writes to; its end means that hacky is gone,
// however that happened. The other is the table: a file without a name in
// which hacky notes each process group that begins, and takes it out when it
// ends. Hacky writes there without a word to the supervisor, which sleeps
// until the end: no wake-up per command, nothing that can fill up or block,
// and the table outlives hacky as the supervisor holds it, too.
//
// When the pipe ends the supervisor ends every group in the table and, on
// Linux, every process whose environment says that it is of this run, however
// far it moved away, and all their descendants: SIGTERM, Grace later SIGKILL,
// again and again until twice nothing was found. It exits then. At the end of a run hacky kills it:
// it has nothing to save, and there is nothing that could be waited for in
// vain.
//
// Linux shows what a process is: a group's number that was given to somebody
// else meanwhile is told by the time when its leader began, and a signal goes
// through a descriptor of the process. Elsewhere there are only the groups:
// what left its group survives a hacky that is killed. On Linux that takes a
// process that hides its environment, made a session of its own and lost its
// parent as well, within the last second: after that it is in the table. Where
// hacky may make a control group (cgroup v2), it does not even help to do so.
//
// Rejected: a message per group through the pipe (two wake-ups of another
// process for every command, and a full pipe to think of); a death signal of
// each command (PR_SET_PDEATHSIG goes by the thread that started it, and not
// to grandchildren); hacky as the child of its supervisor (its process number
// would not be the one that was started, and its terminal another's).
package supervise
