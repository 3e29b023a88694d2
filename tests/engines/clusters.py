"""Engines of several machines, one of which can be taken away.

`strike` takes the machine that keeps the entries, `recover` brings another into its place, and what was struck back.
"""

from etcd_servers import Etcd
from postgres_servers import Postgres
from redis_servers import Redis
from servers import wait_for


class Cluster:
    """`url` is where its nodes meet."""

    def fail_over(self):
        self.strike()
        self.recover()

    def end(self):
        self.servers.end()


class EtcdCluster(Cluster):
    """Three members; whoever leads is killed, and comes back."""

    def __init__(self):
        self.servers = Etcd(3)
        self.url = self.servers.url()

    def strike(self):
        self._leader = self.servers.leader()
        self._leader.kill()

    def recover(self):
        wait_for(self.servers.leader, "a new leader")
        self._leader.start()


class RedisCluster(Cluster):
    """A master, two replicas, of which each write must be on one, and three Sentinels."""

    def __init__(self, replicas=2):
        self._replicas = replicas
        self.servers = Redis(replicas=replicas, sentinels=3)
        self.url = self.servers.sentinel_url(replicas=1)

    def strike(self):
        self._master = self.servers.master()
        self._master.kill()

    def recover(self):
        """Bring the old master back when no replica follows it any more: with one, it would be one again."""
        wait_for(lambda: self.servers.is_led_by_another(self._master, self._replicas - 1), "a new master")
        self._come_back()  # it takes itself for the master until the Sentinels tell it otherwise

    def _come_back(self):
        self._master.start()


class FrozenRedisCluster(RedisCluster):
    """Its master stands still, and goes on when there is another: the only replica, which every write must be on."""

    def __init__(self):
        super().__init__(replicas=1)

    def strike(self):
        self._master = self.servers.master()
        self._master.pause()

    def _come_back(self):
        self._master.resume()


class PostgresCluster(Cluster):
    """A primary that commits nothing without its standby, which takes its place."""

    def __init__(self):
        self.servers = Postgres(standby=True)
        self.url = self.servers.url()

    def strike(self):
        self.servers.servers[0].kill()

    def recover(self):
        self.servers.promote()


CLUSTERS = {
    "etcd": EtcdCluster,
    "redis": RedisCluster,
    "redis-frozen": FrozenRedisCluster,
    "postgres": PostgresCluster,
}
