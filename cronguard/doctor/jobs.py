"""Checks of the leases: unreadable records, jobs that no node takes over, lost leases, and jobs with two names."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from cronguard.doctor import visits
from cronguard.doctor.finding import Finding, ok, problem, warning
from cronguard.model import beat, pauses, rotation, waiters
from cronguard.model.duration import format_duration
from cronguard.model.record import Record, decode
from cronguard.model.timing import takeover_after
from cronguard.store.contract import Backend, Entry
from cronguard.system.errors import StoreRefusedError

_LATELY = 7 * 86400.0  # seconds: older losses are not reported
_RECENT = 10  # runs of a job that are checked
_COMMON = 2  # ticks that two names must share: with one, each node may have been first by chance
_HASHED = re.compile(r"(.+)-[0-9a-f]{10}")  # a name made by Job.unnamed

_OTHERS: dict[str, Callable[[bytes, str], object]] = {
    "node/": beat.decode,
    pauses.PREFIX: pauses.decode,
    "queue/": rotation.decode,
    "waiters/": waiters.decode,
    visits.PREFIX: visits.decode,
}


class Lease(NamedTuple):
    """A job's record, and how long ago it was published."""

    job: str
    record: Record
    age: float


def judge_jobs(backend: Backend, wall: float) -> list[Finding]:
    """Check all jobs."""
    leases, unreadable = _read(backend.scan("lease/"), wall)
    unreadable += _unreadable(backend)
    return [
        _judge_records(len(leases), unreadable),
        judge_overdue(leases),
        judge_lost(leases, wall),
        judge_names(leases),
    ]


def _read(entries: Iterable[Entry], wall: float) -> tuple[list[Lease], list[StoreRefusedError]]:
    leases, unreadable = [], []
    for entry in entries:
        job = entry.key.partition("/")[2]
        try:
            if record := decode(entry.data, job):
                leases.append(Lease(job, record, wall - record.renewed if entry.age is None else entry.age))
        except StoreRefusedError as error:
            unreadable.append(error)
    return leases, unreadable


def _unreadable(backend: Backend) -> list[StoreRefusedError]:
    found = []
    for prefix, decoded in _OTHERS.items():
        for entry in backend.scan(prefix):
            try:
                decoded(entry.data, entry.key)
            except StoreRefusedError as error:
                found.append(error)
    return found


def _judge_records(count: int, unreadable: Sequence[StoreRefusedError]) -> Finding:
    if unreadable:
        more = f" (and {len(unreadable) - 1} more)" if unreadable[1:] else ""
        return problem("records", f"{unreadable[0]}{more}", unreadable[0].hint)
    return ok("records", f"{count} jobs have a record" if count != 1 else "1 job has a record")


def judge_overdue(leases: Iterable[Lease]) -> Finding:
    """Report jobs whose holder is gone and that no node has taken over."""
    overdue = [(job, r, age) for job, r, age in leases if r.is_running and age > takeover_after(r.ttl)]
    if not overdue:
        return ok("overdue", "no holder has stopped renewing its lease")
    job, record, age = overdue[0]
    told = f"{job}: {record.node} has not renewed the lease for {format_duration(age)}, and no run has taken it over"
    hint = (
        f"the next run takes it over; if none will come: cronguard unlock --force {job}; see what became of pid "
        f"{record.pid} on {record.node}"
    )
    return warning("overdue", _and_more(told, overdue), hint)


def judge_lost(leases: Iterable[Lease], wall: float) -> Finding:
    """Report jobs that were stopped recently because their lease could not be renewed."""
    lost = [(lease.job, runs) for lease in leases if (runs := _lost(lease.record, wall))]
    if not lost:
        return ok("lost", "no recent run was stopped because its lease was lost")
    job, runs = lost[0]
    told = f"{job}: the lease was lost on {runs[-1].get('node')} in the run for tick {runs[-1].get('tick')}"
    hint = "check what the backend did then (dmesg, its log); a longer ttl survives a longer outage"
    return warning("lost", _and_more(told, lost), hint)


def _lost(record: Record, wall: float) -> list[dict[str, Any]]:
    recent = [run for run in record.history[-_RECENT:] if run.get("state") == "lost"]
    return [run for run in recent if wall - (run.get("ended") or wall) < _LATELY]


def judge_names(leases: Iterable[Lease]) -> Finding:
    """Report one job with two names: without --name, a name is made from the arguments, which differ between nodes.

    Two jobs of one program have such names too. But then each node is first now and then, so neither name is used
    by only one node.
    """
    by_stem: dict[str, list[Lease]] = {}
    for lease in leases:
        if found := _HASHED.fullmatch(lease.job):
            by_stem.setdefault(found[1], []).append(lease)
    for stem, found_leases in sorted(by_stem.items()):
        for number, one in enumerate(found_leases):
            for other in found_leases[number + 1 :]:
                if _is_twice(one.record, other.record):
                    nodes = f"{one.record.node} and {other.record.node}"
                    told = f"{one.job} and {other.job}: {nodes} each run one of them, for the same ticks"
                    ns, _, name = stem.partition("/")
                    hint = (
                        f"give the crontab line the same name on all nodes, such as --ns {ns} --name {name}"
                    )
                    return problem("names", told, hint)
    return ok("names", "no job has two names")


def _is_twice(one: Record, other: Record) -> bool:
    ours, theirs = _by_tick(one), _by_tick(other)
    nodes, their_nodes = set(ours.values()), set(theirs.values())
    is_split = len(nodes) == len(their_nodes) == 1 and nodes != their_nodes
    return is_split and len(ours.keys() & theirs.keys()) >= _COMMON


def _by_tick(record: Record) -> dict[str, str]:
    return {str(run.get("tick")): str(run.get("node")) for run in record.closed_history()}


def _and_more(told: str, found: Sequence[object]) -> str:
    return f"{told} (and {len(found) - 1} more)" if found[1:] else told
