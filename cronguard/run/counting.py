"""Notes of this node about its runs, in the state directory: counters, and when an outage was last reported.

The guard never writes them itself: the directory may be on storage that hangs, such as a home directory on NFS.
"""

import os

from cronguard.run.aside import aside
from cronguard.system.statedir import StateDir

_NOTING = 1.0  # seconds
_OLD = 1  # exit status: the outage was reported within the last hour
_COMPLAIN_EVERY = 3600.0  # seconds; a crontab line that runs every minute must not mail sixty times an hour


def count(state: StateDir, url: str, kind: str, *labels: str) -> None:
    """Count a run or a skip. The backend has answered, so its next outage is news again."""
    state.count(kind, *labels)
    if state.age("complaint", url, 0.0) is not None:
        state.remove("complaint", url)


def count_aside(state: StateDir, kind: str, *labels: str) -> None:
    """Count a run that the keeper could not count."""
    aside(lambda: state.count(kind, *labels), _NOTING)


def is_news(state: StateDir, url: str, wall: float) -> bool:
    """Return whether to report an unreachable backend: at the start of the outage, and then once an hour."""

    def look() -> None:
        age = state.age("complaint", url, wall)
        if age is not None and 0 <= age < _COMPLAIN_EVERY:
            os._exit(_OLD)
        state.store("complaint", url, url.encode())

    return aside(look, _NOTING) != _OLD
