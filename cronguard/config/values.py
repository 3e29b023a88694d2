"""Read and check the value of a setting, whether it comes from an option, a variable or a file.

Each reader takes a value and its name for error messages, and raises UsageError for a bad value.
"""

from collections.abc import Callable
from typing import Any

from cronguard.model.duration import format_duration, parse_duration
from cronguard.model.job import check_name
from cronguard.system.errors import UsageError

Reader = Callable[[Any, str], Any]

_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def text(value: Any, what: str) -> str:
    """Read a non-empty string."""
    if not isinstance(value, str):
        raise UsageError(f"{what}: {value!r} is not a string")
    if not value:
        raise UsageError(f"{what}: must not be empty")
    if "\0" in value:
        raise UsageError(f"{what}: {value!r} contains a NUL character")
    return value


def name(value: Any, what: str) -> str:
    """Read the name of a job, a namespace or a node."""
    return check_name(text(value, what), what)


def seconds(value: Any, what: str) -> float:
    """Read a duration, which is in seconds or has a unit: s, m, h or d."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return parse_duration(
        f"{value:f}" if isinstance(value, float) else str(value) if is_number else text(value, what), what
    )


def bounded(least: float, most: float) -> Reader:
    """Return a reader of durations between two limits, which are in seconds."""

    def read(value: Any, what: str) -> float:
        length = seconds(value, what)
        if not least <= length <= most:
            limits = f"{format_duration(least)} and {format_duration(most)}"
            raise UsageError(f"{what}: {value} is not between {limits}")
        return length

    return read


def skew(value: Any, what: str) -> float | None:
    """Read by how many seconds clocks may differ; None for "off"."""
    if value is False or value == "off":
        return None
    return float(bounded(1, 86400)(value, what))


def flag(value: Any, what: str) -> bool:
    """Read true or false."""
    is_on = value if isinstance(value, bool) else _FLAGS.get(str(value).lower())
    if is_on is None:
        raise UsageError(f"{what}: {value!r} is neither true nor false")
    return is_on


def one_of(*choices: str) -> Reader:
    """Return a reader that accepts one of these words."""

    def read(value: Any, what: str) -> str:
        if value not in choices:
            raise UsageError(f"{what}: {value!r} is not a valid value", f"use one of: {', '.join(choices)}")
        return str(value)

    return read


def exit_status(value: Any, what: str) -> int:
    """Read an exit status."""
    number = _whole(value)
    if number is None or number > 255:
        raise UsageError(f"{what}: {value!r} is not an exit status from 0 to 255")
    return number


def index(value: Any, what: str) -> int:
    """Read a node's index in a list, counted from 0."""
    number = _whole(value)
    if number is None:
        raise UsageError(f"{what}: {value!r} is not the index of a node", "use 0 for the first node")
    return number


def names(value: Any, what: str) -> tuple[str, ...]:
    """Read node names from a list, or separated by commas; or, for time slices, the number of nodes."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    parts = value if isinstance(value, list) else text(value, what).split(",")
    found = tuple(name(part.strip() if isinstance(part, str) else part, what) for part in parts)
    if len(set(found)) < len(found):
        raise UsageError(f"{what}: {','.join(found)} contains a node twice")
    return found


def _whole(value: Any) -> int | None:
    is_whole = not isinstance(value, bool) and str(value).isascii() and str(value).isdecimal()
    return int(value) if is_whole else None
