"""The entry that doctor keeps for its node's name: which machines use that name, and their versions."""

import os
from typing import Any, NamedTuple

from cronguard import __version__
from cronguard.model.envelope import Unknown, open_envelope, seal, unknown_fields
from cronguard.store.contract import Backend
from cronguard.store.update import update

PREFIX = "doctor/cluster/"
LATELY = 86400.0  # seconds: in a crontab, doctor is usually run once a day
_MOST = 8  # machines that are kept for one name


class Visits(NamedTuple):
    """For each machine: `wall`, when doctor last ran there, and `version`. Each published entry has a new `id`."""

    seen: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - nobody changes it
    id: str = ""
    unknown: Unknown = ()

    def recent(self, wall: float) -> dict[str, dict[str, Any]]:
        """Return the visits of the last day, by clocks that may be some minutes apart."""
        return {name: visit for name, visit in self.seen.items() if abs(wall - visit["wall"]) < LATELY}


def leave(backend: Backend, node: str, machine: str, wall: float) -> None:
    """Publish a visit of this machine, and keep the recent visits of others."""

    def visited(old: Visits | None) -> Visits:
        known = old or Visits()
        recent = sorted(known.recent(wall).items(), key=lambda item: -float(item[1]["wall"]))[:_MOST]
        seen = {**dict(recent), machine: {"wall": wall, "version": __version__}}
        return Visits(seen, os.urandom(8).hex(), known.unknown)

    update(backend, f"{PREFIX}{node}", decode, encode, visited)


def encode(visits: Visits) -> bytes:
    """Return the entry as JSON."""
    return seal({"seen": visits.seen, "id": visits.id}, visits.unknown)


def decode(data: bytes, where: str) -> Visits | None:
    """Read an entry; None for no data. Raises StoreRefusedError, naming `where`, for an invalid entry."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Visits:
    seen = {
        str(machine): {"wall": float(visit["wall"]), "version": str(visit["version"])}
        for machine, visit in parsed["seen"].items()
    }
    return Visits(seen, str(parsed["id"]), unknown_fields(parsed, Visits._fields))
