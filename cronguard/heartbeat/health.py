"""Up or down: a path to a node by counting samples, a node by a quorum of its paths. Pure; all times are boot time."""

from collections.abc import Mapping
from typing import NamedTuple

from cronguard.model.beat import DOWN, UNKNOWN, UP


class Counting(NamedTuple):
    """How many good samples in a row bring a path up, how many bad ones take it down, and the quorum of paths."""

    rise: int = 2
    fall: int = 3
    quorum: int = 1


class Path(NamedTuple):
    """One way to see a node: its state, and how many samples in a row have contradicted that state."""

    state: str = UNKNOWN
    against: int = 0

    def after(self, is_good: bool | None, counting: Counting, samples: int = 1) -> "Path":
        """Return the path after `samples` equal samples; None, for one that could not be taken, changes nothing."""
        if is_good is None or samples < 1:
            return self
        if self.state == (UP if is_good else DOWN):
            return self._replace(against=0)
        if self.state == UNKNOWN and is_good:
            return Path(UP)  # nothing contradicts it: only a path that was down must rise
        against = self.against + samples
        needed = counting.rise if is_good else counting.fall
        return Path(UP if is_good else DOWN) if against >= needed else self._replace(against=against)


class Verdict(NamedTuple):
    """What this node believes about another: its state, since when, and when it last came back from being down."""

    state: str = UNKNOWN
    since: float = 0.0
    back: float | None = None


def judge(before: Verdict, paths: Mapping[str, Path], is_fit: bool, quorum: int, now: float) -> Verdict:
    """Return the verdict on a node from its paths, and from what it reports of itself while its heartbeat is seen.

    A path of which nothing is known yet counts in the node's favour: a wrong "up" costs a head start.
    """
    states = [path.state for path in paths.values()]
    if DOWN not in states and UP not in states:
        state = UNKNOWN
    elif not is_fit or len(states) - states.count(DOWN) < min(quorum, len(states)):
        state = DOWN
    else:
        state = UP
    if state == before.state:
        return before
    back = now if (before.state, state) == (DOWN, UP) else before.back
    return Verdict(state, now, back)


class Sight(NamedTuple):
    """What was last seen of another node's heartbeat: its identity, and for how long it has not changed.

    `quiet` grows only while this node can look: an unreachable store reveals nothing about the other node.
    """

    identity: str = ""
    quiet: float = 0.0
    looked: float = 0.0

    def after(self, identity: str, now: float, own_every: float) -> "Sight":
        """Return the sight after a look that found the heartbeat `identity`."""
        if identity != self.identity or now < self.looked:
            return Sight(identity, 0.0, now)
        return Sight(identity, self.quiet + min(now - self.looked, 2 * own_every), now)


def seen_beat(
    path: Path, before: Sight, sight: Sight, every: float, own_every: float, counting: Counting
) -> Path:
    """Return the path of the heartbeats after a look.

    Each period of the other node without a new heartbeat is a missed one. The other node gets one of this node's
    periods on top, because a heartbeat may be seen that late.
    """
    if sight.identity != before.identity:
        return path.after(True, counting) if before.identity else path
    missed = int(max(0.0, sight.quiet - own_every) // every)
    return path._replace(against=0).after(False, counting, missed) if missed else path
