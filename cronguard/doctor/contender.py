"""A writer: one of several that swap an entry at the same time, and log each attempt and its answer."""

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cronguard.doctor.chain import Attempt, End
from cronguard.store.contract import Backend
from cronguard.system.errors import BackendError

_PADS = (0, 10, 5000)  # bytes: records that fit into one block, and one that does not


class Log:
    """A log of JSON lines, each written before the next step: a killed writer loses at most its last answer."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, **facts: Any) -> None:
        """Append a line."""
        os.write(self._fd, json.dumps(facts).encode() + b"\n")


def swap_often(
    backend: Backend,
    key: str,
    writer: str,
    goes_on: Callable[[int], bool],
    log: Log,
    pads: Iterable[int] = _PADS,
) -> None:
    """Publish records, each naming the one that it replaces, while `goes_on` is true of their number so far."""
    dice, sizes = random.Random(writer), list(pads)  # noqa: S311 - no secret
    number = 0
    while goes_on(number):
        entry = backend.read(key)
        id_ = f"{writer}:{number}"
        data = json.dumps({"id": id_, "pad": "x" * dice.choice(sizes)}).encode()
        began = time.monotonic_ns()
        log.write(id=id_, replaces=end_of(entry.data, entry.version).id, over=entry.version, began=began)
        published = None
        try:
            published = backend.swap(entry, data)
            answer = "published" if published else "none"
        except BackendError as error:
            answer = f"error: {error}"
        version = published.version if published else None
        log.write(id=id_, ended=time.monotonic_ns(), answer=answer, version=version)
        number += 1


def end_of(data: bytes | str, version: int) -> End:
    """Return the ID and version of the record that an entry holds."""
    return End(json.loads(data)["id"] if data else "", version)


def read_attempts(folder: str, clock: str = "") -> list[Attempt]:
    """Return the swaps that the logs in a directory record."""
    return [_attempt(facts, clock) for facts in logged(folder, "id").values()]


def _attempt(facts: Mapping[str, Any], clock: str) -> Attempt:
    answer = facts.get("answer", "unknown")
    begun = (facts["id"], facts["replaces"], facts["over"], facts["began"])
    return Attempt(*begun, facts.get("ended"), answer, facts.get("version"), clock)


def logged(folder: str, name: str) -> dict[tuple[str, Any], dict[str, Any]]:
    """Return the lines of all logs; those of one log with the same value of the field `name` are merged."""
    things: dict[tuple[str, Any], dict[str, Any]] = {}
    for log in sorted(entry for entry in os.listdir(folder) if entry.endswith(".log")):
        with open(f"{folder}/{log}", encoding="utf-8") as file:
            for line in file:
                facts = json.loads(line)
                things.setdefault((log, facts[name]), {}).update(facts)
    return things
