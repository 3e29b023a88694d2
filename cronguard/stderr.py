"""What is said to a person while the work goes on: a stderr that is closed, full or unread must not stop it."""

import sys
from contextlib import suppress


def say(*lines: str) -> None:
    """Write lines, the first after our name, so that cron's mail tells who speaks."""
    text = "\n".join(map(_printable, lines))
    with suppress(OSError, ValueError, AttributeError):  # closed by who started us: None, then
        sys.stderr.write(f"cronguard: {text}\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Return whether a person sits there."""
    try:
        return sys.stderr.isatty()
    except (ValueError, AttributeError):
        return False


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
