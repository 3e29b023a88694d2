"""How long to ask again after errors: a trouble that passes must not cost the tick, one that stays must be told."""

from math import inf

from cronguard.system.clock import Clock

PAUSE = 0.5  # seconds between two tries: ten or more within the usual limit; no burden to a store in trouble
_OVER = 5.0  # seconds without an error that end a trouble; while every second call fails, it goes on


class Retries:
    """Whether to go on after errors on the way to one store: for `seconds` of trouble, and no longer."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._due = self._since = clock.boot()
        self._well: float | None = -inf

    def asks(self, wait: float = 0.0) -> None:
        """Note that the store is asked, and is to answer in so many seconds."""
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
