"""The envelope of every entry in a store: one line of versioned JSON that preserves unknown fields."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from cronguard import __version__
from cronguard.system.errors import StoreRefusedError

FORMAT = 1
Unknown = tuple[tuple[str, Any], ...]
Read = TypeVar("Read")
TO_REPAIR = "nothing was changed; inspect the entry, and move it away by hand if no node is running the job"


def seal(fields: Mapping[str, Any], unknown: Unknown) -> bytes:
    """Return the fields as JSON, including fields that only a newer cronguard knows."""
    data = {"format": FORMAT, "writer": f"cronguard {__version__}", **dict(unknown), **fields}
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def open_envelope(data: bytes, where: str, read: Callable[[dict[str, Any]], Read]) -> Read | None:
    """Return the result of `read` for the fields; None for no data (never written, or forgotten).

    Raises StoreRefusedError, naming `where`, for data that this version does not understand.
    """
    if not data:
        return None
    try:
        parsed = json.loads(data)
        if not isinstance(parsed, dict) or "format" not in parsed:
            raise _refusal(where, "is not a cronguard record")
        if parsed["format"] != FORMAT:
            raise _newer(where, parsed)
        return read(parsed)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise _refusal(where, f"cannot be read as a cronguard record ({error})") from error


def unknown_fields(parsed: Mapping[str, Any], known: Iterable[str]) -> Unknown:
    """Return the fields that are neither known nor part of the envelope."""
    ours = {"format", "writer", *known}
    return tuple((name, value) for name, value in parsed.items() if name not in ours)


def _newer(where: str, parsed: dict[str, Any]) -> StoreRefusedError:
    writer = str(parsed.get("writer", "an unknown program"))[:100]
    return StoreRefusedError(
        f"{where}: the record has format {parsed['format']!r}, written by {writer}; "
        f"this is cronguard {__version__}, which supports format {FORMAT}",
        "install the same version of cronguard on every node",
    )


def _refusal(where: str, why: str) -> StoreRefusedError:
    return StoreRefusedError(f"{where}: {why}", TO_REPAIR)


def as_moment(value: Any) -> float:
    """Return a time in seconds that can be displayed. Python's JSON parser also accepts infinities."""
    seconds = float(value)
    if not -1e15 < seconds < 1e15:
        raise ValueError(f"{value!r} is not a valid time")
    return seconds
