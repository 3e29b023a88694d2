"""Durations as people write them: plain seconds, or `90s`, `5m`, `2h`, `1d`."""

from cronguard.system.errors import UsageError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0  # a year and a day: anything longer is a slip of the hand, not a wish


def parse_duration(text: str, what: str) -> float:
    """Seconds; `what` names the option in the error.

    Raises UsageError for anything that is not a number from 0 to a year with one of the units.
    """
    number = text.strip()
    unit = number[-1:] if number[-1:] in _SECONDS else ""
    digits = number.removesuffix(unit)
    if not (digits.isascii() and digits.replace(".", "", 1).isdecimal() and digits[0] != "." != digits[-1]):
        raise UsageError(f"{what}: {text!r} is not a duration", "write seconds, or 90s, 5m, 2h, 1d")
    seconds = float(digits) * _SECONDS[unit]
    if seconds > _LONGEST:
        raise UsageError(f"{what}: {text!r} is more than a year", "write seconds, or 90s, 5m, 2h, 1d")
    return seconds


def format_duration(seconds: float) -> str:
    """Say it shortly, for a person: `7d`, `2h05m`, `3m07s`, `12s`, `0.4s`."""
    if seconds < 1:
        return f"{max(0.0, seconds):.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d" + (f"{hours:02}h" if hours else "")
    if hours:
        return f"{hours}h" + (f"{minutes:02}m" if minutes else "")
    if minutes:
        return f"{minutes}m" + (f"{rest:02}s" if rest else "")
    return f"{rest}s"
