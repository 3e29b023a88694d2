"""What is said to a person while the work goes on: a stderr that is closed, full or unread must not stop it."""

import select
import sys
from contextlib import suppress


def say(*lines: str) -> None:
    """Write lines, the first after our name, so that cron's mail tells who speaks."""
    text = "\n".join(map(_printable, lines))
    with suppress(OSError, ValueError, AttributeError):  # closed by who started us: None, then
        if not _takes_more():
            return
        sys.stderr.write(f"cronguard: {text}\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Return whether a person sits there."""
    try:
        return sys.stderr.isatty()
    except (ValueError, AttributeError):
        return False


def _takes_more() -> bool:
    """Return whether a write will not block: a pipe that nobody reads would stop who must watch a deadline."""
    poll = select.poll()
    try:
        poll.register(sys.stderr.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # none of the system's files
        return True
    return bool(poll.poll(0))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
