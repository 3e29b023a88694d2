"""What can be wished for, and how each value is read, wherever it comes from."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cronguard.model.duration import format_duration, parse_duration
from cronguard.model.job import check_name
from cronguard.model.timing import MAX_TTL, MIN_TTL
from cronguard.system.errors import UsageError


class Settings(NamedTuple):
    """Everything that can be wished for, checked value by value. Durations are seconds; None is "not said"."""

    ns: str = "default"
    name: str | None = None
    node: str = ""
    backend: str | None = None
    ttl: float = 180.0
    wait: float = 0.0
    timeout: float | None = None
    kill_after: float | None = None
    daemons: str = "release"
    strategy: str = "preempt"
    nodes: tuple[str, ...] = ()
    index: int | None = None  # type: ignore[assignment] # the option is called so; nobody asks for tuple.index
    head_start: float = 15.0
    failback_after: float = 0.0
    strict: bool = False
    cover: bool = False
    fair: bool = False
    schedule: str | None = None
    timezone: str | None = None
    tick: str | None = None
    every_run: bool = False
    retry: str = "crashed"
    skip_status: int = 75
    if_unavailable: str = "fail"
    backend_timeout: float = 30.0
    max_clock_skew: float | None = 300.0
    log: str = "syslog"
    log_format: str = "text"
    state_dir: str | None = None
    verbose: bool = False
    quiet: bool = False


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(f"{what}: {value!r} is not a text")
    return value


def _name(value: Any, what: str) -> str:
    return check_name(_text(value, what), what)


def _seconds(value: Any, what: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return parse_duration(
        f"{value:f}" if isinstance(value, float) else str(value) if is_number else _text(value, what), what
    )


def _bounded(least: float, most: float) -> Callable[[Any, str], float]:
    def parse(value: Any, what: str) -> float:
        seconds = _seconds(value, what)
        if not least <= seconds <= most:
            raise UsageError(
                f"{what}: {value} is not between {format_duration(least)} and {format_duration(most)}"
            )
        return seconds

    return parse


def _skew(value: Any, what: str) -> float | None:
    if value is False or value == "off":
        return None
    return _bounded(1, 86400)(value, what)


def _flag(value: Any, what: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    flag = value if isinstance(value, bool) else known.get(str(value).lower())
    if flag is None:
        raise UsageError(f"{what}: {value!r} is neither true nor false")
    return flag


def _one_of(*choices: str) -> Callable[[Any, str], str]:
    def parse(value: Any, what: str) -> str:
        if value not in choices:
            raise UsageError(f"{what}: {value!r} is not known", f"write one of: {', '.join(choices)}")
        return str(value)

    return parse


def _status(value: Any, what: str) -> int:
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdecimal() or int(value) > 255:
        raise UsageError(f"{what}: {value!r} is not an exit status from 0 to 255")
    return int(value)


def _index(value: Any, what: str) -> int:
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdecimal():
        raise UsageError(f"{what}: {value!r} is not the number of a node", "the first node has index 0")
    return int(value)


def _names(value: Any, what: str) -> tuple[str, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # how many nodes take turns
    parts = value if isinstance(value, list) else _text(value, what).split(",")
    names = tuple(_name(part.strip() if isinstance(part, str) else part, what) for part in parts)
    if len(set(names)) < len(names):
        raise UsageError(f"{what}: {','.join(names)} names a node twice")
    return names


# One row a setting: how its value is read, whether it comes from an option, a variable or a file. Each reader takes
# the value and what to call it, and raises UsageError.
PARSERS: Mapping[str, Callable[[Any, str], Any]] = {
    "ns": _name,
    "name": _name,
    "node": _name,
    "backend": _text,
    "ttl": _bounded(MIN_TTL, MAX_TTL),
    "wait": _seconds,
    "timeout": _bounded(0.001, 366 * 86400),
    "kill_after": _seconds,
    "daemons": _one_of("release", "wait", "kill"),
    "strategy": _one_of("preempt", "standby", "round-robin", "time-slice"),
    "nodes": _names,
    "index": _index,
    "head_start": _bounded(1, 3600),
    "failback_after": _seconds,
    "strict": _flag,
    "cover": _flag,
    "fair": _flag,
    "schedule": _text,
    "timezone": _text,
    "tick": _text,
    "every_run": _flag,
    "retry": _one_of("never", "crashed", "failed"),
    "skip_status": _status,
    "if_unavailable": _one_of("fail", "run"),
    "backend_timeout": _bounded(0.1, 3600),
    "max_clock_skew": _skew,
    "log": _one_of("syslog", "stderr", "none"),
    "log_format": _one_of("text", "json"),
    "state_dir": _text,
    "verbose": _flag,
    "quiet": _flag,
}
