"""`nodes` shows since when a state has lasted, as far as anybody knows, and not since when somebody looks."""

from fakes import FakeClock

from cronguard.heartbeat.assessment import Found, Look, assess
from cronguard.heartbeat.health import Counting
from cronguard.heartbeat.heartbeat import beat_of, publish, read_beats
from cronguard.heartbeat.state import HeartbeatState
from cronguard.report.cluster import nodes
from cronguard.store.memory import MemoryBackend

EVERY = 5.0
START = 1795325400.0


class Server:
    """A node that sends heartbeats into a store in memory; its boot clock starts anew when it is booted."""

    def __init__(self, name, backend, booted=START):
        self.name, self._backend, self._booted = name, backend, booted
        self.memory = HeartbeatState()

    def beat(self, wall):
        clock = FakeClock(wall, wall - self._booted)
        looks = {row[0]: Look(*row) for row in read_beats(self._backend)}
        own = looks.pop(self.name, None)
        away = None if own is None else wall - own.wall
        found = Found({}, {}, looks, clock.boot(), EVERY, away)
        self.memory = assess(self.memory, found, Counting(), ())
        beat = beat_of(self.memory, self.name, "machine", f"boot-{self._booted}", clock, EVERY)
        publish(self._backend, beat, f"{self.name}-{wall}")
        self.memory = self.memory._replace(beats=beat.beat, beaten=clock.boot())


class Cluster:
    def __init__(self, *names):
        self.backend, self.wall = MemoryBackend(), START
        self.servers = {name: Server(name, self.backend) for name in names}

    def go_on(self, seconds, *without):
        until = self.wall + seconds
        while self.wall < until:
            self.wall += EVERY
            for server in self.servers.values():
                if server.name not in without:
                    server.beat(self.wall)

    def boot(self, name):
        self.servers[name] = Server(name, self.backend, self.wall)

    def row(self, name):
        [row] = [row for row in nodes(self.backend, (), self.wall) if row["node"] == name]
        return row["state"], row["since"]


def test_a_node_that_boots_does_not_start_the_others_states_anew():
    for names in (("web1", "web2"), ("web1", "web2", "web3")):
        cluster = Cluster(*names)
        cluster.go_on(3600)
        before = cluster.row("web1")
        assert before[0] == "up" and before[1] <= START + 60
        cluster.go_on(120, "web2")
        assert cluster.row("web1")[1] == before[1]
        cluster.boot("web2")
        cluster.go_on(60)
        assert cluster.row("web1") == before


def test_a_node_that_was_booted_is_up_since_then():
    cluster = Cluster("web1", "web2", "web3")
    cluster.go_on(3600)
    cluster.go_on(120, "web2")
    booted = cluster.wall
    cluster.boot("web2")
    cluster.go_on(600)
    state, since = cluster.row("web2")
    assert state == "up" and booted <= since <= booted + 30


def test_a_dead_node_stays_down_since_its_death_while_another_boots():
    cluster = Cluster("web1", "web2", "web3")
    cluster.go_on(600)
    died = cluster.wall
    cluster.go_on(600, "web1")
    before = cluster.row("web1")
    assert before[0] == "down" and died < before[1] <= died + 60
    cluster.go_on(60, "web1", "web2")
    cluster.boot("web2")
    cluster.go_on(60, "web1")
    assert cluster.row("web1") == before
