"""The log of runs: lines to syslog, stderr or nowhere, as text or JSON. Logging never blocks."""

import os
import socket
from contextlib import suppress
from typing import Any

from cronguard.system.stderr import say

_CRON = 9 << 3  # the syslog facility: these lines belong next to cron's own
LEVELS = {"warning": 4, "info": 6, "debug": 7}
SOCKET = "/dev/log"


class Log:
    """Writes a run's log lines. If syslog does not listen or its queue is full, the line is lost but the run goes on."""

    def __init__(self, target: str, form: str, **always: Any) -> None:
        self._target = target
        self._form = form
        self._always = always

    def write(self, level: str, event: str, **facts: Any) -> None:
        """Log an event (one word) with its facts; facts that are None are left out."""
        known = {k: v for k, v in {**self._always, "event": event, **facts}.items() if v is not None}
        line = _json(known) if self._form == "json" else _text(known)
        if self._target == "syslog":
            _to_syslog(LEVELS[level], line)
        elif self._target == "stderr":
            say(line)


def _json(facts: dict[str, Any]) -> str:
    import json

    return json.dumps(facts)


def _text(facts: dict[str, Any]) -> str:
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in facts.items())


def _quoted(value: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in value)
    return f'"{clean}"' if " " in clean or not clean else clean


def _to_syslog(severity: int, line: str) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(SOCKET)
        sock.send(f"<{_CRON | severity}>cronguard[{os.getpid()}]: {line}".encode())
