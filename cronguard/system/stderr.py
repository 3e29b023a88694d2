"""Messages for people while the work goes on. A stderr that is closed, full or unread must not stop the work."""

import select
import sys
from contextlib import suppress


def say(*lines: str) -> None:
    """Write lines, with cronguard's name before the first, so that cron's mail shows where they come from."""
    text = "\n".join(map(_printable, lines))
    with suppress(OSError, ValueError, AttributeError):  # None if the parent closed it
        if not _takes_more():
            return
        sys.stderr.write(f"cronguard: {text}\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    try:
        return sys.stderr.isatty()
    except (ValueError, AttributeError):
        return False


def _takes_more() -> bool:
    """Return whether a write will not block: a pipe that nobody reads would stop a process that watches a deadline."""
    poll = select.poll()
    try:
        poll.register(sys.stderr.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # not a real file
        return True
    return bool(poll.poll(0))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
