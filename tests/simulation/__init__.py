"""A deterministic simulator: simulated nodes run cronguard's real lease code on virtual time.

Real, imported and unchanged: `cronguard.lease.lease.Lease` with `claim`, `record`, `seen` and `timing`, over the memory
backend. Modelled, in a few lines each and after the real code: the guard and the keeper as processes (`keeping.py`,
`supervisor.py`, `keeper.py`), the command, cron, and the connection to the store. Not modelled: signals from people,
`--timeout`, daemons of the command, the gate before the backend, and processes that survive SIGKILL.

A schedule has one job. The seed determines the schedule, including everything that goes wrong in it.
"""
