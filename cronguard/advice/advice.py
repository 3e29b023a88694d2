"""Whose turn it is: asks the strategy, with what the store knows. Of that, only pauses must be readable."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cronguard.lease.claim import Ask, Claim, Skip, Verdict
from cronguard.model.record import Record
from cronguard.store.contract import Backend, Entry, latest
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreRefusedError
from cronguard.turns.preempt import turn as preempt
from cronguard.turns.turn import STRATEGIES, Strategy, Turn

if TYPE_CHECKING:
    from cronguard.advice.queueing import Queueing
    from cronguard.advice.waiting_line import WaitingLine
    from cronguard.model.beat import Beat
    from cronguard.model.pause import Pause
    from cronguard.model.tick import Tick
    from cronguard.turns.known import Known, Peer

    Strategic = Callable[[str, Tick, Known | None], Turn]

_FREE = Turn(0.0, "there is nothing to decide")


class Advice:
    """The strategy of one run. Call it with the lease's record each time the record changes or time has passed.

    A heartbeat or a queue that cannot be read or decoded counts as absent; the lease will find out what is wrong with
    the store. Pauses are different: if the pauses of the job's namespace cannot be read or decoded, or this node's own
    entry cannot be reached, the run must not start. Somebody may have paused this very job. With `is_look` nothing is
    written. `answered` is called after each answer of the backend.
    """

    def __init__(
        self,
        backend: Backend,
        ask: Ask,
        strategy: Strategy,
        clock: Clock,
        answered: Callable[[], None] = lambda: None,
        *,
        is_look: bool = False,
    ) -> None:
        self._backend, self._ask, self._strategy = backend, ask, strategy
        self._clock, self._answered, self._is_look = clock, answered, is_look
        self._queue: Queueing | None = None
        self._line: WaitingLine | None = None

    def __call__(self, record: Record | None, verdict: Verdict) -> Turn:
        """Return the turn if the lease is free; if it is not, only take a place in the queues.

        Raises BackendError if it cannot be determined whether the job is paused, ConfigError if another machine has
        this node's name.
        """
        is_free = isinstance(verdict, Claim)
        is_queued = STRATEGIES[self._strategy.name] == "queue"
        if not (is_free or self._strategy.is_fair or is_queued):
            return _FREE
        stands = self._strategy.is_fair and not isinstance(verdict, Skip)
        wait = self._in_line(record, is_free=is_free) if stands else _FREE
        if not is_free and (not is_queued or self._queue):
            return wait
        own = self._own_beat()
        if own and own.is_from_elsewhere(self._ask.boot, self._ask.host.machine):
            self._refuse_namesake(own)
        if paused := self._paused(own):
            return paused
        answer = self._turn(record, own)
        if answer.head_start is None or wait.head_start is None or answer.head_start >= wait.head_start:
            return answer
        return wait

    def leave(self) -> None:
        """Give up the place in the waiting line, if there is one: this run has stopped waiting."""
        if self._line:
            self._line.leave()

    def _refuse_namesake(self, own: "Beat") -> None:
        from cronguard.advice.namesake import refuse_namesake

        refuse_namesake(own, self._ask, self._clock)

    def _paused(self, own: "Beat | None") -> Turn | None:
        """Return the turn "never" if the node, the namespace or the job is paused, else None.

        This bypasses caches: a person who has just paused something relies on it.
        """
        wall, job = self._clock.wall(), self._ask.job
        if own and (pause := own.paused(wall)):
            return _never(self._ask.node, pause)
        key = f"pause/cluster/{job.ns}"
        entry = latest(self._backend, key)
        self._answered()
        if not entry.data:
            return None
        from cronguard.model.pauses import decode

        pauses = decode(entry.data, key)
        against = pauses.against(job.ns, job.name, wall) if pauses else None
        return _never(str(against[0]), against[1]) if against else None

    def _turn(self, record: Record | None, own: "Beat | None") -> Turn:
        turn, needs = _strategy_called(self._strategy.name), STRATEGIES[self._strategy.name]
        if needs == "queue":
            return self._queued_turn(turn, record, own)
        known = None if needs == "nothing" else self._known(own, self._strategy.nodes)
        return turn(self._strategy.me, self._ask.tick, known)

    def _queued_turn(self, turn: "Strategic", record: Record | None, own: "Beat | None") -> Turn:
        from cronguard.advice.queueing import Queueing

        if self._queue is None:
            self._queue = Queueing(self._backend, self._ask, self._answered, is_look=self._is_look)
        try:
            queue = self._queue.join(record)
            known = self._known(own, self._only_configured(queue))
            answer = turn(self._ask.node, self._ask.tick, known)
            owing = next(filter(known.is_there, known.nodes), "")
            self._queue.keep(record, answer, owing)
        except BackendError as error:
            return Turn(0.0, f"the queue cannot be used: {error}")
        return answer

    def _only_configured(self, queue: tuple[str, ...]) -> tuple[str, ...]:
        wanted = self._strategy.nodes
        return tuple(node for node in queue if node in wanted) if wanted else queue

    def _in_line(self, record: Record | None, *, is_free: bool) -> Turn:
        from cronguard.advice.waiting_line import WaitingLine

        if self._line is None:
            self._line = WaitingLine(
                self._backend, self._ask, self._clock, self._answered, is_look=self._is_look
            )
        try:
            return self._line.turn(record, is_free=is_free)
        except BackendError as error:
            return Turn(0.0, f"the line of waiting runs cannot be used: {error}")

    def _known(self, own: "Beat | None", nodes: tuple[str, ...]) -> "Known":
        from cronguard.turns.known import Known

        others = {node: self._peer(node, own) for node in nodes if node != self._strategy.me}
        mine = {self._strategy.me: self._myself(own)}
        strategy = self._strategy
        return Known(
            nodes=nodes,
            peers=others | mine,
            head_start=strategy.head_start,
            failback_after=strategy.failback_after,
            is_strict=strategy.is_strict,
            is_covered=strategy.is_covered,
            number=strategy.number,
        )

    def _peer(self, node: str, own: "Beat | None") -> "Peer":
        """Return whether the other node is paused, and what this node's heartbeat found out, if that is fresh."""
        from cronguard.model.beat import DOWN
        from cronguard.turns.known import Peer

        beat = self._beat_of(node)
        peer = Peer(is_paused=bool(beat and beat.paused(self._clock.wall())))
        now = self._clock.boot()
        opinion = own.opinions.get(node) if own and own.is_fresh(self._ask.boot, now) else None
        if opinion is None:
            return peer
        peer = peer._replace(is_up=opinion.state != DOWN)
        return peer if opinion.back is None else peer._replace(back_for=now - opinion.back)

    def _myself(self, own: "Beat | None") -> "Peer":
        from cronguard.turns.known import Peer

        now = self._clock.boot()
        if own and own.is_fresh(self._ask.boot, now):
            return Peer(is_up=own.is_fit, back_for=now - own.back)
        return Peer(back_for=now)  # without a heartbeat, this node counts as back since it was booted

    def _own_beat(self) -> "Beat | None":
        """Return this node's heartbeat; a broken entry counts as absent.

        Raises BackendError if the store cannot be reached: this node may be paused.
        """
        try:
            return self._beat(latest(self._backend, f"node/cluster/{self._ask.node}"))
        except StoreRefusedError:
            return None

    def _beat_of(self, node: str) -> "Beat | None":
        try:
            return self._beat(self._backend.read(f"node/cluster/{node}"))
        except BackendError:
            return None

    def _beat(self, entry: Entry) -> "Beat | None":
        self._answered()
        if not entry.data:
            return None
        from cronguard.model.beat import decode

        return decode(entry.data, entry.key)


def _strategy_called(name: str) -> "Strategic":
    if name == "preempt":  # the default needs no late import
        return preempt
    from importlib import import_module

    turn: Strategic = import_module(f"cronguard.turns.{name.replace('-', '_')}").turn
    return turn


def _never(what: str, pause: "Pause") -> Turn:
    return Turn(None, f"{what} is paused{pause.reason and ': '}{pause.reason}", "paused")
