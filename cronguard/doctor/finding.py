"""What was found of one thing: how it is, with the value, and what to do about it."""

from collections.abc import Iterable
from typing import NamedTuple

from cronguard.system.errors import CronguardError

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


class Finding(NamedTuple):
    """`name` is what was looked at, the same word each time. A note is worth knowing, and nothing to put right."""

    name: str
    state: str
    what: str
    do: str | None = None


def ok(name: str, what: str) -> Finding:
    """All is well."""
    return Finding(name, OK, what)


def note(name: str, what: str, do: str | None = None) -> Finding:
    """Worth knowing."""
    return Finding(name, NOTE, what, do)


def warning(name: str, what: str, do: str) -> Finding:
    """Jobs run, but not as they should, or not for long."""
    return Finding(name, WARNING, what, do)


def problem(name: str, what: str, do: str | None) -> Finding:
    """Jobs do not run, or are not guarded."""
    return Finding(name, PROBLEM, what, do)


def failed(name: str, error: CronguardError) -> Finding:
    """Say what an error says."""
    return problem(name, str(error), error.hint)


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether there is nothing to put right."""
    return all(finding.state in (OK, NOTE) for finding in findings)
