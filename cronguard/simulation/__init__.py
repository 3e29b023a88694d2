"""What a strategy would do when something fails: the project's own decisions and lease, on virtual time.

Real are the strategies, the advice that asks them, the claim, the lease and its record, the round robin's queue, the
line of those who wait, and the heartbeats' verdicts, all on the memory backend. Stood in for are time, cron, the
command, the machines and their way to the store, more simply than in tests/simulation, which looks for faults in
cronguard itself.
"""

SIMPLIFIED = (
    "all clocks agree",
    "the store answers at once, or not at all",
    "a command that is told to stop has stopped",
    "a node that comes back is up at once",
    "heartbeats are seen through the store alone, and go on when a cron is dead",
)
