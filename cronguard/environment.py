"""The job's environment."""

from collections.abc import Mapping

from cronguard.claim import Ask
from cronguard.config import WISHES


def job_environment(env: Mapping[str, str], ask: Ask, token: int | None) -> dict[str, str]:
    """Return ours, less what a nested cronguard must not take for wishes of its own, plus what the job may know.

    None of the added variables is an option. Without a token, the run is not guarded.
    """
    kept = {name: value for name, value in env.items() if name not in WISHES and name != "CRONGUARD_TOKEN"}
    kept["CRONGUARD_RUN"] = ask.run
    kept["CRONGUARD_JOB"] = str(ask.job)
    kept["CRONGUARD_RUN_TICK"] = ask.tick.label
    if token is not None:
        kept["CRONGUARD_TOKEN"] = str(token)
    return kept
