"""A run's place among the runs that wait for the same job's lease."""

from collections.abc import Callable

from cronguard.lease.claim import Ask
from cronguard.model.record import Record
from cronguard.model.waiters import Waiter, Waiters, decode, encode, waiters_key
from cronguard.store.contract import Backend
from cronguard.store.update import update
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.turns.turn import Turn

BEAT_EVERY = 5.0  # seconds: a waiting run reads the lease this often anyway
DEAD_AFTER = 20.0  # seconds without a heartbeat, as this node saw it; slow storage may delay three of them


class WaitingLine:
    """The waiting line as one run sees it. It passes on the backend's BackendError; with `is_look` it only reads."""

    def __init__(
        self, backend: Backend, ask: Ask, clock: Clock, answered: Callable[[], None], *, is_look: bool = False
    ) -> None:
        self._backend, self._ask, self._clock = backend, ask, clock
        self._answered, self._is_look = answered, is_look
        self._key = waiters_key(ask.job)
        self._waiter = Waiter(ask.run, ask.node, ask.pid, clock.wall())
        self._has_place = self._has_leftovers = False
        self._holders: set[str] = set()
        self._beaten = 0.0
        self._seen: dict[str, tuple[int, float]] = {}  # run -> its beat, and since when it has not changed

    def turn(self, record: Record | None, *, is_free: bool) -> Turn:
        """Join the line and return the turn: it comes when all runs ahead have had the lease or have died.

        A run that has waited for its whole `wait` may claim although others are ahead: out of order is better than not
        at all. A free lease that no other run waits for is claimed without joining the line.
        """
        waiters = self._look(record)
        is_alone = is_free and not waiters.before(self._ask.run)
        if not is_alone and not self._is_look:
            waiters = self._stand(waiters, record)
        before = waiters.before(self._ask.run)
        if is_free and not before and self._has_leftovers and not self._is_look:
            self._clear(record)  # a later run could not find out that they are gone
        if not before:
            return Turn(0.0, "no run is waiting ahead of this one")
        return Turn(self._ask.wait, f"{len(before)} waiting ahead of this run, the first on {before[0].node}")

    def leave(self) -> None:
        """Leave the line without having run. If that fails, the others wait until this run counts as dead."""
        if self._has_place:
            try:
                update(self._backend, self._key, decode, encode, self._left)
            except BackendError:
                return

    def _look(self, record: Record | None) -> Waiters:
        entry = self._backend.read(self._key)
        self._answered()
        return self._living(decode(entry.data, self._key) or Waiters(), record)

    def _living(self, waiters: Waiters, record: Record | None) -> Waiters:
        """Return the runs that still wait: not those that hold or last held the lease, and not dead ones."""
        now = self._clock.boot()
        self._holders |= {record.run} if record else set()
        gone = self._holders - {self._ask.run}
        for one in waiters.waiting:
            beat, first = self._seen.get(one.run, (-1, now))
            if beat != one.beat:
                first = now
            self._seen[one.run] = (one.beat, first)
            if now - first >= DEAD_AFTER and one.run != self._ask.run:
                gone.add(one.run)
        living = waiters.without(gone)
        self._has_leftovers = living != waiters
        return living

    def _clear(self, record: Record | None) -> None:
        def cleared(old: Waiters | None) -> Waiters | None:
            living = self._living(old or Waiters(), record)
            return None if living == old else living.published(self._ask.run)

        update(self._backend, self._key, decode, encode, cleared)
        self._answered()

    def _stand(self, waiters: Waiters, record: Record | None) -> Waiters:
        now = self._clock.boot()
        if self._has_place and now - self._beaten < BEAT_EVERY:
            return waiters
        self._beaten = now
        stood = update(
            self._backend,
            self._key,
            decode,
            encode,
            lambda old: (
                self._living(old or Waiters(), record).with_beat(self._waiter).published(self._ask.run)
            ),
        )
        self._answered()
        self._has_place = True
        return stood or waiters

    def _left(self, old: Waiters | None) -> Waiters | None:
        if old is None or self._ask.run not in [one.run for one in old.waiting]:
            return None
        return old.without({self._ask.run}).published(self._ask.run)
