"""The heartbeat: check this node and the others, judge them, and publish the verdicts with the node's heartbeat."""

import os
from contextlib import suppress
from typing import Any, NamedTuple

from cronguard.heartbeat.assessment import Found, Look, assess, is_fit
from cronguard.heartbeat.config import HeartbeatConfig
from cronguard.heartbeat.probe_handlers import Answer
from cronguard.heartbeat.probes import run_probes
from cronguard.heartbeat.state import HeartbeatState, keep, recall
from cronguard.model.beat import DOWN, PREFIX, Beat, Opinion, beat_key, decode, encode
from cronguard.store.contract import MAX_DATA, Backend
from cronguard.store.storage import Storage, in_child
from cronguard.store.tidier import tidy_store
from cronguard.store.update import update
from cronguard.system.clock import Clock, clock_name
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.system.host import machine_id

_TAKEN = 300.0  # seconds without a heartbeat from another machine with this name, until the name is free
_SEPARATOR = " "
_TIDYING = 5.0  # seconds, or half of the time between two heartbeats: what is left is for the next one


class News(NamedTuple):
    """A change, for the log: `down`, `up`, `unfit`, `fit` or `trouble`, which node or probe, and why."""

    word: str
    about: str
    detail: str


class Heartbeat:
    """A node's heartbeat. `every` is the number of seconds until the next one is due."""

    def __init__(
        self, node: str, cluster: tuple[str, ...], storage: Storage, config: HeartbeatConfig, every: float
    ) -> None:
        self._node, self._cluster = node, tuple(name for name in cluster if name != node)
        self._storage, self._config, self._every = storage, config, every
        self._clock, self._boot = storage.clock, clock_name()
        self._run = os.urandom(8).hex()

    def beat(self) -> list[News]:
        """Send one heartbeat; return what has changed since the last one.

        Raises BackendError if the store cannot be reached; observations are remembered anyway. Raises ConfigError
        if another machine sends heartbeats under this name.
        """
        before = recall(self._storage.state, self._storage.url, self._boot)
        answers = self._ask()
        looks, failure = self._look()
        found = self._found(answers, looks)
        memory = self._check_name(assess(before, found, self._config.counting, self._cluster), looks)
        if failure is None:
            failure = self._publish(memory)
        if failure is None:
            memory = memory._replace(beats=memory.beats + 1, beaten=self._clock.boot())
        memory = memory._replace(troubles=_troubles(answers))
        keep(memory, self._storage.state, self._storage.url, self._boot)
        if failure:
            raise failure
        return _news(before, memory)

    def tidy(self) -> None:
        """Remove for a few seconds what swaps of all nodes have left in the store. Errors are ignored."""
        url, state = self._storage.url, self._storage.state
        with suppress(BackendError, OSError):
            limit = min(_TIDYING, self._every / 2)
            in_child(lambda: tidy_store(url, state, self._clock), limit, self._clock)

    def _ask(self) -> dict[str, Answer]:
        own = {f"{self._node} {name}": probe for name, probe in self._config.checks.items()}
        others = {
            f"{node} {name}": probe
            for node, probes in self._config.probes.items()
            for name, probe in probes.items()
            if node != self._node
        }
        return run_probes(own | others, self._config.limit)

    def _found(self, answers: dict[str, Answer], looks: dict[str, Look] | None) -> Found:
        by_node: dict[str, dict[str, Answer]] = {}
        for key, answer in answers.items():
            node, _, name = key.partition(_SEPARATOR)
            by_node.setdefault(node, {})[name] = answer
        own = by_node.pop(self._node, {})
        others = None if looks is None else {node: look for node, look in looks.items() if node != self._node}
        last = (looks or {}).get(self._node)
        away = None if last is None else self._clock.wall() - last.wall
        return Found(own, by_node, others, self._clock.boot(), self._every, away)

    def _look(self) -> tuple[dict[str, Look] | None, BackendError | None]:
        try:
            rows = self._storage.ask(read_beats)
        except BackendError as error:
            return None, error
        return {row[0]: Look(*row) for row in rows}, None

    def _check_name(self, memory: HeartbeatState, looks: dict[str, Look] | None) -> HeartbeatState:
        """Refuse a name under which another machine sends heartbeats: each would take the other's turns."""
        mine, theirs = machine_id(), (looks or {}).get(self._node)
        if theirs is None or theirs.machine == mine:
            return memory
        memory = memory._replace(mine=memory.mine.after(theirs.identity, self._clock.boot(), self._every))
        keep(memory, self._storage.state, self._storage.url, self._boot)
        if memory.mine.quiet < _TAKEN:
            raise ConfigError(
                f"another machine is also called {self._node}: {theirs.machine}; this one is {mine}",
                f'set node = "NAME" in the configuration of one of them; if the other no longer exists, wait {_TAKEN:g}s',
            )
        return memory

    def _publish(self, memory: HeartbeatState) -> BackendError | None:
        beat = beat_of(memory, self._node, machine_id(), self._boot, self._clock, self._every)
        try:
            self._storage.ask(lambda backend: publish(backend, beat, self._run))
        except BackendError as error:
            return error
        return None


