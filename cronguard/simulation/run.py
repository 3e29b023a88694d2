"""One simulated run, from its start by cron to the end of the command, with cronguard's real lease."""

from typing import NamedTuple

from cronguard.advice.advice import Advice
from cronguard.config.settings import Settings
from cronguard.lease.claim import Ask, Skip
from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.report.history import Run
from cronguard.run.keeper import HEARD
from cronguard.simulation.node import Node, ThreadClock
from cronguard.simulation.store import Connection, Store
from cronguard.simulation.virtual_time import Ended, Thread
from cronguard.system.errors import BackendError
from cronguard.turns.turn import Strategy

_SETTLE_LOST = 5.0  # seconds, as in the guard
_RETRY = 1.0  # seconds after a failed renewal, as in the keeper


class Came(NamedTuple):
    """The result of a run: a history row if it started, otherwise why not; and whether its outcome was recorded."""

    run: Run | None
    word: str
    is_written: bool = True


class SimulatedRun:
    """A run of the crontab line on one node. `came` is set when it has ended."""

    def __init__(
        self, node: Node, store: Store, ask: Ask, strategy: Strategy, settings: Settings, duration: float
    ) -> None:
        self._node, self._ask, self._settings = node, ask, settings
        self._duration = duration
        self._began: float | None = None
        self._attempt = 1
        self.came: Came | None = None
        self._thread = Thread(node.time, self._live)
        self._clock = ThreadClock(node.clock, node.time, self._thread)
        connection = Connection(store, node, self._thread)
        self._advice = Advice(connection, ask, strategy, self._clock)
        self._lease = Lease(
            connection, ask, self._clock, node.sightings, advise=self._advice,
            patience=HEARD * settings.backend_timeout,
        )  # fmt: skip
        node.threads.append(self._thread)

    def _live(self) -> None:
        try:
            self.came = self._go()
        except Ended:
            self.came = self._ran("crashed", None, ended=None) if self._began else Came(None, "crashed")
        finally:
            if self._thread in self._node.threads:
                self._node.threads.remove(self._thread)

    def _go(self) -> Came:
        try:
            answer = self._lease.acquire()
        except BackendError:
            return Came(None, "unavailable")
        if isinstance(answer, Skip):
            self._advice.leave()
            return Came(None, answer.reason)
        self._began, self._attempt = self._clock.wall(), answer.attempt
        word = self._run_command(answer)
        status = {"done": 0, "failed": 1}.get(word, 76)
        over = self._ran(word, status, self._clock.wall())
        limit = _SETTLE_LOST if word == "lost" else self._settings.backend_timeout
        try:
            return over._replace(is_written=self._lease.settle(word, status, self._clock.boot() + limit))
        except BackendError:
            return over._replace(is_written=False)

    def _run_command(self, grant: Grant) -> str:
        """Renew the lease until the command ends or must be stopped; return the word for how it ended."""
        clock, heartbeat = self._clock, self._ask.timing.heartbeat
        end, beat, deadline = clock.boot() + self._duration, clock.boot() + heartbeat, grant.deadline
        while clock.boot() < end:
            if clock.boot() >= deadline:
                return "lost"
            if clock.boot() >= beat:
                beat = clock.boot() + heartbeat
                try:
                    answer = self._lease.renew()
                except BackendError:
                    beat = clock.boot() + min(_RETRY, heartbeat / 4)
                else:
                    if not isinstance(answer, Grant):
                        return "lost"
                    deadline = answer.deadline
            clock.sleep(min(end, beat, deadline) - clock.boot())
        return "failed" if self._node.has("job") else "done"

    def _ran(self, word: str, status: int | None, ended: float | None) -> Came:
        tick = float(self._ask.tick.epoch)
        run = Run(str(self._ask.job), tick, self._node.name, word, status, self._attempt, self._began, ended)
        return Came(run, word)
