"""Strategies: whose turn it is. One file each, pure functions; the lease alone decides who runs."""

from typing import NamedTuple


class Turn(NamedTuple):
    """A strategy's answer: claim after a head start of so many seconds for others, or (None) never.

    `reason` is for a person; `word` is what a skip is logged as.
    """

    head_start: float | None
    reason: str
    word: str = "not-its-turn"


class Strategy(NamedTuple):
    """Which strategy, and what was configured for it. Durations are seconds.

    `nodes` are in order of precedence, or of the slices; `me` is this node's name among them. `number` is that of
    the tick among all fires of its schedule. With `is_fair`, waiting runs start in the order of their arrival.
    """

    name: str = "preempt"
    me: str = ""
    nodes: tuple[str, ...] = ()
    head_start: float = 15.0
    failback_after: float = 0.0
    is_strict: bool = False
    is_covered: bool = False
    number: int = 0
    is_fair: bool = False
