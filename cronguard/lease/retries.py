"""How long to retry after errors: a short outage must not cost the tick, and a lasting one must be reported."""

from math import inf

from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreForbiddenError, StoreRefusedError

PAUSE = 0.5  # seconds between two tries: ten or more fit into the usual limit, and a struggling store can bear them
_OVER = 5.0  # seconds without an error that end an outage; while every second call fails, it goes on


def may_pass(error: BackendError) -> bool:
    """Return whether an error may pass by itself, for a run that has used this store before.

    Access that such a run is refused is refused for a moment: a share is mounted read-only, or exported anew. What is
    damaged or foreign stays so.
    """
    return isinstance(error, StoreForbiddenError) or not isinstance(error, StoreRefusedError)


class Retries:
    """Whether to retry after errors of one store: for `seconds` from the start of an outage, and no longer."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._due = self._since = clock.boot()
        self._well: float | None = -inf

    def asks(self, wait: float = 0.0) -> None:
        """Note that a request is sent to the store, and that its answer is due in `wait` seconds."""
        self._due = self._clock.boot() + wait

    def answered(self) -> None:
        """Note that the store has answered."""
        self._well = self._clock.boot() if self._well is None else self._well

    def may_go_on(self) -> bool:
        """Note an error; return whether to pause and try again."""
        now = self._clock.boot()
        if self._well is not None and now - self._well > _OVER:
            self._since = min(now, self._due)
        self._well = None
        return now + PAUSE <= self._since + self._seconds
