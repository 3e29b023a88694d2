"""The lease: a job's right to run. It is claimed, renewed and settled with swaps alone."""

from collections.abc import Callable

from cronguard.lease.claim import Ask, Claim, Skip, Verdict, Watch, decide, first_record, held, stays_true
from cronguard.lease.grant import Grant, Lost, lost_to
from cronguard.lease.retries import PAUSE, Retries, may_pass
from cronguard.lease.seen import Sightings
from cronguard.lease.watching import Watching
from cronguard.model.record import Record, decode_last, encode
from cronguard.store.contract import Backend, Entry
from cronguard.system.clock import Clock, check_skew
from cronguard.system.errors import BackendError, StoreBusyError, StoreForbiddenError, StoreRefusedError
from cronguard.turns.turn import Turn

Advise = Callable[[Record | None, Verdict], Turn]


class Lease:
    """One run's side of a job's lease. It cannot be used again once the lease is settled or lost.

    Every call may take as long as the storage takes, and passes on the backend's BackendError. `answered` is called
    after each answer of the backend; `slice_` is the maximum number of seconds of one wait for a change. `advise` is
    called for the turn each time the record has been read. A claim that meets errors is repeated for `patience`
    seconds: a lost answer must not cost the tick.
    """

    def __init__(
        self,
        backend: Backend,
        ask: Ask,
        clock: Clock,
        sightings: Sightings,
        answered: Callable[[], None] = lambda: None,
        slice_: float = 5.0,
        advise: Advise = lambda *_: Turn(0.0, "no strategy"),
        patience: float = 0.0,
    ) -> None:
        self._backend, self._ask, self._clock = backend, ask, clock
        self._sightings, self._advise = sightings, advise
        self._answered, self._slice = answered, slice_
        self._retries = Retries(patience, clock)
        self._held: tuple[Entry, Record] | None = None
        self._is_given_back = False
        self._deadline = 0.0

    @property
    def is_held(self) -> bool:
        """True once the lease has been claimed, also after it was settled or lost."""
        return self._held is not None

    def acquire(self) -> Grant | Skip:
        """Claim the lease as soon as it may be claimed, or return why it may not.

        Raises ConfigError if this node's clock is off by more than `max_clock_skew`.
        """
        watching, is_again = Watching(self._ask, self._clock), False
        while True:
            try:
                return self._acquire(watching, is_again=is_again)
            except BackendError as error:
                if not self._may_go_on(error, watching):
                    raise
                self._clock.sleep(PAUSE)
                is_again = True

    def _may_go_on(self, error: BackendError, watching: Watching) -> bool:
        """Return whether to try again after an error. Access that is refused to a first claim is refused for good."""
        if isinstance(error, StoreBusyError):
            self._answered()
            if watching.time_left() > 0:
                return True
        if not may_pass(error) or (isinstance(error, StoreForbiddenError) and not watching.has_begun):
            return False
        return not self._is_given_back and self._retries.may_go_on()

    def _acquire(self, watching: Watching, *, is_again: bool) -> Grant | Skip:
        nothing = Entry(self._ask.job.key, 0, b"")
        entry, is_fresh = self._watch(nothing, 0.0) if is_again else self._read(), is_again
        while True:
            record = self._decode(entry)
            if record and record.is_running and self._is_ours(record):
                return self._take_back(entry, record)
            verdict = self._judge(entry, record, is_fresh=is_fresh)
            verdict = watching.in_turn(verdict, self._advise(record, verdict))
            if isinstance(verdict, Claim):
                if self._claim(entry, record, verdict):
                    return self._granted_in_time()
                entry, is_fresh = self._watch(entry, 0.0), True
                continue
            patience = watching.patience(verdict, record, entry.age, is_fresh=is_fresh)
            if patience <= 0 and (is_fresh or stays_true(verdict, record, self._ask)):
                return self._refused(verdict, record)
            entry, is_fresh = self._watch(entry, patience), True

    def resume(self) -> Grant | Lost:
        """Continue with a lease that an earlier keeper of this run held. From now on only this keeper's swaps count."""
        entry, record = self._read_freshly(Entry(self._ask.job.key, 0, b""))
        if record and self._is_ours(record):
            self._held = entry, record
        return self._beat_on(entry, record)

    def renew(self) -> Grant | Lost:
        """Renew the lease. The renewal counts only if it was answered before the old deadline."""
        old = self._deadline
        renewed = self._beat_on(*self._mine())
        if isinstance(renewed, Grant) and self._clock.boot() >= old:
            self._deadline = old
            return Lost("late", "the lease could not be renewed before its deadline")
        return renewed

    def settle(self, state: str, status: int | None, give_up_at: float) -> bool:
        """Record the outcome and release the lease. Return False if it is gone or another run took it over first.

        Errors that may pass are retried until the boot time `give_up_at`, then raised; others are raised at once. Call
        this only when the job's processes are gone.
        """
        while True:
            try:
                return self._settle_once(state, status)
            except BackendError as error:
                if not may_pass(error) or self._clock.boot() >= give_up_at:
                    raise
                self._clock.sleep(PAUSE)

    def _settle_once(self, state: str, status: int | None) -> bool:
        entry, record = self._mine()
        while record.is_running:
            over = record.settled(state, status, self._clock.wall(), self._clock.boot())
            if self._backend.swap(entry, encode(over)):
                return True
            entry, found = self._read_freshly(entry)
            if found is None or not self._is_ours(found):
                return found is not None and over.outcome() in found.history
            record = found
            self._held = entry, found
        return True

    def _beat_on(self, entry: Entry, record: Record | None) -> Grant | Lost:
        """Publish a renewal as the next version, as long as the latest one is this run's and still running.

        The latest version may be newer than the one we know: a swap of ours may have been published although its
        answer was lost.
        """
        while record and self._is_ours(record) and record.state == "running":
            if self._send(entry, record.next_beat(renewed=self._clock.wall())):
                return self._grant()
            entry, record = self._read_freshly(entry)
            if record and self._is_ours(record):
                self._held = entry, record
        return lost_to(record, self._ask.run)

    def _is_ours(self, record: Record) -> bool:
        return record.run == self._ask.run

    def _judge(self, entry: Entry, record: Record | None, *, is_fresh: bool) -> Verdict:
        unchanged = 0.0
        if record and record.is_running:
            unchanged = self._sightings.unchanged(
                entry.key, entry.version, record.identity, is_fresh=is_fresh
            )
        return decide(record, self._ask, unchanged)

    def _refused(self, verdict: Watch | Skip, record: Record | None) -> Skip:
        if isinstance(verdict, Watch):
            if record is None:
                raise AssertionError("a lease that nobody holds cannot be refused as held")
            return held(record)._replace(reason="waited-out") if self._ask.wait > 0 else held(record)
        if verdict.reason == "superseded":
            self._check_clock()  # otherwise a node whose clock is behind would silently skip for ever
        return verdict

    def _watch(self, entry: Entry, patience: float) -> Entry:
        seconds = min(self._slice, max(0.0, patience))
        self._retries.asks(seconds)
        self._backend.wait(entry, seconds)
        return self._read()

    def _claim(self, entry: Entry, previous: Record | None, verdict: Claim) -> bool:
        self._check_clock()
        return self._send(entry, first_record(self._ask, previous, verdict.attempt, self._clock.wall()))

    def _granted_in_time(self) -> Grant:
        """Return the grant, unless the store took so long that the deadline passed before the command started."""
        if self._clock.boot() < self._deadline:
            return self._grant()
        self._settle_once("cancelled", None)
        self._is_given_back = True
        raise BackendError(
            f"the backend took longer to answer than a ttl of {self._ask.timing.ttl:g}s allows",
            "find out why its storage is slow, or raise --ttl",
        )

    def _take_back(self, entry: Entry, record: Record) -> Grant | Skip:
        """Continue from a claim of ours that was published although its answer was lost."""
        answer = self._beat_on(entry, record)
        if isinstance(answer, Lost):
            self._held = entry, record
            self._settle_once("cancelled", None)
            return Skip(answer.reason, answer.detail)
        return self._granted_in_time()

    def _send(self, entry: Entry, record: Record) -> bool:
        """Publish a running record of ours. The deadline counts from the moment it is first sent."""
        self._retries.asks()
        sent, data = self._clock.boot(), encode(record)
        try:
            published = self._backend.swap(entry, data)
        except (StoreBusyError, StoreRefusedError):
            raise
        except BackendError:
            published, _ = self._read_freshly(entry)
            if published.data != data:
                raise
        if published:
            self._held = published, record
            self._deadline = sent + self._ask.timing.run_for
        self._answered()
        return published is not None

    def _read(self) -> Entry:
        self._retries.asks()
        entry = self._backend.read(self._ask.job.key)
        self._retries.answered()
        self._answered()
        return entry

    def _read_freshly(self, entry: Entry) -> tuple[Entry, Record | None]:
        latest = self._watch(entry, 0.0)
        return latest, self._decode(latest)

    def _decode(self, entry: Entry) -> Record | None:
        return decode_last(entry.data, f"{self._ask.job} (version {entry.version})")

    def _mine(self) -> tuple[Entry, Record]:
        if self._held is None:
            raise AssertionError("this run does not hold the lease")
        return self._held

    def _grant(self) -> Grant:
        record = self._mine()[1]
        return Grant(record.token, record.attempt, self._deadline)

    def _check_clock(self) -> None:
        if self._ask.max_clock_skew is not None:
            check_skew(self._clock.wall(), self._backend.now(), self._ask.max_clock_skew)
