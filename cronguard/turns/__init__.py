"""Strategies: whose turn it is. One file each, pure functions; the lease alone decides who runs."""

from typing import NamedTuple


class Turn(NamedTuple):
    """A strategy's answer: claim after a head start of so many seconds for others, or (None) never; and why."""

    head_start: float | None
    reason: str
