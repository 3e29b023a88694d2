"""A Redis master on loopback, optionally with replicas and Sentinels."""

import socket

from servers import Servers, free_ports, program, wait_for

SERVICE = "cronguard"


class Redis(Servers):
    """The first server is the master; each acknowledged write is on its disk."""

    def __init__(self, *more, replicas=0, sentinels=0):
        super().__init__()
        self.ports = free_ports(1 + replicas)
        for number, port in enumerate(self.ports):
            follow = ["--replicaof", "127.0.0.1", str(self.ports[0])] if number else []
            self.add(
                f"r{number}", program("redis-server"), "--port", str(port), "--bind", "127.0.0.1",
                "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--repl-diskless-sync-delay", "0",
                *follow, *more,
            ).start()  # fmt: skip
        for port in self.ports:
            wait_for(lambda port=port: self.ask(port, "PING"), "Redis")
        wait_for(lambda: f"connected_slaves:{replicas}" in self.ask(self.ports[0], "INFO"), "the replicas")
        self.sentinel_ports = free_ports(sentinels)
        for number, port in enumerate(self.sentinel_ports):
            self._sentinel(number, port)
        for port in self.sentinel_ports:
            wait_for(lambda port=port: self._knows_all(port, replicas, sentinels), "the Sentinels")

    def _sentinel(self, number, port):
        server = self.add(f"s{number}", program("redis-sentinel"), f"{self.root}/s{number}/sentinel.conf")
        with open(f"{server.folder}/sentinel.conf", "w", encoding="ascii") as file:
            file.write(
                f"port {port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {self.ports[0]} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 5000\n"
            )
        server.start()

    def _knows_all(self, port, replicas, sentinels):
        return f"slaves={replicas},sentinels={sentinels}" in self.ask(port, "INFO", "sentinel")

    def url(self, number=0, **options):
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis://127.0.0.1:{self.ports[number]}/0?{query}"

    def sentinel_url(self, **options):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis+sentinel://{hosts}/{SERVICE}/0?{query}"

    def master(self):
        """Return the server that the Sentinels report as the master."""
        for port in self.sentinel_ports:
            told = self.ask(port, "SENTINEL", "get-master-addr-by-name", SERVICE)
            for number, candidate in enumerate(self.ports):
                if f"\r\n{candidate}\r\n" in told:
                    return self.servers[number]
        return None

    def is_led_by_another(self, old, replicas):
        """Return whether the Sentinels have replaced this master by another, which so many replicas follow."""
        new = self.master()
        if new in (None, old):
            return False
        told = self.ask(self.ports[self.servers.index(new)], "INFO", "replication")
        return "role:master" in told and f"connected_slaves:{replicas}" in told

    def ask(self, port, *words):
        """Return a server's raw answer to a command."""
        with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            sock.sendall(f"{' '.join(words)}\r\n".encode())
            sock.settimeout(0.5)
            told = b""
            while not _is_whole(told):
                told += sock.recv(65536)
            return told.decode()


def _is_whole(told):
    """Return whether the answer is complete: a line, a text of the length that it states, or a list of two texts."""
    if told[:1] == b"$" and b"\r\n" in told:
        head, _, body = told.partition(b"\r\n")
        return int(head[1:]) < 0 or len(body) >= int(head[1:]) + 2
    if told[:1] == b"*":
        return told.count(b"\r\n") >= 5 or told.startswith(b"*-1")
    return told.endswith(b"\r\n")
