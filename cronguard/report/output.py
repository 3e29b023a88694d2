"""Output for people: tables, JSON, times."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cronguard.model.duration import format_duration


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return columns under their headers."""
    from tabulate import tabulate

    return tabulate(
        [list(row) for row in rows], headers=list(headers), tablefmt="plain", disable_numparse=True
    )


def as_json(value: Any) -> str:
    """Return JSON that a person can read, too."""
    return json.dumps(value, indent=2, sort_keys=True)


def local_time(wall: float) -> str:
    """Return a time as text, in this machine's time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))


def moment(wall: float, now: float) -> str:
    """Return a time as text, in this machine's time zone, with its distance from now."""
    shown = local_time(wall)
    distance = format_duration(abs(now - wall))
    return f"{shown} ({distance} ago)" if wall <= now else f"{shown} (in {distance})"


def wants_colour(stream: Any, env: Mapping[str, str]) -> bool:
    """Return whether to use colours: on a terminal that has them, unless NO_COLOR is set."""
    return bool(stream.isatty()) and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


def coloured(text: str, code: str, colour: bool) -> str:
    """Return the text in a colour of the terminal, such as `31`."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text


def difference(old: str, new: str, title: str, colour: bool = False) -> str:
    """Return a unified diff with one line of context; it is empty if nothing differs."""
    from difflib import unified_diff

    lines = unified_diff(_ended(old), _ended(new), title, f"{title} (new)", n=1, lineterm="")
    return "".join(
        f"{coloured(line, _DIFF_COLOURS.get(line[:1], ''), colour and line[:1] != ' ')}\n" for line in lines
    )


_DIFF_COLOURS = {"-": "31", "+": "32", "@": "36"}


def _ended(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def speaks_unicode(stream: Any, env: Mapping[str, str]) -> bool:
    """Return whether the stream can show characters beyond ASCII."""
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG")
    if locale in ("C", "POSIX"):  # Python would write UTF-8 even then
        return False
    return "utf" in (getattr(stream, "encoding", None) or "").lower()


def terminal_width() -> int:
    """Return the number of columns of the terminal, or 80."""
    import shutil

    return shutil.get_terminal_size().columns
