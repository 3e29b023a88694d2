"""Engines of several machines, one of which can be taken down.

`strike` takes down the machine that keeps the entries. `recover` puts another in its place, and brings the first back.
"""

from etcd_servers import Etcd
from postgres_servers import Postgres
from redis_servers import Redis
from servers import wait_for


class Cluster:
    """`url` is the backend URL for its nodes."""

    def fail_over(self):
        self.strike()
        self.recover()

    def end(self):
        self.servers.end()


class EtcdCluster(Cluster):
    """Three members; the leader is killed, and comes back."""

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
    """A master, two replicas and three Sentinels. Each write must be on one replica."""

    def __init__(self, replicas=2):
        self._replicas = replicas
        self.servers = Redis(replicas=replicas, sentinels=3)
        self.url = self.servers.sentinel_url(replicas=1)

    def strike(self):
        self._master = self.servers.master()
        self._master.kill()

    def recover(self):
        """Bring the old master back once no replica follows it: with a replica, it would be a master again."""
        wait_for(lambda: self.servers.is_led_by_another(self._master, self._replicas - 1), "a new master")
        self._come_back()  # it believes that it is the master until the Sentinels demote it

    def _come_back(self):
        self._master.start()


class FrozenRedisCluster(RedisCluster):
    """Its master is frozen, and resumes when another has replaced it: the only replica, which must have every write."""

    def __init__(self):
        super().__init__(replicas=1)

    def strike(self):
        self._master = self.servers.master()
        self._master.pause()

    def _come_back(self):
        self._master.resume()


class PostgresCluster(Cluster):
    """A primary that commits nothing without its standby. The standby takes its place."""

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
