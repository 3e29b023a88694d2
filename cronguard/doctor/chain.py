"""Check that many swaps of one entry form a chain, in which each published record names the one it replaced.

The check follows unique IDs instead of counting: in a count, two errors can cancel out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Attempt(NamedTuple):
    """One swap: the record to publish, the record and version it replaces, its start and end times, and the answer.

    `version` is the published version, or None if the writer never learned it. `answer` is "published", "none",
    "error", or "unknown" if the writer was killed before it could log one. Only times of one `clock` can be compared.
    """

    id: str
    replaces: str
    over: int
    began: int
    ended: int | None
    answer: str
    version: int | None = None
    clock: str = ""


class End(NamedTuple):
    """One end of the chain: the ID of the record that the entry holds (empty if none), and its version."""

    id: str = ""
    version: int = 0


NOTHING = End()


def chain_faults(attempts: Sequence[Attempt], last: End, first: End = NOTHING) -> list[str]:
    """Follow the published records back from the last one; return what contradicts the answers of the swaps."""
    chain, faults = _followed({attempt.id: attempt for attempt in attempts}, last, first)
    published = [a for a in attempts if a.answer == "published"]
    in_chain = {a.id for a in chain}
    return [
        *faults,
        *(f"{id_} was attempted {n} times" for id_, n in _repeated(a.id for a in attempts)),
        *(f"version {v} was published {n} times" for v, n in _repeated(a.version for a in published)),
        *(f"{old} was replaced {n} times" for old, n in _repeated(a.replaces for a in published)),
        *(
            f"{a.id} was reported as published but is not in the chain"
            for a in published
            if a.id not in in_chain
        ),
        *(
            f"{b.id} follows {a.id} in the chain but finished before {a.id} started"
            for a, b in pairwise(chain)
            if b.ended is not None and b.clock == a.clock and b.ended < a.began
        ),
    ]


def _repeated(values: Iterable[object]) -> list[tuple[object, int]]:
    return [(value, n) for value, n in Counter(values).items() if n > 1]


def _followed(by_id: Mapping[str, Attempt], last: End, first: End) -> tuple[list[Attempt], list[str]]:
    chain: list[Attempt] = []
    faults: list[str] = []
    id_, version = last
    while version > first.version:
        attempt = by_id.get(id_)
        if attempt is None:
            return chain[::-1], [*faults, f"version {version} holds {id_!r}, which nobody wrote"]
        if attempt.version not in (None, version):
            faults.append(f"{id_} was published as version {attempt.version} but is version {version}")
        if attempt.over >= version:
            return chain[::-1], [*faults, f"{id_} is version {version} but replaces version {attempt.over}"]
        chain.append(attempt)
        id_, version = attempt.replaces, attempt.over
    if (id_, version) != first:
        faults.append(f"the chain does not start where it should: its first record replaced {id_!r}")
    return chain[::-1], faults
