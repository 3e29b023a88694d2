"""A deterministic simulator: the project's own lease code, run by simulated nodes on virtual time.

Real, imported and unchanged: `cronguard.lease.lease.Lease` with `claim`, `record`, `seen` and `timing`, over the memory
backend. Modelled, in a few lines each after the code they stand for: the guard and the keeper as processes
(`keeping.py`, `supervisor.py`, `keeper.py`), the command, cron, and the way to the store. Not modelled: signals from
people, `--timeout`, daemons of the command, the gate before the backend, processes that even SIGKILL does not end.

One job a schedule; a schedule, with all that goes wrong in it, follows from its seed.
"""
