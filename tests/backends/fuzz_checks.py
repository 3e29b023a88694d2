"""The logs of a fuzz, and what must hold of them: pure functions that return what is wrong, as sentences."""

import json
import os
from collections import Counter
from itertools import pairwise
from typing import NamedTuple


class Attempt(NamedTuple):
    """One swap: what it would publish, over what and which version, when it was begun and ended, and the answer.

    `version` is the published one, None unless the writer was told. `answer` is "published", "none", "error", or "unknown" for a writer that was killed before he could log one.
    Times are of one clock for all writers.
    """

    id: str
    replaces: str
    over: int
    began: int
    ended: int | None
    answer: str
    version: int | None = None


class Hold(NamedTuple):
    """One time that a lease was held; `stopped` is None for a holder that was killed, `tick` is its number, if any."""

    node: str
    token: int
    started: int
    stopped: int | None
    tick: int | None = None


def read_attempts(folder):
    """The swaps that the logs in a folder tell of."""
    return [
        Attempt(
            id_,
            a["replaces"],
            a["over"],
            a["began"],
            a.get("ended"),
            a.get("answer", "unknown"),
            a.get("version"),
        )
        for (_, id_), a in _logged(folder, "id").items()
    ]


def read_holds(folder):
    """The times that a lease was held which the logs in a folder tell of."""
    return [
        Hold(h["node"], h["token"], h["started"], h.get("stopped"), h.get("tick"))
        for h in _logged(folder, "run").values()
    ]


def _logged(folder, name):
    """All lines of all logs, those of one thing put together."""
    things = {}
    for log in sorted(entry for entry in os.listdir(folder) if entry.endswith(".log")):
        with open(f"{folder}/{log}", encoding="utf-8") as file:
            for line in file:
                facts = json.loads(line)
                things.setdefault((log, facts.pop(name)), {name: facts.get(name)}).update(facts)
    return things


def chain_faults(attempts, latest_id, latest_version):
    """The published records, followed back from the latest by what each one replaced, against what writers were told."""
    by_id = {attempt.id: attempt for attempt in attempts}
    chain, faults = _followed(by_id, latest_id, latest_version)
    published = [a for a in attempts if a.answer == "published"]
    faults += [
        f"{id_} was attempted {n} times" for id_, n in Counter(a.id for a in attempts).items() if n > 1
    ]
    faults += [
        f"version {v} was published {n} times"
        for v, n in Counter(a.version for a in published).items()
        if n > 1
    ]
    faults += [
        f"{o} was replaced {n} times" for o, n in Counter(a.replaces for a in published).items() if n > 1
    ]
    in_chain = {a.id for a in chain}
    faults += [
        f"{a.id} was reported published and is not in the chain" for a in published if a.id not in in_chain
    ]
    for earlier, later in pairwise(chain):
        if later.ended is not None and later.ended < earlier.began:
            faults.append(
                f"{later.id} is after {earlier.id} in the chain, and had ended before that one began"
            )
    return faults


def _followed(by_id, latest_id, latest_version):
    chain, faults, id_, version = [], [], latest_id, latest_version
    while version > 0:
        attempt = by_id.get(id_)
        if attempt is None:
            return chain[::-1], [*faults, f"version {version} holds {id_!r}, which nobody wrote"]
        if attempt.version not in (None, version):
            faults.append(f"{id_} was published as version {attempt.version} and is version {version}")
        if attempt.over >= version:
            return chain[::-1], [*faults, f"{id_} is version {version}, over {attempt.over}"]
        chain.append(attempt)
        id_, version = attempt.replaces, attempt.over
    if id_ != "":
        faults.append(f"the first version replaced {id_!r}")
    return chain[::-1], faults


def hold_faults(holds):
    """Overlaps of the times that a lease was held, and tokens that do not grow in the order of the starts."""
    faults = []
    for first, second in pairwise(sorted(holds, key=lambda hold: hold.started)):
        if first.stopped is not None and second.started < first.stopped:
            faults.append(f"{second.node} started while {first.node} was running")
        if second.token <= first.token:
            faults.append(f"token {second.token} of {second.node} came after {first.token} of {first.node}")
    return faults
