"""The envelope of every record in a store: versioned JSON, one line, that keeps what it does not know."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from cronguard import __version__
from cronguard.system.errors import StoreRefusedError

FORMAT = 1
Unknown = tuple[tuple[str, Any], ...]
Read = TypeVar("Read")


def seal(fields: Mapping[str, Any], unknown: Unknown) -> bytes:
    """Return the fields as JSON, those that only a newer cronguard knows included."""
    data = {"format": FORMAT, "writer": f"cronguard {__version__}", **dict(unknown), **fields}
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def open_envelope(data: bytes, where: str, read: Callable[[dict[str, Any]], Read]) -> Read | None:
    """Return what `read` makes of the fields; None for no data (never written, or forgotten).

    Raises StoreRefusedError, naming `where`, for anything that is not a record that this version understands.
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
    """Return the fields that are neither known nor the envelope's own."""
    ours = {"format", "writer", *known}
    return tuple((name, value) for name, value in parsed.items() if name not in ours)


def _newer(where: str, parsed: dict[str, Any]) -> StoreRefusedError:
    writer = str(parsed.get("writer", "an unknown program"))[:100]
    return StoreRefusedError(
        f"{where}: the record has format {parsed['format']!r}, written by {writer}; "
        f"this is cronguard {__version__}, which knows format {FORMAT}",
        "install the same version of cronguard on every node",
    )


def _refusal(where: str, why: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"{where}: {why}",
        "nothing was changed; look at it, and if no node runs the job, move it away by hand",
    )


def as_moment(value: Any) -> float:
    """Return seconds that people can be told: JSON as Python reads it knows infinities."""
    seconds = float(value)
    if not -1e15 < seconds < 1e15:
        raise ValueError(f"{value!r} is not a moment")
    return seconds
