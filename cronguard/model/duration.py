"""Parse and format durations as people write them: plain seconds, or `90s`, `5m`, `2h`, `1d`."""

from cronguard.system.errors import UsageError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0  # a year and a day: anything longer is a typing error
_HINT = "use seconds, or a unit: 90s, 5m, 2h, 1d"


def parse_duration(text: str, what: str) -> float:
    """Return a duration in seconds; `what` names the option in errors.

    Raises UsageError unless the text is a number, with or without a unit, that is between 0 and a year.
    """
    number = text.strip()
    unit = number[-1:] if number[-1:] in _SECONDS else ""
    digits = number.removesuffix(unit)
    if not (digits.isascii() and digits.replace(".", "", 1).isdecimal() and digits[0] != "." != digits[-1]):
        raise UsageError(f"{what}: {text!r} is not a duration", _HINT)
    seconds = float(digits) * _SECONDS[unit]
    if seconds > _LONGEST:
        raise UsageError(f"{what}: {text!r} is more than a year", _HINT)
    return seconds


def format_duration(seconds: float) -> str:
    """Return a short text for people: `7d`, `2h05m`, `3m07s`, `12s`, `0.4s`."""
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
