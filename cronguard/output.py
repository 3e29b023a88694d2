"""What people read: tables, JSON, moments."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cronguard.duration import format_duration


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return columns under their headers."""
    from tabulate import tabulate

    return tabulate(
        [list(row) for row in rows], headers=list(headers), tablefmt="plain", disable_numparse=True
    )


def as_json(value: Any) -> str:
    """Return JSON that a person can read too."""
    return json.dumps(value, indent=2, sort_keys=True)


def moment(wall: float, now: float) -> str:
    """Say when, on this machine's clock, and how far that is from now."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    distance = format_duration(abs(now - wall))
    return f"{shown} ({distance} ago)" if wall <= now else f"{shown} (in {distance})"
