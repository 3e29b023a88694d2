"""A strategy's answer, and how a strategy is configured."""

from typing import NamedTuple


class Turn(NamedTuple):
    """A strategy's answer: claim after giving others a head start of this many seconds, or never (None).

    `reason` is for people; `word` is the log word of a skip.
    """

    head_start: float | None
    reason: str
    word: str = "not-its-turn"


# What each strategy needs to know: nothing, the other nodes, or the queue of the job and the nodes in it. A strategy
# is the function `turn` in the file of its name.
STRATEGIES = {"preempt": "nothing", "standby": "nodes", "time-slice": "nodes", "round-robin": "queue"}


class Strategy(NamedTuple):
    """A strategy and its settings. Durations are seconds.

    `nodes` are in order of precedence, or in the order of their time slices; `me` is this node's name among them.
    `number` is the tick's number among all fires of its schedule. With `is_fair`, waiting runs start in the order in
    which they arrived.
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
