"""Repeat a request over new connections until a server answers or time is up."""

import random
from collections.abc import Callable
from typing import TypeVar

from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError

Answer = TypeVar("Answer")

# Within the time limit there is time for six servers, or for six tries of one: 5 s each with the default of 30 s. A
# server that has to ask a quorum and wait for a disk answers within one try. A dead host must not use up the whole
# limit.
_SHARE = 6
_LEAST = 0.5
# The guard gives up after the whole limit without an answer, and knows less. So its keeper reports before that.
_SPEAK_BEFORE = 0.95
# Pauses between tries, in seconds. A fail-over takes some seconds, and all nodes come back at once after it.
_FIRST, _MOST = 0.05, 0.5


class UnansweredError(Exception):
    """No answer, or one that does not count. The request may have been carried out, or may be carried out later.

    `verdict` is the error to raise if this lasts, where the cause is known better than "no answer".
    """

    def __init__(self, text: str, verdict: BackendError | None = None) -> None:
        super().__init__(text)
        self.verdict = verdict


class Insistence:
    """The time that one call may take: `timeout` seconds, of which each try gets `share`."""

    def __init__(self, clock: Clock, timeout: float, where: str, hint: str) -> None:
        self._clock = clock
        self._timeout = timeout * _SPEAK_BEFORE
        self._where = where
        self._hint = hint
        self.share = self.share_of(timeout)

    @staticmethod
    def share_of(timeout: float) -> float:
        """Return how long one try may take."""
        return max(_LEAST, timeout / _SHARE)

    def ask(self, once: Callable[[bool], Answer]) -> Answer:
        """Return what `once` returns, calling it again when it raises UnansweredError.

        `once` receives True if an earlier try may have been carried out. Raises BackendError, or the verdict, when
        time is up.
        """
        give_up_at = self._clock.boot() + self._timeout
        pause, is_repeated = _FIRST, False
        while True:
            try:
                return once(is_repeated)
            except UnansweredError as error:
                if self._clock.boot() + pause + self.share >= give_up_at:
                    raise error.verdict or BackendError(f"{self._where}: {error}", self._hint) from error
            self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the nodes, no secret
            pause, is_repeated = min(2 * pause, _MOST), True
