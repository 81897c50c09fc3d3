#!/bin/sh
# The main job, end to end, on the example that is built into the program:
# run, then a flush that fails for good, then its recovery.
set -eu
hacky=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
say() { printf '\n== %s\n' "$*"; }
cd "$dir"

say 'hacky init --example'
"$hacky" init --example .

say 'hacky run --dry-run'
"$hacky" run --dry-run

say 'hacky run'
"$hacky" run

say 'hacky status'
"$hacky" status

say 'A disk that fails: while the next run works, its tasks.json disappears.'
mkdir failing && cd failing
cat > tasks.json <<'JSON'
{ "backlog": [ { "id": "P1", "type": "Phase", "title": "Expensive work", "status": "Planned", "milestones": [
  { "id": "P1.M1", "type": "Milestone", "title": "One", "status": "Planned", "tasks": [
    { "id": "P1.M1.T1", "type": "Task", "title": "One", "status": "Planned", "subtasks": [
      { "id": "P1.M1.T1.S1", "type": "Subtask", "title": "Hours of an agent", "status": "Planned",
        "run": "mv \"$HACKY_SESSION/tasks.json\" \"$HACKY_SESSION/lost+found.json\"; echo done" },
      { "id": "P1.M1.T1.S2", "type": "Subtask", "title": "More hours", "status": "Planned",
        "dependencies": ["P1.M1.T1.S1"], "run": "sleep 0.2" }
    ] } ] } ] } ] }
JSON
code=0
"$hacky" run --flush-retries 3 || code=$?
printf 'exit code %s\n' "$code"
[ "$code" = 3 ]

say 'The disk is mended: hacky recover'
mv lost+found.json tasks.json
"$hacky" recover

say 'hacky status: nothing was lost'
"$hacky" status -o tree --all
