"""The environment of the job's command."""

from collections.abc import Mapping
from contextlib import suppress

from cronguard.config.sources import NOT_INHERITED
from cronguard.lease.claim import Ask


def job_environment(env: Mapping[str, str], ask: Ask, token: int | None) -> dict[str, str]:
    """Return our environment without cronguard's settings, and with the variables that describe the run.

    The settings are removed so that a nested cronguard uses its own. None of the added variables is a setting. A run
    without a token is not guarded.
    """
    kept = {
        name: value for name, value in env.items() if name not in NOT_INHERITED and name != "CRONGUARD_TOKEN"
    }
    if kept.get("LC_CTYPE") == "C.UTF-8" and not _was_given("LC_CTYPE"):
        del kept["LC_CTYPE"]  # Python itself sets it if cron sets no locale (PEP 538)
    kept["CRONGUARD_RUN"] = ask.run
    kept["CRONGUARD_JOB"] = str(ask.job)
    kept["CRONGUARD_RUN_TICK"] = ask.tick.label
    if token is not None:
        kept["CRONGUARD_TOKEN"] = str(token)
    return kept


def _was_given(name: str) -> bool:
    """Return whether this process was started with the variable in its environment."""
    with suppress(OSError), open("/proc/self/environ", "rb") as file:
        return any(item.startswith(f"{name}=".encode()) for item in file.read().split(b"\0"))
    return True
