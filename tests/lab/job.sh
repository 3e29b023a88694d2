#!/bin/bash
# The job of the scenarios: job.sh NAME SECONDS. Every sign of life is a new empty file. Creating it is a single call,
# which the host executes and stamps with its own clock. Appending to a file would not work: written data stay in the
# node's cache for a while, and are lost if the node dies.

run=/run/lab/marks/$1,${CRONGUARD_RUN_TICK:-$(date -u +%Y-%m-%dT%H:%MZ)},${CRONGUARD_TOKEN:-0},$HOSTNAME,$$
mark() { : >"$run,$1"; }

mark start
exec 9<> <(:) # a pipe that never gets data: reading it is a sleep without a process
for ((beat = 0; beat < $2 * 5; beat++)); do
    read -rt 0.2 <&9
    mark "$beat"
done
mark stop
