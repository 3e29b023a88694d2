"""The five fields of a cron schedule, and the values that they stand for."""

import re

from cronguard.system.errors import UsageError

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = ("", "", "", "JanFebMarAprMayJunJulAugSepOctNovDec", "SunMonTueWedThuFriSat")
_VALUE = "[0-9]{1,3}|[a-z]{3}"
_RANGE = rf"(?P<low>{_VALUE})-(?P<high>{_VALUE})"
_ITEM = re.compile(rf"(?:\*|{_RANGE})(?P<step>/0*[1-9][0-9]*)?|(?P<one>{_VALUE})", re.IGNORECASE)
_HINT = "write five fields as in a crontab, such as '*/10 8-17 * * mon-fri', or @hourly, @daily, @weekly, @monthly, @yearly"


def expand(fields: str, expression: str) -> list[tuple[int, ...]]:
    """Return the values of the five fields, in order. `expression` is the schedule as it was written, for errors.

    Raises UsageError for fields that cron does not accept, or that would never match.
    """
    from croniter import CroniterError, croniter

    words = fields.split()
    if len(words) != len(_FIELDS):
        raise UsageError(f"schedule {expression!r} does not have five fields", _HINT)
    plain = " ".join(_plain_field(word, index, expression) for index, word in enumerate(words))
    try:
        expanded = croniter.expand(plain)[0]
    except CroniterError as error:
        raise UsageError(f"schedule {expression!r} has a value out of range", _HINT) from error
    return [
        tuple(range(low, high + 1)) if "*" in values else tuple(sorted(values))
        for values, (low, high) in zip(expanded, _BOUNDS, strict=True)
    ]


def _plain_field(text: str, index: int, expression: str) -> str:
    try:
        return ",".join(_plain_item(item, _NAMES[index]) for item in text.split(","))
    except ValueError as error:
        raise UsageError(f"schedule {expression!r}: {_FIELDS[index]} {text!r} {error}", _HINT) from error


def _plain_item(text: str, names: str) -> str:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise ValueError("is not valid")
    if text.startswith("*"):
        return text
    low, high = (_number(match[group] or match["one"], names) for group in ("low", "high"))
    if low > high:  # cron accepts this and never fires
        raise ValueError("is a range that runs backwards")
    # croniter treats 5-5 as the whole cycle, cron treats it as 5
    return f"{low}-{high}{match['step'] or ''}" if low < high else str(low)


def _number(value: str, names: str) -> int:
    if value.isdigit():
        return int(value)
    place, misplaced = divmod(names.find(value.capitalize()), len("Jan"))
    if misplaced or place < 0:
        raise ValueError("is not valid")
    return place + (names[:3] == "Jan")  # months count from 1
