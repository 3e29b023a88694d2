#!/bin/bash
# The job of the scenarios: job.sh NAME SECONDS. Every sign of life is a new empty file: creating one is a single
# call that the host carries out and stamps with its own clock. Appending to a file would not do: what a node
# writes stays in its cache for a while, and is gone when the node is.

run=/run/lab/marks/$1,${CRONGUARD_RUN_TICK:-$(date -u +%Y-%m-%dT%H:%MZ)},${CRONGUARD_TOKEN:-0},$HOSTNAME,$$
mark() { : >"$run,$1"; }

mark start
exec 9<> <(:) # a pipe in which nothing ever comes: reading it is a sleep that starts no process
for ((beat = 0; beat < $2 * 5; beat++)); do
    read -rt 0.2 <&9
    mark "$beat"
done
mark stop
