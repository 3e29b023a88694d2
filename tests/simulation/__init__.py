"""A deterministic simulator: simulated nodes run cronguard's real code on virtual time.

Real, imported and unchanged: the lease (`cronguard/lease`), the guard with its supervisor and its side of the lease, and
the keeper with its watchdog (`cronguard/run`), over the memory backend. Simulated, behind the interfaces in
`cronguard/run/effects.py`: the process table and signals (`kernel.py`), the link between guard and keeper (`link.py`),
the command (`job.py`), cron, and the connection to the store. Not simulated: signals from people, `--timeout`, daemons
of the command, the gate before the backend, and processes that survive SIGKILL.

A schedule has one job. The seed determines the schedule, including everything that goes wrong in it.
"""
