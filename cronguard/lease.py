"""The lease: a job's right to run, claimed, renewed and settled by swaps alone."""

from collections.abc import Callable
from typing import NamedTuple

from cronguard.backend import Backend, Entry
from cronguard.claim import Ask, Claim, Skip, Watch, decide, first_record, held, looks_abandoned
from cronguard.clock import Clock, check_skew
from cronguard.errors import BackendError, StoreRefusedError
from cronguard.record import Record, decode, encode
from cronguard.retries import PAUSE, Retries
from cronguard.seen import Sightings
from cronguard.turns import Turn

Advise = Callable[[Record | None, Claim | Watch | Skip], Turn]


class Grant(NamedTuple):
    """The right to run until `deadline` (boot time), when the command must be told to stop."""

    token: int
    attempt: int
    deadline: float


class Lost(NamedTuple):
    """The right to run is over: the reason word and what a person should know."""

    reason: str
    detail: str


class Lease:
    """One run's side of a job's lease; spent once it is settled or lost.

    Every call may take as long as the storage does, and raises BackendError as the backend does. `answered`
    is called after each answer of the backend, and `slice_` bounds the seconds between two of them. `advise` is
    asked for the turn whenever the record has been looked at. A claim that meets with errors is begun again for
    `patience` seconds: a lost answer must not cost the tick.
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
        self._backend = backend
        self._ask = ask
        self._clock = clock
        self._sightings = sightings
        self._answered = answered
        self._slice = slice_
        self._advise = advise
        self._retries = Retries(patience, clock)
        self._held: tuple[Entry, Record] | None = None
        self._is_given_back = False
        self._deadline = 0.0
        self._first_seen = ""

    @property
    def is_held(self) -> bool:
        """True from the first claim on."""
        return self._held is not None

    def acquire(self) -> Grant | Skip:
        """Claim the lease as soon as it may be claimed, or say why not.

        Raises ConfigError when this node's clock is out of bounds.
        """
        began, is_again = self._clock.boot(), False
        while True:
            try:
                return self._acquire(began, is_again=is_again)
            except StoreRefusedError:
                raise
            except BackendError:
                if self._is_given_back or not self._retries.may_go_on():
                    raise
                self._clock.sleep(PAUSE)
                is_again = True

    def _acquire(self, began: float, *, is_again: bool) -> Grant | Skip:
        nothing = Entry(self._ask.job.key, 0, b"")
        entry, is_fresh = self._watch(nothing, 0.0) if is_again else self._read(), is_again
        while True:
            record = self._decode(entry)
            if record and record.is_running and self._is_ours(record):
                return self._take_back(entry, record)
            verdict = self._in_turn(self._judge(entry, record), record, began)
            if isinstance(verdict, Claim):
                if self._claim(entry, record, verdict):
                    return self._granted_in_time()
                entry, is_fresh = self._watch(entry, 0.0), True
                continue
            patience = self._patience(verdict, entry, record, began, is_fresh=is_fresh)
            if patience <= 0 and (is_fresh or self._stays_true(verdict, record)):
                return self._refused(verdict, record)
            entry, is_fresh = self._watch(entry, patience), True

    def resume(self) -> Grant | Lost:
        """Go on with a lease that an earlier keeper of this run held: nothing that it sent counts any more."""
        entry, record = self._read_freshly(Entry(self._ask.job.key, 0, b""))
        if record and self._is_ours(record):
            self._held = entry, record
        return self._beat_on(entry, record)

    def renew(self) -> Grant | Lost:
        """Publish the next beat; it counts only if that was done before the old deadline."""
        old = self._deadline
        renewed = self._beat_on(*self._mine())
        if isinstance(renewed, Grant) and self._clock.boot() >= old:
            self._deadline = old
            return Lost("late", "the lease could not be renewed before its deadline")
        return renewed

    def settle(self, state: str, status: int | None, give_up_at: float) -> bool:
        """Write the outcome and give the lease up; False when another run has it, or boot time `give_up_at` came.

        To be called only when the job's processes are gone.
        """
        while True:
            try:
                return self._settle_once(state, status)
            except StoreRefusedError:
                raise
            except BackendError:
                if self._clock.boot() >= give_up_at:
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
        """Publish the next beat on the latest version, as long as that is a running one of ours.

        It may be another than we know: one of ours whose answer was lost.
        """
        while record and self._is_ours(record) and record.state == "running":
            if self._send(entry, record.next_beat(renewed=self._clock.wall())):
                return self._grant()
            entry, record = self._read_freshly(entry)
            if record and self._is_ours(record):
                self._held = entry, record
        return self._lost_to(record)

    def _is_ours(self, record: Record) -> bool:
        return record.run == self._ask.run

    def _judge(self, entry: Entry, record: Record | None) -> Claim | Watch | Skip:
        unchanged = 0.0
        if record and record.is_running:
            unchanged = self._sightings.unchanged(entry.key, entry.version, record.identity)
        return decide(record, self._ask, unchanged)

    def _in_turn(
        self, verdict: Claim | Watch | Skip, record: Record | None, began: float
    ) -> Claim | Watch | Skip:
        """Leave a free lease to others for as long as the strategy says, which is asked again each time."""
        turn = self._advise(record, verdict)
        if not isinstance(verdict, Claim):
            return verdict
        if turn.head_start is None:
            return Skip(turn.word, turn.reason, is_final=False)
        left = began + turn.head_start - self._clock.boot()
        return Watch(left, is_head_start=True) if left > 0 else verdict

    def _patience(
        self, verdict: Watch | Skip, entry: Entry, record: Record | None, began: float, *, is_fresh: bool
    ) -> float:
        """Return for how many seconds to go on watching."""
        if isinstance(verdict, Skip):
            return 0.0
        if verdict.is_head_start or record is None:
            return verdict.left
        if self._stands_still(record, is_fresh=is_fresh) and looks_abandoned(record, entry.age, self._clock):
            return verdict.left
        return min(verdict.left, began + self._ask.wait - self._clock.boot())

    def _stands_still(self, record: Record, *, is_fresh: bool) -> bool:
        """Return whether this is the record that this run saw first: one that moved on since is not abandoned.

        Without this, a node whose clock is far ahead takes every living lease for an old one, and stays.
        """
        if is_fresh:
            self._first_seen = self._first_seen or record.identity
        return not is_fresh or self._first_seen == record.identity

    def _stays_true(self, verdict: Watch | Skip, record: Record | None) -> bool:
        """Return whether what a plain listing showed, old as it may be, is answer enough.

        That this tick was claimed stays true. That an earlier run is still going on may be over by now, and so may
        somebody else's turn.
        """
        if record is None or (isinstance(verdict, Skip) and verdict.is_final):
            return record is not None
        return record.tick >= self._ask.tick and not self._ask.every_run

    def _refused(self, verdict: Watch | Skip, record: Record | None) -> Skip:
        if isinstance(verdict, Watch):
            if record is None:
                raise AssertionError("a lease that nobody has is not refused for being held")
            return held(record)._replace(reason="waited-out") if self._ask.wait > 0 else held(record)
        if verdict.reason == "superseded":
            self._check_clock()  # a node whose clock is behind would skip for ever, and silently
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
        """Return the grant, unless the store took so long that its deadline is over before the command begins."""
        if self._clock.boot() < self._deadline:
            return self._grant()
        self._settle_once("cancelled", None)
        self._is_given_back = True
        raise BackendError(
            f"the backend took longer to answer than a ttl of {self._ask.timing.ttl:g} s allows",
            "see what makes its storage slow, or raise --ttl",
        )

    def _take_back(self, entry: Entry, record: Record) -> Grant | Skip:
        """Go on from a claim of ours that was published although the answer was lost."""
        answer = self._beat_on(entry, record)
        if isinstance(answer, Lost):
            self._held = entry, record
            self._settle_once("cancelled", None)
            return Skip(answer.reason, answer.detail)
        return self._granted_in_time()

    def _send(self, entry: Entry, record: Record) -> bool:
        """Swap in a running record of ours; the deadline counts from the moment it is first sent."""
        self._retries.asks()
        sent, data = self._clock.boot(), encode(record)
        try:
            published = self._backend.swap(entry, data)
        except StoreRefusedError:
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
        return decode(entry.data, f"{self._ask.job} (version {entry.version})")

    def _mine(self) -> tuple[Entry, Record]:
        if self._held is None:
            raise AssertionError("nothing is held")
        return self._held

    def _grant(self) -> Grant:
        record = self._mine()[1]
        return Grant(record.token, record.attempt, self._deadline)

    def _lost_to(self, record: Record | None) -> Lost:
        if record is None:
            return Lost("gone", "the lease's entry has vanished from the store")
        if record.run == self._ask.run:
            return Lost(record.state, "an administrator has unlocked the job")
        return Lost("taken", f"{record.node} has the lease now (pid {record.pid}, token {record.token})")

    def _check_clock(self) -> None:
        if self._ask.max_clock_skew is not None:
            check_skew(self._clock.wall(), self._backend.now(), self._ask.max_clock_skew)
