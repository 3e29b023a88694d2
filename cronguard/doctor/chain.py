"""What many swaps of one entry must add up to: a chain, in which each published record names the one it replaced.

Not a count is checked but the chain of unique ids: a count can come out right by two errors.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Attempt(NamedTuple):
    """One swap: what it would publish, over what and which version, when it was begun and ended, and the answer.

    `version` is the published one, None unless the writer was told. `answer` is "published", "none", "error", or
    "unknown" for a writer that was killed before he could log one. Only times of one `clock` can be compared.
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
    """One end of the chain: the id of what the entry holds, empty for nothing, and its version."""

    id: str = ""
    version: int = 0


NOTHING = End()


def chain_faults(attempts: Sequence[Attempt], last: End, first: End = NOTHING) -> list[str]:
    """Follow the published records back from the last one, and return what contradicts what writers were told."""
    chain, faults = _followed({attempt.id: attempt for attempt in attempts}, last, first)
    published = [a for a in attempts if a.answer == "published"]
    in_chain = {a.id for a in chain}
    return [
        *faults,
        *(f"{id_} was attempted {n} times" for id_, n in _repeated(a.id for a in attempts)),
        *(f"version {v} was published {n} times" for v, n in _repeated(a.version for a in published)),
        *(f"{old} was replaced {n} times" for old, n in _repeated(a.replaces for a in published)),
        *(
            f"{a.id} was reported published and is not in the chain"
            for a in published
            if a.id not in in_chain
        ),
        *(
            f"{b.id} is after {a.id} in the chain, and had ended before that one began"
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
            faults.append(f"{id_} was published as version {attempt.version} and is version {version}")
        if attempt.over >= version:
            return chain[::-1], [*faults, f"{id_} is version {version}, over {attempt.over}"]
        chain.append(attempt)
        id_, version = attempt.replaces, attempt.over
    if (id_, version) != first:
        faults.append(f"the first version replaced {id_!r}")
    return chain[::-1], faults
