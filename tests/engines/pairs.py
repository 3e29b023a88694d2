"""A machine that keeps the entries, and a copy that takes its place and is certain to lack the last swap."""

import threading

from clusters import Cluster
from postgres_servers import Postgres
from proxy import Proxy
from redis_servers import Redis
from servers import wait_for

SWAP = b'"state":'  # in the message of a claim, but not in that of a read


class Pair(Cluster):
    """With `is_sound`, a swap counts once the copy has it too. Without it, that rule is switched off."""

    def __init__(self, servers):
        self.servers, self.proxy = servers, Proxy(servers.ports[0])
        self.first, self.copy = servers.servers
        self.is_held_back, self._lock = threading.Event(), threading.Lock()

    def hold_back(self):
        """Freeze the copy at the next claim, so that it gets nothing from then on and is later restarted without it."""

        def stop(data, from_client):
            if from_client and SWAP in data:
                with self._lock:  # two may claim at once: neither gets through before the copy is frozen
                    if not self.is_held_back.is_set():
                        self.copy.pause()
                        self.is_held_back.set()
            return False

        self.proxy.is_to_cut = stop

    def strike(self):
        self.first.kill()
        self.copy.kill()

    def end(self):
        self.proxy.close()
        super().end()


class RedisPair(Pair):
    def __init__(self, *, is_sound):
        super().__init__(Redis(replicas=1))
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0?replicas={int(is_sound)}"

    def is_waiting(self):
        """Return whether the claim has been written, but not to the copy."""
        told = self._ask(0, "HGET", "cronguard/v1/lease/default/job", "data")
        return self.is_held_back.is_set() and '"state":"running"' in told

    def recover(self):
        self._start(1, "NO", "ONE")
        self.proxy.server_port = self.servers.ports[1]
        self._start(0, "127.0.0.1", str(self.servers.ports[1]))

    def _start(self, number, *follow):
        self.servers.servers[number].start()
        wait_for(lambda: "OK" in self._ask(number, "REPLICAOF", *follow), "Redis")

    def _ask(self, number, *words):
        return self.servers.ask(self.servers.ports[number], *words)


class PostgresPair(Pair):
    def __init__(self, *, is_sound):
        super().__init__(Postgres(standby=True, is_synchronous=is_sound))
        self.url = self.servers.url().replace(str(self.servers.ports[0]), str(self.proxy.port))

    def is_waiting(self):
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return self.is_held_back.is_set() and self.servers.sql(waiting)

    def recover(self):
        self.servers.start_again(1)
        self.servers.promote()


PAIRS = {"redis": RedisPair, "postgres": PostgresPair}
