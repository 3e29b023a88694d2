"""The record of a job's lease: which run holds or last held the lease, and how it ended."""

from typing import Any, NamedTuple

from cronguard.model.envelope import open_envelope, seal, unknown_fields
from cronguard.model.tick import Tick

HISTORY = 50  # outcomes kept in the record: at about 200 bytes each, they stay far below an entry's 64 KiB
RUNNING = frozenset({"running", "revoked"})  # revoked: asked to stop, but not yet known to have stopped
ENDED = frozenset({"done", "failed", "timed-out", "lost", "cancelled"})


class Record(NamedTuple):
    """The run that holds, or last held, a job's lease. Times are seconds on the holder's wall clock.

    `beat` counts the records that one run published, so `run` and `beat` together identify a record forever.
    `latest` is the highest tick ever claimed. `tick` is this run's tick; it is lower only if someone reran an old tick
    by hand. `boot` names the boot, its clock and, in a container, the container; `ended_boot` is on that clock. `succeeded` is when a run of the job last succeeded;
    the history forgets that after fifty other outcomes.
    """

    job: str
    state: str
    run: str
    beat: int
    token: int
    tick: Tick
    latest: Tick
    attempt: int
    node: str
    boot: str
    pid: int
    user: str
    program: str
    ttl: float
    started: float
    renewed: float
    ended: float | None = None
    ended_boot: float | None = None
    status: int | None = None
    succeeded: float | None = None
    history: tuple[dict[str, Any], ...] = ()
    unknown: tuple[tuple[str, Any], ...] = ()

    @property
    def is_running(self) -> bool:
        """True until the run is known to have ended."""
        return self.state in RUNNING

    @property
    def is_forgotten(self) -> bool:
        """True for the tombstone of a job that was forgotten (see `forgotten`)."""
        return not self.run and not self.is_running

    @property
    def identity(self) -> str:
        """A text that is unique among all records ever published."""
        return f"{self.run}:{self.beat}"

    def next_beat(self, **changes: Any) -> "Record":
        """Return the same run's next record, with these changes."""
        return self._replace(beat=self.beat + 1, **changes)

    def settled(self, state: str, status: int | None, wall: float, boot: float | None) -> "Record":
        """Return the record of how the run ended, with the outcome added to the history.

        `boot` is the holder's boot time, which only the holder knows.
        """
        over = self.next_beat(state=state, status=status, renewed=wall, ended=wall, ended_boot=boot)
        succeeded = wall if state == "done" else self.succeeded
        return over._replace(succeeded=succeeded, history=(*self.history, over.outcome())[-HISTORY:])

    def closed_history(self) -> tuple[dict[str, Any], ...]:
        """Return the history as the next run sees it: a run that never settled counts as crashed."""
        if not self.is_running:
            return self.history
        return (*self.history, self._replace(state="crashed").outcome())[-HISTORY:]

    def outcome(self) -> dict[str, Any]:
        """Return this record's row in the history."""
        return {
            "tick": self.tick.label,
            "node": self.node,
            "state": self.state,
            "status": self.status,
            "token": self.token,
            "attempt": self.attempt,
            "started": self.started,
            "ended": self.ended,
        }


def forgotten(record: Record) -> Record:
    """Return the tombstone of a forgotten job: its token, which the next claim exceeds, and nothing else of note.

    A cronguard that does not know of tombstones reads it as a run that was cancelled at the earliest tick, after which
    any tick may be claimed. No run has an empty ID.
    """
    gone = record.next_beat(state="cancelled", run="", tick=Tick(0), latest=Tick(0), attempt=1)
    gone = gone._replace(pid=0, user="", program="", ended=record.ended or record.renewed, ended_boot=None)
    return gone._replace(status=None, succeeded=None, history=(), unknown=())


_TICKS = ("tick", "latest")
_KNOWN = frozenset(Record._fields) - {"unknown"}


def encode(record: Record) -> bytes:
    """Return the record as one line of JSON, including fields that only a newer cronguard knows."""
    known = {name: getattr(record, name) for name in _KNOWN}
    return seal(known | {name: known[name].label for name in _TICKS}, record.unknown)


def decode(data: bytes, where: str) -> Record | None:
    """Decode a record; None for no data (never written), and for a job that was forgotten.

    Raises StoreRefusedError, naming `where`, for data that this version does not understand.
    """
    record = decode_last(data, where)
    return None if record and record.is_forgotten else record


def decode_last(data: bytes, where: str) -> Record | None:
    """Decode the last record of a job, even of a forgotten one: a claim needs its token. Raises as `decode` does."""
    return open_envelope(data, where, _checked)


def is_job(data: bytes) -> bool:
    """Return whether an entry describes a job, to list its name. An entry that cannot be read does."""
    from cronguard.system.errors import StoreRefusedError

    try:
        return decode(data, "") is not None
    except StoreRefusedError:
        return True


def _checked(parsed: dict[str, Any]) -> Record:
    known = {name: value for name, value in parsed.items() if name in _KNOWN}
    known |= {name: _tick(parsed[name]) for name in _TICKS}
    known["history"] = tuple(dict(outcome) for outcome in parsed.get("history", ()))
    record = Record(**known, unknown=unknown_fields(parsed, _KNOWN))
    _check_types(record)
    return record


def _tick(label: Any) -> Tick:
    from cronguard.system.errors import UsageError

    try:
        return Tick.parse(label)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _check_types(record: Record) -> None:
    if record.state not in RUNNING | ENDED:
        raise ValueError(f"unknown state {record.state!r}")
    for name in ("job", "run", "node", "boot", "user", "program"):
        if not isinstance(getattr(record, name), str):
            raise TypeError(f"{name} is not a string")
    for name in ("beat", "token", "attempt", "pid"):
        if type(getattr(record, name)) is not int:
            raise TypeError(f"{name} is not a whole number")
    for name in ("ttl", "started", "renewed", "ended", "ended_boot", "status", "succeeded"):
        value = getattr(record, name)
        missing = value is None and name in ("ended", "ended_boot", "status", "succeeded")
        if not missing and (type(value) not in (int, float) or not -1e15 < value < 1e15):
            raise TypeError(f"{name} is not a number")
    if record.ttl <= 0:
        raise ValueError("ttl is not positive")
