"""A namespace's pause entry: whether the namespace, or some of its jobs, must not start new runs."""

from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, open_envelope, seal, unknown_fields
from cronguard.model.job import is_name
from cronguard.model.pause import Pause, as_pause
from cronguard.model.target import JOB, NAMESPACE, Target


class Pauses(NamedTuple):
    """The pause of a whole namespace, if any, and the pauses of its jobs, by name.

    They share one entry, so a run reads only one. `by` and `sequence` together identify a published entry forever.
    """

    whole: Pause | None = None
    jobs: dict[str, Pause] = {}  # noqa: RUF012 - never changed
    by: str = ""
    sequence: int = 0
    unknown: Unknown = ()

    def of(self, target: Target) -> Pause | None:
        """Return the pause of exactly this target, whether it is still in force or not."""
        return self.jobs.get(target.job) if target.kind == JOB else self.whole

    def holding(self, ns: str, wall: float) -> list[tuple[Target, Pause]]:
        """Return all pauses that are in force now, with the one of the namespace `ns` first."""
        whole = [(Target(NAMESPACE, ns), self.whole)] if self.whole else []
        jobs = [(Target(JOB, f"{ns}/{name}"), pause) for name, pause in sorted(self.jobs.items())]
        return [(target, pause) for target, pause in [*whole, *jobs] if pause.holds(wall)]

    def against(self, ns: str, name: str, wall: float) -> tuple[Target, Pause] | None:
        """Return the pause that keeps a job from starting now, if any."""
        hit = [one for one in self.holding(ns, wall) if one[0].job in ("", name)]
        return hit[0] if hit else None

    def changed(self, target: Target, pause: Pause | None, wall: float) -> "Pauses":
        """Return the entry with this pause of the target, or with none; expired pauses are dropped."""
        whole = pause if target.kind == NAMESPACE else self.whole
        jobs = {name: one for name, one in self.jobs.items() if name != target.job}
        if target.kind == JOB and pause:
            jobs[target.job] = pause
        kept = {name: one for name, one in jobs.items() if one.holds(wall)}
        return self._replace(whole=whole if whole and whole.holds(wall) else None, jobs=kept)

    def published(self, by: str) -> "Pauses":
        """Return the next version of the entry, written by `by`."""
        return self._replace(by=by, sequence=self.sequence + 1)


PREFIX = "pause/cluster/"


def pauses_key(ns: str) -> str:
    """Return the key of a namespace's pauses in the store."""
    return f"{PREFIX}{ns}"


_KNOWN = frozenset(Pauses._fields) - {"unknown"}


def encode(pauses: Pauses) -> bytes:
    """Return the entry as JSON."""
    fields = {
        "whole": pauses.whole._asdict() if pauses.whole else None,
        "jobs": {name: pause._asdict() for name, pause in pauses.jobs.items()},
    }
    return seal({**fields, "by": pauses.by, "sequence": pauses.sequence}, pauses.unknown)


def decode(data: bytes, where: str) -> Pauses | None:
    """Decode an entry; None for no data. Raises StoreRefusedError, naming `where`, for anything else."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Pauses:
    jobs = {name: as_pause(one) for name, one in parsed["jobs"].items()}
    if not all(map(is_name, jobs)):
        raise ValueError("it has invalid job names")
    whole, known = as_pause(parsed["whole"]), {name: one for name, one in jobs.items() if one}
    return Pauses(whole, known, str(parsed["by"]), int(parsed["sequence"]), unknown_fields(parsed, _KNOWN))