def beat_of(memory: HeartbeatState, node: str, machine: str, boot: str, clock: Clock, every: float) -> Beat:
    """Return the next heartbeat of a node with this memory."""
    now, wall = clock.boot(), clock.wall()
    opinions = {
        name: Opinion(
            other.verdict.state,
            wall - (now - other.verdict.since) if other.verdict.since else wall,
            {path: known.state for path, known in other.paths.items()},
            other.verdict.back,
        )
        for name, other in memory.others.items()
    }
    return Beat(
        node=node,
        beat=memory.beats + 1,
        machine=machine,
        boot=boot,
        at=now,
        wall=wall,
        every=every,
        back=now if memory.back is None else memory.back,
        is_fit=is_fit(memory),
        checks={name: path.state for name, path in memory.own.items()},
        details=memory.details,
        opinions=opinions,
    )


def publish(backend: Backend, beat: Beat, by: str) -> None:
    """Publish a heartbeat in the node's entry; what others wrote there, such as a pause, is kept."""

    def renewed(old: Beat | None) -> Beat:
        known = old or Beat(beat.node)
        kept = beat._replace(pause=known.pause, sequence=known.sequence, unknown=known.unknown)
        return _fitting(kept.published(by))

    update(backend, beat_key(beat.node), decode, encode, renewed)


def _fitting(beat: Beat) -> Beat:
    """Return the heartbeat, shortened if it is too large: with hundreds of nodes, verdicts matter more than reasons."""
    if len(encode(beat)) <= MAX_DATA:
        return beat
    short = {node: opinion._replace(paths={}) for node, opinion in beat.opinions.items()}
    return beat._replace(details={}, opinions=short)


def read_beats(backend: Backend) -> list[list[Any]]:
    """Return each node's heartbeat in the store: the fields of a `Look`, which survive JSON."""
    rows: list[list[Any]] = []
    for entry in backend.scan(PREFIX):
        with suppress(StoreRefusedError):  # a damaged entry counts as missing
            beat = decode(entry.data, entry.key)
            if beat and beat.beat:
                identity = f"{beat.boot}:{beat.beat}:{beat.at}"
                name = entry.key.removeprefix(PREFIX)
                rows.append([name, identity, beat.every, beat.is_fit, beat.machine, beat.wall])
    return rows


def _troubles(answers: dict[str, Answer]) -> tuple[str, ...]:
    return tuple(f"{key}: {answer.detail}" for key, answer in answers.items() if answer.is_good is None)


def _news(before: HeartbeatState, after: HeartbeatState) -> list[News]:
    news = [News("trouble", text, "") for text in after.troubles if text not in before.troubles]
    if is_fit(before) != is_fit(after):
        bad = [name for name, path in after.own.items() if path.state == DOWN]
        news.append(News("fit" if is_fit(after) else "unfit", "this node", ", ".join(bad)))
    for node, other in after.others.items():
        old = before.others.get(node)
        if old and old.verdict.state != other.verdict.state:
            paths = ", ".join(f"{name} {path.state}" for name, path in other.paths.items())
            news.append(News(other.verdict.state, node, paths))
    return news
