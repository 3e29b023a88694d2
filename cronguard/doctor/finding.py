"""A finding: the result of one check, with the value that was found, and what to do about it."""

from collections.abc import Iterable
from typing import NamedTuple

from cronguard.system.errors import CronguardError

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


class Finding(NamedTuple):
    """`name` is that of the check, the same each time. A note is worth knowing, but needs no action."""

    name: str
    state: str
    what: str
    do: str | None = None


def ok(name: str, what: str) -> Finding:
    """Return a finding for a check that passed."""
    return Finding(name, OK, what)


def note(name: str, what: str, do: str | None = None) -> Finding:
    """Return a note: something worth knowing."""
    return Finding(name, NOTE, what, do)


def warning(name: str, what: str, do: str) -> Finding:
    """Return a warning: jobs run, but not as they should, or not for long."""
    return Finding(name, WARNING, what, do)


def problem(name: str, what: str, do: str | None) -> Finding:
    """Return a problem: jobs do not run, or are not guarded."""
    return Finding(name, PROBLEM, what, do)


def failed(name: str, error: CronguardError) -> Finding:
    """Return a problem with the message and the hint of an error."""
    return problem(name, str(error), error.hint)


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether nothing needs to be fixed."""
    return all(finding.state in (OK, NOTE) for finding in findings)
