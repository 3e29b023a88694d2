"""How long a run that may not claim yet keeps watching the lease."""

from cronguard.lease.claim import Ask, Claim, Skip, Verdict, Watch, looks_abandoned
from cronguard.model.record import Record
from cronguard.system.clock import Clock
from cronguard.turns.turn import Turn


class Watching:
    """One run's patience with a lease; it starts when this object is created.

    `has_begun` says whether the run has found a lease that it waits for.
    """

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._began = clock.boot()
        self._first_seen = ""
        self.has_begun = False

    def in_turn(self, verdict: Verdict, turn: Turn) -> Verdict:
        """Leave a free lease to others for as long as `turn`, the strategy's latest answer, requires."""
        if not isinstance(verdict, Claim):
            return verdict
        if turn.head_start is None:
            return Skip(turn.word, turn.reason, is_final=False)
        left = self._began + turn.head_start - self._clock.boot()
        return Watch(left, is_head_start=True) if left > 0 else verdict

    def time_left(self) -> float:
        """Return for how many more seconds to wait for a lease that another run holds; negative if time is up."""
        return self._began + self._ask.wait - self._clock.boot()

    def patience(
        self, verdict: Watch | Skip, record: Record | None, age: float | None, *, is_fresh: bool
    ) -> float:
        """Return for how many more seconds to watch; `age` is the record's by the store's clock, if it has one."""
        patience = (
            0.0 if isinstance(verdict, Skip) else self._patience(verdict, record, age, is_fresh=is_fresh)
        )
        self.has_begun = self.has_begun or patience > 0
        return patience

    def _patience(self, verdict: Watch, record: Record | None, age: float | None, *, is_fresh: bool) -> float:
        if verdict.is_head_start or record is None:
            return verdict.left
        if self._stands_still(record, is_fresh=is_fresh) and looks_abandoned(record, age, self._clock):
            return verdict.left
        return min(verdict.left, self.time_left())

    def _stands_still(self, record: Record, *, is_fresh: bool) -> bool:
        """Return whether this is still the record that this run saw first; a renewed lease is not abandoned.

        Without this check, a node whose clock is far ahead would take every live lease for an old one and keep waiting.
        """
        if is_fresh:
            self._first_seen = self._first_seen or record.identity
        return not is_fresh or self._first_seen == record.identity
